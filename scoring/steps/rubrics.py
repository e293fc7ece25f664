"""Rubrics: a text becomes a draft, a draft a published version that never changes again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
from scoring.errors import NothingToScore, RubricFrozen, RubricInvalid
from scoring.models import RubricVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecosystem.models import User

DEFAULT = Path(__file__).parent.parent / "rubrics" / "demo-1.0.yaml"

DECIMALS_KEPT = 4


def readable_measures() -> Mapping[str, Measure]:
    """Return what a formula may read: measures that have values for providers here."""
    known = catalogue()
    return {
        measure.code: Measure(measure.kind, measure.unit, measure.scored)
        for measure in (*known.flows(), *known.stocks())
    }


@transaction.atomic
def import_rubric(text: str, *, actor: User | None) -> RubricVersion:
    """Check a rubric's text and keep it as a draft; a draft of the same version is replaced.

    actor: who wrote it; None is the portal itself.
    """
    if actor is not None:
        require(actor, "edit_rubric")
    rubric = _checked(text)
    version = RubricVersion.objects.select_for_update().filter(
        rubric=rubric.code, version=rubric.version
    ).first() or RubricVersion(rubric=rubric.code, version=rubric.version)
    if version.status in {RubricVersion.Status.PUBLISHED, RubricVersion.Status.RETIRED}:
        if version.digest == rubric.digest:
            return version
        raise RubricFrozen(
            _("Version %(version)s is published and cannot change; give the change a version of its own.")
            % {"version": version}
        )
    version.body, version.digest, version.created_by = text, rubric.digest, actor
    version.status = RubricVersion.Status.DRAFT
    version.save()
    AuditEntry.objects.record(Verb.SCORE, "import_rubric", version, actor=actor, detail={"digest": rubric.digest})
    return version


@transaction.atomic
def publish_rubric(version_id: int, *, actor: User | None) -> RubricVersion:
    """Freeze a version; from now on provisional scores follow it."""
    if actor is not None:
        require(actor, "edit_rubric")
    waiting = (
        RubricVersion.Status.DRAFT,
        RubricVersion.Status.VALIDATED,
        RubricVersion.Status.IN_CONSULTATION,
    )
    moved = RubricVersion.objects.filter(pk=version_id, status__in=waiting).update(
        status=RubricVersion.Status.PUBLISHED, published_at=timezone.now()
    )
    version = RubricVersion.objects.get(pk=version_id)
    if not moved:
        raise WrongStatus(
            _("The rubric version is %(found)s; only a draft can be published.")
            % {"found": version.get_status_display()}
        )
    _checked(version.body)
    AuditEntry.objects.record(Verb.SCORE, "publish_rubric", version, actor=actor, detail={"digest": version.digest})
    ledger.mark("score", [("current", None)], cause=f"rubric {version} published")
    return version


@transaction.atomic
def ensure_default_rubric() -> RubricVersion:
    """Return the newest published version; where there is none yet, publish the rubric that comes with the portal."""
    version = RubricVersion.objects.published().first()
    if version is None:
        draft = import_rubric(DEFAULT.read_text(encoding="utf-8"), actor=None)
        version = publish_rubric(draft.pk, actor=None)
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


def _checked(text: str) -> Rubric:
    """Load a rubric against the catalogue, or refuse with every fault found."""
    try:
        rubric = reader.load(text, measures=readable_measures())
        _check_storable(rubric)
    except RubricError as error:
        faults = [{"line": fault.line, "where": fault.where, "reason": fault.reason} for fault in error.faults]
        raise RubricInvalid(str(error), detail={"faults": faults}) from None
    return rubric


def _check_storable(rubric: Rubric) -> None:
    """Refuse what scores well but cannot be kept or rolled up here."""
    measures = catalogue().measures
    faults = [
        Fault(None, str(operand), f"'{operand.measure}' is not kept per person")
        for operand in rubric.operands()
        if operand.read == "largest" and not measures[operand.measure].person_totals
    ]
    if rubric.published_decimals > DECIMALS_KEPT:
        faults.append(Fault(None, "published_decimals", f"scores are kept with at most {DECIMALS_KEPT} decimals"))
    if not rubric.grades or rubric.grades[-1].at_least > 0:
        faults.append(Fault(None, "grades", "every rated score needs a grade: the lowest must count from 0"))
    if faults:
        raise RubricError(tuple(faults))
