"""What a node can be brought to for every cost, when several indicators move at once: exact on a grid of costs.

An item's best points for a cost are found from those of its children, for every aggregate grows with its children: a
cost is split between the first child and the rest in all ways, the best way is kept, and so on up the tree (dynamic
programming; Bellman, Dynamic Programming, 1957, ch. 1).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scoring.core.evaluate import Evaluation
from scoring.core.exact import Exact
from scoring.core.numbers import Bools, Doubles, Integers
from scoring.core.rubric import Aggregate, Leaf, Node, Rubric


@dataclass(frozen=True, slots=True)
class Curve:
    """For each cost 0, 1, …: the points an item can be brought to, NaN = not allowed, and the cost each lever takes."""

    points: Doubles
    spent: Mapping[str, Integers]

    def only(self, allowed: Bools) -> "Curve":
        """The same where it is allowed."""
        return replace(self, points=np.where(allowed, self.points, np.nan))


class Curves:
    """The curves of one subject's items up to a largest cost, as high as can be or as low as can be."""

    def __init__(
        self, rubric: Rubric, made: Evaluation[Exact], moved: Mapping[str, Doubles], budget: int, *, better: bool
    ) -> None:
        """made: the subject as it is. moved: the points of each lever at the costs 0, 1, …, as far as it goes."""
        self._rubric = rubric
        self._made = made
        self._moved = moved
        self._costs = np.arange(budget + 1)
        self._better = better
        self.capabilities = {
            item.code: self._curve(item) for item in rubric.capabilities if self._made.points(item.code).known[0]
        }

    def root(self, allowed: Mapping[str, Callable[[Doubles], Bools]]) -> Curve:
        """The curve of the total while capabilities keep to what is allowed of their points."""
        curves = {
            code: curve.only(allowed[code](curve.points)) if code in allowed else curve
            for code, curve in self.capabilities.items()
        }
        return self._aggregated(self._rubric.root, curves)

    def _curve(self, item: Node | Leaf) -> Curve:
        if isinstance(item, Node):
            known = [child for child in item.children if self._made.points(child.code).known[0]]
            return self._aggregated(item, {child.code: self._curve(child) for child in known})
        if item.code not in self._moved:
            return self._constant(float(self._made.leaves[item.code].points.number.floats()[0]))
        points = self._moved[item.code][: self._costs.size]
        ahead = np.maximum.accumulate if self._better else np.minimum.accumulate
        best = ahead(points)
        # Where a step more brings nothing it is not taken.
        cost = np.maximum.accumulate(np.where(_changes(best), self._costs[: best.size], 0))
        beyond = np.minimum(self._costs, best.size - 1)
        return Curve(best[beyond], {item.code: cost[beyond]})

    def _constant(self, points: float) -> Curve:
        return Curve(np.full(self._costs.size, points), {})

    def _aggregated(self, node: Node, curves: Mapping[str, Curve]) -> Curve:
        """Bring the curves of the children that have points together as the node does."""
        weights = {
            child.code: int(weight[0])
            for child, weight in zip(node.children, self._made.nodes[node.code].weights, strict=True)
        }
        if node.missing == "zero":
            curves = {code: curves.get(code) or self._constant(0.0) for code in weights}
        parts = [(curve, weights[code]) for code, curve in curves.items() if weights[code]]
        whole = sum(weight for _, weight in parts)
        together = {"minimum": np.minimum, "maximum": np.maximum}.get(node.aggregate, np.add)
        with np.errstate(divide="ignore"):
            terms = [replace(c, points=_term(node.aggregate, c.points, weight / whole)) for c, weight in parts]
            merged = self._merged(terms, together)
            return replace(merged, points=_from_terms(node.aggregate, merged.points))

    def _merged(self, curves: Sequence[Curve], together: Callable[[Doubles, Doubles], Doubles]) -> Curve:
        """Split every cost between the curves in the best way, one curve after the other."""
        moving = [curve for curve in curves if curve.spent]
        still = [curve for curve in curves if not curve.spent]
        merged = moving[0] if moving else still.pop()
        for curve in moving[1:]:
            merged = self._split(merged, curve, together)
        for curve in still:
            merged = replace(merged, points=together(merged.points, curve.points))
        return merged

    def _split(self, left: Curve, right: Curve, together: Callable[[Doubles, Doubles], Doubles]) -> Curve:
        size = self._costs.size
        better = np.greater if self._better else np.less
        best = np.full(size, np.nan)
        given = np.zeros(size, dtype=np.intp)
        for cost in np.flatnonzero(_changes(right.points) & ~np.isnan(right.points)):
            points = together(left.points[: size - cost], right.points[cost])
            found = better(points, best[cost:]) | (np.isnan(best[cost:]) & ~np.isnan(points))
            best[cost:][found] = points[found]
            given[cost:][found] = cost
        kept = self._costs - given
        spent = {
            **{code: own[kept] for code, own in left.spent.items()},
            **{code: own[given] for code, own in right.spent.items()},
        }
        return Curve(best, spent)


def _changes(points: Doubles) -> Bools:
    """Where points differ from those one cost before."""
    return np.concatenate([[True], points[1:] != points[:-1]])


def _term(aggregate: Aggregate, points: Doubles, share: float) -> Doubles:
    """What a child with this share of the weight adds to the sum that its node's points are made of."""
    if aggregate in ("geometric_mean", "harmonic_mean"):
        # What is not positive makes either mean 0, as 0 does.
        positive = np.where(points <= 0, 0.0, points)
        return share * np.log(positive) if aggregate == "geometric_mean" else -share / positive
    return share * points if aggregate == "weighted_mean" else points


def _from_terms(aggregate: Aggregate, total: Doubles) -> Doubles:
    """The node's points from the sum of its children's terms."""
    if aggregate == "geometric_mean":
        return np.exp(total)
    return -1 / total if aggregate == "harmonic_mean" else total
