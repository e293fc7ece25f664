"""Change by cause, from real facts: each cause moves what it should, and nothing is left over."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.models import Sum
from django.utils import translation
from psycopg.types.range import DateRange

from ecosystem import ledger
from ecosystem.errors import InvalidInput
from ecosystem.roles import Role
from providers.choices import BindingRole
from providers.models import Binding, Provider
from providers.steps import bind
from scoring import changes
from scoring.change_evidence import subject_changes
from scoring.explanations import card
from scoring.facts_behind import fact_rows, facts_behind
from scoring.models import Benchmark, Score
from scoring.models.rolled import ProviderCum, ProviderDay
from scoring.steps import as_known
from scoring.steps.score import score_population
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from scoring.cards import IndicatorCard

pytestmark = [pytest.mark.server, pytest.mark.django_db]
SINCE, FIRST, LAST = date(2022, 3, 3), date(2022, 6, 1), date(2022, 6, 30)


def scored(of: Provider, as_of: date) -> Score:
    """Roll up what waits and score everybody as of a day."""
    rows.drain("beside", "room_month", "roll_up")
    run = score_population(as_of)
    return Score.objects.select_related("run__rubric_version", "provider").get(run=run, provider=of)


def sell(merchant: str, first: date, until: date, orders: int) -> None:
    """Deliver a merchant's orders for each day of [first, until)."""
    days = [first + timedelta(days=n) for n in range((until - first).days)]
    lines = [f"{day},{merchant},{orders},{orders * 8_500},{orders * 7_000}" for day in days]
    rows.deliver("sales", "day,merchant,paid_orders,gmv_paid,gmv_settled", lines)


def parts(found: changes.ChangeCard) -> dict[str, Fraction]:
    return {cause.cause: Fraction(cause.exact) for cause in found.causes}


def whole(found: changes.ChangeCard) -> None:
    """Everything adds up: exactly, as shown, by cause and by indicator."""
    assert found.exact_change is not None
    assert abs(sum(parts(found).values()) - Fraction(found.exact_change)) < Fraction(1, 10**30)
    assert found.before.exact_total is not None
    assert found.after.exact_total is not None
    ends = Fraction(found.after.exact_total) - Fraction(found.before.exact_total)
    assert abs(ends - Fraction(found.exact_change)) < Fraction(1, 10**30)
    assert sum(cause.points for cause in found.causes) == found.change
    assert sum(row.change for row in found.indicators) == found.change
    for place, cause in enumerate(found.causes):
        assert sum(row.by_cause[place] for row in found.indicators) == cause.points


def leaf(score: Score, code: str) -> IndicatorCard:
    return next(one for part in card(score).capabilities for one in part.indicators if one.code == code)


@pytest.fixture
def provider() -> Provider:
    """Return a provider that works, with one merchant and one streamer and their facts up to June."""
    rows.rubric()
    return factories.provider(approved_on=SINCE)


def test_new_days_alone_are_data(provider: Provider) -> None:
    merchant, streamer = rows.trading(provider, orders=10, sessions=1, since=SINCE, until=FIRST)
    before = scored(provider, FIRST)
    sell(merchant.code, FIRST, LAST, 20)
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days)]
    rows.deliver("live", "day,streamer,valid_sessions", [f"{day},{streamer.code},1" for day in days])
    after = scored(provider, LAST)
    totals = ProviderCum.objects.count()  # type: ignore[attr-defined]
    with translation.override("en"):
        found = changes.change(before, after)
    whole(found)
    # 29 of the 30 days have 20 orders instead of 10: 290 more of 1,000 are 29 points, half of the total's weight.
    assert parts(found) == {
        "data": Fraction(29, 2), "bindings": 0, "restatements": 0, "rubric": 0, "coverage": 0
    }  # fmt: skip
    assert found.whole == ()
    assert (found.indicators[0].code, found.indicators[0].value_before) == ("S1", "300.00 orders")
    # Looking back leaves nothing behind, whatever was rolled up again.
    assert ProviderCum.objects.count() == totals  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'fact_%'")
        assert cursor.fetchone()[0] == 0
    [feed] = subject_changes(before, after, leaf(after, "S1"))
    assert [(one.code, one.cells[0][0], one.cells[0][1]) for one in feed.subjects] == [(merchant.code, "300", "590")]


