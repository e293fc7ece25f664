"""Read a rubric from YAML or from the API's JSON; every refusal names its line and its reason, and all are found in one go."""

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, cast

import yaml

from scoring.core.formula import Formula, FormulaError, Kind, Measure, compile_formula, nearest
from scoring.core.inputs import SMALLEST_COHORT, Cohort
from scoring.core.points import Anchors, Identity, Percentile, Points, Steps, ZScore
from scoring.core.rubric import (
    AGGREGATES,
    LEAF_POLICIES,
    NODE_POLICIES,
    Aggregate,
    Fault,
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

LARGEST_FILE = 1_000_000
MOST_ITEMS = 5_000
DEEPEST_TREE = 50
HEAVIEST = 10**9
LONGEST_WINDOW = 3_660

_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,30})?")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_WINDOW = re.compile(r"([1-9][0-9]{0,3})d")
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
_POINT_KEYS = ("anchors", "goalposts", "steps", "identity", "percentile", "z_score")

type Entries = dict[str, yaml.Node]


def load(source: str | bytes | Mapping[str, Any], *, measures: Mapping[str, Measure] | None = None) -> Rubric:
    """Read a rubric; `measures` is the catalogue its formulas may read, None lets any measure name pass.

    RubricError carries all faults found, each with its line (where the source has lines) and reason.
    """
    reader = _Reader(measures)
    rubric = reader.rubric(_compose(source))
    if reader.faults or rubric is None:
        raise RubricError(tuple(sorted(reader.faults, key=lambda fault: fault.line or 0)))
    return rubric


