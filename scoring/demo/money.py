"""Cash and traffic of the wind-maker plan: who was granted what, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from scoring.demo.population import FEN_PER_YI, generator

if TYPE_CHECKING:
    from scoring.demo.world import World

PLAN_STARTS = date(2021, 7, 22)
YI = 100_000_000
# Totals at the as-of day: cash in fen, traffic in impressions.
CASH_GRANTED = int(0.61 * FEN_PER_YI)
CASH_PAID = int(0.52 * FEN_PER_YI)
CASH_CLAWED_BACK = int(0.03 * FEN_PER_YI)
FUND_COMMITTED = int(3.2 * FEN_PER_YI)
FUND_DISBURSED = int(2.1 * FEN_PER_YI)
FUND_DEALS = 7
TRAFFIC_ISSUED = 683 * YI
TRAFFIC_USED = 521 * YI
TRAFFIC_EXPIRED = 74 * YI
LIVES_DAYS = 30
# GMV per impression granted, in fen: one million impressions bring about RMB 20,000.
FEN_PER_IMPRESSION = 2.0


@dataclass(slots=True)
class CashGrant:
    """One cash grant: granted on a day (index), then paid, clawed back or still waiting; fen."""

    provider: int
    day: int
    amount: int
    paid: int
    clawed_back: int
    is_proposed: bool = False


@dataclass(slots=True)
class FundDeal:
    """One investment of the ecology fund: committed on a day (index), part of it disbursed; fen."""

    provider: int
    day: int
    committed: int
    disbursed: int


@dataclass(slots=True)
class TrafficGrant:
    """One traffic coupon: impressions, used or lapsed thirty days after the day of issue."""

    provider: int
    day: int
    amount: int
    used: int
    expired: int
    is_festival: bool = False


def _parts(total: int, weights: np.ndarray[tuple[int], np.dtype[np.float64]], unit: int) -> list[int]:
    """Split a total by weight into whole units; the first part takes what rounding leaves."""
    parts = [int(value) // unit * unit for value in total * weights / weights.sum()]
    parts[0] += total - sum(parts)
    return parts


def plan(world: World) -> None:
    """Fill the world's grants and add the feed that says how granted traffic was used."""
    size = world.size
    rng = generator(8, len(size.name))
    # Grants reach back a year, and only whoever was there already could be given one.
    working = [
        one
        for one in world.providers
        if one.left is None and one.index in world.sold and one.joined < min(PLAN_STARTS, size.first_day)
    ]
    worth = np.array([max(one.settled_year_fen, 1) ** 0.35 * np.exp(0.3 * one.ability) for one in working])
    first = max((PLAN_STARTS - size.first_day).days, 0)
    _traffic(world, rng, [one.index for one in working], worth, first)
    _cash(world, rng, [one.index for one in working], worth, first)
    _fund(world, rng, [one.index for one in working], worth, first)
    _usage(world, rng)


def _fund(
    world: World,
    rng: np.random.Generator,
    working: list[int],
    worth: np.ndarray[tuple[int], np.dtype[np.float64]],
    first: int,
) -> None:
    """Commit the ecology fund to a few strong providers; the last deals wait for their money."""
    who = np.argsort(-worth)[: FUND_DEALS * 2 : 2]
    days = np.sort(rng.integers(first + 40, world.size.days - 10, FUND_DEALS)).tolist()
    committed = _parts(FUND_COMMITTED, rng.uniform(0.5, 1.5, FUND_DEALS), 10_000_000)
    left = FUND_DISBURSED
    for provider, day, amount in zip(who.tolist(), days, committed, strict=True):
        paid = min(left, amount)
        left -= paid
        world.fund_deals.append(FundDeal(working[provider], int(day), amount, paid))


