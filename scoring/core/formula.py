"""Formulas over measures: a small language, a whitelist by construction, typed when it is read, never run as code."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache
from typing import Any
from typing import Literal as Choice

from lark import Lark, Token, Transformer, UnexpectedInput

from scoring.core.said import Said, said

LONGEST = 500
DEEPEST = 30

type Kind = Choice["number", "boolean", "missing"]
type Read = Choice["sum", "last", "mean", "largest", "given"]

GRAMMAR = r"""
    ?start: choice
    ?choice: either | either "if" either "else" choice  -> conditional
    ?either: both | either "or" both                    -> disjunction
    ?both: inverse | both "and" inverse                 -> conjunction
    ?inverse: comparison | "not" inverse                -> negation
    ?comparison: total | total COMPARE total            -> compare
    ?total: product | total ADD product                 -> arithmetic
    ?product: signed | product MUL signed               -> arithmetic
    ?signed: atom | "-" signed                          -> opposite
    ?atom: NUMBER                                       -> number
         | MISSING                                      -> missing
         | "(" choice ")"                               -> parentheses
         | NAME                                         -> measure
         | NAME "[" DAYS "]"                            -> windowed
         | NAME "(" choice ("," choice)* ")"            -> call
    COMPARE: "<=" | ">=" | "==" | "!=" | "<" | ">"
    ADD: "+" | "-"
    MUL: "*" | "/"
    MISSING: "missing"
    NUMBER: /[0-9]+(\.[0-9]+)?/
    DAYS: /[1-9][0-9]{0,3}d/
    NAME: /[A-Za-z_][A-Za-z0-9_]*/
    %import common.WS
    %ignore WS
"""


class FormulaError(ValueError):
    """A formula that cannot be read or typed; `column` counts characters from 1."""

    def __init__(self, reason: Said, column: int) -> None:
        self.said = said("column {column}: {reason}", column=column, reason=reason)
        super().__init__(self.said)
        self.reason = reason
        self.column = column


@dataclass(frozen=True, slots=True)
class Measure:
    """What a formula must know of a measure: flows add up over a window, stocks are read on a day."""

    kind: Choice["flow", "stock", "any"] = "any"
    unit: str = ""
    scored: bool = True


@dataclass(frozen=True, slots=True, order=True)
class Operand:
    """One column of window values. `days` is the length of the window that ends before the as-of day.

    `together` names the measures that the formula reads by last(); all are read on the latest day they have in common.
    """

    measure: str
    read: Read
    days: int = 0
    by: str = ""
    together: tuple[str, ...] = ()

    def __str__(self) -> str:
        inner = f"{self.measure}, {self.by}" if self.by else self.measure
        outer = self.measure if self.read in ("sum", "given") else f"{self.read}({inner})"
        return f"{outer}[{self.days}d]" if self.days else outer


# The tree


@dataclass(frozen=True, slots=True)
class Literal:
    """A number written out."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Missing:
    """The literal `missing`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A measure read in a formula; days = None takes the window of the indicator."""

    measure: str
    read: Read
    days: int | None = None
    by: str = ""
    column: int = field(default=1, compare=False)

    def __str__(self) -> str:
        return str(Operand(self.measure, self.read, self.days or 0, self.by))


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator with its arguments: its name, its sign, "negative" or "if"."""

    name: str
    arguments: tuple["Tree", ...]
    column: int = field(default=1, compare=False)


type Tree = Literal | Missing | Reading | Call

FUNCTIONS: Mapping[str, tuple[int, int]] = {
    "min": (2, 50),
    "max": (2, 50),
    "coalesce": (2, 50),
    "clamp": (3, 3),
    "abs": (1, 1),
    "ln": (1, 1),
    "log10": (1, 1),
    "sqrt": (1, 1),
}
_KINDS: Mapping[Kind, Said] = {
    "number": said("a number"),
    "boolean": said("a boolean"),
    "missing": said("a missing value"),
}
_OPERANDS: Mapping[Kind, Said] = {"number": said("numbers"), "boolean": said("booleans")}
READERS = ("last", "mean", "largest")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


def readings(tree: Tree) -> Iterator[Reading]:
    """List the measures a tree reads, left to right, with repetitions."""
    if isinstance(tree, Reading):
        yield tree
    elif isinstance(tree, Call):
        for argument in tree.arguments:
            yield from readings(argument)


@dataclass(frozen=True, slots=True)
class Formula:
    """A typed formula, ready to be evaluated."""

    text: str
    tree: Tree
    kind: Kind

    def operands(self, days: int, *, beside: "Formula | None" = None) -> Mapping[Reading, Operand]:
        """Give each reading its column; own windows become `days`, last() shares its day with the formula `beside`."""
        mine = tuple(dict.fromkeys(readings(self.tree)))
        others = tuple(readings(beside.tree)) if beside else ()
        together = tuple(sorted({reading.measure for reading in (*mine, *others) if reading.read == "last"}))
        return {
            reading: Operand(reading.measure, "last", together=together)
            if reading.read == "last"
            else Operand(reading.measure, reading.read, days if reading.days is None else reading.days, reading.by)
            for reading in mine
        }

    def needs_window(self) -> bool:
        """Tell whether some reading takes the window of its indicator."""
        return any(reading.days is None and reading.read != "last" for reading in readings(self.tree))


def compile_formula(text: str, kind: Kind, measures: Mapping[str, Measure] | None = None) -> Formula:
    """Read a formula that yields a number or a boolean; `measures` None lets any measure name pass.

    FormulaError names the place of the first thing that is wrong, and the nearest known name.
    """
    if len(text) > LONGEST:
        raise FormulaError(
            said("a formula may have {most} characters, this one has {found}", most=LONGEST, found=len(text)),
            LONGEST + 1,
        )
    _check_parentheses(text)
    try:
        typed: _Typed = _parser().parse(text)  # type: ignore[assignment]
    except UnexpectedInput as error:
        raise _unexpected(error, text) from None
    if typed.depth > DEEPEST:
        raise FormulaError(
            said("a formula may be nested {deepest} deep, this one is {found}", deepest=DEEPEST, found=typed.depth),
            typed.column,
        )
    if typed.kind != kind:
        always = typed.kind == "missing"
        found = said("is always missing") if always else said("gives {kind}", kind=_KINDS[typed.kind])
        raise FormulaError(said("{kind} is needed, this {found}", kind=_KINDS[kind], found=found), typed.column)
    for reading in readings(typed.tree):
        _check_reading(reading, measures)
    if measures is not None:
        _unit(typed.tree, measures)
    return Formula(" ".join(text.split()), typed.tree, kind)


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name closest to a wrong one, as the end of a message; empty if none is close."""
    close = get_close_matches(name, list(known), n=1)
    return said("; did you mean '{name}'?", name=close[0]) if close else ""


