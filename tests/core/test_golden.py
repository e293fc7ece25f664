"""The default rubric and its worked example."""

import json
from decimal import Context, Decimal
from fractions import Fraction

import pytest

from scoring.core.explain import trace
from scoring.core.inputs import Inputs
from scoring.core.score import exact_points, score
from tests.core.tools import DATA, demo, given, leaf, rubric

GOLDEN = json.loads((DATA / "golden_example.json").read_text(encoding="utf-8"))


def golden_inputs() -> Inputs:
    return given(["A"], **{code: [value] for code, value in GOLDEN["inputs"].items()})


def test_total_grade_and_capabilities_equal_the_worked_example() -> None:
    scores = score(demo(), golden_inputs())
    assert scores.published(0) == Decimal(GOLDEN["published"])
    assert scores.grade_code(0) == GOLDEN["grade"]
    assert "incident:TM5" in scores.flags(0)
    points = exact_points(demo(), golden_inputs())
    four = Decimal("0.0001")
    assert Decimal(points["TOTAL"][0] or "").quantize(four) == Decimal(GOLDEN["total_4dp"])
    for code, expected in GOLDEN["capabilities"].items():
        assert Decimal(points[code][0] or "").quantize(four) == Decimal(expected), code


def test_exact_points_have_34_significant_digits() -> None:
    points = exact_points(demo(), golden_inputs())
    assert points["LO1"] == ["70.90909090909090909090909090909091"]
    assert points["LO2"] == ["70"]
    assert points["TM5"] == [None]
    # 12 streamers per merchant: 60 + 40 · ln(12/8) / ln(40/8)
    wide = Context(prec=50)
    share = wide.divide(wide.ln(Decimal("1.5")), wide.ln(Decimal(5)))
    assert points["SC4"][0] == str(Context(prec=34).plus(wide.fma(Decimal(40), share, Decimal(60))))


def test_the_worked_example_opens_down_to_its_indicators() -> None:
    opened = trace(demo(), golden_inputs(), "A")
    leaves = [line for line in opened.lines if line.is_leaf]
    assert len(leaves) == 25
    assert sum((line.contribution for line in leaves), Fraction(0)) == opened.total
    assert opened.line("TM5").share_after == 0
    # TM5's 1,500 of 10,000 are spread over its siblings: 3,000 of 8,500 of a fifth.
    assert opened.line("TM1").share_after == Fraction(3000, 8500) / 5


@pytest.mark.parametrize(("shift", "grade"), [("0", "B"), ("1", "S")])
def test_grades_read_the_published_number(shift: str, grade: str) -> None:
    rules = rubric(leaf("X", value="x"), grades=[["S", 70], ["B", 0]])
    value = "69.949999999999999999" if shift == "0" else "69.95"
    scores = score(rules, given(["A"], X=[value]))
    assert (scores.grade_code(0), str(scores.published(0))) == (grade, "69.9" if shift == "0" else "70.0")
