"""Rubrics: a text becomes a draft, a validated draft a published version that never changes again, until it retires."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from ecosystem import ledger
from ecosystem.errors import WrongStatus
from ecosystem.models import AuditEntry
from ecosystem.models.audit import Verb
from ecosystem.roles import require
from providers.measures import catalogue
from scoring.core import reader
from scoring.core.formula import Measure
from scoring.core.rubric import Fault, Rubric, RubricError
from scoring.core.said import said
from scoring.errors import NothingToScore, RubricFrozen, RubricInvalid, told
from scoring.models import Consultation, RubricVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecosystem.models import User

DEFAULT = Path(__file__).parent.parent / "rubrics" / "demo-1.0.yaml"

DECIMALS_KEPT = 4
Status = RubricVersion.Status


def readable_measures() -> Mapping[str, Measure]:
    """Return what a formula may read: measures that have values for providers here."""
    known = catalogue()
    return {
        measure.code: Measure(measure.kind, measure.unit, measure.scored)
        for measure in (*known.flows(), *known.stocks())
    }


@transaction.atomic(durable=True)
def import_rubric(text: str, *, actor: User | None) -> RubricVersion:
    """Check a rubric's text and keep it as a draft; a draft of the same version is replaced.

    actor: who wrote it; None is whoever holds the portal's command line.
    """
    if actor is not None:
        require(actor, "edit_rubric")
    return _import(text, actor)


@transaction.atomic(durable=True)
def validate_rubric(version_id: int, *, actor: User) -> RubricVersion:
    """Vouch for a draft whose dry run was looked at; its text is checked again against today's catalogue."""
    require(actor, "edit_rubric")
    version = RubricVersion.objects.advance(version_id, needs=[Status.DRAFT], leaves=Status.VALIDATED)
    checked(version.body)
    AuditEntry.objects.record(Verb.SCORE, "validate_rubric", version, actor=actor, detail={"digest": version.digest})
    return version


@transaction.atomic(durable=True)
def publish_rubric(version_id: int, *, actor: User) -> RubricVersion:
    """Freeze a validated version; from now on provisional scores follow it."""
    require(actor, "edit_rubric")
    running = Consultation.objects.running().filter(rubric_version=version_id).first()
    if running is not None:
        raise WrongStatus(
            _("The consultation takes comments until %(day)s; publish after it, or close it first.")
            % {"day": running.ends_before}
        )
    version = _publish(version_id, actor)
    Consultation.objects.filter(rubric_version=version, closed_at=None).update(
        closed_at=timezone.now(), closed_by=actor
    )
    return version


@transaction.atomic(durable=True)
def retire_rubric(version_id: int, *, actor: User) -> RubricVersion:
    """Take a published version out of use; what was scored by it stays."""
    require(actor, "edit_rubric")
    newest = RubricVersion.objects.published().first()
    if newest is not None and newest.pk == version_id:
        raise WrongStatus(_("The current scores follow this version; publish its successor first."))
    version = RubricVersion.objects.advance(version_id, needs=[Status.PUBLISHED], leaves=Status.RETIRED)
    AuditEntry.objects.record(Verb.SCORE, "retire_rubric", version, actor=actor, detail={"digest": version.digest})
    return version


@transaction.atomic
def ensure_default_rubric() -> RubricVersion:
    """Return the newest published version; where there is none yet, publish the rubric that comes with the portal."""
    version = RubricVersion.objects.published().first()
    if version is None:
        draft = _import(DEFAULT.read_text(encoding="utf-8"), None)
        RubricVersion.objects.advance(draft.pk, needs=[Status.DRAFT], leaves=Status.VALIDATED)
        version = _publish(draft.pk, None)
    return version


def newest_rubric() -> RubricVersion:
    """Return the published version that provisional scores follow."""
    version = RubricVersion.objects.published().first()
    if version is None:
        raise NothingToScore(_("No rubric version is published; publish one first."))
    return version


def export_rubric(version_id: int) -> str:
    """Return a version's text (YAML) as it was written."""
    return RubricVersion.objects.get(pk=version_id).body


def _import(text: str, actor: User | None) -> RubricVersion:
    """Keep a checked text as a draft; without an actor it is the portal's own."""
    rubric = checked(text)
    version = RubricVersion.objects.select_for_update().filter(
        rubric=rubric.code, version=rubric.version
    ).first() or RubricVersion(rubric=rubric.code, version=rubric.version)
    if version.status in {Status.PUBLISHED, Status.RETIRED, Status.IN_CONSULTATION}:
        if version.digest == rubric.digest:
            return version
        raise RubricFrozen(
            _("Version %(version)s is %(status)s and cannot change; give the change a version of its own.")
            % {"version": version, "status": version.get_status_display()}
        )
    version.body, version.digest, version.created_by = text, rubric.digest, actor
    version.status = Status.DRAFT
    version.save()
    AuditEntry.objects.record(Verb.SCORE, "import_rubric", version, actor=actor, detail={"digest": rubric.digest})
    return version


def _publish(version_id: int, actor: User | None) -> RubricVersion:
    version = RubricVersion.objects.advance(
        version_id,
        needs=[Status.VALIDATED, Status.IN_CONSULTATION],
        leaves=Status.PUBLISHED,
        published_at=timezone.now(),
    )
    checked(version.body)
    AuditEntry.objects.record(Verb.SCORE, "publish_rubric", version, actor=actor, detail={"digest": version.digest})
    ledger.mark("score", [("current", None)], cause=f"rubric {version} published")
    return version


def checked(text: str | Mapping[str, Any]) -> Rubric:
    """Load a rubric against the catalogue, or refuse with every fault found."""
    try:
        rubric = reader.load(text, measures=readable_measures())
        _check_storable(rubric)
    except RubricError as error:
        found = [replace(fault, reason=told(fault.reason)) for fault in error.faults]
        faults = [{"line": fault.line, "where": fault.where, "reason": fault.reason} for fault in found]
        lines = (told(fault.sentence()) for fault in error.faults)
        raise RubricInvalid("\n".join(lines), detail={"faults": faults}) from None
    return rubric


def _check_storable(rubric: Rubric) -> None:
    """Refuse what scores well but cannot be kept or rolled up here."""
    measures = catalogue().measures
    faults = [
        Fault(None, str(operand), said("'{measure}' is not kept per person", measure=operand.measure))
        for operand in rubric.operands()
        if operand.read == "largest" and not measures[operand.measure].person_totals
    ]
    if rubric.published_decimals > DECIMALS_KEPT:
        faults.append(
            Fault(None, "published_decimals", said("scores are kept with at most {most} decimals", most=DECIMALS_KEPT))
        )
    if not rubric.grades or rubric.grades[-1].at_least > 0:
        faults.append(Fault(None, "grades", said("every rated score needs a grade: the lowest must count from 0")))
    if faults:
        raise RubricError(tuple(faults))
