"""The cheapest mix against all mixes there are: small rubrics of every aggregate, with few facts to move."""

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs
from scoring.core.path import to_lower_grade, to_next_grade
from scoring.core.reader import load
from scoring.core.score import score

GRADES = [["S", 80], ["A", 60], ["B", 30], ["C", 0]]
CODES = ("A", "B", "C")
AGGREGATES = ["weighted_mean", "geometric_mean", "harmonic_mean", "minimum", "maximum"]


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, tuple[int, int, int]]]:
    """A rubric over three counts, and of each count where it is, its worst and its best."""
    leaves, counts = [], {}
    for code in CODES:
        top = draw(st.integers(2, 8))
        middle, worth = draw(st.integers(1, top)), draw(st.integers(11, 99))
        kinds: list[tuple[Any, int, int]] = [
            ({"goalposts": [0, top]}, 0, top),
            ({"goalposts": [top, 0]}, top, 0),
            ({"steps": [[1, 5], [top, 100]]}, 0, top),
            ({"anchors": [[0, 0], [middle, worth], [top + 1, 100]]}, 0, top + 1),
            ({"anchors": [[0, 100], [middle, worth], [top + 1, 10]]}, top + 1, 0),
        ]
        points, worst, best = draw(st.sampled_from(kinds))
        leaves.append({"code": code, "weight": draw(st.integers(1, 5)), "points": points})
        counts[code] = draw(st.integers(0, 9)), worst, best
    children = leaves
    if draw(st.booleans()):
        inner = {"code": "N", "weight": 3, "aggregate": draw(st.sampled_from(AGGREGATES)), "children": leaves[:2]}
        children = [inner, leaves[2]]
    floors = [
        {"grade": grade, "every_capability_at_least": draw(st.sampled_from([20, 45, 70])), "else": "one_grade_lower"}
        for grade in draw(st.sets(st.sampled_from(["S", "A"])))
    ]
    rules = {
        "rubric": "small",
        "version": "1",
        "root": {"code": "TOTAL", "aggregate": draw(st.sampled_from(AGGREGATES)), "children": children},
        "grades": GRADES,
        "floors": floors,
    }
    return rules, counts


def inputs_of(rows: list[tuple[int, ...]]) -> Inputs:
    columns = {Operand(code, "sum"): Column.of([row[place] for row in rows]) for place, code in enumerate(CODES)}
    return Inputs(tuple(map(str, range(len(rows)))), columns)


def way(start: int, away_from: int, to: int) -> range:
    """The places a count can take on its way; it stays where it is if it is beyond."""
    step = 1 if to > away_from else -1
    return range(start, to + step, step) if (to - start) * step > 0 else range(start, start + 1)


@settings(max_examples=120, deadline=None)
@given(cases(), st.booleans())
def test_no_mix_is_cheaper_by_more_than_what_is_said(case: tuple[Any, Any], better: bool) -> None:
    raw, counts = case
    rules, start = load(raw), {code: now for code, (now, _, _) in counts.items()}
    inputs = inputs_of([tuple(start.values())])
    found = (to_next_grade if better else to_lower_grade)(rules, inputs, "0")
    if found.grade is None:
        return
    ways = {code: way(now, *((low, high) if better else (high, low))) for code, (now, low, high) in counts.items()}
    rows = list(product(*ways.values()))
    grade, grades = score(rules, inputs).grade[0], score(rules, inputs_of(rows)).grade

    def cost(values: dict[str, int]) -> Fraction:
        shares = (Fraction(abs(value - start[code]), max(1, len(ways[code]) - 1)) for code, value in values.items())
        return sum(shares, Fraction(0))

    costs = [cost(dict(zip(CODES, rows[row], strict=True))) for row in np.flatnonzero((grades < grade) == better)
             if grades[row] != grade]  # fmt: skip
    if not costs:
        assert (found.changes, found.mix) == ((), ())
        return
    after = {change.code: int(change.needed) for change in found.mix}
    assert min(costs) <= cost(after) <= min(costs) + found.within
    assert found.within <= Fraction(3, 300)
    assert all(cost(after) <= cost({change.code: int(change.needed)}) for change in found.changes)
    assert score(rules, inputs_of([tuple((start | after).values())])).grade_code(0) == found.mix[0].grade
