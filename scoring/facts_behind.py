"""From an indicator back to the deliveries it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from providers.measures import PORTAL_FEED, catalogue
from providers.models import Batch, DeliveredDay
from scoring.explanations import ReadingCard, indicator_card

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoring.models import Score

BATCHES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What an indicator read, and the newest batches of each feed that delivered it inside the window."""

    readings: tuple[ReadingCard, ...]
    batches: tuple[Batch, ...]


def facts_behind(score: Score, indicator: str) -> Facts:
    """Return an indicator's readings and the batches that delivered their days, as known at the run's cut-off."""
    found = indicator_card(score, indicator)
    if found is None:
        return Facts((), ())
    run = score.run
    days = DeliveredDay.objects.filter(
        feed__in=delivering_feeds(reading.measure for reading in found.readings),
        day__lt=run.as_of,
        day__gte=run.as_of - timedelta(days=max(found.window_days, 1)),
        batch__received_at__lte=run.cut_off,
    )
    newest: dict[str, dict[int, None]] = {}
    for feed, batch_id in days.order_by("feed", "-day").values_list("feed", "batch_id"):
        of_feed = newest.setdefault(feed, {})
        if len(of_feed) < BATCHES_SHOWN:
            of_feed.setdefault(batch_id)
    batches = Batch.objects.in_bulk([batch_id for of_feed in newest.values() for batch_id in of_feed])
    return Facts(found.readings, tuple(batches[batch_id] for feed in sorted(newest) for batch_id in newest[feed]))


def delivering_feeds(measures: Iterable[str]) -> set[str]:
    """Return the feeds that deliver measures, or what they are derived from."""
    known = catalogue().measures
    feeds: set[str] = set()
    seen: set[str] = set()
    waiting = [code for code in measures if code in known]
    while waiting:
        code = waiting.pop()
        if code in seen:
            continue
        seen.add(code)
        if known[code].feed != PORTAL_FEED:
            feeds.add(known[code].feed)
        waiting.extend(source for source in known[code].inputs if source in known)
    return feeds
