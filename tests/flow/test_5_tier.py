"""Tier: where every provider stands against the plan, what is missing, and what the present pace would give."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ecosystem.models import AuditEntry, Notice
from ecosystem.roles import Role
from providers.models import Merchant, Provider
from scoring import current
from scoring.models import BudgetPool, Plan, PlanTarget, Progress, Standing
from scoring.steps import fund
from scoring.steps.plans import ensure_plans, import_baselines
from scoring.steps.tier import band_of, next_band, tier_plans
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

SINCE = rows.AS_OF - timedelta(days=365)
YI = 10_000_000_000  # 亿元 in fen
DAILY = 7_000  # settled fen per order of ``rows.trading``


@pytest.fixture(autouse=True)
def _today(settings: Settings) -> None:
    settings.BUSINESS_TODAY = rows.AS_OF


def plan_named(code: str) -> Plan:
    return Plan.objects.get(code=code)


def settled(of: Provider, fen_a_day: int, *, until: date = rows.AS_OF) -> None:
    """Deliver settled GMV for each of the last 365 days."""
    merchant = factories.merchant()
    factories.binding(of, merchant, starts_on=SINCE)
    days = [SINCE + timedelta(days=n) for n in range((until - SINCE).days)]
    rows.deliver(
        "sales",
        "day,merchant,gmv_settled",
        [f"{day},{merchant.code},{fen_a_day}" for day in days],
        covers=(days[0], days[-1]),
    )


def test_standings_and_promises_follow_the_facts() -> None:
    rows.rubric()
    ensure_plans()
    large, middle, small = (factories.provider(approved_on=SINCE) for _ in range(3))
    settled(large, 10 * YI // 365 + 1)
    settled(middle, YI // 100)
    settled(small, YI // 1_000)
    rows.drain("roll_up", "score", "tier")
    plan = plan_named("ZAOFENG_2021")
    assert current.standings_day(plan) == rows.AS_OF
    standings = list(Standing.objects.of(plan, rows.AS_OF).largest_first().select_related("band", "next_band"))
    assert [(standing.provider, standing.rank) for standing in standings] == [(large, 1), (middle, 2), (small, 3)]
    first, second, third = standings
    assert first.band is not None
    assert second.band is not None
    assert second.next_band is not None
    assert third.next_band is not None
    assert (first.band.code, first.next_band, first.gap) == ("1b", None, None)
    assert (second.band.code, second.next_band.code, second.gap) == ("100m", "1b", 10 * YI - 365 * YI // 100)
    assert (third.band, third.next_band.code, third.gap) == (None, "100m", YI - 365 * YI // 1_000)
    progress = {row.target.code: row for row in current.progress_of(plan)}
    assert (progress["1b"].value, progress["1b"].gap, progress["1b"].pace) == (1, 99, 1)
    assert (progress["100m"].value, progress["100m"].gap) == (1, 199)
    assert list(Standing.objects.of(plan, rows.AS_OF).largest_first().after(first.value, large.pk)) == [second, third]
    assert AuditEntry.objects.about(plan).filter(action="tier_plan").count() == 1
    assert tier_plans(rows.AS_OF) == 0


def test_pace_takes_off_the_days_that_leave_the_window() -> None:
    """22 days to go: the window's first 22 days leave it, the mean of the last 30 days comes in."""
    ensure_plans()
    provider = factories.provider(approved_on=SINCE)
    merchant = factories.merchant()
    factories.binding(provider, merchant, starts_on=SINCE)
    days = [SINCE + timedelta(days=n) for n in range(365)]
    amounts = [1_000_000 if n < 22 else 7 if n >= 335 else 100 for n in range(365)]
    rows.deliver(
        "sales",
        "day,merchant,gmv_settled",
        [f"{day},{merchant.code},{fen}" for day, fen in zip(days, amounts, strict=True)],
        covers=(days[0], days[-1]),
    )
    rows.drain("roll_up")
    tier_plans(rows.AS_OF)
    standing = Standing.objects.get(provider=provider)
    assert standing.value == sum(amounts)
    assert standing.pace == sum(amounts[22:]) + 22 * 7


