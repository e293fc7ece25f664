"""A provider's place among the providers of its category, capability by capability, within one run."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.core.cache import cache
from django.utils.translation import get_language

from ecosystem.numerals import rounded
from scoring.core.peers import SMALLEST_GROUP, percentile
from scoring.current import name_in
from scoring.models import Score

KEPT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Place:
    """One capability: its published points, and the percentile (0–100, higher is better) among ``of`` rated peers.

    percentile: None where fewer than ten peers are rated, or the capability is not.
    """

    code: str
    name: str
    points: Decimal | None
    percentile: Decimal | None
    of: int


@dataclass(frozen=True, slots=True)
class Peers:
    """The places of one score; ``category`` is the provider category whose members are the peers."""

    category: str
    smallest_group: int
    places: tuple[Place, ...]


def peers(score: Score) -> Peers:
    """Compare a score with the same run's scores of the provider's category (the score comes with the run)."""
    rubric = score.run.rubric_version.as_core()
    groups = _groups(score)
    language = get_language() or "zh-hans"
    places = []
    for item in rubric.capabilities:
        written = score.capabilities.get(item.code)
        group = groups.get(item.code, [])
        own = None if written is None else _units(written, rubric.published_decimals)
        place = None if own is None else percentile(own, group)
        places.append(
            Place(
                code=item.code,
                name=name_in(dict(item.name), language) or item.code,
                points=None if written is None else Decimal(written),
                percentile=None if place is None else rounded(place, 0),
                of=len(group) if place is not None else 0,
            )
        )
    return Peers(score.get_provider_category_display(), SMALLEST_GROUP, tuple(places))


def _groups(score: Score) -> dict[str, list[int]]:
    """Return each capability's published points in the category, kept for a while as many members ask."""
    run, category = score.run, score.provider_category
    computed = "" if run.computed_at is None else run.computed_at.isoformat()
    key = f"peers:{run.pk}:{computed}:{category}"
    found: dict[str, list[int]] | None = cache.get(key)
    if found is None:
        found = {}
        decimals = run.rubric_version.as_core().published_decimals
        rows = Score.objects.of(run).filter(provider_category=category).values_list("capabilities", flat=True)
        for capabilities in rows:
            for code, written in capabilities.items():
                if written is not None:
                    found.setdefault(code, []).append(_units(written, decimals))
        cache.set(key, found, KEPT_SECONDS)
    return found


def _units(points: str, decimals: int) -> int:
    """Count published points in their smallest steps."""
    return int(Decimal(points).scaleb(decimals))
