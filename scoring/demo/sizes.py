"""How large a demo is: proportions are the same, totals differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

AS_OF = date(2022, 6, 30)
SEED = 616


@dataclass(frozen=True, slots=True)
class Size:
    """Counts of one demo; the days run from ``first_day`` to the day before ``AS_OF``."""

    name: str
    first_day: date
    active: dict[str, int]
    withdrawn: int
    expelled: int
    drafts: int
    submitted: int
    in_review: int
    returned: int
    rejected: int
    silent: int
    violations: int
    cash_grants: int
    traffic_grants: int
    official_runs: int
    daily_batches: int
    months_a_batch: int
    awarded_bases: int
    reviewed_bases: int
    suspended_bases: int

    @property
    def days(self) -> int:
        """Return the number of business days with facts."""
        return (AS_OF - self.first_day).days

    @property
    def exited(self) -> int:
        """Return how many providers have left."""
        return self.withdrawn + self.expelled


SIZES = {
    "small": Size(
        name="small",
        first_day=date(2021, 5, 26),
        active={"LOCAL_MERCHANT": 33, "BRAND": 12, "MCN": 7, "BELT": 3, "SUPPLY": 3, "TRAINING": 2},
        withdrawn=9,
        expelled=6,
        drafts=3,
        submitted=5,
        in_review=5,
        returned=3,
        rejected=8,
        silent=3,
        violations=91,
        cash_grants=10,
        traffic_grants=40,
        official_runs=5,
        daily_batches=2,
        months_a_batch=3,
        awarded_bases=6,
        reviewed_bases=2,
        suspended_bases=1,
    ),
    "medium": Size(
        name="medium",
        first_day=date(2021, 1, 1),
        active={"LOCAL_MERCHANT": 420, "BRAND": 150, "MCN": 95, "BELT": 33, "SUPPLY": 38, "TRAINING": 24},
        withdrawn=114,
        expelled=76,
        drafts=30,
        submitted=35,
        in_review=55,
        returned=20,
        rejected=210,
        silent=25,
        violations=1150,
        cash_grants=160,
        traffic_grants=900,
        official_runs=12,
        daily_batches=7,
        months_a_batch=1,
        awarded_bases=72,
        reviewed_bases=18,
        suspended_bases=6,
    ),
}
