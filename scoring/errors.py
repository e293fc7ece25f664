"""Refusals of the scoring app."""

from django.utils.translation import gettext as _

from ecosystem.errors import DomainError, NotAllowed
from scoring.core.said import Said


def told(text: str) -> str:
    """Say in the active language what the core said in English; other texts stay as they are."""
    if not isinstance(text, Said):
        return text
    values = {name: told(value) if isinstance(value, str) else value for name, value in text.values.items()}
    return _(text.template).format(**values)


class RubricInvalid(DomainError):
    """The rubric does not load; ``detail["faults"]`` names line, place and reason of each fault."""

    code = "rubric_invalid"
    status = 422


class RubricFrozen(DomainError):
    """A published rubric version cannot change; a change is a new version."""

    code = "rubric_frozen"


class PlanInvalid(DomainError):
    """The plan definition contradicts itself or reads what is not measured."""

    code = "plan_invalid"
    status = 422


class NothingToScore(DomainError):
    """There is no published rubric, or no inputs, to score with."""

    code = "nothing_to_score"


class BudgetExceeded(DomainError):
    """The pool has less left than the grant asks for."""

    code = "budget_exceeded"


class SecondPersonNeeded(NotAllowed):
    """Whoever proposed a grant may not decide it, whoever reviewed a run may not publish it."""

    code = "second_person_needed"


class InputsTampered(DomainError):
    """The frozen inputs are not the ones that were frozen."""

    code = "inputs_tampered"


class PublicationBlocked(DomainError):
    """Some gate could not be evaluated, so the run must not become official."""

    code = "publication_blocked"
