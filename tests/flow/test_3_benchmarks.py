"""Benchmarks: an exact median, frozen once; what is expected is rounded row by row."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import numpy as np
import pytest
from django.db import DatabaseError, transaction
from hypothesis import given
from hypothesis import strategies as st

from ecosystem.models import WorkMark
from providers.choices import GoodsCategory
from scoring.models import Benchmark
from scoring.steps.benchmarks import exact_median, freeze_granted, freeze_month
from scoring.steps.nightly import CLOSING_DAYS, freeze_closed_months, nightly
from scoring.steps.rolling.streamers import confirmed_tiers
from tests import factories
from tests.flow.rolling import batch, day, days_of, fact, redo

pytestmark = pytest.mark.django_db

MAY = date(2022, 5, 1)


def frozen(measure: str, category: str) -> Fraction:
    row = Benchmark.objects.get(measure=measure, category=category, month=MAY)
    return Fraction(int(row.numerator), int(row.denominator))


def spend(ratios: list[Fraction], category: GoodsCategory) -> None:
    """Let a merchant of the category have spent on ads in May for each ratio of GMV to spend."""
    known = batch()
    for ratio in ratios:
        shop = factories.merchant(category=category)
        values = {"ad_spend": ratio.denominator * 7, "ad_gmv_strict": ratio.numerator * 7}
        fact("traffic", "merchant", date(2022, 5, 9), shop.pk, batch=known, **values)


def test_the_median_is_exact_and_small_categories_read_all() -> None:
    food = [Fraction(number, 3) for number in range(1, 21)]
    spend(food, GoodsCategory.FOOD)
    spend([Fraction(1000)] * 19, GoodsCategory.HOME)
    spend([Fraction(1, 7)] * 3, GoodsCategory.BEAUTY)
    freeze_month(MAY)
    assert frozen("ad_gmv_strict_expected", "food") == (Fraction(10, 3) + Fraction(11, 3)) / 2
    assert frozen("ad_gmv_strict_expected", "all") == (Fraction(18, 3) + Fraction(19, 3)) / 2
    assert set(Benchmark.objects.values_list("category", flat=True)) == {"food", "all"}
    row = Benchmark.objects.get(category="food")
    assert (len(row.members), len(row.digest)) == (20, 64)


def test_a_frozen_month_stays_as_it_is() -> None:
    spend([Fraction(3)], GoodsCategory.FOOD)
    working = factories.provider()
    assert len(freeze_month(MAY)) == 1
    assert set(WorkMark.objects.filter(kind="roll_up").values_list("scope", "from_day")) == {(str(working.pk), MAY)}
    spend([Fraction(9)] * 3, GoodsCategory.FOOD)
    assert freeze_month(MAY) == []
    assert frozen("ad_gmv_strict_expected", "all") == 3
    with pytest.raises(DatabaseError), transaction.atomic():
        Benchmark.objects.update(numerator=1)


def test_expected_is_half_up_row_by_row_and_june_is_provisional() -> None:
    spend([Fraction(1, 2)], GoodsCategory.APPAREL)
    freeze_month(MAY)
    known = batch()
    agency, shop, another = factories.provider(), factories.merchant(), factories.merchant()
    for bound in (shop, another):
        factories.binding(agency, bound, role="ads")
    for bound in (shop, another):
        fact("traffic", "merchant", day(2), bound.pk, batch=known, ad_spend=5)
    fact("traffic", "merchant", day(3), shop.pk, batch=known, ad_spend=4)
    fact("traffic", "merchant", day(4), shop.pk, batch=known, ad_spend=2**63 - 3)
    redo(agency.pk)
    found = days_of(agency.pk, "ad_gmv_strict_expected")
    assert found == {2: 3 + 3, 3: 2, 4: 2**62 - 1}, "2.5 is 3, twice; twice the spend of day 4 is no bigint"


def test_rooms_read_the_benchmark_of_their_own_category() -> None:
    known = batch()
    agency = factories.provider()
    for number in range(1, 22):
        room = factories.streamer(category=GoodsCategory.FOOD if number > 1 else GoodsCategory.HOME)
        values = {"live_views": 1000, "room_gmv_strict_capped": number * 100, "uv_private": 10, "watch_seconds": 30}
        fact("live", "streamer", date(2022, 5, 9), room.pk, batch=known, **values)
    freeze_month(MAY)
    lives = [factories.streamer(category=GoodsCategory.FOOD), factories.streamer(category=GoodsCategory.TEA_LIQUOR)]
    for room, views in zip(lives, (10, 1000), strict=True):
        factories.binding(agency, room, role="mcn")
        fact("live", "streamer", day(2), room.pk, batch=known, live_views=views, uv_unknown=7, valid_sessions=1)
    redo(agency.pk)
    assert days_of(agency.pk, "room_gmv_strict_expected") == {2: 12 + 1100}, "1.15 × 10 is 11.5; all: 1.1 × 1000"
    assert days_of(agency.pk, "watch_seconds_expected") == {2: 42}


def test_without_any_benchmark_nothing_is_expected() -> None:
    known = batch()
    agency, shop = factories.provider(), factories.merchant()
    factories.binding(agency, shop, role="ads")
    fact("traffic", "merchant", day(2), shop.pk, batch=known, ad_spend=5)
    redo(agency.pk)
    assert days_of(agency.pk, "ad_gmv_strict_expected") == {}


def test_a_month_is_frozen_once_late_rows_had_their_time() -> None:
    spend([Fraction(3)], GoodsCategory.FOOD)
    assert freeze_closed_months(day(CLOSING_DAYS)) == 0
    assert freeze_closed_months(day(CLOSING_DAYS + 1)) == 1
    assert freeze_closed_months(day(CLOSING_DAYS + 1)) == 0


def test_a_night_is_done_once() -> None:
    assert nightly()
    assert not nightly()
    assert WorkMark.objects.filter(kind="score").count() == 1


@pytest.mark.parametrize(
    ("tiers", "confirmed"),
    [
        ([1, 1, 2, 2, 2, 2], [1, 1, 1, 1, 2, 2]),
        ([1, 2, 2, 1, 2, 2], [1, 1, 1, 1, 1, 1]),
        ([1, 3, 2, 4, 4, 4], [1, 1, 1, 2, 2, 4]),
        ([3, 1, 2, 1, 3, 3], [3, 3, 3, 2, 2, 2]),
    ],
)
def test_three_month_ends_running_confirm_a_tier(tiers: list[int], confirmed: list[int]) -> None:
    assert [tier for _, tier in confirmed_tiers(list(range(6)), tiers)] == confirmed


def test_granted_traffic_is_marked_from_its_first_use_on() -> None:
    source = batch()
    holders = [factories.provider() for _ in range(20)]
    merchant = factories.merchant()
    for number, holder in enumerate(holders):
        used = {"granted_impressions_used": 1000, "granted_gmv_strict": 50 + number}
        fact("traffic", "provider", day(3), holder.pk, batch=source, **used)
    fact("sales", "merchant", day(12), merchant.pk, batch=source, gmv_settled=1)
    redo(*[holder.pk for holder in holders])
    WorkMark.objects.all().delete()

    first = freeze_granted(day(10))
    assert first is not None
    assert Fraction(int(first.numerator), int(first.denominator)) == Fraction(2 * 50 + 19, 2 * 1000)
    marks = WorkMark.objects.filter(kind="roll_up")
    assert set(marks.values_list("from_day", flat=True)) == {day(3)}
    redo(*[holder.pk for holder in holders], from_day=day(3))
    assert days_of(holders[0].pk, "granted_gmv_expected") == {3: 60}  # 59.5, half up

    marks.delete()
    assert freeze_granted(day(11)) is None
    assert freeze_granted(date(2022, 7, 1)) is not None
    assert set(marks.values_list("from_day", flat=True)) == {date(2022, 7, 1)}


@given(
    st.lists(
        st.tuples(st.integers(-(10**17), 10**17), st.integers(1, 10**17))
        | st.tuples(st.integers(-2, 2), st.integers(1, 3))
        | st.integers(10**16, 10**16 + 3).map(lambda number: (number, number + 1)),
        min_size=1,
        max_size=40,
    )
)
def test_the_median_is_that_of_exact_ratios(ratios: list[tuple[int, int]]) -> None:
    exact = sorted(Fraction(*ratio) for ratio in ratios)
    numerators, exposures = np.array(ratios, dtype=np.int64).T
    assert exact_median(numerators, exposures) == (exact[(len(exact) - 1) // 2] + exact[len(exact) // 2]) / 2
