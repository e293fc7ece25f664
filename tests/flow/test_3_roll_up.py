"""Roll up: facts reach the provider by the binding of their day, and only what must change changes."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.range import DateRange

from providers.steps.beside import beside
from scoring.models.rolled import PersonCum, ProviderCum, ProviderStock
from scoring.steps.roll_up import roll_up
from tests import factories
from tests.flow.rolling import batch, day, days_of, deliver, fact, redo

pytestmark = pytest.mark.django_db


def versions() -> dict[tuple[Any, int], str]:
    """Return the physical version of every row of totals: an untouched row keeps its own."""
    rows = ProviderCum.objects.extra(select={"version": "xmin::text || ctid::text"})
    return {(row.day, row.provider_id): row.version for row in rows}


def test_a_fact_reaches_the_provider_bound_on_its_day() -> None:
    known = batch()
    first, second = factories.provider(), factories.provider()
    shop = factories.merchant()
    factories.binding(first, shop, starts_on=day(1), ends_before=day(3))
    factories.binding(second, shop, starts_on=day(3))
    for number in (1, 2, 3, 4):
        fact("sales", "merchant", day(number), shop.pk, batch=known, gmv_strict=number * 100)
    redo(first.pk, second.pk)
    assert days_of(first.pk, "gmv_strict") == {1: 100, 2: 200}
    assert days_of(second.pk, "gmv_strict") == {3: 300, 4: 400}
    assert days_of(first.pk, "merchant_days") == {1: 1, 2: 1}
    assert ProviderCum.objects.filter(provider_id=first.pk).count() == 4, "dense to the newest delivered day"


def test_a_fact_counts_once_per_provider_in_whatever_roles() -> None:
    known = batch()
    one, other = factories.provider(), factories.provider()
    shop, room = factories.merchant(), factories.streamer()
    factories.binding(one, shop, role="operation")
    factories.binding(one, shop, role="supply")
    factories.binding(one, room, role="mcn")
    factories.binding(other, room, role="belt")
    factories.binding(other, shop, role="ads")
    fact("sales", "merchant", day(2), shop.pk, room=room.pk, batch=known, gmv_strict=500, gmv_settled=70)
    redo(one.pk, other.pk)
    assert days_of(one.pk, "gmv_strict") == {2: 500}
    assert days_of(other.pk, "gmv_strict") == {2: 500}, "through the room"
    assert days_of(one.pk, "gmv_settled_once") == {2: 70}
    assert days_of(other.pk, "gmv_settled_once") == {}
    assert days_of(one.pk, "gmv_settled_goods") == {2: 70}
    assert days_of(other.pk, "gmv_settled_goods") == {}, "not a merchant binding for operation, belt or supply"


def test_ads_carry_traffic_and_not_sales() -> None:
    known = batch()
    agency, shop = factories.provider(), factories.merchant()
    factories.binding(agency, shop, role="ads")
    fact("sales", "merchant", day(2), shop.pk, batch=known, gmv_strict=500)
    fact("traffic", "merchant", day(2), shop.pk, batch=known, ad_spend=30)
    redo(agency.pk)
    assert days_of(agency.pk, "ad_spend") == {2: 30}
    assert days_of(agency.pk, "gmv_strict") == {}


def test_a_store_room_follows_its_merchant_until_it_has_a_binding_of_its_own() -> None:
    known = batch()
    keeper, agency = factories.provider(), factories.provider()
    shop = factories.merchant()
    room = factories.streamer(merchant=shop)
    factories.binding(keeper, shop)
    factories.binding(agency, room, role="mcn", starts_on=day(3), ends_before=day(5))
    for number in (1, 2, 3, 4, 5):
        fact("live", "streamer", day(number), room.pk, batch=known, valid_sessions=1, live_views=number)
    redo(keeper.pk, agency.pk)
    assert days_of(keeper.pk, "live_views") == {1: 1, 2: 2, 5: 5}
    assert days_of(agency.pk, "live_views") == {3: 3, 4: 4}
    assert days_of(keeper.pk, "room_days") == {1: 1, 2: 1, 5: 1}


def test_a_binding_moved_in_retrospect_sets_both_providers_right() -> None:
    known = batch()
    before, after = factories.provider(), factories.provider()
    shop = factories.merchant()
    binding = factories.binding(before, shop)
    for number in range(1, 7):
        fact("sales", "merchant", day(number), shop.pk, batch=known, gmv_strict=10)
    redo(before.pk, after.pk)
    binding.period = DateRange(day(1), day(4))
    binding.save()
    factories.binding(after, shop, starts_on=day(4))
    redo(before.pk, after.pk, from_day=day(4))
    assert days_of(before.pk, "gmv_strict") == dict.fromkeys((1, 2, 3), 10)
    assert days_of(after.pk, "gmv_strict") == dict.fromkeys((4, 5, 6), 10)
    assert days_of(before.pk, "merchant_days") == dict.fromkeys((1, 2, 3), 1)


def test_a_late_fact_rewrites_only_what_it_must() -> None:
    known = batch()
    one, other = factories.provider(), factories.provider()
    shop, another = factories.merchant(), factories.merchant()
    factories.binding(one, shop)
    factories.binding(other, another)
    for number in range(1, 11):
        fact("sales", "merchant", day(number), shop.pk, batch=known, gmv_strict=10)
        fact("sales", "merchant", day(number), another.pk, batch=known, gmv_strict=20)
    redo(one.pk, other.pk)
    old = versions()
    fact("sales", "merchant", day(7), shop.pk, batch=known, gmv_strict=17)
    redo(one.pk, from_day=day(7))
    changed = {key for key, version in versions().items() if old[key] != version}
    assert changed == {(day(number), one.pk) for number in range(7, 11)}
    assert days_of(one.pk, "gmv_strict") == {number: 17 if number == 7 else 10 for number in range(1, 11)}
    again = versions()
    done = roll_up({str(one.pk): day(1), str(other.pk): None})
    assert (done.rows_changed, versions()) == (0, again), "the same again writes nothing"


def test_rows_reach_the_newest_delivered_day_for_everybody() -> None:
    known = batch()
    busy, quiet = factories.provider(), factories.provider()
    shop, silent = factories.merchant(), factories.merchant()
    factories.binding(busy, shop)
    factories.binding(quiet, silent)
    fact("sales", "merchant", day(1), shop.pk, batch=known, gmv_strict=10)
    redo(busy.pk)
    fact("sales", "merchant", day(4), shop.pk, batch=known, gmv_strict=10)
    redo(busy.pk, from_day=day(4))
    assert days_of(quiet.pk, "merchant_days") == dict.fromkeys((1, 2, 3, 4), 1)
    assert ProviderCum.objects.filter(provider_id=quiet.pk).count() == 4


def test_states_are_added_over_the_merchants_bound_that_day() -> None:
    known = batch()
    one = factories.provider()
    shop, another = factories.merchant(), factories.merchant()
    factories.binding(one, shop)
    factories.binding(one, another, starts_on=day(3))
    for number in (2, 3):
        fact("supply", "merchant", day(number), shop.pk, batch=known, skus_listed=10, skus_sold=4)
        fact("supply", "merchant", day(number), another.pk, batch=known, skus_listed=7, skus_sold=1)
    deliver("supply", "merchant", day(4), batch=known)
    fact("people", "provider", day(4), one.pk, batch=known, buyers_90d=99)
    redo(one.pk)
    rows = ProviderStock.objects.filter(provider_id=one.pk).order_by("day")
    assert list(rows.values_list("day", "skus_listed", "skus_sold", "buyers_90d")) == [
        (day(2), 10, 4, None),
        (day(3), 17, 5, None),
        (day(4), 0, 0, 99),
    ]


def test_sister_accounts_are_one_person() -> None:
    known = batch()
    agency, shop = factories.provider(), factories.merchant()
    first, second, third = (factories.streamer(person=person) for person in ("one", "one", "two"))
    for room in (first, second, third):
        factories.binding(agency, room, role="mcn")
    for number, room, fen in ((1, first, 10), (1, second, 5), (2, third, 8), (4, second, -3)):
        fact("sales", "merchant", day(number), shop.pk, room=room.pk, batch=known, gmv_settled=fen)
    redo(agency.pk)
    rows = PersonCum.objects.filter(provider_id=agency.pk).order_by("person", "day")
    assert list(rows.values_list("person", "day", "room_gmv_settled")) == [
        ("one", day(1), 15),
        ("one", day(4), 12),
        ("two", day(2), 8),
    ]


def test_registers_become_flows_on_the_day_their_outcome_is_known() -> None:
    known = batch()
    one = factories.provider()
    deliver("sales", "merchant", day(1), day(30), batch=known)
    terms: dict[str, Any] = {"starts_on": day(1)}
    factories.binding(one, **terms, term_ends_on=day(20), renewed_on=day(12))
    factories.binding(one, **terms, term_ends_on=day(20), ends_before=day(15))
    factories.binding(one, **terms, term_ends_on=day(20), ends_before=day(15), related_party=True)
    factories.binding(one, **terms)
    factories.violation(one, severity="medium", status="decided", decided_on=day(9))
    factories.violation(one, severity="medium", status="annulled", decided_on=day(9))
    factories.violation(one, severity="grave", status="decided", decided_on=day(10))
    factories.violation(one, severity="grave")
    redo(one.pk)
    assert days_of(one.pk, "bindings_due") == {12: 1, 15: 1}
    assert days_of(one.pk, "bindings_renewed") == {12: 1}
    assert days_of(one.pk, "medium_violations") == {9: 1}
    assert days_of(one.pk, "grave_violations") == {10: 1}


def test_a_binding_that_changes_touches_those_bound_beside_it() -> None:
    known = batch()
    one, other = factories.provider(), factories.provider()
    shop, room = factories.merchant(), factories.streamer()
    factories.binding(one, shop, role="mcn")
    for number in (2, 4, 6):
        fact("sales", "merchant", day(number), shop.pk, room=room.pk, batch=known, gmv_settled=10)
    redo(one.pk)
    assert days_of(one.pk, "gmv_settled_once") == {2: 10, 4: 10, 6: 10}
    factories.binding(other, room, starts_on=day(3))
    found = {mark.scope: mark.from_day for mark in beside({f"streamer:{room.pk}": day(3)}).follow_ups}
    assert found == {str(one.pk): day(4), str(other.pk): day(3)}, "the room sold the merchant's goods from the 4th on"
    redo(one.pk, other.pk, from_day=day(3))
    assert days_of(one.pk, "gmv_settled_once") == {2: 10}
    assert days_of(other.pk, "gmv_settled_once") == {4: 10, 6: 10}
