"""Explanations come from the core and are checked by scoring again: trace, path, and change by cause."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given as draw
from hypothesis import settings
from hypothesis import strategies as st

from scoring.core.change import CAUSES, by_cause, shapley
from scoring.core.explain import trace
from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs, State
from scoring.core.path import to_lower_grade, to_next_grade
from scoring.core.rubric import Rubric
from scoring.core.score import score
from tests.core.tools import given, leaf, rubric

GRADES = [["A", 80], ["B", 60], ["C", 0]]


def operated(**more: Any) -> Rubric:
    """Two quotients and a stock with a sample, as the default rubric has them."""
    return rubric(
        {"code": "RATE", "weight": 3, "value": "good / all * 100", "window": "90d", "points": {"goalposts": [0, 100]}},
        {
            "code": "SLOW",
            "weight": 1,
            "value": "missing if all <= 0 else late / all",
            "window": "90d",
            "points": {"anchors": [["0", "100"], ["0.5", "0"]]},
            "sample": {"count": "all", "at_least": 50, "shrink_to": 60, "insufficient_below": "0.2"},
        },
        grades=GRADES,
        **more,
    )


def facts(good: int, late: int, total: int) -> Inputs:
    return Inputs(
        ("P", "Q"),
        {
            Operand("good", "sum", 90): Column.of([good, 1]),
            Operand("late", "sum", 90): Column.of([late, 1]),
            Operand("all", "sum", 90): Column.of([total, 1]),
        },
    )


def test_a_trace_shows_numerators_denominators_samples_and_operands() -> None:
    opened = trace(operated(), facts(22, 8, 40), "P")
    rate, slow = opened.line("RATE"), opened.line("SLOW")
    assert (rate.numerator, rate.denominator, rate.value, rate.points) == (2200, 40, 55, 55)
    # 8 of 40 late: 60 points, drawn towards 60 by a sample of 40 of 50
    assert (slow.numerator, slow.denominator, slow.count, slow.points) == (8, 40, 40, 60)
    assert slow.policies == ("shrunk",)
    assert [(str(cell.operand), cell.state, cell.value) for cell in rate.cells] == [
        ("good[90d]", State.VALUE, 22),
        ("all[90d]", State.VALUE, 40),
    ]
    assert opened.total == Fraction(3 * 55 + 60, 4)
    assert (str(opened.published), opened.grade, opened.status) == ("56.3", "C", "rated")
    assert rate.headroom == Fraction(3 * 45, 4)
    assert (rate.contribution, slow.contribution) == (Fraction(165, 4), 15)
    assert (str(rate.shown_contribution), str(slow.shown_contribution)) == ("41.3", "15.0")


def test_a_trace_of_an_unrated_subject_still_shows_its_indicators() -> None:
    opened = trace(operated(needs_capabilities=2), facts(22, 8, 5), "P")
    assert (opened.status, opened.total, opened.published, opened.grade) == ("not_rated", None, None, None)
    assert opened.line("SLOW").state is State.INSUFFICIENT_SAMPLE
    assert opened.line("RATE").points == 100
    assert all(line.contribution == 0 for line in opened.lines)


def test_an_unknown_subject_is_refused() -> None:
    with pytest.raises(ValueError, match="no subject 'X'"):
        trace(operated(), facts(1, 1, 1), "X")


def published_after(rules: Rubric, inputs: Inputs, operand: Operand, units: int) -> str | None:
    """Add so many units of a fact and score again; other indicators that read it move as well."""
    column = inputs.columns[operand]
    moved = column.numerator.copy()
    moved[0] += units
    return score(rules, inputs.with_columns({operand: Column(moved, column.state, column.divisor)})).grade_code(0)


def test_the_path_to_the_next_grade_is_the_smallest_change_in_whole_facts() -> None:
    rules, inputs = operated(), facts(22, 8, 40)
    path = to_next_grade(rules, inputs, "P")
    assert (path.grade, path.obstacles) == ("B", ())
    changes = {change.code: change for change in path.changes}
    # (3 · 2.5 x + 60) / 4 reaches 59.95 at x = 23.97: two more good ones.
    rate = changes["RATE"]
    assert (str(rate.operand), rate.units, rate.value, rate.needed) == ("good[90d]", 2, 55, 60)
    assert (str(rate.published), rate.grade) == ("60.0", "B")
    assert published_after(rules, inputs, Operand("good", "sum", 90), 2) == "B"
    assert published_after(rules, inputs, Operand("good", "sum", 90), 1) == "C"
    # k late ones fewer add 4k points at this sample and k to the total of 56.25: four are needed.
    slow = changes["SLOW"]
    assert (str(slow.operand), slow.units) == ("late[90d]", -4)
    assert published_after(rules, inputs, Operand("late", "sum", 90), slow.units) == "B"
    assert published_after(rules, inputs, Operand("late", "sum", 90), slow.units + 1) == "C"


def test_what_loses_the_grade_first() -> None:
    rules, inputs = operated(), facts(26, 8, 40)
    path = to_lower_grade(rules, inputs, "P")
    assert path.grade == "C"
    for change in path.changes:
        assert change.operand is not None
        assert published_after(rules, inputs, change.operand, change.units) == "C"
        assert published_after(rules, inputs, change.operand, change.units - (1 if change.units > 0 else -1)) == "B"


def test_where_no_single_change_is_enough_the_path_is_a_mix() -> None:
    rules = rubric(leaf("A"), leaf("B"), leaf("C"), grades=[["HIGH", 70], ["LOW", 0]])
    inputs = given(["x"], A=[10], B=[20], C=[60])
    path = to_next_grade(rules, inputs, "x")
    assert path.changes == ()
    assert {change.code for change in path.mix} == {"A", "B"}
    assert path.mix[-1].grade == "HIGH"
    assert str(path.mix[-1].published) == "70.0"


def test_the_cheapest_mix_moves_what_yields_most_for_its_range_and_nothing_needlessly() -> None:
    # From 10 of 100 each, the heavy one yields 8 times as much per share of its range as the light ones.
    rules = rubric(leaf("HEAVY", 8), leaf("L1"), leaf("L2"), grades=[["HIGH", 70], ["LOW", 0]])
    path = to_next_grade(rules, given(["x"], HEAVY=[10], L1=[10], L2=[10]), "x")
    assert [change.code for change in path.mix] == ["HEAVY"]
    # Where only all together help, all are moved, each no further than it must.
    weakest = rubric(leaf("A"), leaf("B"), root={"aggregate": "minimum"}, grades=[["HIGH", 70], ["LOW", 0]])
    path = to_next_grade(weakest, given(["x"], A=[10], B=[20]), "x")
    assert path.changes == ()
    assert {change.code for change in path.mix} == {"A", "B"}
    assert all(Fraction("69.95") <= change.needed < Fraction("69.96") for change in path.mix)


def test_gates_come_first() -> None:
    gate = {"when": "all > 30", "then": {"highest_grade": "C"}, "window": "90d"}
    path = to_next_grade(operated(gates=[gate]), facts(22, 8, 40), "P")
    assert (path.grade, path.obstacles, path.changes) == ("B", ("gate:1",), ())


def test_the_best_grade_has_no_next_and_the_lowest_no_lower() -> None:
    assert to_next_grade(operated(), facts(40, 0, 40), "P").grade is None
    assert to_lower_grade(operated(), facts(0, 40, 40), "P").grade is None


@settings(max_examples=40, deadline=None)
@draw(st.lists(st.integers(-50, 50), min_size=16, max_size=16))
def test_shapley_parts_add_up_without_residual_and_are_fair(amounts: list[int]) -> None:
    names = ("a", "b", "c", "d")

    def worth(happened: frozenset[str]) -> dict[str, Fraction]:
        return {"x": Fraction(amounts[sum(1 << names.index(name) for name in happened)], 7)}

    parts = shapley(names, worth)
    assert sum(parts[name]["x"] for name in names) == worth(frozenset(names))["x"] - worth(frozenset())["x"]
    swapped = shapley(tuple(reversed(names)), worth)
    assert {name: parts[name]["x"] for name in names} == {name: swapped[name]["x"] for name in names}


def test_change_by_cause_splits_a_change_down_to_the_indicators() -> None:
    before, after = facts(22, 8, 40), facts(30, 4, 48)
    stricter = operated(needs_capabilities=1)
    rules = {False: operated(), True: replace(stricter, root=replace(stricter.root, aggregate="minimum"))}

    def scenario(happened: frozenset[str]) -> tuple[Rubric, Inputs]:
        columns = {}
        for operand in before.columns:
            cause = "bindings" if operand.measure == "all" else "restatements" if operand.measure == "late" else "data"
            columns[operand] = (after if cause in happened else before).columns[operand]
        return rules["rubric" in happened], replace(before, columns=columns)

    parts = by_cause("P", scenario)
    first, last = trace(*scenario(frozenset()), "P"), trace(*scenario(frozenset(CAUSES)), "P")
    assert first.total is not None
    assert last.total is not None
    assert sum(sum(amounts.values()) for amounts in parts.values()) == last.total - first.total
    for line in first.lines:
        if line.is_leaf:
            change = last.line(line.code).contribution - line.contribution
            assert sum(parts[cause][line.code] for cause in CAUSES) == change

    def worth(happened: frozenset[str]) -> dict[str, Fraction]:
        lines = trace(*scenario(happened), "P").lines
        return {line.code: line.contribution for line in lines if line.is_leaf}

    assert parts == shapley(CAUSES, worth)  # judged together, the scenarios give what each gives alone
    assert set(parts["coverage"].values()) == {0}
    assert sum(parts["data"].values()) > 0


def test_change_by_cause_needs_a_rating_on_both_sides() -> None:
    def scenario(happened: frozenset[str]) -> tuple[Rubric, Inputs]:
        return operated(needs_capabilities=2), facts(22, 8, 5 if "data" in happened else 40)

    with pytest.raises(ValueError, match="not rated after"):
        by_cause("P", scenario)
