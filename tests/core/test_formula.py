"""The formula language: what it says, what it refuses, and where."""

from fractions import Fraction

import numpy as np
import pytest

from scoring.core.calculate import absence, numbers, truths
from scoring.core.exact import ExactField
from scoring.core.floats import FloatField
from scoring.core.formula import FormulaError, Measure, Operand, compile_formula
from scoring.core.inputs import Column, State

MEASURES = {
    "gmv": Measure("flow", "fen"),
    "orders": Measure("flow", "orders"),
    "rooms": Measure("stock", "rooms"),
    "income": Measure("flow", "fen", scored=False),
}


def value(text: str, kind: str = "number", **cells: int | None) -> Fraction | bool | None:
    """Evaluate a formula for one subject, in both kinds of numbers."""
    formula = compile_formula(text, "boolean" if kind == "boolean" else "number")
    columns = {
        reading: Column.of(
            [cells[reading.measure] or 0], [State.NO_DATA if cells[reading.measure] is None else State.VALUE]
        )
        for reading in formula.operands(90)
    }
    if kind == "boolean":
        decided = truths(formula, columns, ExactField(1))
        return bool(decided.true[0]) if decided.known[0] else None
    exact = numbers(formula, columns, ExactField(1))
    floats = numbers(formula, columns, FloatField(1))
    assert bool(exact.known[0]) == bool(floats.known[0])
    if not exact.known[0]:
        return None
    found = exact.number.fractions()[0]
    assert float(floats.number.value[0]) == pytest.approx(float(found), rel=1e-14)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("8 / 4 / 2", 1),
        ("8 - 4 - 2", 2),
        ("-a - -b", -4),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("min(a, b, 3)", 3),
        ("max(a, b) - abs(a - b)", 6),
        ("clamp(a, 7, 8)", 8),
        ("sqrt(a - 1)", 3),
        ("log10(a * 100)", 3),
        ("ln(1)", 0),
        ("coalesce(a / z, n, b)", 6),
        ("a if b > 5 else z", 10),
        ("1 if a > b and not b == z else 2 if a < 0 else 3", 1),
        ("last(a) / mean(b) + largest(a, streamer)", Fraction(35, 3)),
        ("a[365d] - a", 0),
    ],
)
def test_values(text: str, expected: Fraction | int) -> None:
    assert value(text, a=10, b=6, z=0, n=None) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a / z",
        "ln(z)",
        "log10(-a)",
        "sqrt(-a)",
        "n",
        "n + 1",
        "min(a, n)",
        "n if a > 0 else 1",
        "1 if n > 0 else 2",
        "missing if a > 0 else a",
        "1 if n > 0 or a > 0 else 2",
    ],
)
def test_what_cannot_be_computed_is_missing(text: str) -> None:
    assert value(text, a=10, b=6, z=0, n=None) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a >= 10", True), ("a < 10 or b != 6", False), ("not a == b and a <= 10", True), ("n > 0", None)],
)
def test_truths(text: str, expected: bool | None) -> None:
    assert value(text, "boolean", a=10, b=6, n=None) is expected


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 1, "ends too early"),
        ("gmv +", 6, "ends too early"),
        ("gmv ++ orders", 6, "'+' is not expected"),
        ("gmv / order", 7, "no measure 'order'; did you mean 'orders'"),
        ("minn(gmv, 1)", 1, "no function 'minn'; did you mean 'min'"),
        ("last(gmv)", 6, "adds up over a window"),
        ("gmv + rooms", 7, "write last(rooms) or mean(rooms)"),
        ("gmv + orders", 1, "brings together fen and orders"),
        ("gmv > orders", 1, "a number is needed, this gives a boolean"),
        ("income / 2", 1, "may not be scored"),
        ("gmv and orders", 1, "works on booleans"),
        ("gmv if gmv else 1", 8, "condition of if must be a boolean"),
        ("missing", 1, "is always missing"),
        ("sqrt(gmv, 1)", 1, "takes 1 arguments, 2 given"),
        ("largest(gmv, merchant)", 1, "largest(measure, streamer)"),
        ("last(rooms + rooms)", 1, "reads one measure"),
        ("last(rooms[30d])", 1, "takes no window"),
        ("1,000", 2, "',' is not expected"),
        ("１２", 1, "'１' is not expected"),
        ("__import__('os')", 12, "is not expected"),
        ("gmv.real", 4, "'.' is not expected"),
        ("1e5", 2, "is not expected"),
        ("1 < gmv < 3", 9, "'<' is not expected"),
        ("(" * 31 + "1" + ")" * 31, 31, "nested 30 deep"),
        ("-" * 31 + "1", 32, "nested 30 deep"),
        ("1" * 501, 501, "500 characters"),
        ("(" * 1000, 501, "500 characters"),
        ("1 + " * 2500 + "1", 501, "500 characters"),
    ],
)
def test_refusals_name_their_place(text: str, column: int, reason: str) -> None:
    with pytest.raises(FormulaError) as refused:
        compile_formula(text, "number", MEASURES)
    assert reason in refused.value.reason
    assert refused.value.column == column


def test_a_long_chain_is_not_deep() -> None:
    assert value("+".join(["a"] * 240), a=1) == 240


def test_operands_say_what_a_caller_must_provide() -> None:
    formula = compile_formula("last(a) / last(b) + c + c[365d] + mean(d) + largest(e, streamer)", "number")
    assert set(formula.operands(90).values()) == {
        Operand("a", "last", together=("a", "b")),
        Operand("b", "last", together=("a", "b")),
        Operand("c", "sum", 90),
        Operand("c", "sum", 365),
        Operand("d", "mean", 90),
        Operand("e", "largest", 90, "streamer"),
    }
    assert str(Operand("e", "largest", 90, "streamer")) == "largest(e, streamer)[90d]"
    count = compile_formula("last(b) + last(z)", "number")
    assert Operand("z", "last", together=("a", "b", "z")) in count.operands(90, beside=formula).values()


def test_the_state_of_a_missing_value_is_that_of_its_gravest_operand() -> None:
    formula = compile_formula("a + b", "number")
    states = [[State.STALE, State.NO_DATA], [State.NOT_APPLICABLE, State.STALE], [State.VALUE, State.VALUE]]
    columns = {
        reading: Column.of([0, 0, 0], [row[place] for row in states])
        for place, reading in enumerate(formula.operands(90))
    }
    assert [State(state) for state in absence(columns, np.arange(3))] == [State.NO_DATA, State.STALE, State.NO_DATA]