def _traffic(
    world: World,
    rng: np.random.Generator,
    working: list[int],
    worth: np.ndarray[tuple[int], np.dtype[np.float64]],
    first: int,
) -> None:
    size = world.size
    count = size.traffic_grants
    # Half of the working providers are in the programme; each gets its coupon again and again.
    members = sorted(
        rng.choice(len(working), max(24, len(working) // 2), replace=False, p=worth / worth.sum()).tolist()
    )
    members = list(
        dict.fromkeys([*(working.index(one.index) for one in world.providers if one.story == "owner"), *members])
    )
    recent, past = round(count * 0.22), count - round(count * 0.22)
    days = np.concatenate(
        [
            rng.integers(size.days - 26, size.days - 6, recent),
            np.where(
                np.arange(past) < max(30, past // 3),
                rng.integers(size.days - 88, size.days - 34, past),
                rng.integers(first + 5, size.days - 34, past),
            ),
        ]
    )
    who = [members[k % len(members)] for k in range(count)]
    weights = worth[who] * rng.uniform(0.7, 1.3, count)
    amounts = _parts(TRAFFIC_ISSUED * 20 // 100, weights[:recent], 10_000) + _parts(
        TRAFFIC_ISSUED - TRAFFIC_ISSUED * 20 // 100, weights[recent:], 10_000
    )
    past_issued = sum(amounts[recent:])
    past_used = past_issued - TRAFFIC_EXPIRED
    festival = set(range(recent, recent + max(2, past // 40)))
    lapsed = sum(amounts[k] for k in festival)
    rest = rng.uniform(0.02, 0.3, count)
    open_part = np.array([0 if k < recent or k in festival else amounts[k] * rest[k] for k in range(count)])
    open_part *= (past_issued - past_used - lapsed) / open_part.sum()
    recent_used = (TRAFFIC_USED - past_used) / sum(amounts[:recent])
    for k in range(count):
        if k < recent:
            used, expired = int(amounts[k] * recent_used), 0
        else:
            expired = amounts[k] if k in festival else min(amounts[k], int(open_part[k]))
            used = amounts[k] - expired
        # The coupons of the June festival were issued late in May and lapsed unused.
        day = size.days - 33 if k in festival else int(days[k])
        world.traffic_grants.append(TrafficGrant(working[who[k]], day, amounts[k], used, expired, k in festival))
    world.traffic_grants.sort(key=lambda grant: (grant.day, grant.provider))


def _cash(
    world: World,
    rng: np.random.Generator,
    working: list[int],
    worth: np.ndarray[tuple[int], np.dtype[np.float64]],
    first: int,
) -> None:
    size = world.size
    count = size.cash_grants
    who = rng.choice(len(working), count, p=worth / worth.sum())
    amounts = _parts(CASH_GRANTED, worth[who] * rng.uniform(0.6, 1.4, count), 100_000)
    days = np.sort(rng.integers(first + 20, size.days - 2, count))
    unpaid, back = CASH_GRANTED - CASH_PAID, CASH_CLAWED_BACK
    for k in range(count - 1, -1, -1):
        # The newest are not paid yet; a few old ones were paid and taken back.
        waiting = min(unpaid, amounts[k])
        unpaid -= waiting
        clawed = min(back, amounts[k] - waiting) if k % 5 == 1 else 0
        back -= clawed
        world.cash_grants.append(
            CashGrant(working[int(who[k])], int(days[k]), amounts[k], amounts[k] - waiting, clawed)
        )
    for k in range(3):
        world.cash_grants.append(
            CashGrant(working[int(who[k])], size.days - 3 + k, 20_000_000 + 5_000_000 * k, 0, 0, is_proposed=True)
        )
    world.cash_grants.sort(key=lambda grant: (grant.is_proposed, grant.day, grant.provider))


def _usage(world: World, rng: np.random.Generator) -> None:
    """Spread each coupon's use over four days of its month and say what it sold."""
    from scoring.demo.world import Feed

    days, who, used, brought = [], [], [], []
    for grant in world.traffic_grants:
        last = min(grant.day + LIVES_DAYS, world.size.days)
        when = np.unique(rng.integers(grant.day, last, 4))
        parts = _parts(grant.used, rng.uniform(0.5, 1.5, len(when)), 1)
        returns = world.habits[grant.provider]["grant_return"]
        for day, part in zip(when.tolist(), parts, strict=True):
            if part > 0:
                days.append(day)
                who.append(grant.provider)
                used.append(part)
                # Lapsed coupons count against their holder, so an ordinary return is a little above the middle.
                brought.append(int(part * FEN_PER_IMPRESSION * returns * float(rng.lognormal(0, 0.15))))
    keys = np.array(days, np.int64) * 100_000 + np.array(who, np.int64)
    unique, place = np.unique(keys, return_inverse=True)
    measures = {}
    for name, values in (("granted_impressions_used", used), ("granted_gmv_strict", brought)):
        total = np.zeros(len(unique), np.int64)
        np.add.at(total, place, np.array(values, np.int64))
        measures[name] = total
    world.feeds["grants"] = Feed("traffic", "provider", unique // 100_000, unique % 100_000, None, measures)
