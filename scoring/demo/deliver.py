"""Fact feeds as files: a month a batch, the last days one by one, all through the ingest step."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from providers.models import Batch
from providers.steps.ingest import ingest
from scoring.demo.clock import at, known_since
from scoring.demo.sizes import AS_OF

if TYPE_CHECKING:
    from scoring.demo.rows import Ints
    from scoring.demo.world import Feed, World

SOURCE = "warehouse"
# A person has looked at the history as a whole: festivals multiply a day's totals, and a young platform grows fast.
LOOKED_AT = "历史数据整体核对：大促与春节造成的日总量波动属实（演示）"
# The ad platform's export failed in this week and was never made good.
NO_ADS = (date(2022, 4, 11), date(2022, 4, 18))


@dataclass(frozen=True, slots=True)
class Part:
    """One batch to be delivered: which days (indexes, half-open) of which table."""

    table: str
    first: int
    last: int
    daily: bool


def file_of(world: World, feed: Feed, inside: Ints) -> io.BytesIO:
    """Return rows of a feed as CSV."""
    start = np.datetime64(world.size.first_day)
    days = np.datetime_as_string(start + np.arange(world.size.days).astype("timedelta64[D]"), unit="D").tolist()
    codes = {
        "merchant": [one.code for one in world.merchants],
        "streamer": [one.code for one in world.rooms],
        "provider": [one.code for one in world.providers],
    }[feed.subject]
    header = ["day", feed.subject]
    columns: list[list[object]] = [
        [days[day] for day in feed.day[inside].tolist()],
        [codes[who] for who in feed.who[inside].tolist()],
    ]
    if feed.feed == "sales" and feed.room is not None:
        header.append("streamer")
        columns.append([world.rooms[room].code if room >= 0 else "" for room in feed.room[inside].tolist()])
    for name, values in feed.measures.items():
        header.append(name)
        columns.append(values[inside].tolist())
    line = ",".join(["%s"] * len(header)) + "\n"
    text = ",".join(header) + "\n" + "".join(map(line.__mod__, zip(*columns, strict=True)))
    return io.BytesIO(text.encode())


def parts(world: World) -> list[Part]:
    """Return every batch in the order of delivery: by last day, then by feed."""
    size = world.size
    found = []
    months = [day for day in range(1, size.days) if (size.first_day + timedelta(days=day)).day == 1]
    starts = [0, *months[:: size.months_a_batch]]
    daily = size.days - size.daily_batches
    edges = [*starts, daily] if daily not in starts else starts
    for table, feed in world.feeds.items():
        spans = [(a, b, False) for a, b in zip(edges, [*edges[1:], size.days], strict=True) if a < daily]
        if feed.feed in {"sales", "live", "refunds", "service"}:
            spans += [(day, day + 1, True) for day in range(daily, size.days)]
        else:
            spans.append((daily, size.days, False))
        if table == "traffic":
            spans = _without_ads(world, spans)
        found += [Part(table, a, b, daily) for a, b, daily in spans]
    order = list(world.feeds)
    return sorted(found, key=lambda part: (part.last, order.index(part.table)))


def _without_ads(world: World, spans: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool]]:
    gap = [(day - world.size.first_day).days for day in NO_ADS]
    found = []
    for first, last, daily in spans:
        if first <= gap[0] and gap[1] <= last:
            found += [(first, gap[0], daily), (gap[1], last, daily)]
        else:
            found.append((first, last, daily))
    return [span for span in found if span[0] < span[1]]


def key_of(world: World, part: Part, suffix: str = "") -> str:
    """Return the batch key: feed, days, version."""
    first = world.size.first_day + timedelta(days=part.first)
    last = world.size.first_day + timedelta(days=part.last - 1)
    return f"{part.table}-{first:%Y%m%d}" + ("" if first == last else f"-{last:%Y%m%d}") + (suffix or "-v1")


def deliver(world: World, part: Part, *, without: Ints | None = None, suffix: str = "", late: int = 0) -> Batch | None:
    """Deliver one batch on the morning after its last day, ``late`` days later; None where it has no rows."""
    feed = world.feeds[part.table]
    lo, hi = np.searchsorted(feed.day, [part.first, part.last])
    inside = np.arange(lo, hi)
    if without is not None:
        inside = inside[~np.isin(feed.day[inside], without)]
    if not len(inside):
        return None
    first = world.size.first_day + timedelta(days=part.first)
    last = world.size.first_day + timedelta(days=part.last - 1)
    # States at day's end come for some days only; the other feeds leave no day out.
    whole = part.table not in {"offer", "people", "supply"} and without is None
    return send(
        feed.feed,
        file_of(world, feed, inside),
        key=key_of(world, part, suffix),
        received=min(last + timedelta(days=1 + late), AS_OF),
        covers=(first, last) if whole else None,
        accept_unusual="" if part.daily else LOOKED_AT,
    )


def send(
    feed: str,
    content: io.BytesIO,
    *,
    key: str,
    received: date,
    covers: tuple[date, date] | None = None,
    accept_unusual: str = "",
    known: date | None = None,
) -> Batch:
    """Ingest a file as it arrived at half past six in the morning of a day, its registers known since another."""
    with at(received, 6, 30), known_since(known or received, 6, 30):
        return ingest(
            feed,
            content,
            key=key,
            source=SOURCE,
            covers=covers,
            file_name=f"{key}.csv",
            accept_unusual=accept_unusual,
        )
