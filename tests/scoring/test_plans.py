"""Plans as data: the programmes that come with the portal, and results from before it."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import IntegrityError, transaction
from django.utils import translation

from ecosystem.errors import NotAllowed
from ecosystem.roles import Role
from scoring.errors import PlanInvalid
from scoring.models import BudgetPool, Plan, PlanTarget, Progress
from scoring.steps import plans
from tests.scoring import rows

pytestmark = [pytest.mark.server, pytest.mark.django_db]


def definition(*targets: dict[str, object]) -> dict[str, object]:
    names = {"zh-hans": "演示", "en": "Demo"}
    return {
        "plan": "DEMO",
        "name": names,
        "starts_on": date(2022, 1, 1),
        "targets": [{"name": names, "unit": "fen", **target} for target in targets],
    }


def test_the_programmes_of_the_sources_are_plans() -> None:
    made = plans.ensure_plans()
    assert [plan.code for plan in made] == [
        "DOUBLE_HUNDRED_2020",
        "FUMIAO",
        "MAITIAN_2018",
        "PARTNER_2020",
        "ZAOFENG_2021",
    ]
    assert plans.ensure_plans() == made
    assert list(Plan.objects.filter(is_closed=False)) == [made[-1]]
    bands = PlanTarget.objects.filter(plan=made[-1], at_least__isnull=False).order_by("position")
    assert [(band.code, band.target, band.at_least, band.below) for band in bands] == [
        ("1b", 100, 100_000_000_000, None),
        ("100m", 200, 10_000_000_000, 100_000_000_000),
    ]
    pools = {pool.code: (pool.unit, pool.cap, pool.label) for pool in BudgetPool.objects.all()}
    assert pools == {
        "ZAOFENG_2021/cash": ("fen", 10_000_000_000, "亿元级"),
        "ZAOFENG_2021/traffic": ("impressions", 100_000_000_000, "千亿级"),
        "ZAOFENG_2021/fund": ("fen", 100_000_000_000, "10亿元级"),
    }


def test_baselines_are_taken_over_once() -> None:
    plans.ensure_plans()
    text = "- {plan: PARTNER_2020, target: bases, as_of: 2021-08-28, value: 41, note: 演示数据}"
    incentives = rows.staff(Role.INCENTIVES)
    assert plans.import_baselines(text, actor=incentives) == 1
    assert plans.import_baselines(text, actor=incentives) == 0
    progress = Progress.objects.get()
    assert (progress.value, progress.gap, progress.is_baseline) == (41, 59, True)
    with pytest.raises(PlanInvalid):
        plans.import_baselines(text.replace("bases", "nothing"), actor=incentives)
    with pytest.raises(NotAllowed):
        plans.import_baselines(text, actor=rows.staff(Role.FINANCE))


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        ([{"code": "a", "value": "gmv_setled", "target": 1}], "gmv_settled"),
        ([{"code": "a", "value": "partner_income", "target": 1}], "partner_income"),
        (
            [
                {"code": "a", "value": "gmv_settled[365d]", "at_least": 100, "target": 1},
                {"code": "b", "value": "gmv_settled[365d]", "at_least": 50, "below": 101, "target": 1},
            ],
            "overlap",
        ),
        (
            [
                {"code": "a", "value": "gmv_settled[365d]", "at_least": 100, "target": 1},
                {"code": "b", "value": "gmv_paid[365d]", "at_least": 50, "below": 100, "target": 1},
            ],
            "same value",
        ),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(targets: list[dict[str, object]], reason: str) -> None:
    with translation.override("en"), pytest.raises(PlanInvalid, match=reason):
        plans.import_plan(definition(*targets), actor=None)
    assert not Plan.objects.filter(code="DEMO").exists()


def test_a_target_has_one_goal_and_a_band_that_is_not_empty() -> None:
    plan = rows.pool().plan
    for wrong, name in (
        ({"target": 1, "cap": 1}, "plantarget_one_goal"),
        ({"at_least": 5, "below": 5}, "plantarget_band_not_empty"),
        ({"below": 5}, "plantarget_band_not_empty"),
    ):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            PlanTarget.objects.create(plan=plan, code="x", name_zh="x", name_en="x", value="1", unit="fen", **wrong)
