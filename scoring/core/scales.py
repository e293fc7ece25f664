"""Read the scales of a rubric: how values are placed on points."""

from fractions import Fraction
from itertools import pairwise

import yaml

from scoring.core.document import Document, node_text, shown
from scoring.core.points import Anchors, Identity, Percentile, Points, Steps, ZScore
from scoring.core.said import said

_POINT_KEYS = ("anchors", "goalposts", "steps", "identity", "percentile", "z_score")


class Scales(Document):
    """Reads points; `scale` is the top of the scale."""

    def __init__(self) -> None:
        super().__init__()
        self._scale = Fraction(100)

    def _points(self, node: yaml.Node | None, where: str) -> Points:
        if node is None:
            return Identity()
        if isinstance(node, yaml.ScalarNode):
            kind = self._choice(node, where, ("identity", "percentile", "z_score"))
            named: dict[str, Points] = {"percentile": Percentile(), "z_score": ZScore(self._t_scores())}
            return named.get(kind, Identity())
        entries = self._entries(node, where, (*_POINT_KEYS, "interpolate", "clamp")) or {}
        kinds = [key for key in entries if key in _POINT_KEYS]
        if len(kinds) != 1:
            self._fault(
                node,
                where,
                said("exactly one of {known} is needed, {found} found", known=", ".join(_POINT_KEYS), found=len(kinds)),
            )
            return Identity()
        kind, given = kinds[0], entries[kinds[0]]
        clamp = self._choice(entries.get("clamp"), f"{where} clamp", ("true", "false")) == "true"
        log = self._choice(entries.get("interpolate"), f"{where} interpolate", ("linear", "log")) == "log"
        if log and kind not in ("anchors", "goalposts"):
            self._fault(entries["interpolate"], where, said("{kind} cannot be interpolated", kind=kind))
        match kind:
            case "anchors":
                return Anchors(self._pairs(given, where, fewest=2, clamp=clamp, log=log), log, clamp)
            case "goalposts":
                return Anchors(self._goalposts(given, where, log), log, clamp)
            case "steps":
                return Steps(self._pairs(given, where, fewest=1, clamp=clamp))
            case "z_score" if isinstance(given, yaml.SequenceNode):
                return ZScore(Anchors(self._pairs(given, where, fewest=2, clamp=clamp), False, clamp))
            case "z_score":
                return ZScore(self._t_scores())
            case _:
                return Percentile() if kind == "percentile" else Identity(clamp)

    def _t_scores(self) -> Anchors:
        """A tenth of the scale per standard deviation, the middle of the scale at the mean."""
        return Anchors(((Fraction(-5), Fraction(0)), (Fraction(5), self._scale)))

    def _goalposts(self, node: yaml.Node, where: str, log: bool) -> tuple[tuple[Fraction, Fraction], ...]:
        ends = [self._decimal(element, where) for element in self._sequence(node, where)]
        if len(ends) != 2:
            self._fault(node, where, said("goalposts are a floor and a target, {found} numbers found", found=len(ends)))
            return ((Fraction(0), Fraction(0)), (Fraction(1), self._scale))
        floor, target = ends
        if floor == target:
            self._fault(
                node, where, said("the goalposts are equal ({given}), they must span a range", given=node_text(node))
            )
        if log and min(ends) <= 0:
            self._fault(node, where, said("logarithmic goalposts must be above 0"))
        return tuple(sorted(((floor, Fraction(0)), (target, self._scale))))

    def _pairs(
        self, node: yaml.Node, where: str, *, fewest: int, clamp: bool, log: bool = False
    ) -> tuple[tuple[Fraction, Fraction], ...]:
        pairs = [self._pair(element, where) for element in self._sequence(node, where)]
        if len(pairs) < fewest:
            self._fault(
                node,
                where,
                said(
                    "at least {fewest} pairs of value and points are needed, {found} found",
                    fewest=fewest,
                    found=len(pairs),
                ),
            )
        for (left, _), (right, _) in pairwise(pairs):
            if left >= right:
                self._fault(
                    node,
                    where,
                    said("the values must ascend, {left} stands before {right}", left=shown(left), right=shown(right)),
                )
                break
        if clamp and any(not 0 <= points <= self._scale for _, points in pairs):
            self._fault(
                node, where, said("points run from 0 to {top}; others need clamp: false", top=shown(self._scale))
            )
        if log and pairs and pairs[0][0] <= 0:
            self._fault(node, where, said("logarithmic anchors must be above 0"))
        return tuple(pairs)

    def _pair(self, node: yaml.Node, where: str) -> tuple[Fraction, Fraction]:
        parts = self._sequence(node, where)
        if len(parts) != 2:
            self._fault(
                node, where, said("a pair of value and points is needed, {found} numbers found", found=len(parts))
            )
            return Fraction(0), Fraction(0)
        return self._decimal(parts[0], where), self._decimal(parts[1], where)
