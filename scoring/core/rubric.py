"""A rubric version: the tree of nodes and indicators, grades, floors, gates and profiles, as immutable data."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import yaml

from scoring.core.exact import text
from scoring.core.formula import Formula, Operand
from scoring.core.inputs import Cohort
from scoring.core.points import Anchors, Identity, Percentile, Points, Steps, ZScore
from scoring.core.said import Said, said

type Aggregate = Literal["weighted_mean", "geometric_mean", "harmonic_mean", "minimum", "maximum"]
type NodePolicy = Literal["reweight", "fail", "zero"]
type LeafPolicy = Literal["owed_by_platform", "owed_by_provider", "not_applicable"]
type Written = dict[str, Any]

AGGREGATES = ("weighted_mean", "geometric_mean", "harmonic_mean", "minimum", "maximum")
NODE_POLICIES = ("reweight", "fail", "zero")
LEAF_POLICIES = ("owed_by_platform", "owed_by_provider", "not_applicable")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a rubric: its line where the source has lines, its place in the tree, and why."""

    line: int | None
    where: str
    reason: str

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self) -> Said:
        """The fault with its place, to be said in any language."""
        told = said("{where}: {reason}", where=self.where, reason=self.reason) if self.where else self.reason
        if self.line is None:
            return said("{reason}", reason=told)
        return said("line {line}: {reason}", line=self.line, reason=told)


class RubricError(ValueError):
    """A rubric that was refused, with everything that is wrong with it."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Sample:
    """Below `at_least` points are drawn to `shrink_to`; below `insufficient_below` · at_least there are none."""

    count: Formula
    at_least: Fraction
    shrink_to: Fraction | None = None
    insufficient_below: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Leaf:
    """An indicator: a formula over measures, its window in days, and the scale it is placed on."""

    code: str
    weight: int
    value: Formula
    points: Points
    window: int = 0
    applies_when: Formula | None = None
    missing: LeafPolicy = "not_applicable"
    sample: Sample | None = None
    name: Mapping[str, str] = field(default_factory=dict, hash=False)
    unit: str = ""
    better: str = ""
    about: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def formulas(self) -> Iterator[tuple[Formula, Formula | None]]:
        """List the formulas in the order they are judged, each with the one whose last() day it shares."""
        if self.applies_when is not None:
            yield self.applies_when, None
        if self.sample is not None:
            yield self.sample.count, self.value
        yield self.value, None


@dataclass(frozen=True, slots=True)
class Node:
    """A group of nodes and indicators with the way their points become one number."""

    code: str
    weight: int
    children: tuple["Node | Leaf", ...]
    aggregate: Aggregate = "weighted_mean"
    missing: NodePolicy = "reweight"
    needs: Fraction = Fraction(0)
    needs_count: int = 0
    name: Mapping[str, str] = field(default_factory=dict, hash=False)
    about: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade and the published number it begins at."""

    code: str
    at_least: Fraction


@dataclass(frozen=True, slots=True)
class Floor:
    """Holds a grade only if every capability publishes at least this; otherwise the next lower one."""

    grade: str
    every_capability_at_least: Fraction


@dataclass(frozen=True, slots=True)
class Gate:
    """While the formula is true, no grade above `highest_grade`."""

    when: Formula
    highest_grade: str
    window: int = 0


