"""Measures expected at benchmark: which ratio is frozen, and what a day's row is expected to yield."""

from __future__ import annotations

from dataclasses import dataclass

from providers.measures import Subject


@dataclass(frozen=True, slots=True)
class Expectation:
    """``code`` = exposure × median(numerator ÷ exposure) × factor, of rows of one fact table."""

    code: str
    feed: str
    subject: Subject
    numerator: str
    exposure: tuple[str, ...]
    factor: int = 1


EXPECTATIONS = (
    Expectation("room_gmv_strict_expected", "live", "streamer", "room_gmv_strict_capped", ("live_views",)),
    Expectation(
        "watch_seconds_expected",
        "live",
        "streamer",
        "watch_seconds",
        ("uv_private", "uv_public_organic", "uv_public_paid", "uv_unknown"),
    ),
    Expectation(
        "quality_refund_orders_expected", "refunds", "merchant", "quality_refund_orders", ("signed_orders",), 10_000
    ),
    Expectation("ad_gmv_strict_expected", "traffic", "merchant", "ad_gmv_strict", ("ad_spend",)),
)
GRANTED = "granted_gmv_expected"  # its benchmark is the median over providers, frozen with an official run
