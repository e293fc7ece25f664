"""Cards: every figure with its reason in words, in both languages, from the frozen inputs alone."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from django.utils import translation
from rest_framework.renderers import JSONRenderer

from scoring import wording
from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs, State
from scoring.explanations import IndicatorCard, card
from scoring.facts_behind import delivering_feeds
from scoring.models import Run, Score
from scoring.steps import rubrics
from scoring.steps.score import compute_run, store_inputs
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from scoring.models import RubricVersion

pytestmark = [pytest.mark.server, pytest.mark.django_db]


def scored(version: RubricVersion, inputs: Inputs) -> Score:
    """Score one provider's inputs through the database."""
    run = rows.run(version, status=Run.Status.FROZEN, input_digest=inputs.sha256)
    store_inputs(run, inputs)
    compute_run(run.pk)
    return Score.objects.select_related("run__rubric_version").get(run=run)


def default_inputs(provider_id: int, **given: Fraction | None) -> Inputs:
    """Give the default rubric its indicators directly; those not named have no data."""
    rubric = rubrics.ensure_default_rubric().as_core()
    columns = {Operand(leaf.code, "given"): Column.of_fractions([given.get(leaf.code)]) for leaf in rubric.leaves()}
    for gate in rubric.gates:
        columns |= {operand: Column.of([0]) for operand in gate.when.operands(gate.window).values()}
    return Inputs((str(provider_id),), columns)


def indicators(score: Score) -> dict[str, IndicatorCard]:
    return {leaf.code: leaf for part in card(score).capabilities for leaf in part.indicators}


def test_values_are_written_in_their_unit() -> None:
    leaves = {leaf.code: leaf for leaf in rubrics.ensure_default_rubric().as_core().leaves()}
    with translation.override("en"):
        assert wording.value_text(leaves["LO1"], Fraction(18)) == "18.00 sessions per room and month"
        assert wording.value_text(leaves["LO2"], Fraction(5, 4)) == "1.250"
        assert wording.value_text(leaves["LO5"], Fraction(4, 1000)) == "0.40%"
        assert wording.value_text(leaves["SI3"], Fraction(6, 100)) == "6.00%"
        assert wording.measure_text("gmv_settled", Fraction(123_456_789_00)) == "RMB 123.5 million"
        assert wording.window_text(Operand("x", "sum", 90)) == "sum of 90 days"
        assert wording.window_text(Operand("x", "largest", 90, "streamer")) == "largest streamer in 90 days"


def test_what_is_missing_is_named_and_counts_by_its_policy() -> None:
    provider = factories.provider()
    known = {code: Fraction(1, 2) for code in ("LO2", "LO3", "SI1", "SI2", "SF1", "SF3", "SF5", "SC1", "SC2", "SC3")}
    score = scored(rubrics.ensure_default_rubric(), default_inputs(provider.pk, **known))
    with translation.override("en"):
        found = indicators(score)
        assert found["LO1"].state == "no_data"
        assert found["LO1"].points is None
        assert "The platform owes the data" in found["LO1"].reason
        assert found["SI5"].points == Decimal("0.0")
        assert "The provider owes the data: it counts 0 points." in found["SI5"].reason
        assert found["LO2"].reason == ""
        traffic = card(score).capabilities[-1]
        assert (traffic.state, traffic.points, traffic.weight) == ("not_rated", None, Decimal("0.00"))
        assert traffic.reason.startswith("Too little of it is known to rate it")
        assert card(score).flags == ("Traffic and marketing is not rated: too little of it is known.",)


def test_definitions_speak_the_reader_s_language() -> None:
    score = scored(rubrics.ensure_default_rubric(), default_inputs(factories.provider().pk))
    with translation.override("en"):
        english = indicators(score)
    with translation.override("zh-hans"):
        chinese = indicators(score)
    assert english["LO5"].name == "Live violation rate"
    assert english["LO5"].numerator == "valid sessions with ≥1 confirmed violation"
    assert chinese["LO5"].name == "直播违规率"
    assert chinese["LO5"].denominator == "有效场次"
    for leaf in chinese.values():
        for text in (leaf.numerator, leaf.denominator, leaf.anti_gaming, leaf.source):
            assert any("\u4e00" <= sign <= "\u9fff" for sign in text), (leaf.code, text)


def test_nobody_is_low_for_not_being_rated() -> None:
    score = scored(rubrics.ensure_default_rubric(), default_inputs(factories.provider().pk))
    with translation.override("en"):
        opened = card(score)
    assert (opened.total, opened.grade, opened.rank, opened.path, opened.of) == (None, "", None, None, 0)
    assert opened.flags[0] == "Not rated: fewer than 3 capabilities are known. This is not a low score."
    assert all(part.contribution == 0 for part in opened.capabilities)


def test_a_gate_that_acted_is_named() -> None:
    provider = factories.provider()
    inputs = rows.inputs({provider: (90, 900)})
    caught = inputs.with_columns({rows.VIOLATIONS: Column.of([1])})
    version = rows.rubric()
    score = scored(version, caught)
    assert (score.published, score.grade) == (Decimal("90.0"), "C")
    with translation.override("en"):
        opened = card(score, with_path=True)
        assert opened.gates == ("No grade above C because of: Open grave violations.",)
        assert opened.path is not None
        assert opened.path.blocked_by == opened.gates
    unknown = inputs.with_columns({rows.VIOLATIONS: Column.of([0], [State.NO_DATA])})
    with translation.override("en"):
        assert "not known" in card(scored(version, unknown)).gates[0]


def test_a_card_is_json_for_the_api() -> None:
    score = scored(rubrics.ensure_default_rubric(), default_inputs(factories.provider().pk, LO2=Fraction(1)))
    assert b'"code":"LO2"' in JSONRenderer().render(asdict(card(score, with_path=True)))


def test_a_derived_measure_leads_to_the_feeds_behind_it() -> None:
    assert delivering_feeds(["live_uv"]) == {"live"}
    assert delivering_feeds(["gmv_settled_once", "ad_spend"]) == {"sales", "traffic"}
    assert delivering_feeds(["merchant_days", "unknown"]) == set()
