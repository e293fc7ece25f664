"""States, samples, carrying, aggregation, grades, floors, gates and profiles, one rule at a time."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from scoring.core.cohorts import freeze
from scoring.core.explain import trace
from scoring.core.formula import Operand
from scoring.core.inputs import Cohort, Column, Inputs, State
from scoring.core.rubric import Rubric
from scoring.core.score import exact_points, score
from tests.core.tools import given, leaf, rubric

NO_DATA, STALE, DISPUTED = State.NO_DATA, State.STALE, State.DISPUTED


def measured(
    states: dict[str, Sequence[State]] | None = None, previous: Inputs | None = None, **columns: Sequence[int]
) -> Inputs:
    """Window values of flows over 90 days."""
    size = len(next(iter(columns.values())))
    return Inputs(
        tuple(map(str, range(size))),
        {Operand(name, "sum", 90): Column.of(cells, (states or {}).get(name)) for name, cells in columns.items()},
        previous=previous,
    )


def rate(code: str = "X", weight: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "code": code,
        "weight": weight,
        "value": "good / all",
        "window": "90d",
        "points": {"goalposts": [0, 1]},
        **more,
    }


def total(rules: Rubric, inputs: Inputs) -> list[str | None]:
    return exact_points(rules, inputs)["TOTAL"]


def test_a_zero_is_a_value_and_no_data_is_not_a_zero() -> None:
    rules = rubric(rate())
    inputs = measured({"good": [State.VALUE, NO_DATA]}, good=[0, 0], all=[10, 10])
    scores = score(rules, inputs)
    assert [scores.status(row) for row in (0, 1)] == ["rated", "not_rated"]
    assert str(scores.published(0)) == "0.0"


def test_division_by_zero_is_missing() -> None:
    scores = score(rubric(rate()), measured(good=[3], all=[0]))
    assert scores.published(0) is None
    assert State(scores.states["X"][0]) is NO_DATA


def test_the_sample_is_judged_before_the_division() -> None:
    rules = rubric(rate(sample={"count": "all", "at_least": 10, "shrink_to": 60, "insufficient_below": "0.2"}))
    inputs = measured(good=[0, 0, 1, 2, 5, 10], all=[0, 1, 2, 5, 10, 20])
    scores = score(rules, inputs)
    # n = 2 of 10: (2·50 + 8·60) / 10; n = 5: (5·40 + 5·60) / 10
    assert total(rules, inputs) == [None, None, "58", "50", "50", "50"]
    assert [State(state).name for state in scores.states["X"][:3]] == [
        "INSUFFICIENT_SAMPLE",
        "INSUFFICIENT_SAMPLE",
        "VALUE",
    ]
    assert [scores.flags(row) for row in range(5)] == [
        ("unrated:TOTAL", "insufficient:X"),
        ("unrated:TOTAL", "insufficient:X"),
        ("shrunk:X",),
        ("shrunk:X",),
        (),
    ]


def test_a_sample_without_a_value_to_draw_towards_is_all_or_nothing() -> None:
    rules = rubric(rate(sample={"count": "all", "at_least": 10}))
    assert total(rules, measured(good=[9, 9], all=[9, 10])) == [None, "90"]


def test_what_does_not_apply_gives_its_weight_to_its_siblings() -> None:
    rules = rubric(rate("X", 3, applies_when="all > 0"), leaf("Y", 1))
    inputs = measured(good=[1, 0], all=[2, 0]).with_columns({Operand("Y", "given"): Column.of([10, 10])})
    assert total(rules, inputs) == ["40", "10"]
    assert score(rules, inputs).flags(1) == ("reweighted:TOTAL",)


@pytest.mark.parametrize(
    ("policy", "points", "flag"),
    [
        ("owed_by_provider", ["40", "0"], ("carried:X",)),
        ("owed_by_platform", ["40", None], ("carried:X",)),
        ("not_applicable", [None, None], ("unrated:TOTAL",)),
    ],
)
@pytest.mark.parametrize("state", [NO_DATA, STALE])
def test_owed_values_are_carried_for_one_cycle(
    policy: str, points: list[str | None], flag: tuple[str, ...], state: State
) -> None:
    rules = rubric(rate(missing=policy))
    states = {"good": [state, state]}
    # The second subject had nothing one cycle earlier either: nothing is carried twice.
    before = measured({"good": [State.VALUE, state]}, good=[4, 0], all=[10, 10])
    inputs = measured(states, previous=before, good=[0, 0], all=[20, 20])
    assert total(rules, inputs) == points
    assert score(rules, inputs).flags(0) == flag
    if policy == "owed_by_platform":
        assert score(rules, inputs).flags(1) == ("unrated:TOTAL", "incident:X")
    if policy == "owed_by_provider":
        assert score(rules, inputs).flags(1) == ("owed:X",)


def test_a_disputed_cell_counts_with_its_last_undisputed_value() -> None:
    inputs = measured({"good": [DISPUTED]}, good=[7], all=[10])
    scores = score(rubric(rate()), inputs)
    assert str(scores.published(0)) == "70.0"
    assert scores.flags(0) == ("disputed:X",)


def test_a_capability_below_its_needs_is_not_rated() -> None:
    node = {"code": "CAP", "weight": 1, "needs": "0.6", "children": [leaf("A", 6), leaf("B", 4)]}
    rules = rubric(node, leaf("C", 1))
    inputs = given(["x", "y", "z"], A=[50, None, 50], B=[None, 80, 100], C=[10, 10, 10])
    assert exact_points(rules, inputs)["CAP"] == ["50", None, "70"]
    assert total(rules, inputs) == ["30", "10", "40"]
    assert score(rules, inputs).flags(1) == ("reweighted:TOTAL", "unrated:CAP")


@pytest.mark.parametrize(("policy", "points"), [("reweight", "50"), ("fail", None), ("zero", "25")])
def test_node_policies(policy: str, points: str | None) -> None:
    rules = rubric(leaf("A"), leaf("B"), root={"missing": policy})
    assert total(rules, given(["x"], A=[50], B=[None])) == [points]


@pytest.mark.parametrize(
    ("aggregate", "points"),
    [
        ("weighted_mean", "55"),
        ("geometric_mean", "40"),
        ("harmonic_mean", "28.57142857142857142857142857142857"),
        ("minimum", "20"),
        ("maximum", "80"),
    ],
)
def test_aggregates(aggregate: str, points: str) -> None:
    weights = {"weighted_mean": (5, 7)}.get(aggregate, (1, 1))
    if aggregate == "harmonic_mean":
        weights = (3, 2)
    rules = rubric(leaf("A", weights[0]), leaf("B", weights[1]), root={"aggregate": aggregate})
    assert total(rules, given(["x"], A=[20], B=[80])) == [points]


@pytest.mark.parametrize("aggregate", ["geometric_mean", "harmonic_mean"])
def test_a_mean_that_cannot_take_zero_is_zero(aggregate: str) -> None:
    rules = rubric(leaf("A"), leaf("B"), root={"aggregate": aggregate})
    assert total(rules, given(["x", "y"], A=[0, None], B=[80, 50])) == ["0", "50"]


def test_a_geometric_mean_of_equals_is_exactly_that_number() -> None:
    rules = rubric(leaf("A"), leaf("B"), leaf("C"), root={"aggregate": "geometric_mean"})
    inputs = given(["x"], A=["50.05"], B=["50.05"], C=["50.05"])
    assert total(rules, inputs) == ["50.05"]
    assert str(score(rules, inputs).published(0)) == "50.1"


@pytest.mark.parametrize(
    ("points", "value", "expected"),
    [
        ({"anchors": [[0, 0], [10, 60], [20, 100]]}, "5", "30"),
        ({"anchors": [[0, 0], [10, 60], [20, 100]]}, "15", "80"),
        ({"anchors": [[0, 0], [10, 60], [20, 100]]}, "25", "100"),
        ({"anchors": [[0, 100], [10, 0]]}, "2.5", "75"),
        ({"anchors": [[0, 0], [10, 60]], "clamp": False}, "20", "120"),
        ({"anchors": [[0, 0], [10, 60]], "clamp": False}, "-5", "-30"),
        ({"anchors": [[1, 0], [100, 100]], "interpolate": "log"}, "10", "50"),
        ({"anchors": [[1, 0], [100, 100]], "interpolate": "log"}, "-3", "0"),
        ({"anchors": [[1, 0], [100, 100]], "interpolate": "log", "clamp": False}, "1000", "150"),
        ({"anchors": [[1, 0], [100, 100]], "interpolate": "log", "clamp": False}, "-1", None),
        ({"goalposts": [30, 10]}, "15", "75"),
        ({"steps": [[0, 10], [5, 50], [10, 100]]}, "5", "50"),
        ({"steps": [[0, 10], [5, 50], [10, 100]]}, "4.99", "10"),
        ({"steps": [[0, 10], [5, 50], [10, 100]]}, "-1", "0"),
        ("identity", "130", "100"),
        ({"identity": True, "clamp": False}, "130", "130"),
    ],
)
def test_points(points: Any, value: str, expected: str | None) -> None:
    assert total(rubric({"code": "X", "weight": 1, "points": points}), given(["x"], X=[value])) == [expected]


def test_grades_floors_and_gates() -> None:
    rules = rubric(
        leaf("A", 1),
        leaf("B", 1),
        leaf("N", 0),
        grades=[["S", 80], ["A", 70], ["B", 55], ["C", 40], ["D", 0]],
        floors=[
            {"grade": "S", "every_capability_at_least": 75, "else": "one_grade_lower"},
            {"grade": "A", "every_capability_at_least": 75, "else": "one_grade_lower"},
        ],
        gates=[{"when": "last(cases) > 0", "then": {"highest_grade": "C"}}],
    )
    inputs = given(
        list("abcdef"),
        A=[90, 90, 90, "74.95", 95, 95],
        B=[80, 74, 60, 100, 95, 95],
        N=[0, 0, 0, 0, 0, 0],
    ).with_columns(
        {Operand("cases", "last", together=("cases",)): Column.of([0, 0, 0, 0, 2, 0], [0, 0, 0, 0, 0, NO_DATA])}
    )
    scores = score(rules, inputs)
    # b: 82 with a capability at 74 falls to A, and the floor of A is not asked again; d: 74.95 publishes 75.0.
    assert [scores.grade_code(row) for row in range(6)] == ["S", "A", "B", "S", "C", "S"]
    assert [scores.flags(row) for row in range(6)] == [
        (),
        ("floor:S",),
        ("floor:A",),
        (),
        ("gate:1",),
        ("gate_unknown:1",),
    ]
    assert list(scores.blocked) == [False] * 5 + [True]


def test_profiles_are_other_weights_of_the_capabilities() -> None:
    rules = rubric(
        leaf("A", 50), leaf("B", 50), weights_sum=100, profiles={"MCN": {"A": 100, "B": 0}}, needs_capabilities=1
    )
    inputs = given(["x", "y", "z"], A=[20, 20, None], B=[80, 80, 80])
    assert total(rules, inputs) == ["50", "50", "80"]
    mixed = replace(inputs, profiles=("", "MCN", "MCN"))
    assert total(rules, mixed) == ["50", "20", None]
    with pytest.raises(ValueError, match="no profile NONE"):
        score(rules, replace(inputs, profiles=("", "NONE", "")))


def test_percentiles_are_mid_ranks_within_a_frozen_cohort() -> None:
    rules = rubric({"code": "X", "weight": 1, "points": "percentile"})
    members = [Fraction(n) for n in (*range(1, 20), 19)]
    inputs = given(["a", "b", "c", "d"], X=[19, 10, 0, "10.5"])
    frozen = replace(inputs, cohorts={("X", ""): Cohort.of(members)})
    # 18 below and 2 equal of 20; 9 below and 1 equal; none; 10 below
    assert total(rules, frozen) == ["95", "47.5", "0", "50"]
    assert score(rules, inputs).flags(0) == ("unrated:TOTAL", "insufficient:X")
    small = replace(inputs, cohorts={("X", ""): Cohort.of(members[:19])})
    assert total(rules, small) == [None] * 4


def test_z_scores_use_the_mean_and_deviation_of_the_cohort() -> None:
    rules = rubric({"code": "X", "weight": 1, "points": {"z_score": [[-2, 0], [2, 100]]}})
    members = [Fraction(value) for value in [10] * 10 + [20] * 10]
    inputs = replace(given(["a", "b"], X=[15, 20]), cohorts={("X", ""): Cohort.of(members)})
    assert total(rules, inputs) == ["50", "75"]


def test_a_newcomer_moves_nobody_once_a_cohort_is_frozen() -> None:
    rules = rubric({"code": "X", "weight": 1, "points": "percentile"})
    names = [str(n) for n in range(25)]
    inputs = freeze(rules, given(names, X=list(range(25))))
    joined = replace(given([*names, "new"], X=[*range(25), 100]), cohorts=inputs.cohorts)
    assert total(rules, joined)[:25] == total(rules, inputs)


def test_inputs_must_have_every_column_the_rubric_reads() -> None:
    with pytest.raises(ValueError, match=r"no column for all\[90d\]"):
        score(rubric(rate()), measured(good=[1]))


def test_numbers_beyond_floats_are_scored_exactly() -> None:
    rules = rubric({"code": "X", "weight": 1, "value": "a / b", "points": {"goalposts": [0, 1]}})
    inputs = Inputs(("x",), {Operand("a", "sum"): Column.of([10**400]), Operand("b", "sum"): Column.of([2 * 10**400])})
    assert total(rules, inputs) == ["50"]
    assert str(score(rules, inputs).published(0)) == "50.0"


def test_ties_of_half_a_unit_round_up_for_every_subject() -> None:
    rules = rubric(leaf("A", 1), leaf("B", 1), leaf("C", 1), published_decimals=1)
    cells = [Fraction(n, 20) for n in range(0, 2000, 7)]
    inputs = given([str(n) for n in range(len(cells))], A=cells, B=cells, C=cells)
    scores = score(rules, inputs)
    for row, cell in enumerate(cells):
        assert scores.units[row] == (cell * 10 * 2 + 1) // 2


def test_below_zero_half_a_unit_is_rounded_the_same_way_on_every_level() -> None:
    rules = rubric({"code": "X", "weight": 1, "points": {"identity": True, "clamp": False}})
    for value, printed in (("-0.05", "-0.1"), ("-0.049", "0.0"), ("0.05", "0.1"), ("-0.25", "-0.3")):
        inputs = given(["x"], X=[value])
        found = trace(rules, inputs, "x")
        assert [str(one) for one in (score(rules, inputs).published(0), found.published)] == [printed] * 2
        assert [str(found.line(code).shown) for code in ("TOTAL", "X")] == [printed] * 2


def test_goalposts_run_to_the_scale_of_the_rubric() -> None:
    rules = rubric({"code": "X", "weight": 1, "points": {"goalposts": [0, 5]}}, scale=10)
    assert total(rules, given(["x", "y"], X=["2.5", "9"])) == ["5", "10"]
