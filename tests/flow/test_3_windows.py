"""Windows: what a run reads, and what it says where nothing was delivered."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from providers.models import OperatedSession, OperatorCertificate
from scoring.core.formula import Operand
from scoring.core.inputs import State
from scoring.steps.windows import cycle_before, window_table, working_as_of
from tests import factories
from tests.flow.rolling import batch, day, deliver, fact, redo

pytestmark = pytest.mark.django_db

AS_OF = day(21)


def read(operand: Operand, provider: int, *, as_of: date = AS_OF) -> tuple[Any, State]:
    """Return value and state of one operand for one provider."""
    column = window_table([operand], as_of=as_of, providers=[provider]).columns[operand]
    return column.fraction(0), State(column.state[0])


def total(measure: str, days: int) -> Operand:
    return Operand(measure, "sum", days)


def last(measure: str, *together: str) -> Operand:
    return Operand(measure, "last", together=tuple(sorted({measure, *together})))


def test_a_window_is_half_open_and_ends_before_as_of() -> None:
    known = batch()
    one, shop = factories.provider(), factories.merchant()
    factories.binding(one, shop)
    for number in range(1, 26):
        fact("sales", "merchant", day(number), shop.pk, batch=known, gmv_strict=1000 + number)
    redo(one.pk)
    assert read(total("gmv_strict", 3), one.pk) == (1018 + 1019 + 1020, State.VALUE)
    assert read(total("gmv_strict", 20), one.pk) == (sum(1000 + number for number in range(1, 21)), State.VALUE)
    assert read(total("gmv_strict", 90), one.pk)[0] == sum(1000 + number for number in range(1, 21))
    assert read(total("gmv_strict", 3), one.pk, as_of=day(2)) == (1001, State.VALUE)


def test_nothing_delivered_is_no_data_and_a_zero_is_a_value() -> None:
    known = batch()
    one = factories.provider(approved_on=day(1))
    factories.binding(one, factories.merchant())
    deliver("sales", "merchant", day(1), day(20), batch=known)
    redo(one.pk)
    assert read(total("gmv_strict", 20), one.pk) == (0, State.VALUE)
    assert read(total("ad_spend", 20), one.pk) == (None, State.NO_DATA)
    assert read(total("merchant_days", 20), one.pk) == (20, State.VALUE)
    assert read(total("leads_received", 20), one.pk) == (None, State.NO_DATA), "not computed here"
    assert read(total("granted_gmv_expected", 20), one.pk) == (None, State.NOT_APPLICABLE)


@pytest.mark.parametrize(("missing", "state"), [(4, State.VALUE), (5, State.NO_DATA)])
def test_four_fifths_of_a_window_must_be_delivered(missing: int, state: State) -> None:
    known = batch()
    one = factories.provider(approved_on=day(1))
    deliver("sales", "merchant", day(1 + missing), day(20), batch=known)
    redo(one.pk)
    assert read(total("gmv_strict", 20), one.pk)[1] == state


def test_days_before_a_provider_began_are_not_asked_for() -> None:
    known = batch()
    one = factories.provider(approved_on=day(11))
    deliver("sales", "merchant", day(11), day(20), batch=known)
    redo(one.pk)
    assert read(total("gmv_strict", 90), one.pk) == (0, State.VALUE)


def test_a_derived_flow_needs_the_feeds_it_comes_from() -> None:
    known = batch()
    one = factories.provider(approved_on=day(1))
    deliver("sales", "merchant", day(1), day(20), batch=known)
    redo(one.pk)
    assert read(total("gmv_known_source", 20), one.pk) == (0, State.VALUE)
    assert read(total("live_uv", 20), one.pk) == (None, State.NO_DATA)


@pytest.mark.parametrize(("newest", "state"), [(20, State.VALUE), (18, State.VALUE), (17, State.STALE)])
def test_a_state_older_than_three_days_is_stale(newest: int, state: State) -> None:
    known = batch()
    one = factories.provider(approved_on=day(1))
    deliver("sales", "merchant", day(1), day(20), batch=known)
    fact("people", "provider", day(newest), one.pk, batch=known, buyers_90d=9, repeat_buyers_90d=4)
    redo(one.pk)
    assert read(last("buyers_90d", "repeat_buyers_90d"), one.pk) == (9 if state == State.VALUE else None, state)


def test_states_of_one_formula_are_read_on_the_latest_day_they_share() -> None:
    known = batch()
    one, shop = factories.provider(approved_on=day(1)), factories.merchant()
    factories.binding(one, shop)
    for number, streamers in ((18, 30), (19, 50)):
        fact("people", "provider", day(number), one.pk, batch=known, distribution_streamers=streamers)
    fact("sales", "merchant", day(18), shop.pk, batch=known, strict_orders=1)
    deliver("sales", "merchant", day(20), batch=known)
    redo(one.pk)
    pair = ("distribution_streamers", "supply_merchants")
    table = window_table([last(code, *pair) for code in pair], as_of=AS_OF, providers=[one.pk])
    values = {str(operand): column.fraction(0) for operand, column in table.columns.items()}
    assert values == {"last(distribution_streamers)": 30, "last(supply_merchants)": 1}, (
        "sales came on the 18th and 20th"
    )


def test_a_mean_is_over_the_days_with_a_row() -> None:
    known = batch()
    one, shop = factories.provider(approved_on=day(1)), factories.merchant()
    factories.binding(one, shop)
    for number, listed in ((10, 6), (12, 11)):
        fact("supply", "merchant", day(number), shop.pk, batch=known, skus_listed=listed)
    redo(one.pk)
    column = window_table([Operand("skus_listed", "mean", 15)], as_of=AS_OF, providers=[one.pk])
    (cell,) = column.columns.values()
    assert str(cell.fraction(0)) == "17/2"


def test_the_largest_is_a_person_within_the_window() -> None:
    known = batch()
    one, shop = factories.provider(approved_on=day(1)), factories.merchant()
    sales = [("one", 5, 900), ("one", 12, 30), ("two", 12, 25), ("two", 15, 10), ("three", 13, 34)]
    rooms = {person: factories.streamer(person=person) for person in ("one", "two", "three")}
    for room in rooms.values():
        factories.binding(one, room, role="mcn")
    for person, number, fen in sales:
        fact("sales", "merchant", day(number), shop.pk, room=rooms[person].pk, batch=known, gmv_settled=fen)
    deliver("sales", "merchant", day(1), day(20), batch=known)
    redo(one.pk)
    assert read(Operand("room_gmv_settled", "largest", 10, "streamer"), one.pk) == (35, State.VALUE)
    assert read(Operand("room_gmv_settled", "largest", 20, "streamer"), one.pk) == (930, State.VALUE)


def test_derived_states_follow_the_registers_of_the_day() -> None:
    known = batch()
    one, shop = factories.provider(approved_on=day(1), distribution_declared=True), factories.merchant()
    other = factories.provider(approved_on=day(1))
    lively, quiet = factories.streamer(person="one"), factories.streamer(person="one")
    factories.binding(one, shop, starts_on=day(1))
    for room in (lively, quiet):
        factories.binding(one, room, role="mcn", starts_on=day(1))
    deliver("sales", "merchant", day(1), day(20), batch=known)
    deliver("live", "streamer", day(1), day(20), batch=known)
    fact("live", "streamer", day(3), lively.pk, batch=known, valid_sessions=1)
    fact("sales", "merchant", day(20), shop.pk, batch=known, strict_orders=2)
    factories.violation(one, severity="grave", opened_on=day(20))
    factories.violation(one, severity="grave", opened_on=day(2), closed_on=day(20))
    factories.violation(one, kind="bribery", status="decided", opened_on=day(2), decided_on=day(5))
    for provider, start in ((other, day(1)), (one, day(4))):
        OperatorCertificate.objects.create(
            provider=provider, number=f"C{start}", person="lead", level="middle", period=(start, None)
        )
    for number, gmv, baseline in ((1, 150, 100), (2, 300, 100), (3, 101, 100), (4, 999, 100)):
        OperatedSession.objects.create(
            code=f"O{number}",
            provider=one,
            streamer=lively,
            operator="lead",
            day=day(number),
            registered_hours_ahead=24 if number != 4 else 23,
            gmv_strict_fen=gmv,
            baseline_fen=baseline,
            baseline_sessions=6,
            day_index_bp=12_000,
            fell_below_after=False,
        )
    redo(one.pk, other.pk)
    expected = {
        "bound_rooms": 1,
        "active_rooms": 1,
        "signed_streamers": 1,
        "supply_merchants": 1,
        "merchants_with_sales_30d": 1,
        "certified_operators": 1,
        "operator_points": 15,
        "distribution_declared": 1,
        "open_grave_violations": 1,
        "proven_integrity_violations": 1,
        "operated_uplift_bp": 2500,
    }
    assert {code: read(last(code), one.pk)[0] for code in expected} == expected
    assert read(last("certified_operators"), other.pk) == (0, State.VALUE), (
        "the person's later certificate is elsewhere"
    )
    assert read(last("operated_uplift_bp"), other.pk) == (None, State.NO_DATA)
    assert read(total("operated_sessions", 20), one.pk)[0] == 3
    assert read(total("operated_sessions", 20), one.pk, as_of=day(17))[0] == 2


def test_who_works_as_of_a_day() -> None:
    early = factories.provider(approved_on=day(1))
    today = factories.provider(approved_on=AS_OF)
    left = factories.provider(
        factories.Provider.Status.WITHDRAWN, approved_on=day(1), ended_on=AS_OF - timedelta(days=1)
    )
    leaves = factories.provider(factories.Provider.Status.EXPELLED, approved_on=day(1), ended_on=AS_OF)
    draft = factories.provider(factories.Provider.Status.DRAFT)
    working = set(working_as_of(AS_OF))
    assert {early.pk, leaves.pk} <= working
    assert not {today.pk, left.pk, draft.pk} & working


def test_the_cycle_before() -> None:
    assert cycle_before(date(2022, 7, 1)) == date(2022, 6, 1)
    assert cycle_before(date(2022, 3, 31)) == date(2022, 2, 28)
    assert cycle_before(date(2022, 1, 15)) == date(2021, 12, 15)
