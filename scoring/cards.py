"""What pages, admin and API are shown of a score: plain values, worded in the active language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ReadingCard:
    """One operand of an indicator as it was read: the measure, over what, the value in words, its state."""

    measure: str
    name: str
    read: str
    days: int
    window: str
    value: str
    exact_value: str | None
    state: str


@dataclass(frozen=True, slots=True)
class IndicatorCard:
    """One indicator; points 0–scale, weights in percent of the total, contribution and headroom in points.

    weight_written: the share the rubric gives it; weight: after what does not count was spread over the others.
    """

    code: str
    name: str
    value: str
    exact_value: str | None
    points: Decimal | None
    exact_points: str | None
    weight_written: Decimal
    weight: Decimal
    contribution: Decimal
    exact_contribution: str
    headroom: Decimal
    state: str
    policies: tuple[str, ...]
    reason: str
    numerator: str
    denominator: str
    numerator_value: str
    denominator_value: str
    formula: str
    anti_gaming: str
    source: str
    window_days: int
    sample: str
    readings: tuple[ReadingCard, ...]


@dataclass(frozen=True, slots=True)
class CapabilityCard:
    """One child of the root with the indicators below it; shown contributions add up to the total."""

    code: str
    name: str
    points: Decimal | None
    exact_points: str | None
    weight_written: Decimal
    weight: Decimal
    contribution: Decimal
    exact_contribution: str
    headroom: Decimal
    state: str
    reason: str
    indicators: tuple[IndicatorCard, ...]


@dataclass(frozen=True, slots=True)
class StepCard:
    """One indicator moved towards another grade; gain in points of the total when all of it is done.

    facts: the change in the facts' own units, such as “+12 valid sessions”; units: the same as a number.
    """

    code: str
    name: str
    today: str
    needed: str
    facts: str
    units: int
    gain: Decimal


@dataclass(frozen=True, slots=True)
class PathCard:
    """The way to another grade: ``steps`` suffice each alone, ``together`` as a mix; what stands in the way.

    within: no other mix is cheaper by more than this, in percent of one indicator's way to where its points end.
    """

    grade: str
    steps: tuple[StepCard, ...]
    together: tuple[StepCard, ...]
    within: Decimal
    blocked_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TierCard:
    """A plan's tiers from here, in fen of its measure: what is missing to the next one, what the present one allows.

    missing, spare: None where there is no next tier, or none is held.
    """

    plan: str
    plan_name: str
    as_of: date
    value: int
    tier: str
    next_tier: str
    missing: int | None
    spare: int | None


@dataclass(frozen=True, slots=True)
class StabilityCard:
    """What weights up to a quarter larger or smaller make of grade and rank; same_grade in percent of the draws."""

    draws: int
    noise_percent: Decimal
    same_grade: Decimal
    rank_low: int
    rank_high: int
    drawn_at: datetime


@dataclass(frozen=True, slots=True)
class Card:
    """One score, opened. ``through`` is the last day of its data; ``of`` the providers rated.

    stability_note: why there is no stability, or that it is a little older than the score.
    """

    score_id: int
    provider_id: int
    run_id: int
    as_of: date
    through: date
    is_official: bool
    status: str
    total: Decimal | None
    exact_total: str | None
    grade: str
    grade_before_floors: str
    rank: int | None
    of: int
    rubric: str
    scale: str
    capabilities: tuple[CapabilityCard, ...]
    gates: tuple[str, ...]
    flags: tuple[str, ...]
    path: PathCard | None
    loses: PathCard | None
    tiers: tuple[TierCard, ...]
    stability: StabilityCard | None
    stability_note: str
