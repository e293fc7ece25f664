"""Publish totals, grades and ranks, proved digit by digit: floats where their error bound decides, else rationals."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scoring.core.evaluate import Evaluation, LeafResult, capability_weights, evaluate, gate_truths
from scoring.core.exact import Exact, ExactField
from scoring.core.floats import FloatField, Floats
from scoring.core.inputs import Inputs, State, States
from scoring.core.numbers import Bools, Doubles, Field, Number
from scoring.core.rubric import Leaf, Rubric

type Units = NDArray[np.int64]
type Grades = NDArray[np.int8]
type Rows = NDArray[np.intp]

LEAF_FLAGS = ("carried", "owed", "incident", "insufficient", "shrunk", "disputed")
NODE_FLAGS = ("unrated", "reweighted")


# Neither has slots: what only few readers ask for is worked out when it is asked for, and kept.


@dataclass(frozen=True, eq=False)
class Judged[N: Number]:
    """What is published of each subject, row by row; ranks need all rows and come later.

    units: totals in steps of 10**-published_decimals points. grade: index into rubric.grades, −1 = none.
    acted: where floors and gates acted or could not be evaluated, by flag.
    """

    rubric: Rubric
    inputs: Inputs
    made: Evaluation[N]
    rated: Bools
    units: Units
    grade: Grades
    grade_before_floors: Grades
    blocked: Bools
    acted: Mapping[str, Bools]

    @cached_property
    def points(self) -> Mapping[str, Doubles]:
        """Unrounded points per code, NaN = none."""
        return {item.code: _floats(self.made, item.code, self.rated.size) for item in self.rubric.walk()}

    @cached_property
    def states(self) -> Mapping[str, States]:
        """The state of each indicator, by code."""
        return {code: leaf.state for code, leaf in self.made.leaves.items()}

    @cached_property
    def flagged(self) -> Mapping[str, Bools]:
        """By flag, where it applies; flags that apply nowhere are left out."""
        flags = {**dict(_evaluation_flags(self.rubric, self.made)), **self.acted}
        return {flag: where for flag, where in flags.items() if where.any()}


@dataclass(frozen=True, eq=False)
class Scores:
    """The result of a run, aligned with `subjects`.

    units: published totals in steps of 10**-published_decimals points, 0 where not rated.
    grade, grade_before_floors: index into rubric.grades, −1 = none. rank: competition ("1224"), 0 where not rated.
    blocked: some gate could not be evaluated. settled: where rationals decided.
    passes: the rows judged together and their judgement: first all rows, then those settled by rationals.
    """

    rubric: Rubric
    inputs: Inputs
    rated: Bools
    units: Units
    grade: Grades
    grade_before_floors: Grades
    rank: Units
    blocked: Bools
    settled: Bools
    floats: Evaluation[Floats] | None
    passes: tuple[tuple[Rows, Judged[Any]], ...]

    @cached_property
    def points(self) -> Mapping[str, Doubles]:
        """Unrounded points per code, for charts; NaN = none."""
        return self._together(lambda judged: judged.points, np.nan)

    @cached_property
    def states(self) -> Mapping[str, States]:
        """The state of each indicator, by code."""
        return self._together(lambda judged: judged.states, 0)

    @cached_property
    def flagged(self) -> Mapping[str, Bools]:
        """By flag, in the order they are listed, where it applies."""
        found = self._together(lambda judged: judged.flagged, False)
        return {flag: found[flag] for flag in flag_order(self.rubric) if flag in found and found[flag].any()}

    def _together(
        self, read: Callable[[Judged[Any]], Mapping[str, NDArray[Any]]], empty: float
    ) -> dict[str, NDArray[Any]]:
        """Lay what rationals settled over what was found first."""
        (_, first), *later = self.passes
        whole = dict(read(first))
        for rows, judged in later:
            part = read(judged)
            for key in dict.fromkeys((*whole, *part)):
                values = whole[key].copy() if key in whole else np.full(self.settled.size, empty, part[key].dtype)
                values[rows] = part.get(key, empty)
                whole[key] = values
        return whole

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects, in the order of all arrays."""
        return self.inputs.subjects

    def published(self, row: int) -> Decimal | None:
        """The published total in points; None where not rated."""
        return as_decimal(int(self.units[row]), self.rubric.published_decimals) if self.rated[row] else None

    def grade_code(self, row: int) -> str | None:
        """The grade; None where there is none."""
        return self.rubric.grades[self.grade[row]].code if self.grade[row] >= 0 else None

    def status(self, row: int) -> str:
        """Whether the subject is rated."""
        return "rated" if self.rated[row] else "not_rated"

    def flags(self, row: int) -> tuple[str, ...]:
        """What was carried, shrunk, re-weighted, disputed, capped."""
        return tuple(flag for flag, where in self.flagged.items() if where[row])

    def shown(self, code: str) -> tuple[Units, Bools]:
        """The published points of a node or indicator: whole units, 0 where there are none, and where there are any."""
        (found,) = self.shown_together([code])
        return found

    def shown_together(self, codes: Sequence[str]) -> list[tuple[Units, Bools]]:
        """The published points of several nodes or indicators; what floats leave open is settled once for all."""
        if self.floats is None:
            return _shown_exactly(self.rubric, self.inputs, codes)
        found, open_rows = [], np.zeros(len(self.subjects), dtype=bool)
        for code in codes:
            field = FloatField(len(self.subjects))
            units, known = _rounded(self.floats, code, field, self.rubric.published_decimals)
            open_rows |= field.doubt & known
            found.append((units, known))
        settled = [
            (
                rows,
                [_rounded(judged.made, code, ExactField(rows.size), self.rubric.published_decimals) for code in codes],
            )
            for rows, judged in self.passes[1:]
        ]
        rows = np.flatnonzero(open_rows & ~self.settled)
        if rows.size:
            settled.append((rows, _shown_exactly(self.rubric, self.inputs.take(rows), codes)))
        for rows, exact in settled:
            for (units, known), (proved, proved_known) in zip(found, exact, strict=True):
                units[rows], known[rows] = proved, proved_known
        return found


