"""Published composite indices, reproduced from their published inputs.

- Human Development Index: UNDP, Human Development Report 2023/24, statistical annex, table 1 (values for 2022), and
  technical note 1 (goalposts: life expectancy 20–85 years, expected schooling 0–18, mean schooling 0–15, income per
  head 100–75,000 dollars, logarithmic; geometric mean; very high from 0.800, high 0.700, medium 0.550).
- A partner programme with points per unit, caps, prerequisites and "every metric above zero"; the shape is that of
  Microsoft's partner capability score (Partner Center, "Solutions Partner designations": 70 of 100 points and more than
  zero in every category).
- A mean of at least three sources: Transparency International, Corruption Perceptions Index, technical methodology
  (a country needs three sources; otherwise it is not rated).
"""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs
from scoring.core.reader import load
from scoring.core.score import score
from tests.core.tools import given, leaf, rubric

HDI: dict[str, Any] = {
    "rubric": "human-development-index",
    "version": "2023-24",
    "scale": 1,
    "published_decimals": 3,
    "root": {
        "code": "HDI",
        "aggregate": "geometric_mean",
        "missing": "fail",
        "children": [
            {"code": "HEALTH", "weight": 1, "value": "life", "points": {"goalposts": [20, 85]}},
            {
                "code": "EDUCATION",
                "weight": 1,
                "missing": "fail",
                "children": [
                    {"code": "EXPECTED", "weight": 1, "value": "expected", "points": {"goalposts": [0, 18]}},
                    {"code": "MEAN", "weight": 1, "value": "mean_years", "points": {"goalposts": [0, 15]}},
                ],
            },
            {
                "code": "INCOME",
                "weight": 1,
                "value": "income",
                "points": {"goalposts": [100, 75000], "interpolate": "log"},
            },
        ],
    },
    "grades": [["very high", "0.800"], ["high", "0.700"], ["medium", "0.550"], ["low", 0]],
}

# Life expectancy, expected and mean schooling (years, printed to one place), income per head; the index as printed.
COUNTRIES = {
    "Switzerland": (("84.3", "16.6", "13.9", "69433"), "0.967", "very high"),
    "Norway": (("83.4", "18.6", "13.1", "69190"), "0.966", "very high"),
    "China": (("78.6", "15.2", "8.1", "18025"), "0.788", "high"),
    "India": (("67.7", "12.6", "6.6", "6951"), "0.644", "medium"),
    "Somalia": (("56.1", "7.6", "1.9", "1072"), "0.380", "low"),
}


def exact(*values: str | None) -> Column:
    return Column.of_fractions([None if value is None else Fraction(value) for value in values])


def test_human_development_index() -> None:
    rows = [row for row, _, _ in COUNTRIES.values()]
    inputs = Inputs(
        tuple(COUNTRIES),
        {
            Operand(name, "sum"): exact(*(row[place] for row in rows))
            for place, name in enumerate(("life", "expected", "mean_years", "income"))
        },
    )
    scores = score(load(HDI), inputs)
    for index, (_, printed, tier) in enumerate(COUNTRIES.values()):
        found = scores.published(index)
        assert found is not None
        # The printed years are themselves rounded, which can move the last digit by one.
        assert abs(found - Decimal(printed)) <= Decimal("0.001")
        assert scores.grade_code(index) == tier
    assert list(scores.rank) == [1, 2, 3, 4, 5]


def test_a_country_without_income_has_no_human_development_index() -> None:
    inputs = Inputs(
        ("X",),
        {
            Operand(name, "sum"): exact(value)
            for name, value in (("life", "80"), ("expected", "15"), ("mean_years", "12"), ("income", None))
        },
    )
    scores = score(load(HDI), inputs)
    assert (scores.status(0), scores.published(0), scores.grade_code(0), scores.rank[0]) == ("not_rated", None, None, 0)


