"""The facts of one provider's merchants and rooms, day by day, as columns of integers.

Rooms go live on fixed weekdays; what a session sold settles three weeks later, on the same weekday. Feeds that are
about a merchant arrive once a week, on the merchant's own weekday. That keeps the demo small without holes in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scoring.demo import season
from scoring.demo.population import generator

if TYPE_CHECKING:
    from scoring.demo.habits import Habits
    from scoring.demo.population import Provider
    from scoring.demo.roster import Roster
    from scoring.demo.sizes import Size

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]
type Columns = dict[str, Ints]

SETTLES_AFTER = 21
PAID_SHARE = 0.895
STRICT_SHARE = 0.885
OUTSIDE_LIVE = 0.12
VIEWS_PER_VIEWER = 1.6

# Goods category → refund share of placed GMV, order value in fen, on-time pickup against the mean, GMV per view in fen,
# watch seconds per viewer, quality refunds per signed order, ad return.
GOODS: dict[str, tuple[float, int, float, float, float, float, float]] = {
    "apparel": (0.33, 9_500, 0.994, 95, 210, 0.016, 3.2),
    "beauty": (0.18, 11_000, 1.004, 120, 240, 0.008, 3.6),
    "food": (0.08, 5_500, 1.0, 80, 190, 0.012, 4.1),
    "home": (0.15, 6_000, 1.002, 75, 180, 0.012, 3.9),
    "jewellery": (0.45, 38_000, 0.988, 260, 330, 0.02, 4.6),
    "baby_toys": (0.16, 8_000, 1.002, 85, 200, 0.01, 3.7),
    "electronics": (0.12, 21_000, 1.004, 150, 170, 0.013, 4.4),
    "tea_liquor": (0.12, 16_000, 1.002, 170, 300, 0.006, 4.0),
    "other": (0.20, 7_000, 1.0, 80, 180, 0.012, 3.5),
}


@dataclass(slots=True)
class Sold:
    """What was ordered: one entry per room (or shop, room −1) and day; money in fen."""

    day: Ints
    merchant: Ints
    room: Ints
    orders: Ints
    placed: Ints
    paid: Ints
    strict: Ints
    settled: Ints


@dataclass(slots=True)
class Live:
    """Rooms × days: valid sessions and the placed GMV of the day, in fen."""

    sessions: Ints
    placed: Floats


def serving(roster: Roster, days: int) -> Ints:
    """Return slots × days: the merchant served that day, −1 where nobody is."""
    table = np.full((max(roster.slots, 1), days), -1, np.int64)
    for number, merchant in enumerate(roster.merchants):
        for term in merchant.terms:
            table[merchant.slot, max(term.start, 0) : days if term.end is None else max(term.end, 0)] = number
    return table


def _sessions(provider: Provider, roster: Roster, habits: Habits, size: Size, rng: np.random.Generator) -> Ints:
    """Return rooms × days: how many valid sessions."""
    days = np.arange(size.days)
    found = np.zeros((len(roster.rooms), size.days), np.int64)
    weekly_mean = habits["sessions_a_month"] * 7 / 30
    # A missing week shadows four weeks of activity.
    gap_rate = -np.log(min(habits["activity"] * 1.13, 0.985)) / 28
    for number, room in enumerate(roster.rooms):
        weekly = weekly_mean * rng.uniform(0.85, 1.25)
        if not room.survives and room.stops is None:
            weekly = min(weekly, 2.4)
        weekdays = int(np.clip(np.ceil(weekly / 2.95), 1, 3))
        chosen = rng.permutation(7)[:weekdays]
        on = np.isin(days % 7, chosen)
        last = size.days if room.end is None else room.end
        on &= (days >= room.start) & (days < (last if room.stops is None else room.stops))
        gaps = rng.random(size.days) < gap_rate
        for start in np.flatnonzero(gaps):
            on[start : start + 8] = False
        each = weekly / weekdays
        count = np.floor(each + rng.random(size.days)).astype(np.int64)
        found[number] = np.where(on, np.clip(count, 1, 3), 0)
    return found


def _shares(roster: Roster, habits: Habits, sessions: Ints, rng: np.random.Generator) -> Floats:
    """Return rooms × days: each room's share of a day's trade; the first room leads."""
    rooms, days = sessions.shape
    weight = 0.25 + np.minimum(rng.pareto(1.3, rooms), 6)
    drift = np.empty(rooms)
    when = np.arange(days)
    table = np.empty((rooms, days))
    for number, room in enumerate(roster.rooms):
        drift[number] = rng.normal(habits["promotion"] * 0.7, 0.55)
        age = np.clip((when - room.start) / 45, 0.25, 1.0)
        if not room.survives:
            weight[number] = min(weight[number], 0.4)
        since = (when - max(room.start, 0)) / 365
        table[number] = weight[number] * age * np.exp(np.clip(drift[number] * since, -1.5, 1.6))
    present = sessions.sum(axis=1) > 0
    rate = sessions.astype(bool).mean(axis=1)
    spread = table * rate[:, None]
    if present[0]:
        others = np.maximum(spread[1:].sum(axis=0), 1e-9)
        head = float(np.clip(habits["head_share"], 0.04, 0.9))
        # The leading room holds its share of whatever the others sell.
        table[0] = head / (1 - head) * others / max(rate[0], 0.02)
        if rooms == 1:
            table[0] = 1.0
    return table


def _placed(
    provider: Provider, roster: Roster, habits: Habits, sessions: Ints, size: Size, rng: np.random.Generator
) -> Floats:
    """Return rooms × days of placed GMV before it is scaled to the provider's year."""
    year = season.platform(size.first_day, size.days) * season.tilt(provider.goods_category, size.first_day, size.days)
    year = year * season.lockdown(provider.province, size.first_day, size.days)
    trend = np.exp(rng.normal(0, 0.35) * (np.arange(size.days) - size.days) / 365)
    shares = _shares(roster, habits, sessions, rng)
    noise = rng.lognormal(0, 0.3, sessions.shape)
    placed: Floats = shares * (sessions > 0) * (year * trend)[None, :] * noise
    return placed