def test_the_quality_count_asks_for_grade_b() -> None:
    rows.rubric()
    ensure_plans()
    good, poor = factories.provider(approved_on=SINCE), factories.provider(approved_on=SINCE)
    rows.trading(good, orders=30, sessions=1, since=SINCE)
    rows.trading(poor, orders=1, sessions=0, since=SINCE)
    for one in (good, poor):
        settled(one, YI // 100)
    rows.drain("roll_up", "score", "tier")
    progress = Progress.objects.get(target__code="100m")
    assert (progress.value, progress.quality_value) == (2, 1)


def test_a_cap_is_read_from_the_ledger_of_its_pool() -> None:
    ensure_plans()
    pool = BudgetPool.objects.get(code="ZAOFENG_2021/cash")
    grant = fund.propose_grant(
        pool.pk,
        provider_id=factories.provider().pk,
        amount=6_000,
        reason="演示",
        actor=rows.staff(Role.INCENTIVES),
    )
    tier_plans(rows.AS_OF)
    assert Progress.objects.get(target__code="cash").value == 0
    fund.approve_grant(grant.pk, actor=rows.staff(Role.FINANCE))
    tier_plans(rows.AS_OF)
    progress = Progress.objects.get(target__code="cash")
    assert (progress.value, progress.gap, progress.pace) == (6_000, pool.cap - 6_000, None)


def test_reaching_a_band_is_told_with_its_value() -> None:
    ensure_plans()
    provider = factories.provider(approved_on=SINCE)
    owner = factories.owner(provider)
    settled(provider, YI // 366)
    rows.drain("roll_up")
    tier_plans(rows.AS_OF - timedelta(days=1), notify_members=True)
    assert not Notice.objects.filter(user=owner).exists()
    rows.deliver(
        "sales",
        "day,merchant,gmv_settled",
        [f"{rows.AS_OF - timedelta(days=1)},{Merchant.objects.get(bindings__provider=provider).code},{YI}"],
    )
    rows.drain("roll_up")
    tier_plans(rows.AS_OF, notify_members=True)
    notice = Notice.objects.get(user=owner)
    assert (notice.kind, notice.url) == ("band_changed", "/plan/")
    assert notice.params["before_text"] == {"zh-hans": "未达档", "en": "no tier"}
    assert notice.params["after_text"]["zh-hans"] == "年GMV 1亿–10亿元"


def test_bounds_are_inclusive_below_and_exclusive_above() -> None:
    ensure_plans()
    bands = list(PlanTarget.objects.filter(at_least__isnull=False).order_by("at_least"))
    codes = [(band_of(value, bands), next_band(value, bands)) for value in (YI - 1, YI, 10 * YI - 1, 10 * YI)]
    assert [(band and band.code, upper and upper.code) for band, upper in codes] == [
        (None, "100m"),
        ("100m", "1b"),
        ("100m", "1b"),
        ("1b", None),
    ]


def test_closed_plans_and_those_to_come_have_no_standings() -> None:
    ensure_plans()
    provider = factories.provider(approved_on=SINCE)
    settled(provider, YI // 100)
    rows.drain("roll_up")
    assert tier_plans(date(2021, 7, 21)) == 0
    Plan.objects.update(is_closed=True)
    assert tier_plans(rows.AS_OF) == 0
    assert not Standing.objects.exists()


def test_queries_do_not_grow_with_the_population() -> None:
    ensure_plans()
    settled(factories.provider(approved_on=SINCE), YI // 100)
    rows.drain("roll_up")
    counts = []
    for size in (3, 30):
        while Provider.objects.count() < size:
            factories.provider(approved_on=SINCE)
        tier_plans(rows.AS_OF)
        Standing.objects.all().delete()
        with CaptureQueriesContext(connection) as queries:
            tier_plans(rows.AS_OF)
        counts.append(len(queries))
        assert Standing.objects.count() >= 1
        with CaptureQueriesContext(connection) as queries:
            assert len(current.standing_of(Standing.objects.values_list("provider", flat=True)[0])) == 1
        assert len(queries) == 2
    assert counts[0] == counts[1]


def test_an_imported_figure_stands_until_the_portal_has_its_own() -> None:
    ensure_plans()
    text = (
        f"- {{plan: ZAOFENG_2021, target: cash, as_of: {rows.AS_OF - timedelta(days=1)}, value: 700, note: 演示数据}}"
    )
    import_baselines(text, actor=None)
    for day in (rows.AS_OF - timedelta(days=1), rows.AS_OF):
        tier_plans(day)
    progress = Progress.objects.get(target__code="cash")
    assert (progress.value, progress.gap, progress.is_baseline) == (700, 10_000_000_000 - 700, True)
    pool = BudgetPool.objects.get(code="ZAOFENG_2021/cash")
    grant = fund.propose_grant(
        pool.pk, provider_id=factories.provider().pk, amount=5, reason="演示", actor=rows.staff(Role.INCENTIVES)
    )
    fund.approve_grant(grant.pk, actor=rows.staff(Role.FINANCE))
    tier_plans(rows.AS_OF)
    assert [row.value for row in Progress.objects.filter(target__code="cash").order_by("as_of")] == [700, 5]
