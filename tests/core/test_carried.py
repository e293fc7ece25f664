"""Of the cycle before only that is kept which points may be carried from, and it gives the same points."""

from dataclasses import replace

import numpy as np
import pytest

from scoring.core.carried import laid_before, not_frozen, owed
from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs, State, stacked
from scoring.core.score import exact_points
from tests.core.tools import rubric

GOOD, ALL, SOLD = (Operand(name, "sum", 90) for name in ("good", "all", "sold"))
RATE = {"code": "X", "weight": 1, "value": "good / all", "window": "90d", "points": {"goalposts": [0, 1]}}
COUNT = {"code": "Y", "weight": 1, "value": "sold", "window": "90d", "points": {"goalposts": [0, 100]}}
RULES = rubric({**RATE, "missing": "owed_by_provider"}, {**COUNT, "missing": "owed_by_platform"})
NAMES = ("1", "2", "3", "4")
# The second lacks data, of the third there is nothing to divide by; what is sold is known of everybody.
NOW = Inputs(
    NAMES,
    {
        GOOD: Column.of([5, 0, 1, 8], [State.VALUE, State.STALE, State.VALUE, State.VALUE]),
        ALL: Column.of([10, 10, 0, 10]),
        SOLD: Column.of([10, 20, 30, 40]),
    },
)
BEFORE = Inputs(
    NAMES,
    {
        GOOD: Column.of([1, 2, 3, 4], divisor=[1, 2, 1, 1]),
        ALL: Column.of([10, 10, 10, 10]),
        SOLD: Column.of([1, 2, 3, 4]),
    },
)


def read(inputs: Inputs, rows: list[int], *operands: Operand) -> Inputs:
    some = inputs.take(rows)
    return replace(some, columns={operand: some.columns[operand] for operand in operands})


def test_what_is_owed_is_found_with_whom() -> None:
    found = owed(RULES.leaves(), NOW)
    assert found.operands == (ALL, GOOD)
    assert found.whose.tolist() == [False, True, True, False]
    known = owed(rubric(RATE, COUNT).leaves(), NOW)
    assert (known.operands, known.whose.any()) == ((), False)


def test_less_of_the_cycle_before_gives_the_same_points() -> None:
    short = laid_before(NOW, read(BEFORE, [1, 2], ALL, GOOD))
    assert short.previous is not None
    assert set(short.previous.columns) == {ALL, GOOD}
    assert exact_points(RULES, short) == exact_points(RULES, replace(NOW, previous=BEFORE))
    assert exact_points(RULES, short)["X"] == ["50", "10", "30", "80"]
    assert Inputs.from_bytes(short.to_bytes()).sha256 == short.sha256


def test_another_rubric_carries_from_what_was_not_frozen() -> None:
    frozen = laid_before(NOW, read(BEFORE, [1, 2], ALL, GOOD))
    weighed = rubric({**RATE, "weight": 9, "missing": "owed_by_provider", "points": {"goalposts": [0, 2]}})
    assert not_frozen(weighed, frozen, RULES).operands == ()
    draft = rubric({**RATE, "value": "sold / (all - 10)", "missing": "owed_by_provider"})
    wanted = not_frozen(draft, frozen, RULES)
    assert wanted.operands == (ALL, SOLD)
    assert wanted.whose.tolist() == [True, True, False, True]
    # All that can be read by now is different; what was frozen stays.
    today = Inputs(NAMES, {operand: Column.of([50, 51, 52, 53]) for operand in (ALL, SOLD)})
    wider = laid_before(frozen, read(today, [0, 1, 3], ALL, SOLD), RULES)
    assert wider.previous is not None
    assert wider.previous.columns[ALL].numerator.tolist() == [50, 10, 10, 53]
    assert wider.previous.columns[SOLD].state.tolist() == [State.VALUE, State.VALUE, State.NO_DATA, State.VALUE]
    assert exact_points(RULES, wider) == exact_points(RULES, frozen)


def test_a_draft_may_owe_more_of_the_same_columns() -> None:
    frozen = laid_before(NOW, read(BEFORE, [1, 2], ALL, GOOD))
    draft = rubric({**RATE, "value": "good / (all - 10)", "missing": "owed_by_provider"})
    wanted = not_frozen(draft, frozen, RULES)
    assert (wanted.operands, wanted.whose.tolist()) == ((ALL, GOOD), [True, True, False, True])


@pytest.mark.parametrize("operand", [GOOD, SOLD])
def test_parts_that_carry_differently_are_stacked(operand: Operand) -> None:
    parts = [laid_before(NOW, read(BEFORE, [1, 2], ALL, GOOD)), laid_before(NOW, read(BEFORE, [0], SOLD))]
    whole = stacked(parts).previous
    assert whole is not None
    known = np.flatnonzero(whole.columns[operand].known).tolist()
    assert known == ([1, 2] if operand == GOOD else [4])
