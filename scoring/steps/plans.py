"""Plans come from files: programmes, their promises, the pools behind them, and results from before this portal."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from django.db import transaction
from django.utils.translation import gettext as _

from ecosystem.models import AuditEntry
from ecosystem.models.audit import Verb
from ecosystem.roles import require
from scoring.core.formula import Formula, FormulaError, compile_formula
from scoring.errors import PlanInvalid, told
from scoring.models import BudgetPool, Plan, PlanTarget, Progress
from scoring.steps.fund import book_endowment
from scoring.steps.rubrics import readable_measures

if TYPE_CHECKING:
    from ecosystem.models import User

FOLDER = Path(__file__).parent.parent / "plans"


def ensure_plans() -> list[Plan]:
    """Make the plans that come with the portal, in the order of their files; those that exist stay as they are."""
    return [
        Plan.objects.filter(code=content["plan"]).first() or import_plan(content, actor=None)
        for content in (_read(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yaml")))
    ]


@transaction.atomic
def import_plan(content: dict[str, Any], *, actor: User | None) -> Plan:
    """Make a plan with its targets; a target with a cap gets a pool of that size."""
    if actor is not None:
        require(actor, "edit_plan")
    plan = Plan.objects.create(
        code=content["plan"],
        name_zh=content["name"]["zh-hans"],
        name_en=content["name"]["en"],
        starts_on=content["starts_on"],
        ends_before=content.get("ends_before"),
        is_closed=content.get("is_closed", False),
        note=content.get("note", ""),
    )
    targets = [_target(plan, position, entry) for position, entry in enumerate(content["targets"])]
    _check_bands(targets)
    for target, entry in zip(targets, content["targets"], strict=True):
        target.save()
        if target.cap is not None:
            _pool(target, label=entry.get("label", ""), actor=actor)
    AuditEntry.objects.record(Verb.TIER, "import_plan", plan, actor=actor, detail={"targets": len(targets)})
    return plan


@transaction.atomic
def import_baselines(text: str, *, actor: User | None) -> int:
    """Take over results from before this portal; return how many are new or changed.

    text: YAML rows of plan, target, as_of (date), value (target's unit), note (the evidence).
    """
    if actor is not None:
        require(actor, "edit_plan")
    changed = 0
    for row in _read(text):
        target = PlanTarget.objects.select_related("plan").filter(plan__code=row["plan"], code=row["target"]).first()
        if target is None:
            raise PlanInvalid(_("There is no target %(code)s.") % {"code": f"{row['plan']}/{row['target']}"})
        values = {
            "value": row["value"],
            "gap": None if target.goal is None else max(0, target.goal - row["value"]),
            "is_baseline": True,
            "note": row["note"],
        }
        if not Progress.objects.filter(target=target, as_of=row["as_of"], **values).exists():
            Progress.objects.update_or_create(target=target, as_of=row["as_of"], defaults=values)
            AuditEntry.objects.record(
                Verb.TIER, "import_baselines", target, actor=actor, detail={"value": row["value"]}
            )
            changed += 1
    return changed


def _read(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


def formula_of(target: PlanTarget) -> Formula:
    """Return what a target measures, typed against the catalogue."""
    try:
        return compile_formula(target.value, "number", readable_measures())
    except FormulaError as error:
        raise PlanInvalid(
            _("Target %(target)s: %(reason)s") % {"target": target, "reason": told(error.said)},
            detail={"column": error.column},
        ) from None


def _target(plan: Plan, position: int, entry: dict[str, Any]) -> PlanTarget:
    target = PlanTarget(
        plan=plan,
        code=entry["code"],
        name_zh=entry["name"]["zh-hans"],
        name_en=entry["name"]["en"],
        value=entry["value"],
        unit=entry["unit"],
        at_least=entry.get("at_least"),
        below=entry.get("below"),
        target=entry.get("target"),
        cap=entry.get("cap"),
        position=position,
    )
    # A closed plan keeps imported results; one with a cap is measured from its pool's ledger.
    if not plan.is_closed and target.cap is None:
        formula_of(target)
    return target


def _check_bands(targets: list[PlanTarget]) -> None:
    """Refuse bands of one plan that measure different things or overlap."""
    bands = sorted((target for target in targets if target.at_least is not None), key=lambda band: band.at_least or 0)
    for lower, upper in pairwise(bands):
        if lower.value != upper.value or lower.unit != upper.unit:
            raise PlanInvalid(
                _("The bands %(lower)s and %(upper)s must measure the same value.")
                % {"lower": lower.code, "upper": upper.code}
            )
        if lower.below is None or lower.below > (upper.at_least or 0):
            raise PlanInvalid(
                _("The bands %(lower)s and %(upper)s overlap.") % {"lower": lower.code, "upper": upper.code}
            )


def _pool(target: PlanTarget, *, label: str, actor: User | None) -> None:
    pool = BudgetPool.objects.create(
        plan=target.plan,
        code=target.pool_code,
        name_zh=target.name_zh,
        name_en=target.name_en,
        label=label,
        unit=target.unit,
        cap=0,
    )
    book_endowment(pool.pk, amount=target.cap or 0, actor=actor)
