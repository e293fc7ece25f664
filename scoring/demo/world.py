"""The whole demo world in memory: providers, whom they serve, and every feed's table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scoring.demo import feeds, income, money, stories
from scoring.demo.habits import Habits, habits
from scoring.demo.population import Provider, generator, population
from scoring.demo.roster import Merchant, Room, Roster, roster
from scoring.demo.rows import trade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoring.demo.feeds import Table
    from scoring.demo.rows import Columns, Ints, Sold
    from scoring.demo.sizes import Size

UNKNOWN_SHARE = 0.34


@dataclass(slots=True)
class Feed:
    """One feed of the whole world: subjects and rooms are indexes into ``codes`` and ``World.rooms``."""

    feed: str
    subject: str
    day: Ints
    who: Ints
    room: Ints | None
    measures: Columns


@dataclass(slots=True)
class World:
    """Everything the demo loads."""

    size: Size
    providers: tuple[Provider, ...]
    habits: list[Habits]
    rosters: list[Roster]
    merchants: list[Merchant]
    rooms: list[Room]
    merchant_of: list[int]
    room_of: list[int]
    declared: list[bool]
    feeds: dict[str, Feed]
    traffic_grants: list[money.TrafficGrant] = field(default_factory=list)
    cash_grants: list[money.CashGrant] = field(default_factory=list)
    fund_deals: list[money.FundDeal] = field(default_factory=list)
    sold: dict[int, Sold] = field(default_factory=dict)


def build(size: Size) -> World:
    """Build the world of one size; the same size gives the same world."""
    providers = stories.told(population(size))
    world = World(size, providers, [], [], [], [], [], [], [], {})
    parts: dict[str, list[tuple[Table, int, int, int]]] = {}
    for provider in providers:
        mine = habits(provider, size)
        served = roster(provider, mine, size)
        base = (len(world.merchants), len(world.rooms))
        rng = generator(7, len(size.name), provider.index)
        declared = bool(rng.random() < 0.72) and provider.category not in {"MCN", "TRAINING"}
        world.habits.append(mine)
        world.rosters.append(served)
        world.merchants += served.merchants
        world.rooms += served.rooms
        world.merchant_of += [provider.index] * len(served.merchants)
        world.room_of += [provider.index] * len(served.rooms)
        world.declared.append(declared)
        traded = trade(provider, served, mine, size)
        if traded is None:
            continue
        sold, lives = traded
        world.sold[provider.index] = sold
        unknown = UNKNOWN_SHARE if provider.story == "unknown_source" else 0.03
        supply, offer = feeds.supply(sold, served, mine, rng, size)
        tables = {
            "sales": feeds.sales(sold, mine, unknown, rng, size.days),
            "live": feeds.live(sold, lives, served, mine, rng, size.days),
            "refunds": feeds.refunds(sold, served, mine, rng, size.days),
            "service": feeds.service(provider, sold, served, mine, rng, size),
            "supply": supply,
            "offer": offer,
            "traffic": feeds.advertising(sold, served, mine, rng, size.days),
            "people": feeds.people(provider, sold, served, mine, size, declared),
            **income.tables(provider, sold, served, size),
        }
        for name, table in tables.items():
            if table is not None:
                parts.setdefault(name, []).append((table, provider.index, *base))
    for name, found in parts.items():
        world.feeds[name] = _joined(name, found)
    money.plan(world)
    return world


# Table → feed and kind of subject.
_FEED = {
    "sales": ("sales", "merchant"),
    "refunds": ("refunds", "merchant"),
    "service": ("service", "merchant"),
    "supply": ("supply", "merchant"),
    "offer": ("supply", "merchant"),
    "traffic": ("traffic", "merchant"),
    "live": ("live", "streamer"),
    "people": ("people", "provider"),
    "redeemed": ("settlement", "merchant"),
    "income": ("settlement", "provider"),
    "reported": ("provider_report", "provider"),
}


def _joined(name: str, parts: Sequence[tuple[Table, int, int, int]]) -> Feed:
    """Put the tables of all providers together, in order of day."""
    feed, subject = _FEED[name]
    day = np.concatenate([part[0].day for part in parts])
    who = np.concatenate(
        [
            table.subject + {"merchant": merchants, "streamer": rooms, "provider": provider}[subject]
            for table, provider, merchants, rooms in parts
        ]
    )
    selling = None
    if subject == "merchant":
        selling = np.concatenate(
            [np.where(part[0].room >= 0, part[0].room + part[3], -1) for part in parts if part[0].room is not None]
        )
    order = np.lexsort((who if selling is None else selling, who, day))
    names = list(parts[0][0].measures)
    return Feed(
        feed=feed,
        subject=subject,
        day=day[order],
        who=who[order],
        room=None if selling is None else selling[order],
        measures={key: np.concatenate([part[0].measures[key] for part in parts])[order] for key in names},
    )
