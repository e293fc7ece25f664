"""The rules of some derived measures once more, day by day and provider by provider: slow, and easy to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import cache

from providers.choices import ROLE_PRIORITY, BindingRole
from providers.measures import catalogue
from providers.models import FACTS, Binding, FactTable, Streamer

LIVE = set(catalogue().feed_roles["live"])
SALES = set(catalogue().feed_roles["sales"])
SERVICE = set(catalogue().feed_roles["service"])
GOODS = {"operation", "belt", "supply"}


@dataclass(frozen=True)
class Claim:
    """What one party has of a lead binding on a day; ``parties`` in order, basis points each."""

    lead: Binding
    provider: int
    parties: dict[int, int]

    @property
    def bp(self) -> int:
        return self.parties[self.provider]

    def part(self, value: int) -> int:
        """Divide by largest remainder, the first of equal ones going first."""
        exact = {one: Fraction(abs(value) * bp, 10_000) for one, bp in self.parties.items()}
        left = abs(value) - sum(map(int, exact.values()))
        up = sorted(exact, key=lambda one: int(exact[one]) - exact[one])[:left]
        return (int(exact[self.provider]) + (self.provider in up)) * (1 if value >= 0 else -1)


class Reference:
    """Everything in memory; each measure a function of provider and day."""

    def __init__(self) -> None:
        self.bindings = list(Binding.objects.confirmed())
        self.rooms = {room.pk: room for room in Streamer.objects.all()}
        self.sales: list[FactTable] = list(FACTS["sales", "merchant"].objects.all())
        self.live: list[FactTable] = list(FACTS["live", "streamer"].objects.all())
        self.signed = cache(self._signed)

    def of_merchant(self, merchant: int, about: date) -> list[Claim]:
        return [claim for b in self.bindings if b.merchant_id == merchant for claim in self.claims(b, about)]

    def of_room(self, room: int, about: date) -> list[Claim]:
        own = [claim for b in self.bindings if b.streamer_id == room for claim in self.claims(b, about)]
        store = self.rooms[room].merchant_id if room in self.rooms else None
        return own if own or store is None else self.of_merchant(store, about)

    def claims(self, lead: Binding, about: date) -> list[Claim]:
        """Say what every party has of a lead binding that day, by the rule as people would apply it."""
        if lead.lead_id or about not in lead.period:
            return []
        shares = self.shares(lead, about)
        parties = {lead.provider_id: 10_000 - sum(b.share_bp or 0 for b in shares)}
        parties |= {b.provider_id: b.share_bp or 0 for b in shares}
        return [Claim(lead, provider, parties) for provider in parties]

    def shares(self, lead: Binding, about: date) -> list[Binding]:
        return sorted((b for b in self.bindings if b.lead_id == lead.pk and about in b.period), key=lambda b: b.pk)

    def best(self, provider: int, claims: list[Claim], roles: set[str]) -> Claim | None:
        """Return the largest claim of a provider, the first of equal ones."""
        own = [claim for claim in claims if claim.provider == provider and claim.lead.role in roles]
        return max(own, key=lambda claim: claim.bp, default=None)

    def ordered(self, claims: list[Claim]) -> list[Claim]:
        return sorted(claims, key=lambda claim: BindingRole.values.index(claim.lead.role))

    def part(self, provider: int, claims: list[Claim], roles: set[str], value: int) -> int:
        best = self.best(provider, claims, roles)
        return 0 if best is None else best.part(value)

    def turn(self, provider: int, claims: list[Claim], roles: set[str], about: date) -> int:
        """Tell whether a day that cannot be divided is the provider's."""
        best = self.best(provider, self.ordered(claims), roles)
        if best is None:
            return 0
        since, now = about, self.shares(best.lead, about)
        while since > best.lead.period.lower and self.shares(best.lead, since - timedelta(days=1)) == now:
            since -= timedelta(days=1)
        gathered = dict.fromkeys(best.parties, 0)
        for _ in range((about - since).days + 1):
            gathered = {one: gathered[one] + bp for one, bp in best.parties.items()}
            whose = max(gathered, key=lambda one: gathered[one])
            gathered[whose] -= 10_000
        return int(whose == provider)

    def carried(self, row: FactTable) -> list[Claim]:
        return self.ordered(self.of_merchant(row.merchant_id, row.day)) + self.ordered(
            self.of_room(row.streamer_id, row.day)
        )

    def gmv_strict(self, provider: int, about: date) -> int:
        return sum(self.part(provider, self.carried(r), SALES, r.gmv_strict or 0) for r in self.sales if r.day == about)

    def gmv_settled_goods(self, provider: int, about: date) -> int:
        return sum(
            self.part(provider, self.ordered(self.of_merchant(r.merchant_id, about)), GOODS, r.gmv_settled or 0)
            for r in self.sales
            if r.day == about
        )

    def room_gmv_settled(self, provider: int, about: date) -> int:
        return sum(
            self.part(provider, self.ordered(self.of_room(r.streamer_id, about)), LIVE, r.gmv_settled or 0)
            for r in self.sales
            if r.day == about
        )

    def gmv_settled_once(self, provider: int, about: date) -> int:
        return sum(
            self.part(provider, self.owners(r), set(ROLE_PRIORITY), r.gmv_settled or 0)
            for r in self.sales
            if r.day == about
        )

    def owners(self, row: FactTable) -> list[Claim]:
        """Return the parties of the one lead binding for which the sale counts."""
        for role in ROLE_PRIORITY:
            for bound in (self.of_merchant(row.merchant_id, row.day), self.of_room(row.streamer_id, row.day)):
                found = [claim for claim in bound if claim.lead.role == role]
                if found:
                    return found
        return []

    def valid_sessions(self, provider: int, about: date) -> int:
        return sum(
            self.part(provider, self.ordered(self.of_room(r.streamer_id, about)), LIVE, r.valid_sessions or 0)
            for r in self.live
            if r.day == about
        )

    def merchant_days(self, provider: int, about: date) -> int:
        merchants = {b.merchant_id for b in self.bindings if b.merchant_id}
        return sum(self.turn(provider, self.of_merchant(one, about), SERVICE, about) for one in merchants)

    def room_days(self, provider: int, about: date) -> int:
        lived = {r.streamer_id for r in self.live if r.day <= about and r.valid_sessions}
        return sum(self.turn(provider, self.of_room(room, about), LIVE, about) for room in lived)

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