def _compose(source: str | bytes | Mapping[str, Any]) -> yaml.Node:
    """Turn the source into YAML nodes, which keep the text of numbers and the lines of everything."""
    try:
        if isinstance(source, Mapping):
            return yaml.SafeDumper("").represent_data(dict(source))
        if len(source) > LARGEST_FILE:
            raise RubricError(
                (Fault(None, "", f"a rubric may have {LARGEST_FILE} characters, this one has {len(source)}"),)
            )
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
        found = yaml.compose(text, Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise RubricError((Fault(None, "", f"the file is not UTF-8 (byte {error.start + 1})"),)) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        raise RubricError(
            (Fault(None if mark is None else mark.line + 1, "", f"this is not YAML: {reason}"),)
        ) from None
    except RecursionError:
        raise RubricError((Fault(None, "", "this is nested too deep to be a rubric"),)) from None
    if found is None:
        raise RubricError((Fault(1, "", "the rubric is empty"),))
    return cast(yaml.Node, found)


class _Reader:
    """Reads the parts of a rubric and collects the faults; a part that is refused is replaced by a harmless one."""

    def __init__(self, measures: Mapping[str, Measure] | None) -> None:
        self.faults: list[Fault] = []
        self._measures = measures
        self._codes: dict[str, int | None] = {}
        self._items = 0
        self._weights_sum: int | None = None
        self._scale = Fraction(100)

    # --- the parts -------------------------------------------------------------------------------------------------------------

    def rubric(self, node: yaml.Node) -> Rubric | None:
        top = self._entries(node, "", _TOP_KEYS, needs=("rubric", "version", "root"))
        if top is None or "root" not in top:
            return None
        self._scale = self._decimal(top.get("scale"), "scale", Fraction(100))
        if self._scale <= 0:
            self._fault(top.get("scale"), "scale", "the scale must be above 0")
        self._weights_sum = self._whole(top["weights_sum"], "weights_sum", low=1) if "weights_sum" in top else None
        root = self._item(top["root"], "root", ())
        if not isinstance(root, Node):
            if root is not None:
                self._fault(top["root"], root.code, "the root must have children")
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
            return self._fault(node, where, "a cycle: this item contains itself")
        self._items += 1
        if len(path) >= DEEPEST_TREE or self._items > MOST_ITEMS:
            if self._items <= MOST_ITEMS + 1:
                self._fault(node, where, f"a rubric may have {MOST_ITEMS} items, {DEEPEST_TREE} levels deep")
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
            self._fault(entries["children"], code, "a node needs at least one child")
        else:
            self._check_weights(entries["children"], code, [child.weight for child in children])
        return Node(
            code,
            weight,
            tuple(children),
            aggregate=cast(Aggregate, self._choice(entries.get("aggregate"), f"{code}: aggregate", AGGREGATES)),
            missing=cast(NodePolicy, self._choice(entries.get("missing"), f"{code}: missing", NODE_POLICIES)),
            needs=self._share(entries.get("needs"), f"{code}: needs"),
            needs_count=self._whole(entries.get("needs_count"), f"{code}: needs_count", high=len(children)),
            name=self._names(entries.get("name"), f"{code}: name"),
            about=self._about(entries),
        )

    def _leaf(self, node: yaml.Node, entries: Entries, code: str, weight: int) -> Leaf:
        applies = self._formula(entries.get("applies_when"), f"{code}: applies_when", "boolean")
        value = self._formula(entries.get("value", entries.get("code")), f"{code}: value", "number")
        sample = self._sample(entries.get("sample"), code)
        window = self._window(entries.get("window"), f"{code}: window")
        formulas = [formula for formula in (applies, value, sample and sample.count) if formula is not None]
        if not window and self._measures is not None and any(formula.needs_window() for formula in formulas):
            self._fault(node, code, "a window such as 90d is needed, its formulas add up over days")
        if "points" not in entries:
            self._fault(node, code, "points are needed")
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
            about=self._about(entries),
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
            self._fault(entries.get("at_least"), where, "at_least must be above 0")
        shrink = self._decimal(entries["shrink_to"], where) if "shrink_to" in entries else None
        if shrink is not None and not 0 <= shrink <= self._scale:
            self._fault(entries["shrink_to"], where, f"shrink_to must lie between 0 and {self._scale}")
        # Without a value to draw towards, a sample that is too small gives no points at all.
        below = Fraction(1) if shrink is None else Fraction(0)
        if "insufficient_below" in entries:
            below = self._share(entries["insufficient_below"], where)
        count = self._formula(entries.get("count"), f"{where} count", "number")
        return Sample(count or _NOTHING, at_least, shrink, below)

    def _points(self, node: yaml.Node | None, where: str) -> Points:
        if node is None:
            return Identity()
        if isinstance(node, yaml.ScalarNode):
            kind = self._choice(node, where, ("identity", "percentile", "z_score"))
            return {"percentile": Percentile(), "z_score": ZScore(self._t_scores())}.get(kind, Identity())
        entries = self._entries(node, where, (*_POINT_KEYS, "interpolate", "clamp")) or {}
        kinds = [key for key in entries if key in _POINT_KEYS]
        if len(kinds) != 1:
            self._fault(node, where, f"exactly one of {', '.join(_POINT_KEYS)} is needed, {len(kinds)} found")
            return Identity()
        kind, given = kinds[0], entries[kinds[0]]
        clamp = self._choice(entries.get("clamp"), f"{where} clamp", ("true", "false")) == "true"
        log = self._choice(entries.get("interpolate"), f"{where} interpolate", ("linear", "log")) == "log"
        if log and kind not in ("anchors", "goalposts"):
            self._fault(entries["interpolate"], where, f"{kind} cannot be interpolated")
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
            self._fault(node, where, f"goalposts are a floor and a target, {len(ends)} numbers found")
            return ((Fraction(0), Fraction(0)), (Fraction(1), self._scale))
        floor, target = ends
        if floor == target:
            self._fault(node, where, f"the goalposts are equal ({node_text(node)}), they must span a range")
        if log and min(ends) <= 0:
            self._fault(node, where, "logarithmic goalposts must be above 0")
        return tuple(sorted(((floor, Fraction(0)), (target, self._scale))))

    def _pairs(
        self, node: yaml.Node, where: str, *, fewest: int, clamp: bool, log: bool = False
    ) -> tuple[tuple[Fraction, Fraction], ...]:
        pairs = [self._pair(element, where) for element in self._sequence(node, where)]
        if len(pairs) < fewest:
            self._fault(node, where, f"at least {fewest} pairs of value and points are needed, {len(pairs)} found")
        for (left, _), (right, _) in pairwise(pairs):
            if left >= right:
                self._fault(node, where, f"the values must ascend, {_shown(left)} stands before {_shown(right)}")
                break
        if clamp and any(not 0 <= points <= self._scale for _, points in pairs):
            self._fault(node, where, f"points run from 0 to {_shown(self._scale)}; others need clamp: false")
        if log and pairs and pairs[0][0] <= 0:
            self._fault(node, where, "logarithmic anchors must be above 0")
        return tuple(pairs)

    def _pair(self, node: yaml.Node, where: str) -> tuple[Fraction, Fraction]:
        parts = self._sequence(node, where)
        if len(parts) != 2:
            self._fault(node, where, f"a pair of value and points is needed, {len(parts)} numbers found")
            return Fraction(0), Fraction(0)
        return self._decimal(parts[0], where), self._decimal(parts[1], where)

    def _grades(self, node: yaml.Node | None) -> tuple[Grade, ...]:
        grades: list[Grade] = []
        for element in self._sequence(node, "grades"):
            parts = self._sequence(element, "grades")
            if len(parts) != 2:
                self._fault(element, "grades", "a grade is a code and the number it begins at")
                continue
            grade = Grade(self._text(parts[0], "grades"), self._decimal(parts[1], "grades"))
            if grade.code in {known.code for known in grades}:
                self._fault(element, "grades", f"the grade {grade.code} stands twice")
            elif grades and grade.at_least >= grades[-1].at_least:
                self._fault(
                    element, "grades", f"grades stand best first, {grade.code} begins no lower than {grades[-1].code}"
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
                self._fault(element, where, "a window such as 90d is needed, the formula adds up over days")
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
                cohort = Cohort.of([self._decimal(member, where) for member in self._sequence(members, where)])
                if not cohort.usable:
                    found = len(cohort.members)
                    self._fault(members, where, f"a cohort needs {SMALLEST_COHORT} members, {found} found")
                cohorts[code, name] = cohort
        return cohorts

    def _check_weights(self, node: yaml.Node, where: str, weights: Sequence[int]) -> None:
        total = sum(weights)
        if total <= 0:
            self._fault(node, where, "the weights add up to 0")
        elif self._weights_sum is not None and total != self._weights_sum:
            self._fault(node, where, f"the weights add up to {total}, {self._weights_sum} is needed")

    # --- the pieces they are made of -------------------------------------------------------------------------------------------

    def _fault(self, node: yaml.Node | None, where: str, reason: str) -> None:
        mark = None if node is None else node.start_mark
        self.faults.append(Fault(None if mark is None else mark.line + 1, where, reason))

    def _entries(
        self, node: yaml.Node | None, where: str, keys: Sequence[str] | None = None, needs: Sequence[str] = ()
    ) -> Entries | None:
        """Read a mapping; keys None lets any key pass."""
        if node is None:
            return None
        if not isinstance(node, yaml.MappingNode):
            return self._fault(node, where or "rubric", f"a mapping is needed, this is {_kind(node)}")
        entries: Entries = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name in entries:
                self._fault(key, where, f"the key '{name}' stands twice")
            elif keys is not None and name not in keys:
                self._fault(key, where, f"the key '{name}' is not known{nearest(name, keys)}")
            else:
                entries[name] = value
        for name in needs:
            if name not in entries:
                self._fault(node, where, f"'{name}' is needed")
        return entries

    def _sequence(self, node: yaml.Node | None, where: str) -> Sequence[yaml.Node]:
        if node is None:
            return ()
        if not isinstance(node, yaml.SequenceNode):
            self._fault(node, where, f"a list is needed, this is {_kind(node)}")
            return ()
        return cast(Sequence[yaml.Node], node.value)

    def _text(self, node: yaml.Node | None, where: str) -> str:
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self._fault(node, where, f"a text is needed, this is {_kind(node)}")
            return ""
        return str(node.value)

    def _code(self, node: yaml.Node | None, where: str) -> str:
        code = self._text(node, where)
        if node is None:
            return where
        if not _CODE.fullmatch(code):
            self._fault(node, where, f"'{code}' is not a code (letters, digits and _, at most 64)")
        elif code in self._codes:
            first = self._codes[code]
            self._fault(
                node, where, f"the code {code} stands twice{'' if first is None else f', first in line {first}'}"
            )
        self._codes.setdefault(code, None if node.start_mark is None else node.start_mark.line + 1)
        return code

    def _choice(self, node: yaml.Node | None, where: str, choices: Sequence[str], default: str | None = None) -> str:
        if node is None:
            return choices[0] if default is None else default
        given = self._text(node, where)
        if given not in choices:
            known = ", ".join(choice for choice in choices if choice)
            self._fault(node, where, f"'{given}' is not one of {known}{nearest(given, choices)}")
            return choices[0]
        return given

    def _decimal(self, node: yaml.Node | None, where: str, default: Fraction = Fraction(0)) -> Fraction:
        if node is None:
            return default
        given = self._text(node, where)
        if not _DECIMAL.fullmatch(given):
            self._fault(node, where, f"'{given[:40]}' is not a decimal number")
            return default
        return Fraction(given)

    def _share(self, node: yaml.Node | None, where: str) -> Fraction:
        share = self._decimal(node, where)
        if not 0 <= share <= 1:
            self._fault(node, where, f"{_shown(share)} is not a share between 0 and 1")
        return share

    def _whole(
        self, node: yaml.Node | None, where: str, *, default: int = 0, low: int = 0, high: int = HEAVIEST
    ) -> int:
        if node is None:
            return default
        value = self._decimal(node, where, Fraction(max(default, low)))
        if value.denominator != 1 or not low <= value <= high:
            self._fault(node, where, f"{_shown(value)} is not a whole number between {low} and {high}")
            return max(default, low)
        return int(value)

    def _window(self, node: yaml.Node | None, where: str) -> int:
        if node is None:
            return 0
        given = self._text(node, where)
        match = _WINDOW.fullmatch(given)
        if match is None or int(match[1]) > LONGEST_WINDOW:
            self._fault(node, where, f"'{given}' is not a window such as 90d, of at most {LONGEST_WINDOW} days")
            return 1
        return int(match[1])

    def _grade(self, node: yaml.Node, where: str, grades: Sequence[Grade]) -> str:
        known = [grade.code for grade in grades]
        given = self._text(node, where)
        if given not in known:
            self._fault(node, where, f"there is no grade '{given}'{nearest(given, known)}")
        return given

    def _formula(self, node: yaml.Node | None, where: str, kind: Kind) -> Formula | None:
        if node is None:
            return None
        try:
            return compile_formula(self._text(node, where), kind, self._measures)
        except FormulaError as error:
            return self._fault(node, where, f"{error} in '{node_text(node)[:80]}'")

    def _names(self, node: yaml.Node | None, where: str) -> Mapping[str, str]:
        if isinstance(node, yaml.ScalarNode):
            return {"zh-hans": str(node.value), "en": str(node.value)}
        entries = self._entries(node, where, ("zh-hans", "en")) or {}
        return {language: self._text(value, where) for language, value in entries.items()}

    def _about(self, entries: Entries) -> Mapping[str, Any]:
        """Keep what only people read: a text, or texts by name."""
        return {key: _plain(entries[key]) for key in _ABOUT_KEYS if key in entries}


_NOTHING = compile_formula("0", "number")


def _plain(node: yaml.Node) -> str | dict[str, str]:
    if isinstance(node, yaml.MappingNode):
        return {node_text(key): node_text(value) for key, value in node.value}
    return node_text(node)


def node_text(node: yaml.Node) -> str:
    """The text of a node, for messages and notes."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    return ", ".join(_texts(node))


def _texts(node: yaml.Node) -> Iterator[str]:
    if isinstance(node, yaml.SequenceNode):
        for element in node.value:
            yield element.value if isinstance(element, yaml.ScalarNode) else "…"
    else:
        yield "…"


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return f"'{str(node.value)[:40]}'" if node.value else "empty"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"


def _shown(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else format(float(value), "g")
