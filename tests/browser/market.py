"""A small population with real facts: bound, delivered, rolled up and scored by the ordinary steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from scoring.steps.plans import ensure_plans
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from providers.models import Merchant, Provider, Streamer

SINCE = rows.AS_OF - timedelta(days=120)
# Orders and valid sessions a day; the first of them is the one the journeys follow: 60.0 points, grade B.
TRADE = ((10, 1), (30, 1), (4, 0), (20, 1))


@dataclass(frozen=True, slots=True)
class Market:
    """The provider the journeys follow, with its merchant and streamer, and the others."""

    provider: Provider
    merchant: Merchant
    streamer: Streamer
    others: tuple[Provider, ...]


def open_market() -> Market:
    """Make the population and work its ledger off, up to the standings of the plans."""
    rows.rubric()
    ensure_plans()
    providers = [factories.provider(approved_on=SINCE) for _ in TRADE]
    subjects = [
        rows.trading(provider, orders=orders, sessions=sessions, since=SINCE)
        for provider, (orders, sessions) in zip(providers, TRADE, strict=True)
    ]
    rows.drain("roll_up", "score", "tier")
    return Market(providers[0], *subjects[0], tuple(providers[1:]))
