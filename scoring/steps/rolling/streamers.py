"""Derived measures of signed streamers: signed and active days, promotions, survival of newcomers.

A streamer is a real person here: sister accounts count as one, wherever they are bound.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from psycopg import sql

from scoring.steps.rolling import live
from scoring.steps.rolling.arrays import NEVER, Ints, day_of, fetch, literal
from scoring.steps.rolling.days import Days
from scoring.steps.rolling.spans import Span, month_end, month_ends, union

SETTLING_DAYS = 30  # a signed streamer counts from the 31st day of the binding
WEEKS, WEEK_DAYS = 4, 7
DUE_DAYS = 90
SURVIVAL_DAYS = 30  # days 61 to 90 after signing
SURVIVAL_SESSIONS = 15
SURVIVAL_SECONDS = 30 * 3600
SURVIVAL_VIEWERS = 500  # per valid session
WATCHED_AHEAD = max(SURVIVAL_DAYS, WEEKS * WEEK_DAYS)  # days before the first whose facts it is told by
# Least 30-day settled GMV (fen) of tiers L2 to L5; below the first it is L1. Own judgement.
TIERS_FEN = (10_000_000, 50_000_000, 200_000_000, 1_000_000_000)
TIER_MONTHS = 3  # month-ends running that confirm a tier
HIGHEST_PROMOTABLE = 4
JOINED_ABOVE = 2
JOINED_DAYS = 90


@dataclass(frozen=True, slots=True)
class People:
    """Who was signed when, and the rooms of everybody ever signed by the providers asked for."""

    signed: dict[tuple[int, int], list[Span]]  # (provider, person) → spans
    rooms: dict[int, int]  # room → person
    first: dict[int, tuple[int, int]]  # person → (day, provider) of the first-ever signing


def signed_people(providers: Ints) -> People:
    """Load the signings of everybody whom the providers ever signed, with whomever."""
    rows = fetch(
        sql.SQL(
            "WITH persons AS (SELECT DISTINCT room.person FROM providers_binding binding"
            " JOIN providers_streamer room ON room.id = binding.streamer_id"
            " WHERE binding.status = 'confirmed' AND binding.provider_id = ANY(%(providers)s)),"
            " numbered AS (SELECT room.id, min(room.id) OVER (PARTITION BY room.person) AS person"
            " FROM providers_streamer room JOIN persons USING (person))"
            " SELECT room.person, room.id, coalesce(binding.provider_id, 0), coalesce(binding.id, 0),"
            " coalesce(lower(binding.period) - DATE '2000-01-01', 0)::bigint,"
            " CASE WHEN binding.id IS NULL THEN 0"
            " ELSE coalesce(upper(binding.period) - DATE '2000-01-01', {}) END::bigint"
            " FROM numbered room LEFT JOIN providers_binding binding"
            " ON binding.streamer_id = room.id AND binding.status = 'confirmed' ORDER BY 1, 5, 4"
        ).format(sql.Literal(NEVER)),
        6,
        {"providers": providers.tolist()},
    )
    spans: dict[tuple[int, int], list[Span]] = defaultdict(list)
    rooms: dict[int, int] = {}
    first: dict[int, tuple[int, int]] = {}
    for person, room, provider, binding, lo, hi in rows.tolist():
        rooms[room] = person
        if binding:
            spans[provider, person].append((lo, hi))
            first.setdefault(person, (lo, provider))
    return People({key: union(found) for key, found in spans.items()}, rooms, first)


def counted_spans(people: People, provider: int, person: int, *, others: list[Span]) -> list[Span]:
    """Return the days on which a person counts as signed: from the 31st, after an unbinding to the end of the month."""
    counted: list[Span] = []
    for lo, hi in people.signed[provider, person]:
        end = hi
        if hi < NEVER:
            end = month_end(hi - 1) + 1
            taken = [other_lo for other_lo, other_hi in others if other_lo < end and other_hi > hi]
            end = max(hi, min([end, *taken]))
        counted.append((lo + SETTLING_DAYS, end))
    return union(span for span in counted if span[0] < span[1])


def add_streamers(days: Days, first_day: int) -> None:
    """Add the flows of signed streamers; ``first_day`` is the first day any feed delivered."""
    people = signed_people(days.providers)
    if not people.signed:
        return
    persons = sorted({person for _, person in people.signed})
    place = {person: row for row, person in enumerate(persons)}
    watched = _Live.load(people.rooms, place, days)
    active = watched.active()[:, days.lo - watched.lo :]
    tiers = _Tiers.load(people.rooms, place, first_day, days.hi)
    confirmed = tiers.confirmed(days.lo, days.hi)
    by_person: dict[int, list[tuple[int, list[Span]]]] = defaultdict(list)
    for (provider, person), spans in people.signed.items():
        by_person[person].append((provider, spans))
    wanted = set(days.providers.tolist())
    for (provider, person), spans in people.signed.items():
        if provider not in wanted:
            continue
        row, who = int(np.searchsorted(days.providers, provider)), place[person]
        others = [span for other, found in by_person[person] if other != provider for span in found]
        counted = np.zeros(days.hi - days.lo, dtype=np.int64)
        for lo, hi in counted_spans(people, provider, person, others=others):
            counted[max(lo - days.lo, 0) : max(hi - days.lo, 0)] = 1
        promotable = counted * (confirmed[who] <= HIGHEST_PROMOTABLE)
        for lo, _ in spans:
            if tiers.on(who, lo) > JOINED_ABOVE:
                promotable[max(lo - days.lo, 0) : max(lo + JOINED_DAYS - days.lo, 0)] = 0
        days.of("signed_streamer_days")[row] += counted
        days.of("active_streamer_days")[row] += counted * active[who]
        days.of("promotable_streamer_days")[row] += promotable
        for day, step in tiers.steps(who):
            if days.lo <= day < days.hi and promotable[day - days.lo]:
                days.of("streamer_promotions" if step > 0 else "streamer_demotions")[row, day - days.lo] += 1
    for person, (signed_on, provider) in people.first.items():
        due = signed_on + DUE_DAYS
        if provider in wanted and days.lo <= due < days.hi:
            row = int(np.searchsorted(days.providers, provider))
            days.of("streamers_due_90d")[row, due - days.lo] += 1
            days.of("streamers_survived_90d")[row, due - days.lo] += watched.survived(place[person], due)


@dataclass(frozen=True, slots=True)
class _Live:
    """Valid sessions, live seconds and viewers per person and day, from ``lo`` on; (persons, days) each."""

    lo: int
    sessions: Ints
    seconds: Ints
    viewers: Ints

    @classmethod
    def load(cls, rooms: dict[int, int], place: dict[int, int], days: Days) -> _Live:
        rows = live.daily(days.facts("live", "streamer", literal(np.array(list(rooms))), lead=WATCHED_AHEAD))
        lo = days.lo - WATCHED_AHEAD
        persons = np.array([place[rooms[room]] for room in rows[:, 0].tolist()], dtype=np.int64)
        arrays = []
        for column in (2, 3, 4):
            values = np.zeros((len(place), days.hi - lo), dtype=np.int64)
            np.add.at(values, (persons, rows[:, 1] - lo), rows[:, column])
            arrays.append(values)
        return cls(lo, *arrays)

    def active(self) -> Ints:
        """1 where the person has a valid session in each of the four 7-day weeks ending that day."""
        total = np.zeros((len(self.sessions), self.sessions.shape[1] + 1), dtype=np.int64)
        np.cumsum(self.sessions, axis=1, out=total[:, 1:])
        result = np.ones(self.sessions.shape, dtype=np.int64)
        ends = np.arange(1, total.shape[1])
        for week in range(WEEKS):
            until, since = np.maximum(ends - week * WEEK_DAYS, 0), np.maximum(ends - (week + 1) * WEEK_DAYS, 0)
            result *= total[:, until] - total[:, since] > 0
        return result

    def survived(self, person: int, due: int) -> int:
        """1 if the 30 days up to ``due`` show a live and watched streamer."""
        last = slice(due - SURVIVAL_DAYS + 1 - self.lo, due + 1 - self.lo)
        sessions = int(self.sessions[person, last].sum())
        enough = sessions >= SURVIVAL_SESSIONS or int(self.seconds[person, last].sum()) >= SURVIVAL_SECONDS
        watched = sessions > 0 and int(self.viewers[person, last].sum()) >= SURVIVAL_VIEWERS * sessions
        return int(enough and watched)


def confirmed_tiers(ends: list[int], tiers: list[int]) -> list[tuple[int, int]]:
    """Return (month's end, confirmed tier from the next day on): three month-ends running on one side move it."""
    found: list[tuple[int, int]] = []
    confirmed = tiers[0] if tiers else 1
    for place, end in enumerate(ends):
        recent = tiers[max(0, place - TIER_MONTHS + 1) : place + 1]
        if len(recent) == TIER_MONTHS and min(recent) > confirmed:
            confirmed = min(recent)
        elif len(recent) == TIER_MONTHS and max(recent) < confirmed:
            confirmed = max(recent)
        found.append((end, confirmed))
    return found


@dataclass(frozen=True, slots=True)
class _Tiers:
    """Confirmed tier of every person after each month's end, from the first month any feed delivered; L1 before."""

    walked: list[list[tuple[int, int]]]  # per person: (month's end, confirmed tier from the next day on)

    @classmethod
    def load(cls, rooms: dict[int, int], place: dict[int, int], first_day: int, hi: int) -> _Tiers:
        ends = month_ends(first_day, hi)
        gmv = np.zeros((len(place), len(ends)), dtype=np.int64)
        if ends:
            rows = fetch(
                sql.SQL(
                    "SELECT sold.streamer_id, closing.number::bigint, sold.settled_30d FROM room_month sold"
                    " JOIN unnest(%(ends)s::date[]) WITH ORDINALITY AS closing(day, number)"
                    " ON sold.month = date_trunc('month', closing.day)::date"
                    " WHERE sold.streamer_id = ANY(%(rooms)s)"
                ),
                3,
                {"ends": [day_of(end) for end in ends], "rooms": sorted(rooms)},
            )
            persons = np.array([place[rooms[room]] for room in rows[:, 0].tolist()], dtype=np.int64)
            np.add.at(gmv, (persons, rows[:, 1] - 1), rows[:, 2])
        tier = 1 + np.searchsorted(np.array(TIERS_FEN), gmv, side="right")
        return cls([confirmed_tiers(ends, row) for row in tier.tolist()])

    def steps(self, person: int) -> list[tuple[int, int]]:
        """Return (day confirmed, +1 or −1) of each promotion and demotion."""
        return [
            (day, 1 if after > before else -1)
            for (_, before), (day, after) in pairwise(self.walked[person])
            if after != before
        ]

    def on(self, person: int, day: int) -> int:
        """Return the confirmed tier as a day begins."""
        return next((tier for end, tier in reversed(self.walked[person]) if end < day), 1)

    def confirmed(self, lo: int, hi: int) -> Ints:
        """Return the tier before that day's step, per person and day of [lo, hi)."""
        result = np.ones((len(self.walked), hi - lo), dtype=np.int64)
        for person, steps in enumerate(self.walked):
            for end, tier in steps:
                result[person, max(end + 1 - lo, 0) :] = tier
        return result
