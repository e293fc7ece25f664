"""A small population with real facts: bound, delivered, rolled up and scored by the ordinary steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from providers.choices import BindingRole
from scoring.steps.plans import ensure_plans
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from providers.models import Provider

DAYS = [rows.AS_OF - timedelta(days=n) for n in range(120, 0, -1)]
# Orders and valid sessions a day; the first of them is the one the journeys follow: 60.0 points, grade B.
TRADE = ((10, 1), (30, 1), (4, 0), (20, 1))


@dataclass(frozen=True, slots=True)
class Market:
    """The provider the journeys follow, and the others."""

    provider: Provider
    others: tuple[Provider, ...]


def open_market() -> Market:
    """Make the population and work its ledger off, up to the standings of the plans."""
    rows.rubric()
    ensure_plans()
    providers = [factories.provider(approved_on=DAYS[0]) for _ in TRADE]
    sales, live = [], []
    for provider, (orders, sessions) in zip(providers, TRADE, strict=True):
        merchant, streamer = factories.merchant(), factories.streamer()
        factories.binding(provider, merchant, starts_on=DAYS[0])
        factories.binding(provider, streamer, starts_on=DAYS[0], role=BindingRole.MCN)
        sales += [f"{day},{merchant.code},{orders},{orders * 8_500},{orders * 7_000}" for day in DAYS]
        live += [f"{day},{streamer.code},{sessions}" for day in DAYS]
    covers = (DAYS[0], DAYS[-1])
    rows.deliver("sales", "day,merchant,paid_orders,gmv_paid,gmv_settled", sales, covers=covers)
    rows.deliver("live", "day,streamer,valid_sessions", live, covers=covers)
    rows.drain("roll_up", "score", "tier")
    return Market(providers[0], tuple(providers[1:]))
