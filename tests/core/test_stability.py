"""Weight noise: what must stay, what may move, and one case done by hand."""

from __future__ import annotations

from fractions import Fraction
from hashlib import shake_256
from typing import Any

import numpy as np
import pytest

from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs
from scoring.core.rubric import Rubric
from scoring.core.score import score
from scoring.core.stability import Stability, stability
from tests.core.tools import demo, given, leaf, rubric

GRADES = [["A", 70], ["B", 50], ["C", 0]]


def drawn(rules: Rubric, inputs: Inputs, **more: Any) -> Stability:
    return stability(score(rules, inputs), seed=b"test", **more)


def two(**more: Any) -> Rubric:
    return rubric(leaf("X"), leaf("Y"), grades=GRADES, **more)


def test_without_noise_nothing_moves() -> None:
    rules, inputs = two(), given(["p", "q", "r"], X=[90, 40, 70], Y=[80, 60, 60])
    found = drawn(rules, inputs, noise=Fraction(0), draws=20)
    assert found.same_grade.tolist() == [1, 1, 1]
    assert found.rank_low.tolist() == found.rank_high.tolist() == [1, 3, 2]


def test_equal_points_everywhere_cannot_be_shaken() -> None:
    found = drawn(two(), given(["p", "q"], X=[70, 50], Y=[70, 50]))
    assert found.same_grade.tolist() == [1, 1]
    assert (found.rank_low.tolist(), found.rank_high.tolist()) == ([1, 2], [1, 2])


def test_the_draws_are_those_of_the_seed() -> None:
    # X = 100, Y = 0, weights 1 and 1: A from 70 up is out of reach, B is held while x ÷ (x + y) publishes 50.0 or more.
    found = drawn(two(), given(["p"], X=[100], Y=[0]), draws=50)
    noise = np.frombuffer(shake_256(b"test").digest(4 * 50 * 3), dtype="<u4").reshape(3, 50) / 2**32
    x, y = 0.75 + 0.5 * noise[1], 0.75 + 0.5 * noise[2]
    assert found.same_grade[0] == pytest.approx(np.mean(np.floor(1000 * x / (x + y) + 0.5) >= 500))
    assert 0.2 < found.same_grade[0] < 0.8


def test_two_that_cannot_be_told_apart_change_places() -> None:
    found = drawn(two(), given(["p", "q", "far"], X=[100, 0, 0], Y=[0, 100, 0]))
    assert (found.rank_low.tolist(), found.rank_high.tolist()) == ([1, 1, 3], [2, 2, 3])


def test_the_order_of_subjects_does_not_matter() -> None:
    rules = demo()
    size = 40
    leaves = rules.leaves()
    columns = {
        Operand(one.code, "given"): Column.of_fractions(
            [Fraction((7 * row + 3 * place) % 11, 10) for row in range(size)]
        )
        for place, one in enumerate(leaves)
    }
    columns |= {
        operand: Column.of([0] * size) for gate in rules.gates for operand in gate.when.operands(gate.window).values()
    }
    inputs = Inputs(tuple(map(str, range(size))), columns)
    order = list(reversed(range(size)))
    first, second = drawn(rules, inputs, draws=60), drawn(rules, inputs.take(order), draws=60)
    assert first.rank_low[order].tolist() == second.rank_low.tolist()
    assert first.rank_high[order].tolist() == second.rank_high.tolist()
    assert first.same_grade[order].tolist() == second.same_grade.tolist()


def test_who_is_not_rated_has_no_place() -> None:
    found = drawn(two(needs_capabilities=2), given(["p", "q"], X=[80, 80], Y=[80, None]))
    assert found.same_grade[0] == 1
    assert np.isnan(found.same_grade[1])
    assert (found.rank_low[1], found.rank_high[1]) == (0, 0)


@pytest.mark.parametrize("aggregate", ["weighted_mean", "geometric_mean", "harmonic_mean", "minimum", "maximum"])
@pytest.mark.parametrize("missing", ["reweight", "zero", "fail"])
def test_without_noise_every_rule_gives_the_published_grade_and_rank(aggregate: str, missing: str) -> None:
    rules = rubric(
        {"code": "N", "weight": 3, "aggregate": aggregate, "missing": missing,
         "children": [leaf("X", 2), leaf("Y", 1)]},
        leaf("Z", 2),
        grades=GRADES,
        floors=[{"grade": "A", "every_capability_at_least": 60, "else": "one_grade_lower"}],
    )  # fmt: skip
    inputs = given(["p", "q", "r", "s"], X=[90, 55, None, 20], Y=[85, 40, 75, 0], Z=[80, 58, 90, None])
    scores = score(rules, inputs)
    found = stability(scores, seed=b"test", noise=Fraction(0), draws=3)
    assert found.same_grade[scores.rated].tolist() == [1] * int(scores.rated.sum())
    assert found.rank_low.tolist() == found.rank_high.tolist() == scores.rank.tolist()


def test_gates_hold_in_every_draw() -> None:
    gate = {"when": "last(bad) > 0", "then": {"highest_grade": "C"}}
    rules = two(gates=[gate])
    inputs = given(["p"], X=[100], Y=[100]).with_columns({Operand("bad", "last", together=("bad",)): Column.of([1])})
    assert score(rules, inputs).grade_code(0) == "C"
    assert drawn(rules, inputs, draws=10).same_grade.tolist() == [1]


def test_ties_below_zero_are_rounded_away_from_it_as_published() -> None:
    # −0.05 publishes −0.1 and loses C, and stands behind what publishes 0.0.
    free = {"identity": True, "clamp": False}
    rules = rubric(leaf("X", points=free), leaf("Y", points=free), grades=GRADES)
    scores = score(rules, given(["p", "q"], X=["-0.05", "0"], Y=["-0.05", "0"]))
    assert (scores.units.tolist(), [scores.grade_code(row) for row in (0, 1)]) == ([-1, 0], [None, "C"])
    found = stability(scores, seed=b"test", noise=Fraction(0), draws=2)
    assert found.same_grade.tolist() == [1, 1]
    assert found.rank_low.tolist() == found.rank_high.tolist() == [2, 1]


def test_few_ranks_held_at_once_give_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = given(
        [str(row) for row in range(30)], X=[7 * row % 31 for row in range(30)], Y=[row % 5 for row in range(30)]
    )
    whole = drawn(two(), inputs, draws=300)
    monkeypatch.setattr("scoring.core.stability.KEPT", 0)
    monkeypatch.setattr("scoring.core.stability.BLOCK", 70)
    sifted = drawn(two(), inputs, draws=300)
    assert sifted.rank_low.tolist() == whole.rank_low.tolist()
    assert sifted.rank_high.tolist() == whole.rank_high.tolist()
    assert sifted.same_grade.tolist() == whole.same_grade.tolist()
    assert len(set(whole.rank_high - whole.rank_low)) > 3
