"""Attribute the change between two scores to its causes, whatever the order in which they came."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import combinations
from math import factorial

import numpy as np

from scoring.core.evaluate import Evaluation
from scoring.core.exact import Exact, ExactField
from scoring.core.explain import marginals
from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs, State, stacked
from scoring.core.rubric import Node, Rubric
from scoring.core.score import judge

# The five causes of the contract, in the order they are shown.
CAUSES = ("data", "bindings", "restatements", "rubric", "coverage")
# Those that move the values of cells; the others choose rules, and cells that came to be known or no longer are.
MOVING = frozenset({"data", "bindings", "restatements"})

type Worth = Mapping[str, Fraction]
type Worlds = Mapping[frozenset[str], Inputs]
type Scenario = Callable[[frozenset[str]], tuple[Rubric, Inputs]]


def shapley(causes: Sequence[str], worth: Callable[[frozenset[str]], Worth]) -> Mapping[str, Worth]:
    """Split worth(all causes) − worth(none) into exact parts per cause and item, which add up without residual.

    worth: for a set of causes that have happened, an amount per item (absent items are 0); called once per set.
    """
    worths = {
        frozenset(chosen): worth(frozenset(chosen))
        for size in range(len(causes) + 1)
        for chosen in combinations(causes, size)
    }
    items = dict.fromkeys(item for amounts in worths.values() for item in amounts)
    return {cause: {item: _value(cause, causes, worths, item) for item in items} for cause in causes}


def by_cause(subject: str, scenario: Scenario, causes: Sequence[str] = CAUSES) -> Mapping[str, Worth]:
    """Say what each cause did to a subject's unrounded total, indicator by indicator.

    scenario: the rubric and the inputs that hold when only these causes have happened; with none it gives the earlier
    score, with all the later one. Summing a cause over its indicators gives its part of the change.
    ValueError if a scenario leaves the subject without a rating, for then there is no total to compare.
    """
    sets = [frozenset(chosen) for size in range(len(causes) + 1) for chosen in combinations(causes, size)]
    worths = dict(zip(sets, _contributions(subject, [scenario(happened) for happened in sets]), strict=True))
    for happened, worth in worths.items():
        if worth is None:
            named = ", ".join(sorted(happened)) or "no cause"
            raise ValueError(f"{subject} is not rated after {named}, a rated score is needed on both sides")
    return shapley(causes, lambda happened: worths[happened] or {})


def _contributions(subject: str, scenarios: Sequence[tuple[Rubric, Inputs]]) -> list[Worth | None]:
    """What each indicator contributes to the total in each scenario, adding up to it; None where it is not rated.

    Scenarios that share their rules are judged together, as so many subjects.
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, (rubric, inputs) in enumerate(scenarios):
        groups.setdefault((id(rubric), *_shape(inputs)), []).append(place)
    found: list[Worth | None] = [None] * len(scenarios)
    for places in groups.values():
        rubric = scenarios[places[0]][0]
        rows = [scenarios[place][1] for place in places]
        judged = judge(rubric, stacked([one.take([one.row(subject)]) for one in rows]), ExactField(len(places)))
        for row, place in enumerate(places):
            found[place] = _contributed(rubric, judged.made, row, len(places)) if judged.rated[row] else None
    return found


def _shape(inputs: Inputs) -> tuple[object, ...]:
    """What inputs must have in common to be stacked."""
    cohorts = id(inputs.cohorts) if inputs.cohorts else None
    labels = (inputs.profiles is None, inputs.cohort_of is None, cohorts, frozenset(inputs.columns))
    return labels if inputs.previous is None else (*labels, *_shape(inputs.previous))


def _contributed(rubric: Rubric, made: Evaluation[Exact], row: int, size: int) -> Worth:
    """Walk one subject's tree from the root down."""

    def point(code: str) -> Fraction | None:
        cells = made.points(code)
        known = bool(np.broadcast_to(cells.known, size)[row])
        return cells.number.take(np.array([row]), size).fractions()[0] if known else None

    points = {item.code: point(item.code) for item in rubric.walk()}
    gains = {rubric.root.code: Fraction(1)}
    for item in rubric.walk():
        if isinstance(item, Node):
            taken = [int(np.broadcast_to(weight, size)[row]) for weight in made.nodes[item.code].taken]
            children = [points[child.code] for child in item.children]
            for child, gain in zip(item.children, marginals(item, points[item.code], children, taken), strict=True):
                gains[child.code] = gains[item.code] * gain
    return {leaf.code: gains[leaf.code] * (points[leaf.code] or 0) for leaf in rubric.leaves()}