@dataclass(frozen=True, slots=True)
class Rubric:
    """Everything a score depends on besides its inputs; points run from 0 to `scale`."""

    code: str
    version: str
    scale: Fraction
    published_decimals: int
    root: Node
    grades: tuple[Grade, ...] = ()
    floors: tuple[Floor, ...] = ()
    gates: tuple[Gate, ...] = ()
    profiles: Mapping[str, Mapping[str, int]] = field(default_factory=dict, hash=False)
    cohorts: Mapping[tuple[str, str], Cohort] = field(default_factory=dict, hash=False)
    weights_sum: int | None = None
    needs_capabilities: int = 0
    note: str = ""

    @property
    def capabilities(self) -> tuple[Node | Leaf, ...]:
        """The children of the root."""
        return self.root.children

    def walk(self) -> Iterator[Node | Leaf]:
        """List all nodes and indicators, parents first, in the order of the file."""
        return _walk(self.root)

    def leaves(self) -> tuple[Leaf, ...]:
        """The indicators, in the order of the file."""
        return tuple(item for item in self.walk() if isinstance(item, Leaf))

    def find(self, code: str) -> Node | Leaf:
        """The node or indicator with this code; KeyError if there is none."""
        for item in self.walk():
            if item.code == code:
                return item
        raise KeyError(code)

    def operands(self) -> tuple[Operand, ...]:
        """All columns that the inputs of a run must have, sorted."""
        found: set[Operand] = set()
        for leaf in self.leaves():
            found.update(leaf_operands(leaf))
        for gate in self.gates:
            found.update(gate.when.operands(gate.window).values())
        return tuple(sorted(found))

    def to_dict(self) -> Written:
        """The shape of the API's JSON; numbers that may be fractions are decimal strings."""
        written: Written = {
            "rubric": self.code,
            "version": self.version,
            "scale": number(self.scale),
            "published_decimals": self.published_decimals,
        }
        _add(written, weights_sum=self.weights_sum, needs_capabilities=self.needs_capabilities, note=self.note)
        written["root"] = _written(self.root, None)
        _add(
            written,
            grades=[[grade.code, number(grade.at_least)] for grade in self.grades],
            floors=[
                {
                    "grade": f.grade,
                    "every_capability_at_least": number(f.every_capability_at_least),
                    "else": "one_grade_lower",
                }
                for f in self.floors
            ],
            gates=[_written_gate(gate) for gate in self.gates],
            profiles={name: dict(weights) for name, weights in self.profiles.items()},
            cohorts=_written_cohorts(self.cohorts),
        )
        return written

    def to_yaml(self) -> str:
        """The rubric as a file that loads to the same rubric."""
        return yaml.dump(self.to_dict(), Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False, width=140)

    @property
    def digest(self) -> str:
        """The sha256 of the content, whatever its layout, quoting and comments."""
        canonical = json.dumps(self.to_dict(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def leaf_operands(leaf: Leaf) -> Iterator[Operand]:
    """List the columns an indicator reads."""
    for formula, beside in leaf.formulas():
        yield from formula.operands(leaf.window, beside=beside).values()


def number(value: Fraction) -> int | str:
    """Write a number of the rubric: whole numbers as they are, others as decimal strings."""
    return int(value) if value.denominator == 1 else text(value)


def _walk(item: Node | Leaf) -> Iterator[Node | Leaf]:
    yield item
    if isinstance(item, Node):
        for child in item.children:
            yield from _walk(child)


def _add(written: Written, **values: Any) -> None:
    """Add what is not empty."""
    written.update({key: value for key, value in values.items() if value not in (None, "", 0, [], {}, ())})


def _written(item: Node | Leaf, weight: int | None) -> Written:
    written: Written = {"code": item.code}
    _add(written, name=dict(item.name))
    if weight is not None:
        written["weight"] = weight
    if isinstance(item, Leaf):
        written.update(_written_leaf(item))
        return written
    written.update(aggregate=item.aggregate, missing=item.missing)
    _add(written, needs=number(item.needs), needs_count=item.needs_count)
    written.update(item.about)
    written["children"] = [_written(child, child.weight) for child in item.children]
    return written


def _written_leaf(leaf: Leaf) -> Written:
    written: Written = {}
    _add(written, unit=leaf.unit, better=leaf.better)
    if leaf.applies_when is not None:
        written["applies_when"] = leaf.applies_when.text
    written["value"] = leaf.value.text
    if leaf.window:
        written["window"] = f"{leaf.window}d"
    written["points"] = _written_points(leaf.points)
    written["missing"] = leaf.missing
    if leaf.sample is not None:
        sample: Written = {"count": leaf.sample.count.text, "at_least": number(leaf.sample.at_least)}
        if leaf.sample.shrink_to is not None:
            sample["shrink_to"] = number(leaf.sample.shrink_to)
        written["sample"] = {**sample, "insufficient_below": number(leaf.sample.insufficient_below)}
    written.update(leaf.about)
    return written


def _written_points(points: Points) -> Written | str:
    match points:
        case Anchors(anchors, log, clamp):
            written: Written = {"anchors": [[number(x), number(y)] for x, y in anchors]}
            _add(written, interpolate="log" if log else "")
            return written if clamp else {**written, "clamp": False}
        case Steps(steps):
            return {"steps": [[number(x), number(y)] for x, y in steps]}
        case Identity(clamp):
            return "identity" if clamp else {"identity": True, "clamp": False}
        case Percentile():
            return "percentile"
        case ZScore(anchors):
            inner = _written_points(anchors)
            assert isinstance(inner, dict)
            return {"z_score": inner.pop("anchors"), **inner}


def _written_gate(gate: Gate) -> Written:
    written: Written = {"when": gate.when.text, "then": {"highest_grade": gate.highest_grade}}
    return {**written, "window": f"{gate.window}d"} if gate.window else written


def _written_cohorts(cohorts: Mapping[tuple[str, str], Cohort]) -> Written:
    written: Written = {}
    for (code, name), cohort in sorted(cohorts.items()):
        written.setdefault(code, {})[name] = [str(number(member)) for member in cohort.members]
    return written
