"""A shared merchant or room: parts that add up to the fact, for every measure, whoever else is bound beside it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.range import DateRange

from providers.shares import WHOLE, divided, turns
from tests import factories
from tests.flow.reference import Reference
from tests.flow.rolling import JUNE, batch, day, days_of, deliver, fact, redo

pytestmark = pytest.mark.django_db

cuts = st.lists(st.integers(1, WHOLE - 1), min_size=1, max_size=5, unique=True).map(sorted)
whole_shares = cuts.map(lambda cut: [b - a for a, b in zip([0, *cut], [*cut, WHOLE], strict=True)])


@given(shares=whole_shares, value=st.integers(-(9 * 10**14), 9 * 10**14))
def test_parts_add_up_and_none_is_a_whole_unit_off(shares: list[int], value: int) -> None:
    parts = divided(np.array([value]), shares)[:, 0].tolist()
    assert sum(parts) == value
    assert all(abs(part - Fraction(value * bp, WHOLE)) < 1 for part, bp in zip(parts, shares, strict=True))
    assert [-part for part in parts] == divided(np.array([-value]), shares)[:, 0].tolist()


def test_what_is_left_goes_to_the_largest_remainder_then_to_the_first() -> None:
    assert divided(np.array([10, 1, 2, -1]), (3333, 3333, 3334)).T.tolist() == [
        [3, 3, 4],
        [0, 0, 1],
        [1, 0, 1],
        [0, 0, -1],
    ]
    assert divided(np.array([1, 3]), (5000, 5000)).T.tolist() == [[1, 0], [2, 1]]
    with pytest.raises(ValueError, match="are not 10000"):
        divided(np.array([1]), (6000, 4001))


@given(shares=whole_shares)
def test_turns_keep_close_to_the_shares(shares: list[int]) -> None:
    whose = turns(shares, 60)
    for place, bp in enumerate(shares):
        had = np.cumsum(whose == place)
        assert all(abs(had[n] - Fraction((n + 1) * bp, WHOLE)) < len(shares) for n in range(60))


def test_a_shared_merchant_is_divided_and_counts_once() -> None:
    lead = factories.binding(subject=factories.merchant(), starts_on=JUNE)
    share = factories.share(lead, 3333, period=DateRange(day(2), day(4)))
    known = batch()
    for number in range(1, 5):
        values = {"gmv_strict": 100, "gmv_settled": -101, "strict_orders": 1, "paid_orders": 2}
        fact("sales", "merchant", day(number), lead.merchant.pk, batch=known, **values)
    redo(lead.provider_id)
    ours, theirs = lead.provider_id, share.provider_id
    assert days_of(ours, "gmv_strict") == {1: 100, 2: 67, 3: 67, 4: 100}
    assert days_of(theirs, "gmv_strict") == {2: 33, 3: 33}
    assert days_of(ours, "gmv_settled_once") == days_of(ours, "gmv_settled_goods") == {1: -101, 2: -67, 3: -67, 4: -101}
    assert days_of(theirs, "gmv_settled_once") == days_of(theirs, "gmv_settled_goods") == {2: -34, 3: -34}
    assert days_of(ours, "strict_orders") == dict.fromkeys(range(1, 5), 1)
    assert days_of(theirs, "strict_orders") == {}
    assert days_of(theirs, "paid_orders") == {2: 1, 3: 1}


def test_another_role_is_not_touched_by_a_split() -> None:
    lead = factories.binding(subject=factories.merchant(), starts_on=JUNE)
    factories.share(lead, 4000)
    beside = factories.binding(subject=lead.merchant, role="training", starts_on=JUNE)
    fact("sales", "merchant", day(3), lead.merchant.pk, batch=batch(), gmv_strict=100, gmv_settled=100)
    redo(lead.provider_id)
    assert days_of(beside.provider_id, "gmv_settled_once") == {}
    assert sum(days_of(one.provider_id, "gmv_settled_once").get(3, 0) for one in (lead, *lead.shares.all())) == 100


def test_whoever_has_a_share_and_the_whole_in_another_role_has_the_whole() -> None:
    lead = factories.binding(subject=factories.merchant(), starts_on=JUNE)
    share = factories.share(lead, 4000)
    factories.binding(share.provider, lead.merchant, role="supply", starts_on=JUNE)
    fact("sales", "merchant", day(3), lead.merchant.pk, batch=batch(), gmv_strict=100, gmv_settled=100)
    redo(lead.provider_id)
    assert days_of(share.provider_id, "gmv_strict") == {3: 100}
    assert days_of(share.provider_id, "gmv_settled_once") == {3: 40}
    assert days_of(lead.provider_id, "gmv_strict") == {3: 60}


def test_a_room_follows_its_merchant_into_a_split_and_a_sale_there_takes_the_larger_way() -> None:
    shop = factories.merchant()
    own, other = factories.streamer(merchant=shop), factories.streamer()
    lead = factories.binding(subject=shop, starts_on=JUNE)
    share = factories.share(lead, 2500)
    factories.binding(share.provider, other, role="mcn", starts_on=JUNE)
    known = batch()
    for room in (0, own.pk, other.pk):
        fact("sales", "merchant", day(5), shop.pk, batch=known, room=room, gmv_strict=10, gmv_settled=10)
    fact("live", "streamer", day(5), own.pk, batch=known, valid_sessions=3)
    deliver("live", "streamer", day(6), day(12), batch=known)
    redo(lead.provider_id)
    # Two rows by the split (2.5 → 2 by largest remainder for the lead's 7.5 → 8), one whole through the room.
    assert days_of(share.provider_id, "gmv_strict") == {5: 2 + 2 + 10}
    assert days_of(lead.provider_id, "gmv_strict") == {5: 8 + 8 + 8}
    assert days_of(share.provider_id, "valid_sessions") == {5: 1}
    turn = days_of(share.provider_id, "room_days")
    both = {
        number: turn.get(number, 0) + days_of(lead.provider_id, "room_days").get(number, 0) for number in range(5, 13)
    }
    assert set(both.values()) == {1}
    assert sum(turn.values()) == 2
    assert_reference(lead.provider_id, share.provider_id)


def assert_reference(*providers: int) -> None:
    reference = Reference()
    for provider in providers:
        for measure in ("gmv_strict", "gmv_settled_goods", "room_gmv_settled", "gmv_settled_once", "room_days"):
            expected = {n: getattr(reference, measure)(provider, day(n)) for n in range(1, 13)}
            assert days_of(provider, measure) == {n: value for n, value in expected.items() if value}, measure


def test_three_parties_in_sequence_leave_nothing_and_double_nothing() -> None:
    lead = factories.binding(subject=factories.streamer(), role="mcn", starts_on=JUNE)
    factories.share(lead, 3333, period=DateRange(day(2), day(9)))
    factories.share(lead, 3333, period=DateRange(day(4), None))
    known = batch()
    shop = factories.merchant()
    for number in range(1, 11):
        fact("sales", "merchant", day(number), shop.pk, room=lead.streamer.pk, batch=known, gmv_settled=number * 37)
        fact("live", "streamer", day(number), lead.streamer.pk, batch=known, valid_sessions=2)
    deliver("live", "streamer", day(11), day(12), batch=known)
    redo(lead.provider_id)
    parties = [lead.provider_id, *lead.shares.values_list("provider_id", flat=True)]
    for measure, of_day in (("gmv_settled_once", 37), ("room_gmv_settled", 37), ("valid_sessions", 0)):
        for n in range(1, 11):
            assert sum(days_of(one, measure).get(n, 0) for one in parties) == (of_day * n or 2), measure
    assert sorted(n for one in parties for n in days_of(one, "room_days")) == list(range(1, 13))
    assert_reference(*parties)
