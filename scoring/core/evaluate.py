"""Evaluate a rubric's tree over inputs: the rules of states, samples, carrying and aggregation, each written once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

import numpy as np

from scoring.core.calculate import ONE, ZERO, Cells, Truths, absence, disputed, gather, numbers, read_column, truths
from scoring.core.formula import Formula, Operand, Reading
from scoring.core.inputs import Column, Inputs, State, States
from scoring.core.numbers import Bools, Field, Integers, Number
from scoring.core.points import Percentile, Points, ZScore, place, place_within, usable
from scoring.core.rubric import Leaf, Node, Rubric

type Marks = Mapping[str, Bools]


@dataclass(frozen=True, slots=True, eq=False)
class LeafResult[N: Number]:
    """An indicator for all subjects: points (0 where unknown), the state it was found in, and what was done about it.

    carried, owed (counted as 0), incident (dropped, the platform owes it), shrunk, disputed: where that happened.
    """

    points: Cells[N]
    state: States
    value: Cells[N]
    count: Cells[N] | None
    marks: Marks


@dataclass(frozen=True, slots=True, eq=False)
class NodeResult[N: Number]:
    """A node for all subjects: points (0 where unknown), the children's weights, which took part, where re-spread."""

    points: Cells[N]
    weights: tuple[Integers, ...]
    known: tuple[Bools, ...]
    reweighted: Bools

    @property
    def taken(self) -> tuple[Integers, ...]:
        """The children's weights as used."""
        return tuple(weight * there for weight, there in zip(self.weights, self.known, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation[N: Number]:
    """Every indicator and node of a rubric, by code."""

    leaves: Mapping[str, LeafResult[N]]
    nodes: Mapping[str, NodeResult[N]]

    def points(self, code: str) -> Cells[N]:
        """The points of an indicator or node."""
        return self.leaves[code].points if code in self.leaves else self.nodes[code].points


def evaluate[N: Number](
    rubric: Rubric, inputs: Inputs, field: Field[N], *, reuse: Mapping[str, LeafResult[N]] | None = None
) -> Evaluation[N]:
    """Compute all points; ValueError names columns that are absent from the inputs.

    reuse: indicators that were computed from the same inputs before.
    """
    done = reuse or {}
    leaves: dict[str, LeafResult[N]] = {}
    for leaf in rubric.leaves():
        found = done.get(leaf.code)
        if found is None:
            found = _leaf(leaf, rubric, inputs, field)
            found = replace(found, points=_zeroed(found.points, field))
        leaves[leaf.code] = found
    nodes: dict[str, NodeResult[N]] = {}
    for node in reversed([item for item in rubric.walk() if isinstance(item, Node)]):
        weights = (
            capability_weights(rubric, inputs) if node is rubric.root else [np.array([c.weight]) for c in node.children]
        )
        children = [leaves[c.code].points if isinstance(c, Leaf) else nodes[c.code].points for c in node.children]
        least = rubric.needs_capabilities if node is rubric.root else 0
        nodes[node.code] = combine(replace(node, needs_count=max(node.needs_count, least)), children, weights, field)
    return Evaluation(leaves, nodes)


def capability_weights(rubric: Rubric, inputs: Inputs) -> list[Integers]:
    """The weights of the root's children: the rubric's own, or per subject those of its profile."""
    own = {child.code: child.weight for child in rubric.capabilities}
    if inputs.profiles is None:
        return [np.array([weight]) for weight in own.values()]
    unknown = sorted(set(inputs.profiles) - set(rubric.profiles) - {""})
    if unknown:
        raise ValueError(f"the rubric has no profile {', '.join(unknown)}")
    names = ["", *rubric.profiles]
    index = np.array([names.index(name) for name in inputs.profiles], dtype=np.intp)
    return [
        np.array([weight, *(profile[code] for profile in rubric.profiles.values())])[index]
        for code, weight in own.items()
    ]


# Indicators


def _leaf[N: Number](leaf: Leaf, rubric: Rubric, inputs: Inputs, field: Field[N]) -> LeafResult[N]:
    """Compute an indicator, and let its policy act where data is owed."""
    result = _measured(leaf, rubric, inputs, field)
    owed = (result.state == State.NO_DATA) | (result.state == State.STALE)
    if leaf.missing == "not_applicable" or not owed.any():
        return result
    points, marks = result.points, dict(result.marks)
    if inputs.previous is not None:
        # The previous cycle's points are used as that cycle measured them: a value is carried once, never twice.
        before = _measured(leaf, rubric, inputs.previous, field)
        marks["carried"] = owed & before.points.known
        points = Cells(before.points.number.where(marks["carried"], points.number), points.known | marks["carried"])
        owed = owed & ~marks["carried"]
    if leaf.missing == "owed_by_platform":
        return replace(result, points=points, marks={**marks, "incident": owed})
    points = Cells(field.constant(ZERO).where(owed, points.number), points.known | owed)
    return replace(result, points=points, marks={**marks, "owed": owed})


@dataclass(frozen=True, slots=True, eq=False)
class Found[N: Number]:
    """What the inputs say of an indicator before it is placed on the scale."""

    verdict: "Verdict"
    value: Cells[N]
    count: Cells[N] | None
    disputed: Bools


def found[N: Number](leaf: Leaf, inputs: Inputs, field: Field[N]) -> Found[N]:
    """Find an indicator's value: applicability is judged first, then the sample, then the value."""
    verdict = Verdict(field.size)
    given = inputs.columns.get(Operand(leaf.code, "given"))
    if leaf.applies_when is not None and (columns := _columns(leaf, leaf.applies_when, inputs, given)) is not None:
        applies = truths(leaf.applies_when, columns, field)
        verdict.settle_absent(applies.known, columns)
        verdict.settle(~applies.true, State.NOT_APPLICABLE)
    count = None
    if leaf.sample is not None and (columns := _columns(leaf, leaf.sample.count, inputs, given)) is not None:
        count = numbers(leaf.sample.count, columns, field)
        verdict.settle_absent(count.known, columns)
        least = field.constant(leaf.sample.at_least * leaf.sample.insufficient_below)
        verdict.settle(field.less(count.number, least), State.INSUFFICIENT_SAMPLE)
    if given is not None:
        columns = {Reading(leaf.code, "given"): given}
        value = read_column(given, field)
    else:
        columns = gather(leaf.value.operands(leaf.window), inputs)
        value = numbers(leaf.value, columns, field)
    verdict.settle_absent(value.known, columns)
    return Found(verdict, value, count, disputed(columns, field.size) & verdict.open)


def _measured[N: Number](leaf: Leaf, rubric: Rubric, inputs: Inputs, field: Field[N]) -> LeafResult[N]:
    """Place an indicator on the scale, and draw the points of small samples towards the middle."""
    result = found(leaf, inputs, field)
    verdict, count = result.verdict, result.count
    points = _placed(leaf.code, leaf.points, result.value, rubric, inputs, field)
    verdict.settle(~points.known, State.INSUFFICIENT_SAMPLE)
    verdict.settle(result.disputed, State.DISPUTED)
    number, marks = points.number, {"disputed": verdict.state == State.DISPUTED}
    if leaf.sample is not None and leaf.sample.shrink_to is not None and count is not None:
        at_least = field.constant(leaf.sample.at_least)
        share = count.number.clip(ZERO, leaf.sample.at_least) / at_least
        number = number * share + field.constant(leaf.sample.shrink_to) * (field.constant(ONE) - share)
        marks["shrunk"] = verdict.known & field.less(count.number, at_least)
    return LeafResult(Cells(number.reduced(), verdict.known), verdict.state, result.value, count, marks)


class Verdict:
    """The state of each subject's cell; the first thing found wrong decides."""

    def __init__(self, size: int) -> None:
        self.state: States = np.zeros(size, dtype=np.int8)
        self.open: Bools = np.ones(size, dtype=bool)  # where nothing has been found wrong

    @property
    def known(self) -> Bools:
        """Where there is a value, disputed or not."""
        return self.open | np.equal(self.state, State.DISPUTED)

    def settle(self, where: Bools, state: State) -> None:
        """Decide the subjects that are still open."""
        found = where & self.open
        if found.any():
            self.state[found] = state
            self.open = self.open & ~found

    def settle_absent(self, known: Bools, columns: Mapping[Reading, Column]) -> None:
        """Decide the subjects for which a formula over these columns has no value."""
        rows = np.flatnonzero(~known & self.open)
        if rows.size:
            self.state[rows] = absence(columns, rows)
            self.open = self.open & known


def _columns(leaf: Leaf, formula: Formula, inputs: Inputs, given: Column | None) -> Mapping[Reading, Column] | None:
    """Look up the columns of a condition or sample; None where a given value stands without them."""
    beside = leaf.value if formula is not leaf.applies_when else None
    operands = formula.operands(leaf.window, beside=beside)
    if given is not None and any(operand not in inputs.columns for operand in operands.values()):
        return None
    return gather(operands, inputs)


def _placed[N: Number](
    code: str, points: Points, value: Cells[N], rubric: Rubric, inputs: Inputs, field: Field[N]
) -> Cells[N]:
    """Place values on the scale, each subject within its cohort where the scale is relative to one."""
    if not isinstance(points, Percentile | ZScore):
        return place(value, points, rubric.scale, field)
    result = Cells(field.constant(ZERO), np.zeros(field.size, dtype=bool))
    labels = np.array(inputs.cohort_of if inputs.cohort_of is not None else [""] * field.size, dtype=object)
    for label in sorted(set(labels)):
        cohort = inputs.cohorts.get((code, label)) or rubric.cohorts.get((code, label))
        if cohort is not None and usable(points, cohort):
            placed = place_within(value, points, rubric.scale, cohort, field)
            members = np.asarray(labels == label, dtype=bool)
            result = Cells(placed.number.where(members, result.number), result.known | (members & placed.known))
    return result


# Nodes


def combine[N: Number](
    node: Node, children: Sequence[Cells[N]], weights: Sequence[Integers], field: Field[N]
) -> NodeResult[N]:
    """Bring the children's points, 0 where unknown, together; one without points or without weight takes no part."""
    total = sum(weights, np.zeros(1, dtype=np.int64))
    there = np.broadcast_to(total, field.size).copy()
    for child, weight in zip(children, weights, strict=True):
        if not child.known.all():
            there -= weight * ~child.known
    known = np.ones(field.size, dtype=bool)
    if node.needs_count:
        count = np.zeros(field.size, dtype=np.int64)
        for child, weight in zip(children, weights, strict=True):
            count += child.known & (weight > 0)
        known &= count >= node.needs_count
    if node.needs:
        known &= there >= _least(total, node.needs)
    if node.missing == "fail":
        known &= there == total
    elif node.missing != "zero":
        known &= there > 0
    reweighted = known & (there < total)
    parts = [_Part(child.number, child.known, weight) for child, weight in zip(children, weights, strict=True)]
    if node.missing == "zero":
        everybody = np.ones(field.size, dtype=bool)
        parts, there = [replace(part, known=everybody) for part in parts], np.broadcast_to(total, field.size)
    points = _zeroed(Cells(_aggregated(node, parts, there, field), known), field)
    return NodeResult(points, tuple(weights), tuple(part.known for part in parts), reweighted)


def _zeroed[N: Number](cells: Cells[N], field: Field[N]) -> Cells[N]:
    if cells.known.all():
        return cells
    return Cells(cells.number.where(cells.known, field.constant(ZERO)), cells.known)


def _least(total: Integers, share: Fraction) -> Integers:
    """The smallest weights that are at least a share of the totals."""
    distinct, place = np.unique(total, return_inverse=True)
    return np.array([ceil(int(weight) * share) for weight in distinct], dtype=np.int64)[place]


@dataclass(frozen=True, slots=True, eq=False)
class _Part[N: Number]:
    """A child: its points, 0 where it has none; where it has some; and its weight as set."""

    points: N
    known: Bools
    weight: Integers

    @property
    def present(self) -> Bools:
        """Where it takes part."""
        return self.known & (self.weight > 0)


def _aggregated[N: Number](node: Node, parts: Sequence[_Part[N]], there: Integers, field: Field[N]) -> N:
    """Aggregate the parts; `there` is the weight that takes part."""
    if node.aggregate in ("minimum", "maximum"):
        return _extreme(node.aggregate == "minimum", parts)
    # Where nothing takes part the mean means nothing; the weight is set to 1 to keep the arithmetic tame.
    weight = np.maximum(there, 1)
    if node.aggregate == "weighted_mean":
        return field.weighted_mean([part.points for part in parts], [part.weight for part in parts], weight)
    zero, one = field.constant(ZERO), field.constant(ONE)
    positive = [field.less(zero, part.points) | ~part.present for part in parts]
    tame = [part.points.where(part.present & above, one) for part, above in zip(parts, positive, strict=True)]
    taken = [part.weight * part.present for part in parts]
    if node.aggregate == "geometric_mean":
        mean = field.geometric_mean(tame, taken)
    else:
        inverse = zero
        for number, share in zip(tame, taken, strict=True):
            inverse = inverse + field.integers(share) / number
        mean = field.integers(weight) / inverse.where(there > 0, one)
    return mean.where(np.logical_and.reduce(positive), zero)


def _extreme[N: Number](smallest: bool, parts: Sequence[_Part[N]]) -> N:
    result, seen = parts[0].points, parts[0].present
    for part in parts[1:]:
        both = result.minimum(part.points) if smallest else result.maximum(part.points)
        result = both.where(part.present & seen, part.points.where(part.present, result))
        seen = seen | part.present
    return result


def gate_truths[N: Number](rubric: Rubric, inputs: Inputs, field: Field[N]) -> list[Truths]:
    """Decide the gates; one whose columns are not there cannot be evaluated for anybody."""
    decided = []
    for gate in rubric.gates:
        operands = gate.when.operands(gate.window)
        if all(operand in inputs.columns for operand in operands.values()):
            decided.append(truths(gate.when, gather(operands, inputs), field))
        else:
            nobody = np.zeros(field.size, dtype=bool)
            decided.append(Truths(nobody, nobody))
    return decided
