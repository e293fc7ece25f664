"""The rules of some derived measures once more, day by day and provider by provider: slow, and easy to read."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from providers.choices import ROLE_PRIORITY
from providers.measures import catalogue
from providers.models import FACTS, Binding, FactTable, Streamer

LIVE = set(catalogue().feed_roles["live"])
SALES = set(catalogue().feed_roles["sales"])
SERVICE = set(catalogue().feed_roles["service"])
GOODS = {"operation", "belt", "supply"}


class Reference:
    """Everything in memory; each measure a function of provider and day."""

    def __init__(self) -> None:
        self.bindings = list(Binding.objects.confirmed())
        self.rooms = {room.pk: room for room in Streamer.objects.all()}
        self.sales: list[FactTable] = list(FACTS["sales", "merchant"].objects.all())
        self.live: list[FactTable] = list(FACTS["live", "streamer"].objects.all())
        self.signed = cache(self._signed)

    def of_merchant(self, merchant: int, about: date) -> list[tuple[str, int]]:
        return [(b.role, b.provider_id) for b in self.bindings if b.merchant_id == merchant and about in b.period]

    def of_room(self, room: int, about: date) -> list[tuple[str, int]]:
        own = [(b.role, b.provider_id) for b in self.bindings if b.streamer_id == room and about in b.period]
        store = self.rooms[room].merchant_id if room in self.rooms else None
        return own if own or store is None else self.of_merchant(store, about)

    def carried(self, row: FactTable, roles: set[str]) -> set[int]:
        both = self.of_merchant(row.merchant_id, row.day) + self.of_room(row.streamer_id, row.day)
        return {provider for role, provider in both if role in roles}

    def gmv_strict(self, provider: int, about: date) -> int:
        return sum(r.gmv_strict or 0 for r in self.sales if r.day == about and provider in self.carried(r, SALES))

    def gmv_settled_goods(self, provider: int, about: date) -> int:
        return sum(
            r.gmv_settled or 0
            for r in self.sales
            if r.day == about and provider in {p for role, p in self.of_merchant(r.merchant_id, about) if role in GOODS}
        )

    def room_gmv_settled(self, provider: int, about: date) -> int:
        return sum(
            r.gmv_settled or 0
            for r in self.sales
            if r.day == about and provider in {p for role, p in self.of_room(r.streamer_id, about) if role in LIVE}
        )

    def gmv_settled_once(self, provider: int, about: date) -> int:
        return sum(r.gmv_settled or 0 for r in self.sales if r.day == about and self.owner(r) == provider)

    def owner(self, row: FactTable) -> int | None:
        for role in ROLE_PRIORITY:
            for bound in (self.of_merchant(row.merchant_id, row.day), self.of_room(row.streamer_id, row.day)):
                for found, provider in bound:
                    if found == role:
                        return provider
        return None

    def valid_sessions(self, provider: int, about: date) -> int:
        return sum(
            r.valid_sessions or 0
            for r in self.live
            if r.day == about and provider in {p for role, p in self.of_room(r.streamer_id, about) if role in LIVE}
        )

    def merchant_days(self, provider: int, about: date) -> int:
        return len(
            {
                b.merchant_id
                for b in self.bindings
                if b.merchant_id and b.provider_id == provider and b.role in SERVICE and about in b.period
            }
        )

    def room_days(self, provider: int, about: date) -> int:
        lived = {r.streamer_id for r in self.live if r.day <= about and r.valid_sessions}
        return sum((any(p == provider and role in LIVE for role, p in self.of_room(room, about))) for room in lived)

    def _signed(self, provider: int, person: str, about: date) -> bool:
        return any(
            b.streamer_id
            and self.rooms[b.streamer_id].person == person
            and b.provider_id == provider
            and about in b.period
            for b in self.bindings
        )

    def counts_as_signed(self, provider: int, person: str, about: date) -> bool:
        end = about
        if not self.signed(provider, person, about):
            # Unbound: it runs on to the end of the month of its last bound day, unless somebody else has the person.
            while end >= about.replace(day=1) and not self.signed(provider, person, end):
                if any(self.signed(p, person, end) for p in {b.provider_id for b in self.bindings} - {provider}):
                    return False
                end -= timedelta(days=1)
            if end < about.replace(day=1):
                return False
        start = end
        while self.signed(provider, person, start):
            start -= timedelta(days=1)
        return (about - start).days > 30

    def signed_streamer_days(self, provider: int, about: date) -> int:
        return sum(self.counts_as_signed(provider, person, about) for person in self.persons())

    def active_streamer_days(self, provider: int, about: date) -> int:
        return sum(
            self.counts_as_signed(provider, person, about) and self.active(person, about) for person in self.persons()
        )

    def active(self, person: str, about: date) -> bool:
        ages = {
            (about - r.day).days for r in self.live if r.valid_sessions and self.rooms[r.streamer_id].person == person
        }
        return all(any(week * 7 <= age < week * 7 + 7 for age in ages) for week in range(4))

    def persons(self) -> set[str]:
        return {room.person for room in self.rooms.values()}

    def streamers_due_90d(self, provider: int, about: date) -> int:
        return len(self.due(provider, about))

    def due(self, provider: int, about: date) -> list[str]:
        found = []
        for person in self.persons():
            signings = [b for b in self.bindings if b.streamer_id and self.rooms[b.streamer_id].person == person]
            if signings:
                first = min(signings, key=lambda b: (b.period.lower, b.pk))
                if first.provider_id == provider and first.period.lower + timedelta(days=90) == about:
                    found.append(person)
        return found

    def streamers_survived_90d(self, provider: int, about: date) -> int:
        alive = 0
        for person in self.due(provider, about):
            rows = [
                r for r in self.live if self.rooms[r.streamer_id].person == person and 0 <= (about - r.day).days < 30
            ]
            sessions = sum(r.valid_sessions or 0 for r in rows)
            viewers = sum(
                (r.uv_private or 0) + (r.uv_public_organic or 0) + (r.uv_public_paid or 0) + (r.uv_unknown or 0)
                for r in rows
            )
            enough = sessions >= 15 or sum(r.live_seconds or 0 for r in rows) >= 108_000
            alive += bool(enough and sessions and viewers >= 500 * sessions)
        return alive


MEASURES = (
    "gmv_strict",
    "gmv_settled_goods",
    "gmv_settled_once",
    "room_gmv_settled",
    "valid_sessions",
    "merchant_days",
    "room_days",
    "signed_streamer_days",
    "active_streamer_days",
    "streamers_due_90d",
    "streamers_survived_90d",
)
