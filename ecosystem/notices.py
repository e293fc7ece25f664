"""The wording of every notice, by kind.

A value's name says how it is written: ``…_fen`` as money, ``…_count`` with separators, ``…_day`` (an ISO date) as
a day, ``…_points`` with one decimal, ``…_text`` as {zh-hans, en}; everything else as it is.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ecosystem import numerals
from ecosystem.models import Notice


@dataclass(frozen=True, slots=True)
class Wording:
    """A kind's sentence with {named} values, and whether it is mailed as well."""

    text: str | Promise
    by_mail: bool = False

    @property
    def names(self) -> set[str]:
        """Return the names of the values it needs."""
        return {name for _text, name, _format, _conversion in string.Formatter().parse(str(self.text)) if name}


KINDS: dict[str, Wording] = {
    # register
    "application_waiting": Wording(_("{provider} has applied and waits for review.")),
    "application_returned": Wording(_("Your application for {provider} needs completion: {reason}"), by_mail=True),
    "application_rejected": Wording(_("Your application for {provider} was rejected: {reason}"), by_mail=True),
    "application_approved": Wording(_("{provider} has been approved as a service provider."), by_mail=True),
    "provider_suspended": Wording(_("{provider} has been suspended: {reason}"), by_mail=True),
    "provider_resumed": Wording(_("The suspension of {provider} has been lifted."), by_mail=True),
    "provider_withdrawn": Wording(_("{provider} has left the ecosystem."), by_mail=True),
    "provider_expelled": Wording(_("{provider} has been expelled: {reason}"), by_mail=True),
    "invitation_accepted": Wording(_("{person} now acts for {provider}.")),
    "qualification_accepted": Wording(_("The document “{document}” of {provider} has been accepted.")),
    "qualification_refused": Wording(_("The document “{document}” of {provider} was refused: {reason}"), by_mail=True),
    "qualification_expiring": Wording(
        _("The document “{document}” of {provider} expires on {expires_day}."), by_mail=True
    ),
    "binding_confirmed": Wording(_("{subject} has confirmed the binding with {provider}.")),
    "binding_declined": Wording(_("{subject} has declined the binding with {provider}.")),
    "binding_ended": Wording(_("The binding of {subject} with {provider} ends on {end_day}.")),
    "transfer_asked": Wording(
        _("{provider} asks to take over {subject} from {starts_day} on; until then you may open a conflict case."),
        by_mail=True,
    ),
    "share_proposed": Wording(
        _("{lead} offers {provider} a share of {share_text} in {subject}. It counts once you accept it."), by_mail=True
    ),
    "share_accepted": Wording(_("{provider} has accepted the share of {share_text} in {subject}.")),
    "share_declined": Wording(_("{provider} has declined the share of {share_text} in {subject}.")),
    "conflict_opened": Wording(
        _("{provider} claims {subject}, which you serve. Say why the days are yours until {answer_day}."), by_mail=True
    ),
    "conflict_waiting": Wording(_("{provider} claims {subject}: a conflict case waits for the arbiter.")),
    "conflict_answered": Wording(_("There is new evidence in the conflict about {subject}.")),
    "conflict_decided": Wording(_("The conflict about {subject} is decided: {reason}"), by_mail=True),
    "violation_recorded": Wording(_("A violation was recorded against {provider}: {violation}"), by_mail=True),
    # ingest and work
    "batch_refused": Wording(_("The batch {batch} was refused: {errors_count} rows have errors.")),
    "work_parked": Wording(_("Work on {scope} failed again and again and is parked.")),
    # score, tier
    "run_computed": Wording(_("The official run as of {as_of_day} is computed and waits for review.")),
    "score_published": Wording(
        _("The official score of {provider} as of {as_of_day} is published: {score_points} points, grade {grade}."),
        by_mail=True,
    ),
    "not_rated_published": Wording(
        _("The official scores as of {as_of_day} are published; {provider} is not rated."), by_mail=True
    ),
    "grade_changed": Wording(
        _(
            "The grade of {provider} changed from {before} to {after}: {score_points} points. Moved most by: {cause_text}."
        )
    ),
    "band_changed": Wording(
        _("{provider} moved in {plan_text}: from {before_text} to {after_text}, at {value_fen}."), by_mail=True
    ),
    "contest_filed": Wording(_("{provider} contests its score as of {as_of_day}.")),
    "contest_answered": Wording(
        _("Your objection to the score as of {as_of_day} was answered: {answer}"), by_mail=True
    ),
    "consultation_opened": Wording(
        _(
            "The rubric {rubric} is in consultation from {starts_on_day} until before {ends_before_day}:"
            " see your shadow score and say what you think."
        )
    ),
    "consultation_commented": Wording(_("{provider} commented on the rubric {rubric}.")),
    # fund
    "grant_proposed": Wording(_("A grant of {amount_text} for {provider} waits for approval.")),
    "grant_approved": Wording(_("A grant of {amount_text} for {provider} has been approved."), by_mail=True),
    "grant_refused": Wording(_("The grant of {amount_text} for {provider} was refused: {reason}")),
    "grant_settled": Wording(_("{amount_text} of the grant for {provider} have been paid out."), by_mail=True),
    "grant_expired": Wording(_("{amount_text} of the grant for {provider} expired unused."), by_mail=True),
    "grant_clawed_back": Wording(_("{amount_text} were claimed back from {provider}: {reason}"), by_mail=True),
}


def check(kind: str, params: Mapping[str, object]) -> Wording:
    """Return the kind's wording; ValueError when the kind is unknown or a value is missing."""
    wording = KINDS.get(kind)
    if wording is None:
        raise ValueError(f"unknown kind of notice {kind!r}; known: {', '.join(sorted(KINDS))}")
    absent = wording.names - params.keys()
    if absent:
        raise ValueError(f"a notice of kind {kind!r} needs {', '.join(sorted(absent))}")
    return wording


def written(name: str, value: object) -> str:
    """Write one value for a person, as its name says."""
    if value is None:
        return gettext("none")
    match name.rpartition("_")[2]:
        case "fen":
            return numerals.money_text(int(str(value)))
        case "count":
            return numerals.count_text(int(str(value)))
        case "points":
            return numerals.decimal_text(str(value), 1)
        case "day":
            return numerals.day_text(date.fromisoformat(str(value)))
        case "text" if isinstance(value, Mapping):
            first, second = ("zh-hans", "en") if numerals.is_chinese() else ("en", "zh-hans")
            return str(value.get(first) or value.get(second) or "")
    return str(value)


def sentence(notice: Notice) -> str:
    """Return the notice's sentence in the active language."""
    wording = KINDS.get(notice.kind)
    if wording is None:
        return notice.kind
    return str(wording.text).format(**{name: written(name, notice.params.get(name)) for name in wording.names})