def _check_parentheses(text: str) -> None:
    depth = 0
    for column, character in enumerate(text, start=1):
        depth += (character == "(") - (character == ")")
        if depth > DEEPEST:
            raise FormulaError(said("a formula may be nested {deepest} deep", deepest=DEEPEST), column)


def _unexpected(error: UnexpectedInput, text: str) -> FormulaError:
    token: Token | None = getattr(error, "token", None)
    place: int = getattr(error, "pos_in_stream", None) or 0
    if (token is not None and token.type == "$END") or place >= len(text):
        return FormulaError(said("the formula ends too early"), len(text) + 1)
    return FormulaError(
        said("'{token}' is not expected here", token=token if token is not None else text[place]), place + 1
    )


# Typing


@dataclass(frozen=True, slots=True)
class _Typed:
    tree: Tree
    kind: Kind
    depth: int
    column: int


class _Builder(Transformer[Token, Any]):
    """Build the typed tree bottom-up while the parser runs; a chain such as a + b + c counts as one level."""

    def number(self, children: list[Token]) -> _Typed:
        return _Typed(Literal(Fraction(str(children[0]))), "number", 1, children[0].column or 1)

    def missing(self, children: list[Token]) -> _Typed:
        return _Typed(Missing(), "missing", 1, children[0].column or 1)

    def parentheses(self, children: list[_Typed]) -> _Typed:
        inner = children[0]
        return _Typed(inner.tree, inner.kind, inner.depth + 1, inner.column)

    def measure(self, children: list[Token]) -> _Typed:
        column = children[0].column or 1
        return _Typed(Reading(str(children[0]), "sum", column=column), "number", 1, column)

    def windowed(self, children: list[Token]) -> _Typed:
        column = children[0].column or 1
        return _Typed(Reading(str(children[0]), "sum", int(children[1][:-1]), column=column), "number", 1, column)

    def opposite(self, children: list[_Typed]) -> _Typed:
        return _made("negative", children, "number", "number")

    def negation(self, children: list[_Typed]) -> _Typed:
        return _made("not", children, "boolean", "boolean")

    def conjunction(self, children: list[_Typed]) -> _Typed:
        return _made("and", children, "boolean", "boolean")

    def disjunction(self, children: list[_Typed]) -> _Typed:
        return _made("or", children, "boolean", "boolean")

    def arithmetic(self, children: list[Any]) -> _Typed:
        left, operator, right = children
        return _made(str(operator), [left, right], "number", "number")

    def compare(self, children: list[Any]) -> _Typed:
        left, operator, right = children
        return _made(str(operator), [left, right], "number", "boolean")

    def conditional(self, children: list[_Typed]) -> _Typed:
        then, condition, otherwise = children
        if condition.kind != "boolean":
            raise FormulaError(
                said("the condition of if must be a boolean, this is {kind}", kind=_KINDS[condition.kind]),
                condition.column,
            )
        kinds = {branch.kind for branch in (then, otherwise)} - {"missing"}
        if len(kinds) > 1:
            raise FormulaError(said("both branches of if must be numbers, or both booleans"), otherwise.column)
        tree = Call("if", (condition.tree, then.tree, otherwise.tree), then.column)
        return _Typed(
            tree, kinds.pop() if kinds else "missing", 1 + max(child.depth for child in children), then.column
        )

    def call(self, children: list[Any]) -> _Typed:
        name, arguments = children[0], children[1:]
        column = name.column or 1
        if name in READERS:
            return _reader(str(name), arguments, column)
        if name not in FUNCTIONS:
            raise FormulaError(
                said("there is no function '{name}'{near}", name=name, near=nearest(name, (*FUNCTIONS, *READERS))),
                column,
            )
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            wanted = str(fewest) if fewest == most else said("at least {fewest}", fewest=fewest)
            raise FormulaError(
                said("{name} takes {wanted} arguments, {found} given", name=name, wanted=wanted, found=len(arguments)),
                column,
            )
        return _made(str(name), arguments, "number", "number")


