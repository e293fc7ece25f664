"""What a room's history is asked for is kept by month, and a change of it reaches whoever signed the person."""

from __future__ import annotations

import io
from datetime import date

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from ecosystem.models import WorkMark
from providers.models import Provider, Streamer
from providers.steps.ingest import ingest
from scoring.models.rolled import RoomMonth
from scoring.steps.room_months import delivered_months, room_months
from tests import factories
from tests.flow.rolling import batch, day, fact

pytestmark = pytest.mark.django_db

MILLION_FEN = 100_000_000


def _signed(name: str) -> tuple[Provider, Streamer]:
    provider, room = factories.provider(name=name), factories.streamer()
    factories.binding(provider, room, role="mcn", starts_on=date(2022, 1, 1))
    return provider, room


def _months(room: Streamer) -> list[tuple[date, date | None, int]]:
    return list(
        RoomMonth.objects.filter(streamer_id=room.pk)
        .order_by("month")
        .values_list("month", "first_session", "settled_30d")
    )


def test_a_month_is_refreshed_whole_and_only_what_differs_is_written() -> None:
    provider, room = _signed("Months（演示）")
    merchant = factories.merchant()
    source = batch()
    fact("live", "streamer", day(9), room.pk, batch=source, valid_sessions=1)
    fact("live", "streamer", day(4), room.pk, batch=source, valid_sessions=0)
    fact("sales", "merchant", day(2), merchant.pk, batch=source, room=room.pk, gmv_settled=3 * MILLION_FEN)
    assert delivered_months() == ["2022-06"]

    done = room_months({"2022-06": None})
    assert _months(room) == [(day(1), day(9), 3 * MILLION_FEN)]
    assert [(mark.kind, mark.scope, mark.from_day) for mark in done.follow_ups] == [
        ("roll_up", str(provider.pk), day(9))
    ]
    assert room_months({"2022-06": None}).rows_changed == 0


def test_the_last_30_days_of_a_month_may_begin_in_the_month_before() -> None:
    _, room = _signed("February（演示）")
    merchant = factories.merchant()
    source = batch()
    for about in (date(2022, 1, 29), date(2022, 1, 30)):
        fact("sales", "merchant", about, merchant.pk, batch=source, room=room.pk, gmv_settled=1)
    room_months({"2022-01": None, "2022-02": None})
    assert _months(room) == [(date(2022, 1, 1), None, 2), (date(2022, 2, 1), None, 1)]


def test_only_another_tier_or_first_session_reaches_providers() -> None:
    provider, room = _signed("Tier（演示）")
    sister = factories.streamer(person=room.person)
    merchant = factories.merchant()
    source = batch()
    fact("sales", "merchant", day(5), merchant.pk, batch=source, room=sister.pk, gmv_settled=1)
    assert room_months({"2022-06": None}).follow_ups == []
    fact("sales", "merchant", day(5), merchant.pk, batch=source, room=sister.pk, gmv_settled=MILLION_FEN)
    found = room_months({"2022-06": None}).follow_ups
    assert [(mark.scope, mark.from_day) for mark in found] == [(str(provider.pk), day(30))]
    fact("sales", "merchant", day(5), merchant.pk, batch=source, room=sister.pk, gmv_settled=0)
    found = room_months({"2022-06": None}).follow_ups
    assert [(mark.scope, mark.from_day) for mark in found] == [(str(provider.pk), day(30))]
    assert _months(sister) == []


def test_months_are_refreshed_together(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    provider, room = _signed("Together（演示）")
    source = batch()
    for about in (date(2022, 3, 5), date(2022, 4, 6), day(9)):
        fact("live", "streamer", about, room.pk, batch=source, valid_sessions=1)
    with django_assert_num_queries(6):
        room_months({"2022-06": None})
    with django_assert_num_queries(6):
        done = room_months({"2022-03": None, "2022-04": None, "2022-05": None, "2022-06": None})
    assert [found for _, found, _ in _months(room)] == [date(2022, 3, 5), date(2022, 4, 6), day(9)]
    # The first session ever is now in March: later ones move nobody's days.
    assert [(mark.scope, mark.from_day) for mark in done.follow_ups] == [(str(provider.pk), date(2022, 3, 5))]


def test_a_delivery_marks_the_months_it_touches() -> None:
    merchant, room = factories.merchant(), factories.streamer()
    text = "day,merchant,streamer,gmv_settled\n" + "".join(
        f"{about},{merchant.code},{room.code},5\n" for about in ("2022-01-29", "2022-01-31", "2022-04-02")
    )
    ingest("sales", io.BytesIO(text.encode()), key="months", source="test", file_name="months.csv")
    marks = WorkMark.objects.filter(kind="room_month").order_by("scope").values_list("scope", flat=True)
    assert list(marks) == ["2022-01", "2022-02", "2022-04"]