def test_every_cause_has_its_part(provider: Provider) -> None:
    merchant, _streamer = rows.trading(provider, orders=10, sessions=1, since=SINCE, until=FIRST)
    before = scored(provider, FIRST)
    sell(merchant.code, FIRST, LAST, 10)
    # The last day of May is told anew: 110 orders instead of 10.
    sell(merchant.code, FIRST - timedelta(days=1), FIRST, 110)
    joined = factories.merchant()
    factories.binding(provider, joined, starts_on=date(2022, 6, 10))
    sell(joined.code, date(2022, 6, 1), LAST, 5)
    rows.rubric("2", live=3)
    after = scored(provider, LAST)
    with translation.override("en"):
        found = changes.change(before, after)
    whole(found)
    told = parts(found)
    # 100 corrected orders are 10 points; they count for half of the total, later for a quarter: Shapley takes 3/8.
    assert told["restatements"] == Fraction(10) * Fraction(3, 8)
    # 20 days of 5 orders are 10 points as well, but only with the new days: half of it is theirs, with either weight.
    assert told["bindings"] > 0
    assert told["rubric"] != 0
    assert [(one.kind, one.subject, one.day) for one in found.bindings] == [
        ("begun", str(joined), date(2022, 6, 10))
    ]  # fmt: skip
    assert [(one.feed, one.rows) for one in found.batches] == [("sales", 1)]
    causes = {cause.cause: cause for cause in found.causes}
    assert causes["bindings"].happened == ("1 begun",)
    assert (
        causes["rubric"].happened == ("small 1 → small 2", "Sessions", "Paid orders")[: len(causes["rubric"].happened)]
    )
    # The days before the binding are not the provider's: 20 days, not 29.
    [feed] = subject_changes(before, after, leaf(after, "S1"))
    sums = {one.code: one.cells[0][:2] for one in feed.subjects}
    assert sums == {joined.code: ("0", "100"), merchant.code: ("300", "400")}


def test_an_earlier_binding_corrected_afterwards_is_bindings(provider: Provider) -> None:
    rows.trading(provider, orders=10, sessions=1, since=SINCE, until=LAST)
    other = factories.merchant()
    binding = factories.binding(provider, other, starts_on=SINCE)
    sell(other.code, SINCE, LAST, 10)
    before = scored(provider, FIRST)
    bind.end(binding.pk, ends_before=date(2022, 5, 1), actor=factories.user(Role.CATEGORY_REGION))
    after = scored(provider, LAST)
    found = changes.change(before, after)
    whole(found)
    # The earlier window loses 300 orders, 15 points of the total; the later one reaches into May by a single day.
    assert parts(found)["bindings"] == -(Fraction(15) + Fraction(1, 2)) / 2
    assert [one.kind for one in found.bindings] == ["corrected"]


def test_what_came_to_be_known_is_coverage(provider: Provider) -> None:
    merchant, streamer = factories.merchant(), factories.streamer()
    factories.binding(provider, merchant, starts_on=SINCE)
    factories.binding(provider, streamer, starts_on=SINCE, role=BindingRole.MCN)
    sell(merchant.code, SINCE, LAST, 10)
    before = scored(provider, FIRST)
    days = [SINCE + timedelta(days=n) for n in range((LAST - SINCE).days)]
    rows.deliver("live", "day,streamer,valid_sessions", [f"{day},{streamer.code},1" for day in days])
    after = scored(provider, LAST)
    with translation.override("en"):
        found = changes.change(before, after)
        happened = {cause.cause: cause.happened for cause in found.causes}
    whole(found)
    told = parts(found)
    assert told["coverage"] == Fraction(found.exact_change or 0) == Fraction(30)
    assert happened["coverage"] == ("Valid live sessions: no data → value",)


def test_two_scores_need_totals_and_one_provider(provider: Provider) -> None:
    rows.trading(provider, orders=10, sessions=1, since=SINCE, until=LAST)
    before, after = scored(provider, FIRST), scored(provider, LAST)
    other = rows.score(in_run=after.run)
    with pytest.raises(InvalidInput):
        changes.change(before, other)
    Score.objects.filter(pk=before.pk).update(status="not_rated", published=None, grade="", rank=None)
    before.refresh_from_db()
    found = changes.change(after, before)
    assert (found.causes, found.change) == ((), None)
    assert found.reason
    assert found.before.as_of < found.after.as_of