@dataclass(frozen=True)
class Between:
    """Two scores of one subject, and what stands between them: one row of inputs each, the frozen ones being right.

    worlds: for every set of the moving causes the values of all operands when only these have happened.
    whole: the cause that takes the whole change of a cell which the worlds do not lead from one score to the other.
    """

    subject: str
    rubrics: tuple[Rubric, Rubric]
    inputs: tuple[Inputs, Inputs]
    worlds: Worlds
    whole: str = "data"

    def scenario(self, happened: frozenset[str]) -> tuple[Rubric, Inputs]:
        """Return the rubric and the inputs that hold when only these causes have happened.

        A cell that holds a value in one of the two scores only belongs to coverage, as do carried values. Where the
        earlier score already knew what was restated or bound since, as after a late first delivery, nothing was.
        """
        rubric, (before, after) = self.rubrics["rubric" in happened], self.inputs
        columns = {operand: self._cell(operand, happened) for operand in self._operands}
        rules = after if "rubric" in happened else before
        cycle = (after if "coverage" in happened else before).previous
        return rubric, Inputs(
            (self.subject,),
            columns,
            profiles=rules.profiles,
            cohort_of=rules.cohort_of,
            cohorts=rules.cohorts,
            previous=None if cycle is None else self._filled(cycle),
        )

    @cached_property
    def causes(self) -> tuple[str, ...]:
        """Those that may have changed anything: another's part is nothing, and without it no part is different."""
        return tuple(cause for cause in CAUSES if not self._idle(cause))

    def _idle(self, cause: str) -> bool:
        if cause == self.whole or cause == "coverage":
            return False
        if cause == "rubric":
            before, after = ((one.profiles, one.cohort_of, one.cohorts) for one in self.inputs)
            return self.rubrics[0].digest == self.rubrics[1].digest and before == after
        others = MOVING - {cause}
        sets = [frozenset(chosen) for size in range(len(others) + 1) for chosen in combinations(others, size)]
        return all(self.worlds[happened] is self.worlds[happened | {cause}] for happened in sets)

    def unled(self) -> tuple[Operand, ...]:
        """List the operands whose whole change fell to one cause, because the worlds do not lead to their values."""
        return tuple(
            operand
            for operand in self._operands
            if (ends := self._ends(operand))[0].known[0]
            and ends[1].known[0]
            and ends[0].fraction(0) != ends[1].fraction(0)
            and self._bases[operand] is None
        )

    @cached_property
    def _operands(self) -> tuple[Operand, ...]:
        return tuple(sorted({operand for rubric in self.rubrics for operand in rubric.operands()}))

    def _ends(self, operand: Operand) -> tuple[Column, Column]:
        before, after = self.inputs
        return (
            before.columns.get(operand) or self.worlds[frozenset()].columns[operand],
            after.columns.get(operand) or self.worlds[MOVING].columns[operand],
        )

    @cached_property
    def _bases(self) -> Mapping[Operand, frozenset[str] | None]:
        return {operand: self._base(operand) for operand in self._operands}

    def _base(self, operand: Operand) -> frozenset[str] | None:
        """Find the world the earlier score stands in; None if there is none, or if the later one is elsewhere."""
        old, new = (column.fraction(0) for column in self._ends(operand))
        if self.worlds[MOVING].columns[operand].fraction(0) != new:
            return None
        bases = map(frozenset[str], ((), ("restatements",), ("bindings",), ("bindings", "restatements")))
        return next((base for base in bases if self.worlds[base].columns[operand].fraction(0) == old), None)

    def _cell(self, operand: Operand, happened: frozenset[str]) -> Column:
        old, new = self._ends(operand)
        if not (old.known[0] and new.known[0]):
            return new if "coverage" in happened else old
        base = self._bases[operand]
        found = None if base is None else self.worlds[happened & MOVING | base].columns[operand]
        if found is None or not found.known[0]:
            found = new if self.whole in happened else old
        return replace(found, state=(new if "coverage" in happened else old).state)

    def _filled(self, cycle: Inputs) -> Inputs:
        """Add what the other rubric reads to an earlier cycle, as not known: nothing of it was carried."""
        nothing = Column.of([0], np.full(1, State.NO_DATA, dtype=np.int8))
        return cycle.with_columns({operand: nothing for operand in self._operands if operand not in cycle.columns})


def _value(cause: str, causes: Sequence[str], worths: Mapping[frozenset[str], Worth], item: str) -> Fraction:
    """Average what a cause adds over all orders in which the causes can happen."""
    others = [other for other in causes if other != cause]
    total = Fraction(0)
    for size in range(len(others) + 1):
        weight = Fraction(factorial(size) * factorial(len(others) - size), factorial(len(causes)))
        for chosen in combinations(others, size):
            before = frozenset(chosen)
            gain = worths[before | {cause}].get(item, Fraction(0)) - worths[before].get(item, Fraction(0))
            total += weight * gain
    return total