def score(rubric: Rubric, inputs: Inputs, *, like: Scores | None = None, shown: Sequence[str] = ()) -> Scores:
    """Score all subjects; ValueError names columns that are absent from the inputs.

    shown: nodes or indicators whose published points will be asked for; what floats leave open of them is settled
    together with the totals.

    like: scores of the same inputs under another rubric, such as the one a draft was made from; indicators that both
    define alike are not computed again.

    The float pass carries an error bound; the few subjects for which it leaves a comparison or a rounding open are
    judged again in rationals, so that published digits, grades and ranks equal exact arithmetic for every subject.
    """
    size = len(inputs.subjects)
    field = FloatField(size)
    first: Judged[Floats] | Judged[Exact]
    alike = _alike(rubric, inputs, like)
    if alike:
        assert like is not None
        field.doubt |= like.settled
    try:
        # Beyond the range of floats the error bounds mean nothing; such inputs are judged in rationals altogether.
        with np.errstate(all="raise"):
            first = judged = judge(rubric, inputs, field, reuse=_reused(alike, like.floats if like else None))
            floats: Evaluation[Floats] | None = judged.made
            for code in shown:
                asked = FloatField(size)
                _, known = _rounded(judged.made, code, asked, rubric.published_decimals)
                field.doubt |= asked.doubt & known
    except (FloatingPointError, OverflowError):
        first, floats = judge(rubric, inputs, ExactField(size)), None
        field.doubt[:] = True
    passes: list[tuple[Rows, Judged[Any]]] = [(np.arange(size), first)]
    if floats is not None:
        open_rows = field.doubt.copy()
        for rows, before in like.passes[1:] if alike and like is not None else ():
            reuse = _reused(alike, before.made)
            passes.append((rows, judge(rubric, before.inputs, ExactField(rows.size), reuse=reuse)))
            open_rows[rows] = False
        rows = np.flatnonzero(open_rows)
        if rows.size:
            passes.append((rows, judge(rubric, inputs.take(rows), ExactField(rows.size))))
    rated, units, grade, grade_before, blocked = published = _published(first)
    for rows, settled in passes[1:]:
        for whole, part in zip(published, _published(settled), strict=True):
            whole[rows] = part
    return Scores(
        rubric=rubric,
        inputs=inputs,
        rated=rated,
        units=units,
        grade=grade,
        grade_before_floors=grade_before,
        rank=competition_ranks(units, rated),
        blocked=blocked,
        settled=field.doubt,
        floats=floats,
        passes=tuple(passes),
    )


