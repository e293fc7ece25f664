"""The frozen input of a run: checked when made, the same bytes for ever."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.core.formula import Operand
from scoring.core.inputs import Cohort, Column, Inputs, State

integers = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1), st.integers(-(10**30), 10**30))


@st.composite
def tables(draw: st.DrawFn, deep: bool = True) -> Inputs:
    size = draw(st.integers(0, 4))
    columns = {}
    for operand in draw(
        st.lists(
            st.sampled_from(
                [
                    Operand("a", "sum", 90),
                    Operand("b", "last", together=("b", "c")),
                    Operand("c", "mean", 30),
                    Operand("X", "given"),
                    Operand("e", "largest", 90, "streamer"),
                ]
            ),
            unique=True,
        )
    ):
        cells = draw(st.lists(integers, min_size=size, max_size=size))
        state = draw(st.lists(st.sampled_from(list(State)), min_size=size, max_size=size))
        divisor = draw(st.one_of(st.none(), st.lists(st.integers(1, 10**25), min_size=size, max_size=size)))
        columns[operand] = Column.of(cells, state, divisor)
    names = tuple(f"主体{n}" for n in range(size))
    labels = draw(st.one_of(st.none(), st.lists(st.sampled_from(["", "MCN"]), min_size=size, max_size=size)))
    previous = draw(st.one_of(st.none(), tables(deep=False))) if deep else None
    return Inputs(
        names,
        columns,
        profiles=None if labels is None else tuple(labels),
        cohorts={("X", ""): Cohort.of([Fraction(1, 3), Fraction(-2)])} if draw(st.booleans()) else {},
        previous=previous if previous is not None and previous.subjects == names else None,
    )


@settings(max_examples=60, deadline=None)
@given(tables())
def test_bytes_come_back_as_the_same_inputs(inputs: Inputs) -> None:
    data = inputs.to_bytes()
    back = Inputs.from_bytes(data)
    assert back.to_bytes() == data
    assert back.sha256 == inputs.sha256
    assert back.subjects == inputs.subjects
    assert set(back.columns) == set(inputs.columns)
    for operand, column in inputs.columns.items():
        assert [back.columns[operand].fraction(row) for row in range(len(inputs.subjects))] == [
            column.fraction(row) for row in range(len(inputs.subjects))
        ]


def test_the_order_in_which_columns_were_added_does_not_show() -> None:
    a, b = Operand("a", "sum", 90), Operand("b", "sum", 90)
    one, two = Column.of([1]), Column.of([2])
    assert Inputs(("x",), {a: one, b: two}).to_bytes() == Inputs(("x",), {b: two, a: one}).to_bytes()
    assert Inputs(("x",), {a: one, b: two}).sha256 != Inputs(("x",), {a: two, b: one}).sha256


def test_the_number_of_a_cell_without_value_does_not_show() -> None:
    a = Operand("a", "sum", 90)
    state = [State.NO_DATA]
    assert (
        Inputs(("x",), {a: Column.of([5], state)}).to_bytes() == Inputs(("x",), {a: Column.of([0], state)}).to_bytes()
    )


@pytest.mark.parametrize("data", [b"", b"\x00" * 20, b"\x02\x00\x00\x00\x00\x00\x00\x00{}", b"no inputs at all"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not scoring-inputs-1"):
        Inputs.from_bytes(data)


def test_bytes_left_over_are_refused() -> None:
    with pytest.raises(ValueError, match="1 bytes too many"):
        Inputs.from_bytes(Inputs(("x",), {}).to_bytes() + b"!")


def test_nonsense_is_refused() -> None:
    a = Operand("a", "sum", 90)
    with pytest.raises(ValueError, match="once"):
        Inputs(("x", "x"), {})
    with pytest.raises(ValueError, match=r"a\[90d\] has 2 cells for 1 subjects"):
        Inputs(("x",), {a: Column.of([1, 2])})
    with pytest.raises(ValueError, match="2 labels for 1"):
        Inputs(("x",), {}, profiles=("", ""))
    with pytest.raises(ValueError, match="same subjects"):
        Inputs(("x",), {}, previous=Inputs(("y",), {}))
    with pytest.raises(ValueError, match="one length"):
        Column.of([1, 2], [0])
    with pytest.raises(ValueError, match="must be positive"):
        Column.of([1], divisor=[0])


def test_rows_can_be_taken_with_the_cycle_before() -> None:
    a = Operand("a", "sum", 90)
    inputs = Inputs(
        ("x", "y"), {a: Column.of([1, 2])}, profiles=("", "M"), previous=Inputs(("x", "y"), {a: Column.of([3, 4])})
    )
    taken = inputs.take([1])
    assert (taken.subjects, taken.profiles) == (("y",), ("M",))
    assert taken.previous is not None
    assert np.array_equal(taken.previous.columns[a].numerator, [4])
    assert inputs.repeated(1, 3).subjects == ("0", "1", "2")