PARTNER: dict[str, Any] = {
    "rubric": "partner-programme",
    "version": "1",
    "published_decimals": 0,
    "weights_sum": 100,
    "root": {
        "code": "SCORE",
        "missing": "zero",
        "children": [
            {"code": "CUSTOMERS", "weight": 30, "value": "customers", "points": {"anchors": [[0, 0], [3, 100]]}},
            {
                "code": "SKILLS",
                "weight": 40,
                "value": "people if architects >= 2 and administrators >= 2 else 0",
                "points": {"anchors": [[0, 0], [10, 100]]},
            },
            {
                "code": "GROWTH",
                "weight": 20,
                "value": "(after - before) / before * 100",
                "points": {"anchors": [[0, 0], [20, 100]]},
            },
            {"code": "SERVICES", "weight": 10, "value": "services", "points": {"anchors": [[0, 0], [5, 100]]}},
        ],
    },
    "grades": [["qualified", 70], ["not qualified", 0]],
    "gates": [
        {
            "when": "customers <= 0 or people <= 0 or architects < 2 or administrators < 2"
            " or after <= before or services <= 0",
            "then": {"highest_grade": "not qualified"},
        }
    ],
}


@pytest.mark.parametrize(
    ("facts", "published", "grade"),
    [
        ((2, 7, 2, 2, 50_000, 57_000, 5), 72, "qualified"),
        ((3, 10, 2, 2, 50_000, 47_500, 5), 80, "not qualified"),
        ((3, 10, 1, 2, 50_000, 60_000, 5), 60, "not qualified"),
        ((9, 40, 2, 2, 50_000, 90_000, 50), 100, "qualified"),
        ((2, 7, 2, 2, 0, 57_000, 5), 58, "not qualified"),
    ],
)
def test_partner_programme(facts: tuple[int, ...], published: int, grade: str) -> None:
    names = ("customers", "people", "architects", "administrators", "before", "after", "services")
    inputs = Inputs(("P",), {Operand(name, "sum"): Column.of([fact]) for name, fact in zip(names, facts, strict=True)})
    scores = score(load(PARTNER), inputs)
    assert scores.published(0) == published
    assert scores.grade_code(0) == grade


def test_a_mean_of_at_least_three_sources() -> None:
    rules = rubric(*(leaf(f"S{n}") for n in range(5)), root={"needs_count": 3}, published_decimals=0)
    inputs = given(["A", "B"], S0=[40, 40], S1=[50, 50], S2=[61, None], S3=[None, None], S4=[None, None])
    scores = score(rules, inputs)
    assert str(scores.published(0)) == "50"
    assert scores.published(1) is None


def test_missing_children_of_a_deep_index_are_reweighted_level_by_level() -> None:
    """Four levels, as in the Environmental Performance Index (Yale, Columbia): what is absent gives its weight away."""
    issue = {"code": "ISSUE", "weight": 60, "children": [leaf("I1", 30), leaf("I2", 70)]}
    policy = {"code": "POLICY", "weight": 40, "children": [issue, leaf("I3", 40)]}
    rules = rubric(policy, leaf("I4", 60), published_decimals=1)
    scores = score(rules, given(["A"], I1=[None], I2=[50], I3=[100], I4=[20]))
    # I2 stands for the issue: (60·50 + 40·100) / 100 = 70; 0.4 · 70 + 0.6 · 20 = 40
    assert str(scores.published(0)) == "40.0"
    assert scores.flags(0) == ("reweighted:ISSUE",)


def test_falling_goalposts() -> None:
    """A target below the floor means lower is better: 5 % of a way from 30 down to 1."""
    rules = rubric({"code": "DISPUTES", "weight": 1, "points": {"goalposts": [30, 1]}}, published_decimals=2)
    scores = score(rules, given(["A", "B", "C"], DISPUTES=["28.55", "0", "31"]))
    assert [str(scores.published(row)) for row in range(3)] == ["5.00", "100.00", "0.00"]
