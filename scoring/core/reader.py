"""Read a rubric from YAML or from the API's JSON; every refusal names its line and reason, all found in one go."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

import yaml

from scoring.core.document import HEAVIEST, Entries, compose, node_text
from scoring.core.formula import Formula, FormulaError, Kind, Measure, compile_formula, nearest
from scoring.core.inputs import SMALLEST_COHORT, Cohort
from scoring.core.rubric import (
    AGGREGATES,
    LEAF_POLICIES,
    NODE_POLICIES,
    Aggregate,
    Floor,
    Gate,
    Grade,
    Leaf,
    LeafPolicy,
    Node,
    NodePolicy,
    Rubric,
    RubricError,
    Sample,
)
from scoring.core.said import said
from scoring.core.scales import Scales

MOST_ITEMS = 5_000
LARGEST_COHORT = 100_000
DEEPEST_TREE = 50

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_NODE_KEYS = ("code", "name", "weight", "aggregate", "missing", "needs", "needs_count", "children", "note")
_LEAF_KEYS = (
    *("code", "name", "weight", "unit", "better", "applies_when", "value", "window", "points", "missing", "sample"),
    *("note", "definition", "anti_gaming", "source"),
)
_ABOUT_KEYS = ("note", "definition", "anti_gaming", "source")
_TOP_KEYS = (
    *("rubric", "version", "scale", "published_decimals", "weights_sum", "needs_capabilities", "note"),
    *("root", "grades", "floors", "gates", "profiles", "cohorts"),
)

_NOTHING = compile_formula("0", "number")


def load(source: str | bytes | Mapping[str, Any], *, measures: Mapping[str, Measure] | None = None) -> Rubric:
    """Read a rubric; `measures` is the catalogue its formulas may read, None lets any measure name pass.

    RubricError carries all faults found, each with its line (where the source has lines) and reason.
    """
    reader = _Reader(measures)
    rubric = reader.rubric(compose(source))
    if reader.faults or rubric is None:
        raise RubricError(tuple(sorted(reader.faults, key=lambda fault: fault.line or 0)))
    return rubric


class _Reader(Scales):
    """Reads the parts of a rubric and collects the faults."""

    def __init__(self, measures: Mapping[str, Measure] | None) -> None:
        super().__init__()
        self._measures = measures
        self._codes: dict[str, int | None] = {}
        self._items = 0
        self._weights_sum: int | None = None

    def rubric(self, node: yaml.Node) -> Rubric | None:
        top = self._entries(node, "", _TOP_KEYS, needs=("rubric", "version", "root"))
        if top is None or "root" not in top:
            return None
        self._scale = self._decimal(top.get("scale"), "scale", Fraction(100))
        if self._scale <= 0:
            self._fault(top.get("scale"), "scale", said("the scale must be above 0"))
        self._weights_sum = self._whole(top["weights_sum"], "weights_sum", low=1) if "weights_sum" in top else None
        root = self._item(top["root"], "root", ())
        if not isinstance(root, Node):
            if root is not None:
                self._fault(top["root"], root.code, said("the root must have children"))
            return None
        grades = self._grades(top.get("grades"))
        return Rubric(
            code=self._text(top.get("rubric"), "rubric"),
            version=self._text(top.get("version"), "version"),
            scale=self._scale,
            published_decimals=self._whole(top.get("published_decimals"), "published_decimals", default=1, high=6),
            root=root,
            grades=grades,
            floors=self._floors(top.get("floors"), grades),
            gates=self._gates(top.get("gates"), grades),
            profiles=self._profiles(top.get("profiles"), root),
            cohorts=self._cohorts(top.get("cohorts")),
            weights_sum=self._weights_sum,
            needs_capabilities=self._whole(
                top.get("needs_capabilities"), "needs_capabilities", high=len(root.children)
            ),
            note=self._text(top.get("note"), "note"),
        )

    def _item(self, node: yaml.Node, where: str, path: tuple[yaml.Node, ...]) -> Node | Leaf | None:
        if any(node is above for above in path):
            self._fault(node, where, said("a cycle: this item contains itself"))
            return None
        self._items += 1
        if len(path) >= DEEPEST_TREE or self._items > MOST_ITEMS:
            if self._items <= MOST_ITEMS + 1:
                self._fault(
                    node,
                    where,
                    said(
                        "a rubric may have {most} items, {deepest} levels deep", most=MOST_ITEMS, deepest=DEEPEST_TREE
                    ),
                )
            return None
        inner = isinstance(node, yaml.MappingNode) and any(key.value == "children" for key, _ in node.value)
        keys = _NODE_KEYS if inner or not path else _LEAF_KEYS
        entries = self._entries(node, where, keys, needs=("code", "weight") if path else ("code", "children"))
        if entries is None:
            return None
        code = self._code(entries.get("code"), where)
        weight = self._whole(entries.get("weight"), f"{code}: weight", high=HEAVIEST)
        if "children" in entries:
            return self._node(entries, code, weight, (*path, node))
        return self._leaf(node, entries, code, weight)

    def _node(self, entries: Entries, code: str, weight: int, path: tuple[yaml.Node, ...]) -> Node:
        children = [
            child
            for index, element in enumerate(self._sequence(entries["children"], f"{code}: children"), start=1)
            if (child := self._item(element, f"{code}: child {index}", path)) is not None
        ]
        if not children:
            self._fault(entries["children"], code, said("a node needs at least one child"))
        else:
            self._check_weights(entries.get("code"), code, [child.weight for child in children])
        return Node(
            code,
            weight,
            tuple(children),
            aggregate=cast(Aggregate, self._choice(entries.get("aggregate"), f"{code}: aggregate", AGGREGATES)),
            missing=cast(NodePolicy, self._choice(entries.get("missing"), f"{code}: missing", NODE_POLICIES)),
            needs=self._share(entries.get("needs"), f"{code}: needs"),
            needs_count=self._whole(entries.get("needs_count"), f"{code}: needs_count", high=len(children)),
            name=self._names(entries.get("name"), f"{code}: name"),
            about=self._about(entries, code),
        )

    def _leaf(self, node: yaml.Node, entries: Entries, code: str, weight: int) -> Leaf:
        applies = self._formula(entries.get("applies_when"), f"{code}: applies_when", "boolean")
        value = self._formula(entries.get("value", entries.get("code")), f"{code}: value", "number")
        sample = self._sample(entries.get("sample"), code)
        window = self._window(entries.get("window"), f"{code}: window")
        formulas = [formula for formula in (applies, value, sample.count if sample else None) if formula is not None]
        if not window and self._measures is not None and any(formula.needs_window() for formula in formulas):
            self._fault(node, code, said("a window such as 90d is needed, its formulas add up over days"))
        if "points" not in entries:
            self._fault(node, code, said("points are needed"))
        missing = self._choice(entries.get("missing"), f"{code}: missing", LEAF_POLICIES, default="not_applicable")
        return Leaf(
            code,
            weight,
            value or _NOTHING,
            self._points(entries.get("points"), f"{code}: points"),
            window=window,
            applies_when=applies,
            missing=cast(LeafPolicy, missing),
            sample=sample,
            name=self._names(entries.get("name"), f"{code}: name"),
            unit=self._text(entries.get("unit"), f"{code}: unit"),
            better=self._choice(entries.get("better"), f"{code}: better", ("", "higher", "lower")),
            about=self._about(entries, code),
        )

    def _sample(self, node: yaml.Node | None, code: str) -> Sample | None:
        if node is None:
            return None
        where = f"{code}: sample"
        entries = self._entries(
            node, where, ("count", "at_least", "shrink_to", "insufficient_below"), needs=("count", "at_least")
        )
        if entries is None:
            return None
        at_least = self._decimal(entries.get("at_least"), where)
        if at_least <= 0:
            self._fault(entries.get("at_least"), where, said("at_least must be above 0"))
        shrink = self._decimal(entries["shrink_to"], where) if "shrink_to" in entries else None
        if shrink is not None and not 0 <= shrink <= self._scale:
            self._fault(entries["shrink_to"], where, said("shrink_to must lie between 0 and {top}", top=self._scale))
        # Without a value to draw towards, a sample that is too small gives no points at all.
        below = Fraction(1) if shrink is None else Fraction(0)
        if "insufficient_below" in entries:
            below = self._share(entries["insufficient_below"], where)
        count = self._formula(entries.get("count"), f"{where} count", "number")
        return Sample(count or _NOTHING, at_least, shrink, below)

    def _grades(self, node: yaml.Node | None) -> tuple[Grade, ...]:
        grades: list[Grade] = []
        for element in self._sequence(node, "grades"):
            parts = self._sequence(element, "grades")
            if len(parts) != 2:
                self._fault(element, "grades", said("a grade is a code and the number it begins at"))
                continue
            grade = Grade(self._text(parts[0], "grades"), self._decimal(parts[1], "grades"))
            if grade.code in {known.code for known in grades}:
                self._fault(element, "grades", said("the grade {grade} stands twice", grade=grade.code))
            elif grades and grade.at_least >= grades[-1].at_least:
                self._fault(
                    element,
                    "grades",
                    said(
                        "grades stand best first, {grade} begins no lower than {other}",
                        grade=grade.code,
                        other=grades[-1].code,
                    ),
                )
            grades.append(grade)
        return tuple(grades)

    def _floors(self, node: yaml.Node | None, grades: Sequence[Grade]) -> tuple[Floor, ...]:
        floors: list[Floor] = []
        for element in self._sequence(node, "floors"):
            keys = ("grade", "every_capability_at_least", "else")
            entries = self._entries(element, "floors", keys, needs=keys)
            if entries is None or not all(key in entries for key in keys):
                continue
            self._choice(entries["else"], "floors else", ("one_grade_lower",))
            grade = self._grade(entries["grade"], "floors", grades)
            floors.append(Floor(grade, self._decimal(entries["every_capability_at_least"], "floors")))
        return tuple(floors)

    def _gates(self, node: yaml.Node | None, grades: Sequence[Grade]) -> tuple[Gate, ...]:
        gates: list[Gate] = []
        for index, element in enumerate(self._sequence(node, "gates"), start=1):
            where = f"gate {index}"
            entries = self._entries(element, where, ("when", "then", "window"), needs=("when", "then"))
            if entries is None or "when" not in entries or "then" not in entries:
                continue
            formula = self._formula(entries["when"], where, "boolean")
            window = self._window(entries.get("window"), f"{where} window")
            if formula and formula.needs_window() and not window and self._measures is not None:
                self._fault(element, where, said("a window such as 90d is needed, the formula adds up over days"))
            then = self._entries(entries["then"], where, ("highest_grade",), needs=("highest_grade",)) or {}
            if formula and "highest_grade" in then:
                gates.append(Gate(formula, self._grade(then["highest_grade"], where, grades), window))
        return tuple(gates)

    def _profiles(self, node: yaml.Node | None, root: Node) -> Mapping[str, Mapping[str, int]]:
        profiles: dict[str, Mapping[str, int]] = {}
        codes = tuple(child.code for child in root.children)
        for name, given in (self._entries(node, "profiles") or {}).items():
            where = f"profile {name}"
            weights = {
                code: self._whole(weight, where, high=HEAVIEST)
                for code, weight in (self._entries(given, where, codes, needs=codes) or {}).items()
            }
            if weights:
                self._check_weights(given, where, list(weights.values()))
            profiles[name] = {code: weights.get(code, 0) for code in codes}
        return profiles

    def _cohorts(self, node: yaml.Node | None) -> Mapping[tuple[str, str], Cohort]:
        cohorts: dict[tuple[str, str], Cohort] = {}
        for code, groups in (self._entries(node, "cohorts", tuple(self._codes)) or {}).items():
            for name, members in (self._entries(groups, f"cohorts {code}") or {}).items():
                where = f"cohort {name} of {code}"
                cohort = Cohort.of(
                    [self._decimal(member, where) for member in self._sequence(members, where, LARGEST_COHORT)]
                )
                if not cohort.usable:
                    found = len(cohort.members)
                    self._fault(
                        members,
                        where,
                        said("a cohort needs {fewest} members, {found} found", fewest=SMALLEST_COHORT, found=found),
                    )
                cohorts[code, name] = cohort
        return cohorts

    def _check_weights(self, node: yaml.Node | None, where: str, weights: Sequence[int]) -> None:
        total = sum(weights)
        if total <= 0:
            self._fault(node, where, said("the weights add up to 0"))
        elif self._weights_sum is not None and total != self._weights_sum:
            self._fault(
                node,
                where,
                said("the weights add up to {total}, {needed} is needed", total=total, needed=self._weights_sum),
            )

    def _code(self, node: yaml.Node | None, where: str) -> str:
        code = self._text(node, where)
        if node is None:
            return where
        if not _CODE.fullmatch(code):
            self._fault(node, where, said("'{code}' is not a code (letters, digits and _, at most 64)", code=code))
        elif code in self._codes:
            first = self._codes[code]
            self._fault(
                node,
                where,
                said(
                    "the code {code} stands twice{first}",
                    code=code,
                    first="" if first is None else said(", first in line {line}", line=first),
                ),
            )
        self._codes.setdefault(code, None if node.start_mark is None else node.start_mark.line + 1)
        return code

    def _grade(self, node: yaml.Node, where: str, grades: Sequence[Grade]) -> str:
        known = [grade.code for grade in grades]
        given = self._text(node, where)
        if given not in known:
            self._fault(node, where, said("there is no grade '{given}'{near}", given=given, near=nearest(given, known)))
        return given

    def _formula(self, node: yaml.Node | None, where: str, kind: Kind) -> Formula | None:
        if node is None:
            return None
        try:
            return compile_formula(self._text(node, where), kind, self._measures)
        except FormulaError as error:
            self._fault(node, where, said("{error} in '{formula}'", error=error.said, formula=node_text(node)[:80]))
            return None

    def _about(self, entries: Entries, code: str) -> Mapping[str, Any]:
        """Keep what only people read."""
        return {key: self._plain(entries[key], f"{code}: {key}") for key in _ABOUT_KEYS if key in entries}
