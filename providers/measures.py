"""The measure catalogue: what a fact may say. It generates the columns of the fact tables and of the roll-up.

Source: ``catalogue/measures.yaml``; its conventions are the contract of ingest and roll-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

CATALOGUE = Path(__file__).parent / "catalogue" / "measures.yaml"

Subject = Literal["merchant", "streamer", "provider"]
SUBJECTS: tuple[Subject, ...] = ("merchant", "streamer", "provider")
PORTAL_FEED = "portal"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: a signed integer per subject and business day, in ``unit``."""

    code: str
    name_zh: str
    name_en: str
    unit: str
    kind: Literal["flow", "stock"]
    subject: Subject
    feed: str
    minimum: int
    maximum: int
    by_streamer: bool
    person_totals: bool
    derived: bool
    computed: bool
    scored: bool
    roles: tuple[str, ...]
    across: Literal["sum", "none"]
    window_days: int | None
    basis: str
    rule: str
    notes: str
    inputs: tuple[str, ...]

    def name(self, language: str) -> str:
        """Return the measure's name in the language, Chinese unless English is asked for."""
        return self.name_en if language.startswith("en") else self.name_zh


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The whole catalogue, in file order."""

    version: str
    measures: dict[str, Measure]
    feed_roles: dict[str, tuple[str, ...]]
    row_checks: tuple[str, ...]
    partition_checks: tuple[dict[str, Any], ...]
    plans: dict[str, dict[str, Any]]
    gmv_formula: dict[str, Any]

    def delivered(self, feed: str, subject: Subject) -> tuple[Measure, ...]:
        """Return the measures a feed delivers for a kind of subject, in file order."""
        return tuple(
            measure
            for measure in self.measures.values()
            if measure.feed == feed and measure.subject == subject and not measure.derived
        )

    def fact_feeds(self) -> tuple[tuple[str, Subject], ...]:
        """Return every (feed, subject) pair that delivers facts: one fact table each."""
        seen = dict.fromkeys(
            (measure.feed, measure.subject) for measure in self.measures.values() if measure.feed != PORTAL_FEED
        )
        return tuple(seen)

    def known(self) -> tuple[Measure, ...]:
        """Return the measures that have values here: delivered ones, and derived ones the portal computes."""
        return tuple(measure for measure in self.measures.values() if measure.computed or not measure.derived)

    def flows(self) -> tuple[Measure, ...]:
        """Return the known measures that add over days: the columns of the running totals."""
        return tuple(measure for measure in self.known() if measure.kind == "flow")

    def stocks(self) -> tuple[Measure, ...]:
        """Return the known end-of-day states that reach a provider: the columns of the stock table."""
        return tuple(measure for measure in self.known() if measure.kind == "stock" and measure.across != "none")

    def roles(self, measure: Measure) -> tuple[str, ...]:
        """Return the binding roles that carry the measure's rows to a provider."""
        return measure.roles or self.feed_roles[measure.feed]


def _measure(entry: dict[str, Any], computed: frozenset[str]) -> Measure:
    limits = entry["range"]
    return Measure(
        code=entry["code"],
        name_zh=entry["name"]["zh-hans"],
        name_en=entry["name"]["en"],
        unit=entry["unit"],
        kind=entry["kind"],
        subject=entry["subject"],
        feed=entry["feed"],
        minimum=limits["min"],
        maximum=limits["max"],
        by_streamer=entry.get("by_streamer", False),
        person_totals=entry.get("person_totals", False),
        derived=entry.get("derived", False),
        computed=entry["code"] in computed,
        scored=entry.get("scored", True),
        roles=tuple(entry.get("roles", ())),
        across=entry.get("across", "sum"),
        window_days=entry.get("window_days"),
        basis=entry.get("basis", ""),
        rule=entry.get("rule", ""),
        notes=entry.get("notes", ""),
        inputs=tuple(entry.get("from", ())),
    )


@cache
def catalogue() -> Catalogue:
    """Read the catalogue once per process."""
    content = yaml.load(CATALOGUE.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    feeds = content["feeds"]
    computed = frozenset(code for line in content["computed"] for code in line)
    return Catalogue(
        version=content["version"],
        measures={entry["code"]: _measure(entry, computed) for entry in content["measures"]},
        feed_roles={code: tuple(feed["roles"]) for code, feed in feeds.items()},
        row_checks=tuple(content["row_checks"]),
        partition_checks=tuple(content["partition_checks"]),
        plans=content["plans"],
        gmv_formula=content["gmv_formula"],
    )
