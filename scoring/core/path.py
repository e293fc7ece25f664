"""The smallest changes of indicators that reach the next grade, or that lose the present one, found by re-scoring."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from scoring.core.calculate import ZERO, gather, numbers
from scoring.core.cheapest import Curves
from scoring.core.evaluate import Evaluation, evaluate
from scoring.core.exact import Exact, ExactField
from scoring.core.floats import FloatField
from scoring.core.formula import Operand, Reading, readings
from scoring.core.inputs import Column, Inputs, State
from scoring.core.numbers import Bools, Doubles, Integers
from scoring.core.points import Anchors, Steps, ZScore
from scoring.core.rubric import Leaf, Node, Rubric
from scoring.core.score import Scores, score

type Steppings = NDArray[np.object_]
type Reached = Callable[[Scores], Bools]
# By capability: which of its points a mix may bring it to.
type Allowed = Mapping[str, Callable[[Doubles], Bools]]

# Where an indicator is given directly there is no fact to count; it is moved in ten-thousandths.
FINEST = Fraction(1, 10_000)
# Copies scored at once in a search, FAN for each case or more: many cost hardly more than one.
COPIES, FAN = 250, 31
# The cheapest mix is searched on a grid of costs: first with so many parts of each lever's way, then with up to so many
# times as many, as long as the costs to be looked at are no more than that times as many.
COARSE, FINER = 20, 50


@dataclass(frozen=True, slots=True)
class Change:
    """One indicator moved while everything else stands still, as far as it must.

    operand: the fact that would move, and by how many of its units; None where the value was given directly.
    """

    code: str
    operand: Operand | None
    units: int
    value: Fraction
    needed: Fraction
    published: Decimal
    grade: str


@dataclass(frozen=True, slots=True)
class Path:
    """What leads to `grade`.

    The cost of a change is its share of the indicator's way: how far it moves, of how far it could move until its
    points stop changing. The cost of several changes is the sum of theirs.
    changes: each alone is enough; the cheapest first.
    mix: together they are enough, at the least cost found. within: no other mix costs less by more than this.
    obstacles: gates that cap the grade below it whatever the indicators do ("gate:1").
    grade None = there is no further grade.
    """

    grade: str | None
    obstacles: tuple[str, ...]
    changes: tuple[Change, ...]
    mix: tuple[Change, ...] = ()
    within: Fraction = Fraction(0)


def to_next_grade(rubric: Rubric, inputs: Inputs, subject: str) -> Path:
    """Find what lifts a subject to the next better grade; gates come first, for no indicator can move them."""
    row = inputs.row(subject)
    scores = score(rubric, inputs.take([row]))
    grade = int(scores.grade[0])
    if grade <= 0:
        return Path(None, (), ())
    codes = [grade.code for grade in rubric.grades]
    caps = [
        f"gate:{number}"
        for number, gate in enumerate(rubric.gates, start=1)
        if f"gate:{number}" in scores.flags(0) and codes.index(gate.highest_grade) >= grade
    ]
    target = rubric.grades[grade - 1].code
    if caps:
        return Path(target, tuple(caps), ())
    trial = _Trial(rubric, inputs, row, better=True)
    allowed = _above_floors(trial, target)
    return _path(trial, target, lambda scores: (scores.grade >= 0) & (scores.grade < grade), allowed)


def to_lower_grade(rubric: Rubric, inputs: Inputs, subject: str) -> Path:
    """Find what costs a subject its grade soonest."""
    row = inputs.row(subject)
    grade = int(score(rubric, inputs.take([row])).grade[0])
    if grade < 0 or grade == len(rubric.grades) - 1:
        return Path(None, (), ())
    trial = _Trial(rubric, inputs, row, better=False)
    allowed = _below_a_floor(trial, rubric.grades[grade].code)
    return _path(
        trial, rubric.grades[grade + 1].code, lambda scores: (scores.grade > grade) | (scores.grade < 0), allowed
    )


@dataclass(frozen=True, slots=True)
class _Lever:
    """An indicator that can be moved: in steps of `step` (signed) from `value`, at most `most` of them."""

    leaf: Leaf
    operand: Operand | None
    sign: int
    value: Fraction
    step: Fraction
    most: int


class _Trial:
    """One subject in many copies, each with its indicators moved by so many steps."""

    def __init__(self, rubric: Rubric, inputs: Inputs, row: int, *, better: bool) -> None:
        alone = inputs.take([row])
        self.rubric = rubric
        self.better = better
        self.made = evaluate(rubric, alone, ExactField(1))
        self.levers = _levers(rubric, alone, self.made, better)
        self.most: Steppings = np.array([lever.most for lever in self.levers], dtype=object)
        self._inputs = inputs
        self._row = row

    def score(self, steps: Steppings) -> Scores:
        """Score the copies; steps: (copies, levers) whole numbers."""
        return score(self.rubric, self._moved(steps))

    def points(self, steps: Steppings) -> Mapping[str, Doubles]:
        """The points of the levers in the copies, as floats."""
        with np.errstate(all="ignore"):
            made = evaluate(self.rubric, self._moved(steps), FloatField(len(steps)))
        return {lever.leaf.code: made.points(lever.leaf.code).number.floats() for lever in self.levers}

    def _moved(self, steps: Steppings) -> Inputs:
        given = {
            Operand(lever.leaf.code, "given"): Column.of_fractions(
                [lever.value + int(n) * lever.step if n else lever.value for n in column]
            )
            for lever, column in zip(self.levers, steps.T, strict=True)
        }
        return self._inputs.repeated(self._row, len(steps)).with_columns(given)

    def change(self, index: int, steps: int, scores: Scores, copy: int) -> Change:
        """Describe one moved indicator and the score of its copy."""
        lever = self.levers[index]
        return Change(
            lever.leaf.code,
            lever.operand,
            steps * lever.sign,
            lever.value,
            lever.value + steps * lever.step,
            scores.published(copy) or Decimal(0),
            scores.grade_code(copy) or "",
        )


def _path(trial: _Trial, grade: str, reached: Reached, allowed: Sequence[Allowed]) -> Path:
    if not trial.levers or not reached(trial.score(trial.most[None, :]))[0]:
        return Path(grade, (), ())
    mix, within = _mix(trial, reached, allowed)
    return Path(grade, (), _singles(trial, reached), mix, within)


def _singles(trial: _Trial, reached: Reached) -> tuple[Change, ...]:
    """Move every indicator by itself, all side by side, to the smallest sufficient step."""
    whole = np.diag(trial.most)
    alive = np.flatnonzero(reached(trial.score(whole)))
    if not alive.size:
        return ()
    rows = _taken_back(trial, reached, whole[alive], alive, trial.most[alive])
    final = trial.score(rows)
    found = [(int(index), copy) for copy, index in enumerate(alive) if final.rated[copy]]
    found.sort(key=lambda one: Fraction(int(rows[one[1], one[0]]), trial.levers[one[0]].most))
    return tuple(trial.change(index, int(rows[copy, index]), final, copy) for index, copy in found)


def _taken_back(
    trial: _Trial, reached: Reached, rows: Steppings, moved: NDArray[np.intp], most: Steppings
) -> Steppings:
    """Take in each row its moved lever back by as many steps as can be, but no more than `most`."""
    cases = np.arange(len(rows))

    def enough(ticks: Steppings) -> Bools:
        fan = ticks.shape[1]
        copies = np.repeat(rows, fan, axis=0)
        copies[np.arange(len(copies)), np.repeat(moved, fan)] = ticks.ravel()
        return reached(trial.score(copies)).reshape(ticks.shape)

    taken, high = rows.copy(), rows[cases, moved]
    taken[cases, moved] = _least(enough, np.maximum(high - most, 0), high)
    return taken


def _least(enough: Callable[[Steppings], Bools], low: Steppings, high: Steppings) -> Steppings:
    """Find for each case the smallest number from low to high that is enough, which high is known to be."""
    cases = np.arange(high.size)
    parts = np.arange(1, max(FAN, COPIES // high.size) + 1).astype(object)
    floor, low = low, low - 1
    while bool(np.any(high - low > 1)):
        ticks = np.maximum(low[:, None] + (high - low)[:, None] * parts // (parts.size + 1), floor[:, None])
        found = enough(ticks)
        first = np.where(found.any(axis=1), found.argmax(axis=1), parts.size)
        fence = np.concatenate([low[:, None], ticks, high[:, None]], axis=1)
        low, high = fence[cases, first], fence[cases, first + 1]
    return high


def _mix(trial: _Trial, reached: Reached, allowed: Sequence[Allowed]) -> tuple[tuple[Change, ...], Fraction]:
    """Find the cheapest mix, and by how much another one might still be cheaper.

    On a grid of costs the best total for each cost is exact (see cheapest.py), and re-scoring says which is the first
    that is enough. Off the grid each indicator moved may cost less by one part of its way.
    """
    row, cost = _on_grid(trial, reached, allowed, COARSE, COARSE * len(trial.levers))
    finer = max(1, min(FINER, COARSE * FINER // max(1, cost)))
    row, _ = _on_grid(trial, reached, allowed, COARSE * finer, cost * finer)
    for index in np.flatnonzero(row[0]):
        part = -(-trial.most[[index]] // (COARSE * finer))
        row = _taken_back(trial, reached, row, np.array([index]), part)
    final = trial.score(row)
    moved = sorted(np.flatnonzero(row[0]), key=lambda index: -Fraction(int(row[0, index]), trial.levers[index].most))
    changes = tuple(trial.change(int(index), int(row[0, index]), final, 0) for index in moved)
    return changes, Fraction(len(trial.levers), COARSE * finer)


def _on_grid(
    trial: _Trial, reached: Reached, allowed: Sequence[Allowed], parts: int, budget: int
) -> tuple[Steppings, int]:
    """Find the cheapest row on a grid with so many parts of each lever's way, and its cost in parts."""
    ways = np.arange(min(parts, budget) + 1).astype(object)
    moved = trial.points(trial.most * ways[:, None] // parts)
    curves = Curves(trial.rubric, trial.made, moved, budget, better=trial.better)
    best, cost = trial.most[None, :], np.array([budget], dtype=object)
    for one in allowed:
        spent = np.array(list(map(curves.root(one).spent.__getitem__, moved))).T

        def rows(costs: Steppings, spent: Integers = spent) -> Steppings:
            found: Steppings = trial.most * spent[costs.ravel().astype(np.intp)].astype(object) // parts
            return found

        def enough(costs: Steppings, rows: Callable[[Steppings], Steppings] = rows) -> Bools:
            return reached(trial.score(rows(costs))).reshape(costs.shape)

        if enough(cost)[0]:
            cost = _least(enough, np.zeros_like(cost), cost)
            best = rows(cost)
    return best, int(cost[0])


def _above_floors(trial: _Trial, grade: str) -> list[Allowed]:
    """Ways to hold a grade: without its floors, for a better one may be lowered to it, and with them all."""
    least = _floor(trial.rubric, grade)
    if least is None:
        return [{}]
    return [{}, {item.code: lambda points: points >= least for item in trial.rubric.capabilities}]


def _below_a_floor(trial: _Trial, grade: str) -> list[Allowed]:
    """Ways to lose a grade: by the total, and by each capability that can be brought below the floor."""
    least = _floor(trial.rubric, grade)
    if least is None:
        return [{}]
    return [{}, *({item.code: lambda points: points < least} for item in trial.rubric.capabilities)]


def _floor(rubric: Rubric, grade: str) -> float | None:
    """The points from which a capability publishes what a grade's floors ask for; None if it has none."""
    asked = [floor.every_capability_at_least for floor in rubric.floors if floor.grade == grade]
    return float(max(asked) - Fraction(1, 2 * 10**rubric.published_decimals)) if asked else None


def _levers(rubric: Rubric, alone: Inputs, made: Evaluation[Exact], better: bool) -> list[_Lever]:
    """List the indicators that have a value, take part, and can still move in the wanted direction."""
    levers = []
    for leaf in _counting(rubric.root, made):
        result = made.leaves[leaf.code]
        end = _end(rubric, leaf, better)
        if State(int(result.state[0])) is not State.VALUE or end is None:
            continue
        value = result.value.number.fractions()[0]
        operand, slope = _slope(leaf, alone)
        distance = end - value
        if distance == 0 or slope == 0 or not _worth_moving(leaf, value, end, better):
            continue
        sign = 1 if (distance > 0) == (slope > 0) else -1
        most = -(-abs(distance) // abs(slope))
        if operand is not None and sign < 0:
            most = min(most, int(alone.columns[operand].fraction(0) or 0))
        if most > 0:
            levers.append(_Lever(leaf, operand, sign, value, sign * slope, int(most)))
    return levers


def _counting(node: Node, made: Evaluation[Exact]) -> Iterator[Leaf]:
    """List the indicators that the total depends on: with points and weight, and so all the nodes above them."""
    result = made.nodes[node.code]
    for child, taken in zip(node.children, result.taken, strict=True):
        if taken[0]:
            yield from [child] if isinstance(child, Leaf) else _counting(child, made)


def _worth_moving(leaf: Leaf, value: Fraction, end: Fraction, better: bool) -> bool:
    """Tell whether the end is still ahead: beyond an end of the scale points no longer change."""
    rising = _rising(leaf)
    return (end > value) if rising == better else (end < value)


def _pairs(leaf: Leaf) -> Sequence[tuple[Fraction, Fraction]]:
    if isinstance(leaf.points, Anchors):
        return leaf.points.anchors
    return leaf.points.steps if isinstance(leaf.points, Steps) else ()


def _rising(leaf: Leaf) -> bool:
    pairs = _pairs(leaf)
    return not pairs or pairs[-1][1] >= pairs[0][1]


def _end(rubric: Rubric, leaf: Leaf, better: bool) -> Fraction | None:
    """The value at which an indicator has its best (or worst) points; None for positions within a cohort."""
    pairs = _pairs(leaf)
    if pairs:
        below = [(pairs[0][0] - 1, Fraction(0))] if isinstance(leaf.points, Steps) else []
        choose = max if better else min
        best = choose(points for _, points in (*pairs, *below))
        values = [value for value, points in (*below, *pairs) if points == best]
        return values[0] if _rising(leaf) == better else values[-1]
    if isinstance(leaf.points, Anchors | Steps | ZScore) or not hasattr(leaf.points, "clamp"):
        return None
    return rubric.scale if better else Fraction(0)


def _slope(leaf: Leaf, alone: Inputs) -> tuple[Operand | None, Fraction]:
    """Find the fact that moves an indicator evenly, and what one unit of it does to the value.

    It is the first in the formula that the value is linear in: a quotient's numerator, never its denominator.
    """
    if Operand(leaf.code, "given") in alone.columns:
        return None, FINEST
    operands = leaf.value.operands(leaf.window)
    columns = gather(operands, alone)
    for reading in dict.fromkeys(readings(leaf.value.tree)):
        values = [_moved(leaf, columns, reading, units) for units in range(3)]
        if None not in values:
            now, next_, after = (value or ZERO for value in values)
            if after - next_ == next_ - now != 0:
                return operands[reading], next_ - now
    return None, FINEST


def _moved(leaf: Leaf, columns: Mapping[Reading, Column], reading: Reading, units: int) -> Fraction | None:
    """The value of an indicator with so many units more of one fact; None where it has none."""
    column = columns[reading]
    divisor = 1 if column.divisor is None else int(column.divisor[0])
    more = Column.of([int(column.numerator[0]) + units * divisor], column.state, None if divisor == 1 else [divisor])
    cells = numbers(leaf.value, {**columns, reading: more}, ExactField(1))
    return cells.number.fractions()[0] if bool(cells.known[0]) else None
