"""The digits behind the exact numbers: logarithms to the last of 34, and cells of a table as they are written."""

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.core.cells import Numbers
from scoring.core.exact import ExactField, rational
from scoring.core.inputs import State

PUBLIC = Context(prec=34, Emax=MAX_EMAX, Emin=MIN_EMIN)
# Wide enough that a quotient next to 1 keeps all its digits.
WIDE = Context(prec=400, Emax=MAX_EMAX, Emin=MIN_EMIN)

wholes = st.integers(1, 10**6) | st.integers(1, 10**40) | st.integers(0, 120).map(lambda power: 10**power)


@given(wholes, wholes, st.integers(-3, 3))
def test_logarithms_are_right_to_the_last_digit(over: int, under: int, apart: int) -> None:
    for value in (Fraction(over, under), Fraction(10**120 + over, 10**120), Fraction(max(1, under * 2 + apart), under)):
        expected = PUBLIC.plus(WIDE.divide(Decimal(value.numerator), Decimal(value.denominator)).ln(WIDE))
        assert rational(value).ln().fractions() == [Fraction(expected)]


def test_equal_numbers_are_printed_alike_wherever_they_stand() -> None:
    numbers = ExactField(6).quotients(rational(Fraction(0)).numerator.repeat(6), None) + rational(Fraction(200, 3))
    assert numbers.texts() == ["66.66666666666666666666666666666667"] * 6


CELLS = {
    "0": "0",
    "-0.50": "-0.5",
    "007": "7",
    "999999999999999999": "999999999999999999",
    "-999999999999999999": "-999999999999999999",
    "9223372036854775808": "9223372036854775808",
    "0.1234567890123456789": "0.1234567890123456789",
    "12345678901234567890.5": "12345678901234567890.5",
    " 3 ": "3",
    "1e-9": "0.000000001",
    "-2.5E+3": "-2500",
}


@pytest.mark.parametrize("company", [(), ("1",), ("",), ("0.25", "", "-3"), ("1e20",), tuple(CELLS)])
def test_a_cell_is_the_same_number_in_any_company(company: tuple[str, ...]) -> None:
    for cell, expected in CELLS.items():
        column = Numbers()
        assert column.append([*company, cell]) == []
        assert column.append(["", cell]) == []
        made = column.column()
        size = len(company)
        assert made.fraction(size) == made.fraction(size + 2) == Fraction(expected)
        assert made.state[size + 1] == State.NO_DATA
        assert [made.fraction(row) for row in range(size)] == [Fraction(one) if one else None for one in company]


@pytest.mark.parametrize(
    "cell",
    [*("1.", ".5", "-.5", "-", "--1", "1-2", "1.2.3", "+1", "1_0", "0x1", "1,5", "１", "½", "1\n2", "1\t", "nan", "e5"),
     "1e400", "1e", "1 2", "'1", '"1"', "1\x00", "-" * 61, "1" * 61],
)  # fmt: skip
def test_what_is_no_number_is_found_among_those_that_are(cell: str) -> None:
    assert Numbers().append(["1", cell, "2.5"]) == [1]
    assert Numbers().append([cell]) == [0]