def exact_points(rubric: Rubric, inputs: Inputs, rows: Sequence[int] | None = None) -> Mapping[str, list[str | None]]:
    """The unrounded points of every node and indicator, with 34 significant digits; None where there are none."""
    chosen = inputs if rows is None else inputs.take(rows)
    return texts(rubric, evaluate(rubric, chosen, ExactField(len(chosen.subjects))), len(chosen.subjects))


def texts(rubric: Rubric, exact: Evaluation[Exact], size: int) -> Mapping[str, list[str | None]]:
    """Print the points of an exact evaluation."""
    written: dict[str, list[str | None]] = {}
    for item in rubric.walk():
        cells = exact.points(item.code)
        known = np.broadcast_to(cells.known, size)
        column = np.full(size, None, dtype=object)
        column[known] = cells.number.take(np.flatnonzero(known), size).texts()
        written[item.code] = column.tolist()
    return written


def judge[N: Number](
    rubric: Rubric, inputs: Inputs, field: Field[N], *, reuse: Mapping[str, LeafResult[N]] | None = None
) -> Judged[N]:
    """Evaluate a rubric in one kind of number and judge the published numbers: grades, then floors, then gates."""
    made = evaluate(rubric, inputs, field, reuse=reuse)
    units, rated = _rounded(made, rubric.root.code, field, rubric.published_decimals)
    acted: dict[str, Bools] = {}
    before = _graded(rubric, units, rated)
    grade = before.copy()
    worst = len(rubric.grades) - 1
    weights = capability_weights(rubric, inputs) if rubric.floors else []
    for floor in rubric.floors:
        least = in_units(floor.every_capability_at_least, rubric.published_decimals)
        index = _grade_index(rubric, floor.grade)
        below = np.zeros(field.size, dtype=bool)
        for item, weight in zip(rubric.capabilities, weights, strict=True):
            cells = made.points(item.code)
            below |= (
                cells.known & (weight > 0) & _publishes_below(cells.number, least, field, rubric.published_decimals)
            )
        acted[f"floor:{floor.grade}"] = (before == index) & below
        grade[(before == index) & below] = min(index + 1, worst)
    blocked = np.zeros(field.size, dtype=bool)
    for number, (gate, decided) in enumerate(
        zip(rubric.gates, gate_truths(rubric, inputs, field), strict=True), start=1
    ):
        closed = decided.true & decided.known
        acted[f"gate:{number}"] = closed
        acted[f"gate_unknown:{number}"] = ~decided.known
        blocked |= ~decided.known
        highest = _grade_index(rubric, gate.highest_grade)
        grade = np.where(closed & (grade >= 0), np.maximum(grade, highest), grade).astype(np.int8)
    return Judged(rubric, inputs, made, rated, units, grade, before, blocked, acted)


def _published(judged: Judged[Any]) -> tuple[NDArray[Any], ...]:
    """Copy what is published, to be written over."""
    return (
        judged.rated.copy(),
        judged.units.copy(),
        judged.grade.copy(),
        judged.grade_before_floors.copy(),
        judged.blocked.copy(),
    )


def _alike(rubric: Rubric, inputs: Inputs, like: Scores | None) -> frozenset[str]:
    """Find the indicators of earlier scores that can stand for those of a rubric."""
    if like is None or like.floats is None or like.inputs is not inputs:
        return frozenset()
    if (like.rubric.scale, like.rubric.cohorts) != (rubric.scale, rubric.cohorts):
        return frozenset()
    before = {leaf.code: leaf for leaf in like.rubric.leaves()}
    return frozenset(
        leaf.code
        for leaf in rubric.leaves()
        if leaf.code in before and replace(before[leaf.code], weight=leaf.weight) == leaf
    )