def _made(name: str, children: Sequence[_Typed], wants: Kind, gives: Kind) -> _Typed:
    for child in children:
        if child.kind not in (wants, "missing"):
            raise FormulaError(
                said(
                    "'{name}' works on {wants}, this is {found}",
                    name=name,
                    wants=_OPERANDS[wants],
                    found=_KINDS[child.kind],
                ),
                child.column,
            )
    chained = name in ("+", "-", "*", "/", "and", "or") and isinstance(children[0].tree, Call)
    first = children[0].depth + (0 if chained else 1)
    depth = max(first, *(child.depth + 1 for child in children[1:])) if len(children) > 1 else children[0].depth + 1
    tree = Call(name, tuple(child.tree for child in children), children[0].column)
    return _Typed(tree, gives, depth, children[0].column)


def _reader(name: str, arguments: Sequence[_Typed], column: int) -> _Typed:
    inner = arguments[0].tree
    if not isinstance(inner, Reading) or inner.read != "sum":
        raise FormulaError(said("{name} reads one measure", name=name), column)
    if name == "largest":
        if len(arguments) != 2 or arguments[1].tree != Reading("streamer", "sum"):
            raise FormulaError(said("largest is written largest(measure, streamer)"), column)
        return _Typed(Reading(inner.measure, "largest", inner.days, "streamer", inner.column), "number", 2, column)
    if len(arguments) != 1:
        raise FormulaError(said("{name} takes 1 argument, {found} given", name=name, found=len(arguments)), column)
    if name == "mean":
        return _Typed(Reading(inner.measure, "mean", inner.days, column=inner.column), "number", 2, column)
    if inner.days is not None:
        raise FormulaError(said("last reads a day and takes no window"), column)
    return _Typed(Reading(inner.measure, "last", column=inner.column), "number", 2, column)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", maybe_placeholders=False, transformer=_Builder())


def _check_reading(reading: Reading, measures: Mapping[str, Measure] | None) -> None:
    """Refuse measures that are unknown, not to be scored, or read in a way that does not suit them."""
    name, known = reading.measure, None
    if measures is not None:
        known = measures.get(name)
        if known is None:
            raise FormulaError(
                said("there is no measure '{name}'{near}", name=name, near=nearest(name, measures)), reading.column
            )
        if not known.scored:
            raise FormulaError(said("the measure '{name}' may not be scored", name=name), reading.column)
    kind = known.kind if known else "any"
    if kind == "flow" and reading.read in ("last", "mean"):
        raise FormulaError(
            said("'{name}' adds up over a window; {read}() reads stocks", name=name, read=reading.read), reading.column
        )
    if kind == "stock" and reading.read in ("sum", "largest"):
        raise FormulaError(said("'{name}' is a stock; write last({name}) or mean({name})", name=name), reading.column)


def _unit(tree: Tree, measures: Mapping[str, Measure]) -> str | None:
    """Find the unit of a tree; None where bare numbers or quotients leave it free. Refuse sums of unlike units."""
    if isinstance(tree, Reading):
        return measures[tree.measure].unit or None
    if not isinstance(tree, Call):
        return None
    units = [_unit(argument, measures) for argument in tree.arguments]
    if tree.name in ("negative", "abs"):
        return units[0]
    if tree.name not in ("+", "-", "min", "max", "coalesce", "clamp", "if", *COMPARISONS):
        return None
    stated = [unit for unit in units if unit is not None]
    for unit in stated[1:]:
        if unit != stated[0]:
            raise FormulaError(
                said("'{name}' brings together {unit} and {other}", name=tree.name, unit=stated[0], other=unit),
                tree.column,
            )
    return stated[0] if stated and len(stated) == len(units) and tree.name not in COMPARISONS else None