def test_facts_are_the_provider_s_own_as_they_stood_at_the_cut_off(provider: Provider) -> None:
    merchant, _streamer = rows.trading(provider, orders=10, sessions=1, since=SINCE, until=LAST)
    rival = factories.provider(approved_on=SINCE)
    rows.trading(rival, orders=50, sessions=2, since=SINCE, until=LAST)
    score = scored(provider, LAST)
    sell(merchant.code, LAST - timedelta(days=1), LAST, 999)
    found = facts_behind(score, leaf(score, "S1"))
    # One row a day in a window of 30 days, all of the one batch that was known.
    assert (found.rows, found.batches_in_all, found.batches[0].subjects) == (30, 1, 1)
    assert (found.first_day, found.last_day) == (LAST - timedelta(days=30), LAST - timedelta(days=1))
    assert found.learnt_last == found.batches[0].received_at <= score.run.cut_off
    [table] = found.tables
    assert [(one.code, one.values) for one in table.subjects] == [(merchant.code, ("300",))]
    exported = list(fact_rows(score, leaf(score, "S1")))
    assert len(exported) == 30
    assert {row[3] for row in exported} == {merchant.code}
    assert sum(int(str(row[6])) for row in exported) == 300


def test_of_a_shared_merchant_the_facts_behind_an_indicator_are_the_provider_s_part(provider: Provider) -> None:
    merchant, _streamer = rows.trading(provider, orders=7, sessions=1, since=SINCE, until=LAST)
    lead = Binding.objects.get(provider=provider, merchant=merchant)
    other = factories.provider(approved_on=SINCE)
    share = factories.share(lead, 3333, other, period=DateRange(LAST - timedelta(days=10), LAST))
    ledger.mark("roll_up", [(str(one.pk), None) for one in (provider, other)], cause="share")
    score = scored(provider, LAST)
    theirs = Score.objects.get(run=score.run, provider=other)
    sums = {}
    for one in (score, theirs):
        found = facts_behind(one, leaf(score, "S1"))
        [subject] = found.tables[0].subjects
        exported = list(fact_rows(one, leaf(score, "S1")))
        sums[one.provider_id] = sum(int(str(row[6])) for row in exported)
        assert subject.values == (str(sums[one.provider_id]),)
        assert found.rows == len(exported)
        days = {"day__gte": LAST - timedelta(days=30), "day__lt": LAST}
        totals = ProviderDay.objects.filter(provider_id=one.provider_id, **days)  # type: ignore[attr-defined]
        assert totals.aggregate(sum=Sum("paid_orders"))["sum"] == sums[one.provider_id]
        assert subject.shares == (("100%", "66.67%") if one is score else ("33.33%",))
    # Of 7 orders a day 5 are the lead's and 2 the other's, on 10 of the 30 days.
    assert sums == {provider.pk: 20 * 7 + 10 * 5, share.provider_id: 10 * 2}
    assert {row[8:] for row in exported} == {("33.33%", 7)}


def test_what_is_learnt_after_both_scores_changes_no_part(provider: Provider) -> None:
    merchant, _streamer = rows.trading(provider, orders=10, sessions=1, since=SINCE, until=FIRST)
    before = scored(provider, FIRST)
    sell(merchant.code, FIRST - timedelta(days=1), LAST, 20)
    joined = factories.merchant()
    factories.binding(provider, joined, starts_on=date(2022, 6, 10))
    sell(joined.code, FIRST, LAST, 5)
    after = scored(provider, LAST)
    told = parts(changes.change(before, after))
    assert all(told[cause] for cause in ("data", "bindings", "restatements"))
    # From here on the tables say something else than the later score knew.
    sell(merchant.code, FIRST - timedelta(days=2), LAST + timedelta(days=1), 50)
    bind.end(joined.bindings.get().pk, ends_before=date(2022, 6, 12), actor=factories.user(Role.CATEGORY_REGION))
    cache.clear()
    waiting = changes.change(before, after)
    assert (parts(waiting), waiting.whole) == (told, ())
    rows.drain("beside", "room_month", "roll_up")
    cache.clear()
    found = changes.change(before, after)
    whole(found)
    assert (parts(found), found.whole) == (told, ())


@pytest.mark.parametrize(("month", "restates"), [(date(2022, 5, 1), True), (date(2022, 6, 1), False)])
def test_a_benchmark_restates_only_the_months_before(provider: Provider, month: date, *, restates: bool) -> None:
    rows.trading(provider, orders=10, sessions=1, since=SINCE, until=LAST)
    before = scored(provider, FIRST)
    Benchmark.objects.create(
        measure="gmv_expected", month=month, category="all", numerator=1, denominator=1, members=[]
    )
    after = scored(provider, LAST)
    moments = (as_known.Moment(one.run.as_of, one.cut_off) for one in (before, after))
    found = as_known.worlds(provider.pk, before.run.rubric_version.as_core().operands(), *moments)
    assert (found[frozenset()] is not found[frozenset({"restatements"})]) == restates