def _reused[N: Number](alike: frozenset[str], made: Evaluation[N] | None) -> Mapping[str, LeafResult[N]]:
    return {} if made is None else {code: made.leaves[code] for code in alike}


def competition_ranks(units: Units, rated: Bools) -> Units:
    """Rank the published totals of rated subjects, best first; equals share the better rank; 0 where not rated."""
    ranks = np.zeros(units.size, dtype=np.int64)
    best = int(units.max(initial=0))
    place = best - units[rated]
    if int(place.max(initial=0)) > 10 * units.size + 1000:
        place = np.unique(place, return_inverse=True)[1]
    count = np.bincount(place)
    ranks[rated] = (np.cumsum(count) - count + 1)[place]
    return ranks


def flag_order(rubric: Rubric) -> Iterator[str]:
    """All flags a score can carry, in the order they are listed."""
    for item in rubric.walk():
        kinds = LEAF_FLAGS if isinstance(item, Leaf) else NODE_FLAGS
        yield from (f"{kind}:{item.code}" for kind in kinds)
    yield from dict.fromkeys(f"floor:{floor.grade}" for floor in rubric.floors)
    for number in range(1, len(rubric.gates) + 1):
        yield f"gate:{number}"
        yield f"gate_unknown:{number}"


def as_decimal(units: int, decimals: int) -> Decimal:
    """A published number from its whole units."""
    return Decimal(units).scaleb(-decimals)


def _evaluation_flags[N: Number](rubric: Rubric, made: Evaluation[N]) -> Iterator[tuple[str, Bools]]:
    for code, leaf in made.leaves.items():
        yield f"insufficient:{code}", leaf.state == State.INSUFFICIENT_SAMPLE
        for kind, where in leaf.marks.items():
            yield f"{kind}:{code}", where
    for code, node in made.nodes.items():
        yield f"reweighted:{code}", node.reweighted
        yield f"unrated:{code}", ~node.points.known


def _rounded[N: Number](made: Evaluation[N], code: str, field: Field[N], decimals: int) -> tuple[Units, Bools]:
    cells = made.points(code)
    known = np.broadcast_to(cells.known, field.size).copy()
    return np.where(known, field.rounded(cells.number, decimals), 0), known


def _publishes_below[N: Number](number: N, least: int, field: Field[N], decimals: int) -> Bools:
    """Where a number, rounded half-up, stays below so many units; compared, not rounded, so few rows are in doubt."""
    edge = field.constant(Fraction(2 * least - 1, 2 * 10**decimals))
    return field.less(number, edge) if least > 0 else ~field.less(edge, number)


def _floats[N: Number](made: Evaluation[N], code: str, size: int) -> Doubles:
    cells = made.points(code)
    return np.where(np.broadcast_to(cells.known, size), cells.number.floats(), np.nan)


def _graded(rubric: Rubric, units: Units, rated: Bools) -> Grades:
    grade = np.zeros(units.size, dtype=np.int8)
    for bound in rubric.grades:
        grade += units < in_units(bound.at_least, rubric.published_decimals)
    return np.where(rated & (grade < len(rubric.grades)), grade, -1).astype(np.int8)


def _grade_index(rubric: Rubric, code: str) -> int:
    return [grade.code for grade in rubric.grades].index(code)


def in_units(bound: Fraction, decimals: int) -> int:
    """The smallest published number that reaches a bound."""
    scaled: Fraction = bound * Fraction(10) ** decimals
    return -(-scaled.numerator // scaled.denominator)


def _shown_exactly(rubric: Rubric, inputs: Inputs, codes: Sequence[str]) -> list[tuple[Units, Bools]]:
    field = ExactField(len(inputs.subjects))
    made = evaluate(rubric, inputs, field)
    return [_rounded(made, code, field, rubric.published_decimals) for code in codes]
