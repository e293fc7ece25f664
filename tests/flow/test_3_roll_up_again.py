"""Any order of changes leads to the same totals: as a rebuild from nothing, and as the rules read day by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.range import DateRange

from providers.models import Batch, Binding, Merchant, Provider, Streamer
from scoring.models.rolled import PersonCum, ProviderCum, ProviderDay, ProviderStock
from tests import factories
from tests.flow.reference import MEASURES, Reference
from tests.flow.rolling import batch, deliver, fact, redo

pytestmark = pytest.mark.django_db

FIRST = date(2022, 1, 20)
DAYS = 130
ROLES = ("operation", "mcn", "belt", "supply", "training", "ads")

days = st.integers(0, DAYS - 1)
sales = st.tuples(st.just("sales"), days, st.integers(0, 2), st.integers(0, 4), st.integers(-500, 2000))
lives = st.tuples(st.just("live"), days, st.integers(0, 3), st.integers(0, 9), st.integers(0, 3))
runs = st.tuples(st.just("run"), days, st.integers(0, 3), st.integers(7, 60), st.integers(1, 2))
shops = st.tuples(st.just("shop"), days, st.integers(0, 2), st.integers(0, 2), st.integers(1, 90))
rooms = st.tuples(st.just("room"), days, st.integers(0, 3), st.integers(0, 2), st.integers(1, 110))
ends = st.tuples(st.just("end"), st.integers(0, 30), st.integers(0, 20), st.integers(0, 0), st.integers(0, 0))
shares = st.tuples(
    st.just("share"), st.integers(0, 30), st.integers(0, 2), st.sampled_from([3333, 5000, 6667]), st.integers(5, 90)
)
skus = st.tuples(st.just("skus"), days, st.integers(0, 2), st.integers(0, 50), st.integers(0, 0))
type Edit = tuple[str, int, int, int, int]


@dataclass
class World:
    providers: list[Provider]
    merchants: list[Merchant]
    rooms: list[Streamer]
    batch: Batch
    edits: int = 0

    @classmethod
    def make(cls) -> World:
        merchants = [factories.merchant() for _ in range(3)]
        rooms = [
            factories.streamer(person="one"),
            factories.streamer(person="one"),
            factories.streamer(merchant=merchants[0]),
            factories.streamer(),
        ]
        providers = [factories.provider(approved_on=FIRST + timedelta(days=10 * n)) for n in range(3)]
        known = batch()
        for feed in ("sales", "supply"):
            deliver(feed, "merchant", FIRST, FIRST + timedelta(days=DAYS - 1), batch=known)
        return cls(providers, merchants, rooms, known)

    def apply(self, edit: Edit) -> None:
        """Make one change and roll up exactly the providers it touches, from its first day."""
        kind, number, which, other, size = edit
        about = FIRST + timedelta(days=number)
        self.edits += 1
        if kind == "sales":
            room = 0 if other == 4 else self.rooms[other].pk
            values = {"gmv_strict": abs(size), "gmv_settled": size, "strict_orders": 1}
            fact("sales", "merchant", about, self.merchants[which].pk, batch=self.batch, room=room, **values)
            self._redo(about, merchant=self.merchants[which].pk, room=room)
        elif kind == "live":
            self._live(which, about, size, other)
            self._redo(about, room=self.rooms[which].pk)
        elif kind == "run":
            for step in range(0, other, size * 2):
                self._live(which, about + timedelta(days=step), 1, 7)
            self._redo(about, room=self.rooms[which].pk)
        elif kind == "skus":
            values = {"skus_listed": other + 5, "skus_sold": other}
            fact("supply", "merchant", about, self.merchants[which].pk, batch=self.batch, **values)
            self._redo(about, merchant=self.merchants[which].pk)
        elif kind in {"shop", "room"}:
            self._bind(kind, about, which, other, size)
        elif bindings := list(Binding.objects.order_by("pk")):
            chosen = bindings[number % len(bindings)]
            if kind == "share":
                self._share(chosen.lead or chosen, which, other, size)
            else:
                self._end(chosen, which)

    def _share(self, lead: Binding, which: int, bp: int, size: int) -> None:
        start = lead.period.lower + timedelta(days=size % 7)
        end = min(start + timedelta(days=size), lead.period.upper or date.max)
        provider = self.providers[which]
        if start >= end or provider == lead.provider:
            return
        period = DateRange(start, end)
        beside = {b.provider_id: b.share_bp for b in lead.shares.filter(period__overlap=period)}
        if provider.pk not in beside and sum(beside.values()) + bp < 10_000:
            factories.share(lead, bp, provider, period=period)
            self._redo_subject(lead.merchant or lead.streamer, start)

    def _live(self, which: int, about: date, sessions: int, audience: int) -> None:
        if about < FIRST + timedelta(days=DAYS):
            values = {
                "valid_sessions": sessions,
                "live_seconds": sessions * 7200,
                "uv_private": sessions * audience * 100,
            }
            fact("live", "streamer", about, self.rooms[which].pk, batch=self.batch, **values)

    def _bind(self, kind: str, about: date, which: int, other: int, size: int) -> None:
        subject = self.merchants[which] if kind == "shop" else self.rooms[which]
        end = None if size > 80 else about + timedelta(days=size)
        period = DateRange(about, end)
        role = ROLES[(which + other + size) % len(ROLES)]
        clash = Binding.objects.leads().filter(
            role=role, period__overlap=period, **{type(subject).__name__.lower(): subject}
        )
        if not clash.exists():
            factories.binding(self.providers[other], subject, starts_on=about, ends_before=end, role=role)
            self._redo_subject(subject, about)

    def _end(self, binding: Binding, after: int) -> None:
        end = binding.period.lower + timedelta(days=after + 1)
        if binding.period.upper is None or end < binding.period.upper:
            for share in binding.shares.all():
                share.period = DateRange(share.period.lower, min(share.period.upper, max(end, share.period.lower)))
                share.status = "withdrawn" if share.period.isempty else share.status
                share.period = DateRange(share.period.lower, None) if share.period.isempty else share.period
                share.save()
            binding.period = DateRange(binding.period.lower, end)
            binding.save()
            self._redo_subject(binding.merchant or binding.streamer, end)

    def _redo_subject(self, subject: Any, about: date) -> None:
        if isinstance(subject, Merchant):
            for room in subject.rooms.all():
                self._redo(about, room=room.pk)
            self._redo(about, merchant=subject.pk)
        else:
            self._redo(about, room=subject.pk)

    def _redo(self, about: date, *, merchant: int = 0, room: int = 0) -> None:
        touched = set(Binding.objects.filter(merchant=merchant).values_list("provider_id", flat=True))
        if room:
            one = Streamer.objects.get(pk=room)
            sisters = Streamer.objects.filter(person=one.person)
            touched |= set(Binding.objects.filter(streamer__in=sisters).values_list("provider_id", flat=True))
            touched |= set(Binding.objects.filter(merchant=one.merchant_id or 0).values_list("provider_id", flat=True))
        # Whoever shares a sale is touched as well: the first role may have passed to or from them.
        if merchant or room:
            touched |= {provider.pk for provider in self.providers if touched}
        redo(*touched, from_day=about)


def everything() -> list[list[tuple[Any, ...]]]:
    return [
        list(ProviderCum.objects.order_by("provider_id", "day").values_list()),
        list(ProviderStock.objects.order_by("provider_id", "day").values_list()),
        list(PersonCum.objects.order_by("provider_id", "person", "day").values_list()),
    ]


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(
    setting=st.lists(st.one_of(shops, rooms, shares), min_size=3, max_size=8),
    edits=st.lists(st.one_of(sales, lives, runs, shops, rooms, ends, shares, skus), min_size=4, max_size=9),
)
def test_changes_one_by_one_are_a_rebuild(setting: list[Edit], edits: list[Edit]) -> None:
    with transaction.atomic():
        world = World.make()
        for edit in [*setting, *edits]:
            world.apply(edit)
        redo(*[provider.pk for provider in world.providers], from_day=FIRST + timedelta(days=DAYS))
        one_by_one = everything()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM provider_cum; DELETE FROM provider_stock; DELETE FROM provider_person_cum")
        redo(*[provider.pk for provider in world.providers])
        assert everything() == one_by_one
        assert_as_reference(world)
        transaction.set_rollback(True)


def assert_as_reference(world: World) -> None:
    reference = Reference()
    for provider in world.providers:
        rows = ProviderDay.objects.filter(provider_id=provider.pk).order_by("day").values_list("day", *MEASURES)
        for about, *values in rows:
            expected = [getattr(reference, measure)(provider.pk, about) for measure in MEASURES]
            assert dict(zip(MEASURES, values, strict=True)) == dict(zip(MEASURES, expected, strict=True)), about
