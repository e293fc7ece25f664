"""What must hold of every score, whatever the rubric: bounds, monotony, independence of order, scale and company."""

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.core.explain import largest_remainder, trace
from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs, State
from scoring.core.reader import load
from scoring.core.score import competition_ranks, exact_points, score
from tests.core.test_differential import MEASURES, column, rows, rubrics
from tests.core.tools import demo, leaf, rubric
from tests.core.tools import given as values

CODES = ("A", "B", "C")
percent = st.integers(0, 100_000).map(lambda thousandths: Fraction(thousandths, 1000))


def three(aggregate: str = "weighted_mean", weights: tuple[int, ...] = (5, 3, 2), scale: int = 1) -> Any:
    return rubric(
        *(leaf(code, weight * scale) for code, weight in zip(CODES, weights, strict=True)),
        root={"aggregate": aggregate},
        published_decimals=2,
    )


def inputs_of(table: list[dict[str, Any]], names: list[str] | None = None) -> Inputs:
    subjects = names or [str(index) for index in range(len(table))]
    return Inputs(tuple(subjects), {Operand(name, "sum"): column(table, name) for name in MEASURES})


@settings(max_examples=40, deadline=None)
@given(rubrics(), rows, st.randoms(use_true_random=False))
def test_row_order_and_company_change_nothing(raw: dict[str, Any], table: list[dict[str, Any]], random: Any) -> None:
    rules = load(raw)
    together = score(rules, inputs_of(table))
    order = list(range(len(table)))
    random.shuffle(order)
    shuffled = score(rules, inputs_of(table).take(order))
    assert np.array_equal(shuffled.units, together.units[order])
    assert np.array_equal(shuffled.rank, together.rank[order])
    assert [shuffled.flags(place) for place in range(len(order))] == [together.flags(row) for row in order]
    for row in range(len(table)):
        alone = score(rules, inputs_of(table).take([row]))
        assert alone.published(0) == together.published(row)
        assert alone.grade_code(0) == together.grade_code(row)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["weighted_mean", "geometric_mean", "harmonic_mean", "minimum", "maximum"]),
    st.tuples(percent, percent, percent),
    st.integers(0, 2),
    percent,
)
def test_points_stay_in_bounds_and_more_is_never_less(aggregate: str, base: Any, which: int, more: Fraction) -> None:
    lifted = list(base)
    lifted[which] = max(base[which], more)
    inputs = values(["low", "high"], **{code: [base[i], lifted[i]] for i, code in enumerate(CODES)})
    low, high = exact_points(three(aggregate), inputs)["TOTAL"]
    assert low is not None
    assert high is not None
    assert 0 <= Fraction(low) <= Fraction(high) <= 100
    assert min(base) - Fraction(1, 10**30) <= Fraction(low) <= max(base) + Fraction(1, 10**30)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(percent, percent, percent), min_size=1, max_size=5), st.integers(2, 10**6))
def test_only_the_ratio_of_weights_matters(table: list[Any], factor: int) -> None:
    inputs = values(
        [str(i) for i in range(len(table))], **{code: [row[i] for row in table] for i, code in enumerate(CODES)}
    )
    assert exact_points(three(), inputs)["TOTAL"] == exact_points(three(scale=factor), inputs)["TOTAL"]
    assert np.array_equal(score(three(), inputs).units, score(three(scale=factor), inputs).units)


@settings(max_examples=60, deadline=None)
@given(rubrics(), rows)
def test_contributions_add_up_exactly_and_on_screen(raw: dict[str, Any], table: list[dict[str, Any]]) -> None:
    opened = trace(load(raw), inputs_of(table[:1]), "0")
    leaves = [line for line in opened.lines if line.is_leaf]
    if opened.total is None:
        assert all(line.contribution == 0 for line in opened.lines)
        return
    assert sum((line.contribution for line in leaves), Fraction(0)) == opened.total
    for parent in opened.lines:
        children = [line for line in opened.lines if line.parent == parent.code]
        if children:
            assert sum(line.contribution for line in children) == parent.contribution
            assert sum(line.shown_contribution for line in children) == parent.shown_contribution
    assert opened.lines[0].shown_contribution == opened.published
    assert all(line.headroom >= -Fraction(1, 10**25) for line in opened.lines)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=30), st.data())
def test_competition_ranks(units: list[int], data: st.DataObject) -> None:
    rated = np.array(data.draw(st.lists(st.booleans(), min_size=len(units), max_size=len(units))))
    ranks = competition_ranks(np.array(units), rated)
    for row, own in enumerate(units):
        better = sum(1 for other, there in zip(units, rated, strict=True) if there and other > own)
        assert ranks[row] == (better + 1 if rated[row] else 0)


@given(
    st.lists(st.fractions(min_value=-50, max_value=50, max_denominator=1000), min_size=1, max_size=12), st.booleans()
)
def test_largest_remainder_adds_up_and_moves_no_part_by_one_unit(parts: list[Fraction], up: bool) -> None:
    total = sum(parts, Fraction(0))
    target = int(total // 1) + (1 if up and total % 1 else 0)
    whole = largest_remainder(parts, target)
    assert sum(whole) == target
    assert all(abs(part - unit) < 1 for part, unit in zip(parts, whole, strict=True))


def test_the_float_pass_of_the_demo_rubric_agrees_with_rationals_for_every_subject() -> None:
    """Small counts make ties and saturated scales common; every published digit and grade must still be exact."""
    rules, size = demo(), 300
    generator = np.random.default_rng(20220630)
    columns = {}
    for operand in rules.operands():
        state = np.where(generator.random(size) < 0.05, int(State.NO_DATA), int(State.VALUE))
        columns[operand] = Column.of(generator.integers(0, 40, size) * generator.choice([1, 50_000], size), state)
    inputs = Inputs(tuple(map(str, range(size))), columns)
    scores = score(rules, inputs)
    for row, total in enumerate(exact_points(rules, inputs)["TOTAL"]):
        published = scores.published(row)
        assert (published is None) == (total is None)
        if published is not None:
            assert abs(Fraction(published) - Fraction(total or 0)) <= Fraction(5, 100) + Fraction(1, 10**20)
    codes = [item.code for item in rules.walk()]
    assert {"TOTAL", "LIVE_OPS", "LO1"} <= set(codes)
    assert scores.rated.any()


@settings(max_examples=25, deadline=None)
@given(rubrics(), rubrics(), rows)
def test_reusing_what_two_rubrics_define_alike_changes_nothing(
    raw: dict[str, Any], other: dict[str, Any], table: list[dict[str, Any]]
) -> None:
    inputs = inputs_of(table)
    draft = {**raw, "root": {**raw["root"], "children": [dict(child) for child in raw["root"]["children"]]}}
    for child in draft["root"]["children"]:
        child["weight"] += 1
    for changed in (draft, other):
        base, fresh = score(load(raw), inputs), score(load(changed), inputs)
        reused = score(load(changed), inputs, like=base)
        assert np.array_equal(reused.units, fresh.units)
        assert np.array_equal(reused.grade, fresh.grade)
        assert [reused.flags(row) for row in range(len(table))] == [fresh.flags(row) for row in range(len(table))]
