"""The impact of a draft on a run: who wins and loses, which grades and categories change, every shadow score."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ecosystem.numerals import rounded
from providers.choices import ProviderCategory
from providers.models import Provider
from scoring.core.score import as_decimal, score
from scoring.core.what_if import Comparison, compare
from scoring.draft_inputs import base_scores, draft_inputs
from scoring.models import Run

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from ecosystem.models import User
    from scoring.core.inputs import Inputs
    from scoring.core.rubric import Rubric
    from scoring.core.score import Scores

SHOWN_MOVERS = 50
BAND_POINTS = 10


@dataclass(frozen=True, slots=True)
class Matrix:
    """How many went from each row to each column; ``stay`` marks the cells where nothing changes."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[int, ...], ...]

    def lines(self) -> list[tuple[str, list[tuple[int, bool]], int]]:
        """Return each row with its cells, whether they stand for no change, and its sum."""
        return [
            (name, [(count, name == column) for column, count in zip(self.columns, cells, strict=True)], sum(cells))
            for name, cells in zip(self.rows, self.cells, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Shadow:
    """One provider before and under the draft; change in points, None unless rated both times."""

    row: int
    provider_id: int
    code: str
    name: str
    category: str
    before: Decimal | None
    after: Decimal | None
    change: Decimal | None
    grade_before: str
    grade_after: str
    rank_before: int
    rank_after: int


@dataclass(frozen=True, slots=True)
class CategoryEffect:
    """A provider category: how many are rated both times, their mean totals, and who wins, loses, moves grade."""

    name: str
    rated: int
    mean_before: Decimal | None
    mean_after: Decimal | None
    winners: int
    losers: int
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Impact:
    """A draft beside the rubric of a run, on the same inputs.

    added: what was measured for it beside what was frozen. named: the providers its reader may see by name.
    """

    run: Run
    inputs: Inputs
    comparison: Comparison
    added: tuple[str, ...]
    named: QuerySet[Provider]

    @property
    def before(self) -> Scores:
        """Return the scores under the rubric of the run."""
        return self.comparison.before

    @property
    def after(self) -> Scores:
        """Return the scores under the draft."""
        return self.comparison.after

    @property
    def rated(self) -> tuple[int, int]:
        """Return how many are rated, before and after."""
        return int(self.before.rated.sum()), int(self.after.rated.sum())

    @property
    def unchanged(self) -> int:
        """Return how many are rated both times and publish the same."""
        both = int(self.comparison.both.sum())
        return both - self.comparison.winners - self.comparison.losers

    @property
    def mean_change(self) -> Decimal | None:
        """Return the mean change of those rated both times, in points."""
        return _mean(self.comparison.change[self.comparison.both], self.comparison.decimals)

    def grades(self) -> list[tuple[str, int, int]]:
        """Return each grade with its providers, before and after; "" = no grade."""
        then, now = by_grade(self.before), by_grade(self.after)
        return [(code, then.get(code, 0), now.get(code, 0)) for code in dict.fromkeys((*now, *then))]

    def distribution(self) -> list[tuple[str, int, int]]:
        """Return how many totals lie in each tenth of the scale, before and after."""
        parts = 100 // BAND_POINTS
        counts = [_in_parts(scores, parts) for scores in (self.before, self.after)]
        scale = self.after.rubric.scale
        names = [f"{_edge(scale, part, parts)}–{_edge(scale, part + 1, parts)}" for part in range(parts)]
        return list(zip(names, *counts, strict=True))

    def grade_moves(self) -> Matrix:
        """Return the migration between grades; "—" = no grade."""
        names = [(*(grade.code for grade in side.rubric.grades), "—") for side in (self.before, self.after)]
        return Matrix(names[0], names[1], tuple(tuple(map(int, row)) for row in self.comparison.moves))

    def digest(self) -> str:
        """Return the SHA-256 of what the draft gives: every subject's published number, grade and rank."""
        after = self.after
        written = [
            [subject, str(after.published(row)), after.grade_code(row), int(after.rank[row])]
            for row, subject in enumerate(after.subjects)
        ]
        return hashlib.sha256(json.dumps(written, separators=(",", ":")).encode()).hexdigest()

    def movers(self) -> list[Shadow]:
        """Return the providers that move most, up or down."""
        return self.shadows(self.comparison.largest(SHOWN_MOVERS))

    def shadows(self, rows: Sequence[int]) -> list[Shadow]:
        """Return the providers of these rows, before and under the draft."""
        return list(self._shadows(rows))

    def _shadows(self, rows: Sequence[int]) -> Iterator[Shadow]:
        ids = [int(self.after.subjects[row]) for row in rows]
        known = {pk: rest for pk, *rest in self.named.filter(pk__in=ids).values_list("pk", "code", "name", "category")}
        decimals = self.comparison.decimals
        for row, pk in zip(rows, ids, strict=True):
            if pk not in known:
                continue
            code, name, category = known[pk]
            both = bool(self.comparison.both[row])
            yield Shadow(
                row=row,
                provider_id=pk,
                code=code,
                name=name,
                category=category,
                before=self.before.published(row),
                after=self.after.published(row),
                change=as_decimal(int(self.comparison.change[row]), decimals) if both else None,
                grade_before=self.before.grade_code(row) or "",
                grade_after=self.after.grade_code(row) or "",
                rank_before=int(self.before.rank[row]),
                rank_after=int(self.after.rank[row]),
            )

    def categories(self) -> list[CategoryEffect]:
        """Return the effect on each category of providers."""
        # All of them: naming 20,000 in the statement costs more than leaving some unused.
        category_of = dict(Provider.objects.order_by().values_list("pk", "category"))
        labels = np.array([category_of.get(int(subject), "") for subject in self.after.subjects], dtype=object)
        found = []
        for value, label in ProviderCategory.choices:
            there = np.asarray(labels == value, dtype=bool)
            if there.any():
                found.append(self._category(str(label), there))
        return found

    def _category(self, name: str, there: np.ndarray) -> CategoryEffect:
        one = self.comparison
        both = there & one.both
        graded = both & (self.before.grade >= 0) & (self.after.grade >= 0)
        step = self.after.grade.astype(int) - self.before.grade.astype(int)
        return CategoryEffect(
            name=name,
            rated=int(both.sum()),
            mean_before=_mean(self.before.units[both], self.before.rubric.published_decimals),
            mean_after=_mean(self.after.units[both], self.after.rubric.published_decimals),
            winners=int((one.change[there] > 0).sum()),
            losers=int((one.change[there] < 0).sum()),
            up=int((step[graded] < 0).sum()),
            down=int((step[graded] > 0).sum()),
        )


def impact(run: Run, draft: Rubric, *, user: User, base: Rubric | None = None, inputs: Inputs | None = None) -> Impact:
    """Score a draft beside the run's own rubric (or another) on the run's inputs, or on those a scenario kept."""
    if inputs is None:
        given = draft_inputs(run, draft)
        inputs, added = given.inputs, tuple(map(str, given.added))
    else:
        added = ()
    before = base_scores(base or run.rubric_version.as_core(), inputs)
    compared = compare(before, score(draft, inputs, like=before))
    return Impact(run, inputs, compared, added, Provider.objects.visible_to(user))


def shadow_rows(made: Impact) -> Iterator[tuple[object, ...]]:
    """Lay every provider's shadow score out as rows: totals, grades, ranks and each capability before and after."""
    sides = (made.before, made.after)
    capabilities = [(side, *side.shown(item.code)) for side in sides for item in side.rubric.capabilities]
    for one in made.shadows(range(len(made.after.subjects))):
        row = one.row
        yield (
            *(one.code, one.name, one.category, one.before, one.after, one.change, one.grade_before, one.grade_after),
            one.rank_before or None,
            one.rank_after or None,
            *(
                as_decimal(int(units[row]), side.rubric.published_decimals) if known[row] else None
                for side, units, known in capabilities
            ),
        )


def shadow_header(made: Impact) -> list[str]:
    """Name the columns of ``shadow_rows``."""
    return [
        *("provider", "name", "category", "score_before", "score_after", "change", "grade_before", "grade_after"),
        *("rank_before", "rank_after"),
        *(f"{item.code}_before" for item in made.before.rubric.capabilities),
        *(f"{item.code}_after" for item in made.after.rubric.capabilities),
    ]


def by_grade(scores: Scores) -> dict[str, int]:
    """Count the providers of each grade; "" = no grade."""
    counts = {grade.code: int((scores.grade == index).sum()) for index, grade in enumerate(scores.rubric.grades)}
    return {**counts, "": int((scores.grade < 0).sum())}


def _in_parts(scores: Scores, parts: int) -> list[int]:
    top = scores.rubric.scale * 10**scores.rubric.published_decimals
    part = np.minimum((scores.units[scores.rated] * parts * top.denominator) // top.numerator, parts - 1)
    return [int(count) for count in np.bincount(np.maximum(part, 0), minlength=parts)]


def _edge(scale: Fraction, part: int, parts: int) -> str:
    return f"{float(scale * part / parts):g}"


def _mean(units: np.ndarray, decimals: int) -> Decimal | None:
    """Return the mean of published numbers, to one decimal more than they have."""
    if not units.size:
        return None
    return rounded(Fraction(int(units.sum()), units.size * 10**decimals), decimals + 1)
