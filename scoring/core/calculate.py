"""Evaluate formulas over whole columns; what cannot be computed is missing, never an error and never 0."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from scoring.core.formula import COMPARISONS, Call, Formula, Literal, Missing, Operand, Reading, Tree
from scoring.core.inputs import Column, Inputs, State, States
from scoring.core.numbers import Bools, Field, Number

ZERO, ONE = Fraction(0), Fraction(1)
# A cell without a number takes the first of these states that one of its operands has.
_GRAVEST_FIRST = (State.NO_DATA, State.STALE, State.INSUFFICIENT_SAMPLE, State.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True, eq=False)
class Cells[N: Number]:
    """Numbers and where they are known; the number of an unknown cell means nothing."""

    number: N
    known: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Truths:
    """Booleans and where they are known."""

    true: Bools
    known: Bools


def read_column[N: Number](column: Column, field: Field[N]) -> Cells[N]:
    """Take a column into a field."""
    return Cells(field.quotients(column.numerator, column.divisor), column.known)


def numbers[N: Number](formula: Formula, columns: Mapping[Reading, Column], field: Field[N]) -> Cells[N]:
    """Evaluate a formula that yields numbers."""
    made = _evaluate(formula.tree, columns, field)
    assert isinstance(made, Cells)
    return Cells(made.number, np.broadcast_to(made.known, field.size))


def truths[N: Number](formula: Formula, columns: Mapping[Reading, Column], field: Field[N]) -> Truths:
    """Evaluate a formula that yields booleans."""
    made = _evaluate(formula.tree, columns, field)
    assert isinstance(made, Truths)
    return Truths(np.broadcast_to(made.true, field.size), np.broadcast_to(made.known, field.size))


def absence(columns: Mapping[Reading, Column], rows: NDArray[np.intp]) -> States:
    """Say in which state a formula is in rows where it has no value: that of its gravest operand, else NO_DATA."""
    state = np.full(rows.size, State.NO_DATA, dtype=np.int8)
    for candidate in reversed(_GRAVEST_FIRST):
        for column in columns.values():
            state[column.state[rows] == candidate] = candidate
    return state


def disputed(columns: Mapping[Reading, Column], size: int) -> Bools:
    """Say where an operand is disputed."""
    found = np.zeros(size, dtype=bool)
    for column in columns.values():
        found |= column.state == State.DISPUTED
    return found


def gather(operands: Mapping[Reading, Operand], inputs: Inputs) -> Mapping[Reading, Column]:
    """Look up the columns of a formula; ValueError names those that are not there."""
    absent = sorted(str(operand) for operand in operands.values() if operand not in inputs.columns)
    if absent:
        raise ValueError(f"the inputs have no column for {', '.join(absent)}")
    return {reading: inputs.columns[operand] for reading, operand in operands.items()}


def _evaluate[N: Number](tree: Tree, columns: Mapping[Reading, Column], field: Field[N]) -> Cells[N] | Truths:
    match tree:
        case Literal(value):
            return Cells(field.constant(value), np.array([True]))
        case Missing():
            return Cells(field.constant(ZERO), np.array([False]))
        case Reading():
            return read_column(columns[tree], field)
        case Call(name, arguments):
            return _apply(name, [_evaluate(argument, columns, field) for argument in arguments], field)


def _apply[N: Number](name: str, values: list[Cells[N] | Truths], field: Field[N]) -> Cells[N] | Truths:
    if name == "if":
        return _choose(*values)
    booleans = [_as_truths(value) for value in values] if name in ("and", "or", "not") else []
    if booleans:
        return _connect(name, booleans)
    cells = [value for value in values if isinstance(value, Cells)]
    if name in COMPARISONS:
        return _compare(name, *cells, field=field)
    if name == "coalesce":
        return _coalesce(cells)
    known = cells[0].known
    for cell in cells[1:]:
        known = known & cell.known
    return _arithmetic(name, [cell.number for cell in cells], known, field)


def _arithmetic[N: Number](name: str, numbers: list[N], known: Bools, field: Field[N]) -> Cells[N]:
    """Apply an operator or function; its result is unknown where an argument lies outside its domain."""
    first = numbers[0]
    match name:
        case "+":
            return Cells(first + numbers[1], known)
        case "-":
            return Cells(first - numbers[1], known)
        case "*":
            return Cells(first * numbers[1], known)
        case "/":
            nonzero = ~field.equal(numbers[1], field.constant(ZERO))
            return Cells(first / numbers[1].where(nonzero, field.constant(ONE)), known & nonzero)
        case "negative":
            return Cells(-first, known)
        case "abs":
            return Cells(first.magnitude(), known)
        case "min" | "max" | "clamp":
            return Cells(_extreme(name, numbers), known)
        case "sqrt":
            inside = ~field.less(first, field.constant(ZERO))
            return Cells(first.where(inside, field.constant(ONE)).sqrt(), known & inside)
        case _:
            inside = field.less(field.constant(ZERO), first)
            positive = first.where(inside, field.constant(ONE))
            return Cells(positive.ln() if name == "ln" else positive.log10(), known & inside)


def _extreme[N: Number](name: str, numbers: list[N]) -> N:
    if name == "clamp":
        value, low, high = numbers
        return value.maximum(low).minimum(high)
    result = numbers[0]
    for number in numbers[1:]:
        result = result.minimum(number) if name == "min" else result.maximum(number)
    return result


def _compare[N: Number](name: str, left: Cells[N], right: Cells[N], *, field: Field[N]) -> Truths:
    decisions: Mapping[str, Callable[[], Bools]] = {
        "<": lambda: field.less(left.number, right.number),
        ">": lambda: field.less(right.number, left.number),
        "<=": lambda: ~field.less(right.number, left.number),
        ">=": lambda: ~field.less(left.number, right.number),
        "==": lambda: field.equal(left.number, right.number),
        "!=": lambda: ~field.equal(left.number, right.number),
    }
    return Truths(decisions[name](), left.known & right.known)


def _connect(name: str, values: list[Truths]) -> Truths:
    if name == "not":
        return Truths(~values[0].true, values[0].known)
    left, right = values
    true = left.true & right.true if name == "and" else left.true | right.true
    return Truths(true, left.known & right.known)


def _choose[N: Number](
    condition: Cells[N] | Truths, then: Cells[N] | Truths, otherwise: Cells[N] | Truths
) -> Cells[N] | Truths:
    asked = _as_truths(condition)
    known = asked.known & np.where(asked.true, then.known, otherwise.known)
    if isinstance(then, Cells) and isinstance(otherwise, Cells):
        return Cells(then.number.where(asked.true, otherwise.number), known)
    return Truths(np.where(asked.true, _as_truths(then).true, _as_truths(otherwise).true), known)


def _coalesce[N: Number](cells: list[Cells[N]]) -> Cells[N]:
    result = cells[-1]
    for cell in reversed(cells[:-1]):
        result = Cells(cell.number.where(cell.known, result.number), cell.known | result.known)
    return result


def _as_truths[N: Number](value: Cells[N] | Truths) -> Truths:
    """See the literal `missing` as an unknown boolean where one is needed."""
    return value if isinstance(value, Truths) else Truths(np.zeros_like(value.known), value.known)