def _merchant_of(table: Ints, slots: Ints, days: Ints) -> Ints:
    """Return whom a room sells for: its own slot's merchant, or the next slot that has one; −1 if nobody."""
    found = table[slots % len(table), days]
    for step in range(1, len(table)):
        missing = found < 0
        if not missing.any():
            break
        found = np.where(missing, table[(slots + step) % len(table), days], found)
    return found


def trade(provider: Provider, roster: Roster, habits: Habits, size: Size) -> tuple[Sold, Live] | None:
    """Return what one provider's rooms and shops sold; None where there was nothing to sell."""
    rng = generator(5, len(size.name), provider.index)
    if not roster.merchants or not roster.rooms:
        return None
    table = serving(roster, size.days)
    sessions = _sessions(provider, roster, habits, size, rng)
    left = size.days if provider.left is None else max((provider.left - size.first_day).days, 0)
    sessions[:, left:] = 0
    slots = np.array([room.slot for room in roster.rooms], np.int64)
    room, day = np.nonzero(sessions)
    merchant = _merchant_of(table, slots[room], day)
    kept = merchant >= 0
    nobody = np.zeros_like(sessions, dtype=bool)
    nobody[room[~kept], day[~kept]] = True
    sessions[nobody] = 0
    room, day, merchant = room[kept], day[kept], merchant[kept]
    if not len(day):
        return None
    placed = _placed(provider, roster, habits, sessions, size, rng)
    shop_day, shop_merchant = _shop_days(table, left)
    level = placed.sum() * OUTSIDE_LIVE / (1 - OUTSIDE_LIVE) / max(len(shop_day), 1)
    all_placed = np.concatenate([placed[room, day], level * rng.lognormal(0, 0.5, len(shop_day))])
    all_day = np.concatenate([day, shop_day])
    all_merchant = np.concatenate([merchant, shop_merchant])
    all_room = np.concatenate([room, np.full(len(shop_day), -1)])
    scale = _scale(provider, all_day, all_placed, all_merchant, roster, size)
    sold = _ordered(all_day, all_merchant, all_room, all_placed * scale, roster, rng)
    return sold, Live(sessions, placed * scale)


def _shop_days(table: Ints, left: int) -> tuple[Ints, Ints]:
    """Return the days and merchants of sales outside live sessions: every third slot, once a week."""
    days, merchants = [], []
    for slot in range(0, len(table), 3):
        when = np.arange(slot % 7, left, 7)
        served = table[slot, when]
        days.append(when[served >= 0])
        merchants.append(served[served >= 0])
    return np.concatenate(days), np.concatenate(merchants)


def _settled_share(roster: Roster, merchant: Ints) -> Floats:
    refunds = np.array([GOODS[one.category][0] for one in roster.merchants])
    share: Floats = STRICT_SHARE - refunds[merchant]
    return share


def _scale(provider: Provider, day: Ints, placed: Floats, merchant: Ints, roster: Roster, size: Size) -> float:
    """Return the factor that makes the GMV settled in the trailing year the provider's own."""
    end = size.days if provider.left is None else (provider.left - size.first_day).days
    settles = day + SETTLES_AFTER
    inside = (settles >= end - 365) & (settles < end)
    worth = float((placed * _settled_share(roster, merchant))[inside].sum())
    if provider.story == "few" or worth <= 0 or provider.settled_year_fen <= 0:
        return 40_000.0 / max(float(placed.mean()), 1e-9)
    return provider.settled_year_fen / worth


def _ordered(day: Ints, merchant: Ints, room: Ints, placed: Floats, roster: Roster, rng: np.random.Generator) -> Sold:
    """Turn money into orders and the four bases of GMV, in whole fen."""
    value = np.array([GOODS[one.category][1] for one in roster.merchants])[merchant] * rng.lognormal(0, 0.08, len(day))
    orders = np.maximum(1, np.rint(placed / value)).astype(np.int64)
    money = np.maximum(np.rint(placed), orders * 3000).astype(np.int64)
    paid = (money * (PAID_SHARE + rng.uniform(-0.01, 0.01, len(day)))).astype(np.int64)
    strict = np.minimum(paid, (money * STRICT_SHARE * rng.uniform(0.995, 1.005, len(day))).astype(np.int64))
    share = _settled_share(roster, merchant) / STRICT_SHARE * rng.uniform(0.96, 1.04, len(day))
    return Sold(day, merchant, room, orders, money, paid, strict, (strict * share).astype(np.int64))


def grouped(keys: Ints, columns: Columns) -> tuple[Ints, Columns]:
    """Add up the columns of equal keys; the keys come back sorted."""
    unique, place = np.unique(keys, return_inverse=True)
    found: Columns = {}
    for name, values in columns.items():
        total = np.zeros(len(unique), np.int64)
        np.add.at(total, place, values)
        found[name] = total
    return unique, found


def split(total: Ints, share: Floats | float, rng: np.random.Generator) -> Ints:
    """Return a binomial part of each total."""
    part: Ints = rng.binomial(total, np.clip(share, 0, 1)).astype(np.int64)
    return part
