"""Score: facts become points, a total, a grade and a rank, and every figure can be opened."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ecosystem.models import AuditEntry, Notice, WorkMark
from ecosystem.numerals import rounded
from providers.models import Provider
from scoring import current
from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs
from scoring.explanations import card
from scoring.facts_behind import facts_behind
from scoring.models import Run, Score
from scoring.steps import rubrics
from scoring.steps.score import compute_run, score_population, store_inputs
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

SINCE = rows.AS_OF - timedelta(days=120)
GOLDEN = Path(__file__).parent.parent / "core" / "data" / "golden_example.json"


@pytest.fixture(autouse=True)
def _today(settings: Settings) -> None:
    settings.BUSINESS_TODAY = rows.AS_OF


def test_delivered_facts_are_scored_without_anybody_asking() -> None:
    rows.rubric()
    strong, weak = factories.provider(approved_on=SINCE), factories.provider(approved_on=SINCE)
    rows.trading(strong, orders=30, sessions=1, since=SINCE)
    rows.trading(weak, orders=10, sessions=0, since=SINCE)
    rows.drain("roll_up", "score")
    run = current.current_run()
    assert run is not None
    assert (run.kind, run.as_of, run.status, run.rated) == ("provisional", rows.AS_OF, "computed", 2)
    # 90 sessions → 90 points; 900 orders → 90 points; 0 and 300 → 0 and 30 points.
    found = {score.provider: score for score in Score.objects.of(run)}
    assert (found[strong].published, found[strong].grade, found[strong].rank) == (Decimal("90.0"), "A", 1)
    assert (found[weak].published, found[weak].grade, found[weak].rank) == (Decimal("15.0"), "C", 2)
    assert found[weak].capabilities == {"LIVE": "0.0", "SALES": "30.0"}
    assert WorkMark.objects.filter(kind="tier", scope="current").exists()
    assert not WorkMark.objects.filter(kind="score").exists()


def test_a_later_fact_changes_exactly_what_differs_and_names_the_cause() -> None:
    rows.rubric()
    rising, still = factories.provider(approved_on=SINCE), factories.provider(approved_on=SINCE)
    merchant, _streamer = rows.trading(rising, orders=10, sessions=1, since=SINCE)
    rows.trading(still, orders=10, sessions=1, since=SINCE)
    rows.drain("roll_up", "score")
    run = current.current_run()
    assert run is not None
    owner, before = factories.owner(rising), Score.objects.of(run).get(provider=still)
    assert Score.objects.of(run).get(provider=rising).grade == "B"
    digest = run.input_digest
    day = rows.AS_OF - timedelta(days=1)
    rows.deliver("sales", "day,merchant,paid_orders", [f"{day},{merchant.code},710"])
    rows.drain("roll_up", "score")
    run.refresh_from_db()
    assert run.input_digest != digest
    score = Score.objects.of(run).get(provider=rising)
    assert (score.published, score.grade, score.rank) == (Decimal("95.0"), "A", 1)  # 90 and 100 points
    after = Score.objects.of(run).get(provider=still)
    assert (after.published, after.grade) == (before.published, before.grade)
    assert after.rank == 2
    notice = Notice.objects.get(user=owner)
    assert (notice.kind, notice.url) == ("grade_changed", "/score/change/")
    assert (notice.params["before"], notice.params["after"]) == ("B", "A")
    assert notice.params["cause_text"] == {"zh-hans": "支付订单", "en": "Paid orders"}


def test_the_same_facts_change_nothing() -> None:
    rows.rubric()
    rows.trading(factories.provider(approved_on=SINCE), orders=10, sessions=1, since=SINCE)
    rows.drain("roll_up", "score")
    run = current.current_run()
    assert run is not None
    again = score_population(rows.AS_OF)
    assert again.pk == run.pk
    assert again.computed_at == run.computed_at
    assert AuditEntry.objects.about(run).count() == 1


def test_who_has_no_facts_is_not_rated_and_that_is_not_a_low_score() -> None:
    rows.rubric()
    rows.trading(factories.provider(approved_on=SINCE), orders=10, sessions=1, since=SINCE)
    newcomer = factories.provider(approved_on=rows.AS_OF - timedelta(days=1))
    rows.drain("roll_up", "score")
    score = current.score_of(newcomer.pk, current.current_run())
    assert score is not None
    opened = card(score)
    if score.status == "not_rated":
        assert (score.published, score.grade, score.rank) == (None, "", None)
        assert opened.total is None
    assert opened.of == Run.objects.get().rated


def test_a_provider_that_left_keeps_its_row_without_a_rating() -> None:
    rows.rubric()
    leaver, stayer = factories.provider(approved_on=SINCE), factories.provider(approved_on=SINCE)
    for one in (leaver, stayer):
        rows.trading(one, orders=10, sessions=1, since=SINCE)
    rows.drain("roll_up", "score")
    leaver.status, leaver.ended_on = "withdrawn", rows.AS_OF - timedelta(days=2)
    leaver.save()
    run = score_population(rows.AS_OF)
    score = Score.objects.select_related("run__rubric_version").of(run).get(provider=leaver)
    assert (score.status, score.flags) == ("not_rated", ["left"])
    assert card(score).capabilities == ()
    assert run.rated == 1


def test_a_card_adds_up_and_leads_to_the_batches() -> None:
    rows.rubric()
    provider = factories.provider(approved_on=SINCE)
    rows.trading(provider, orders=20, sessions=1, since=SINCE)
    rows.drain("roll_up", "score")
    score = current.score_of(provider.pk, current.current_run())
    assert score is not None
    opened = card(score, with_path=True)
    assert (opened.total, opened.through, opened.is_official) == (Decimal("75.0"), date(2022, 6, 29), False)
    assert sum(part.contribution for part in opened.capabilities) == opened.total
    for part in opened.capabilities:
        assert sum(leaf.contribution for leaf in part.indicators) == part.contribution
    live, sales = opened.capabilities
    assert (live.code, live.points, live.weight) == ("LIVE", Decimal("90.0"), Decimal("50.00"))
    (orders,) = sales.indicators
    assert (orders.points, orders.state, orders.window_days) == (Decimal("60.0"), "value", 30)
    assert [(reading.measure, reading.value) for reading in orders.readings] == [("paid_orders", "600")]
    facts = facts_behind(score, orders)
    assert [batch.feed for batch in facts.batches] == ["sales"]
    assert opened.path is None  # the best grade


def test_the_path_to_the_next_grade_is_enough() -> None:
    rows.rubric()
    provider = factories.provider(approved_on=SINCE)
    rows.trading(provider, orders=10, sessions=1, since=SINCE)
    rows.drain("roll_up", "score")
    score = current.score_of(provider.pk, current.current_run())
    assert score is not None
    path = card(score, with_path=True).path
    assert path is not None
    assert path.grade == "A"
    (step,) = path.steps  # sessions are capped at 100 points: 10 more would give 65
    assert (step.code, step.gain) == ("S1", Decimal("10.0"))


def test_the_golden_example_through_the_database() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    version = rubrics.ensure_default_rubric()
    provider = factories.provider()
    values = {code: None if value is None else Fraction(value) for code, value in golden["inputs"].items()}
    columns = {Operand(code, "given"): Column.of_fractions([value]) for code, value in values.items()}
    for gate in version.as_core().gates:
        columns |= {operand: Column.of([0]) for operand in gate.when.operands(gate.window).values()}
    inputs = Inputs((str(provider.pk),), columns)
    run = rows.run(version, status="frozen", input_digest=inputs.sha256)
    assert store_inputs(run, inputs) == inputs.sha256
    assert compute_run(run.pk) == 1
    score = Score.objects.select_related("run__rubric_version").get(run=run)
    assert (f"{score.published:.1f}", score.grade, score.rank) == (golden["published"], golden["grade"], 1)
    for code, points in golden["capabilities"].items():
        assert Decimal(score.capabilities[code]) == rounded(Decimal(points), 1)
    opened = card(score)
    assert sum(part.contribution for part in opened.capabilities) == Decimal(golden["published"])
    assert len([leaf for part in opened.capabilities for leaf in part.indicators]) == 25


def test_past_days_can_be_scored_and_become_the_history() -> None:
    rows.rubric()
    provider = factories.provider(approved_on=SINCE)
    rows.trading(provider, orders=10, sessions=1, since=SINCE)
    rows.drain("roll_up")
    for day in (date(2022, 5, 1), date(2022, 6, 1), rows.AS_OF):
        score_population(day)
    points = current.history(provider.pk)
    assert [(point.as_of, point.is_official, point.rated_of) for point in points] == [
        (date(2022, 5, 1), False, 1),
        (date(2022, 6, 1), False, 1),
        (rows.AS_OF, False, 1),
    ]
    assert [point.value for point in points] == [Decimal("45.0"), Decimal("60.0"), Decimal("60.0")]
    assert [point.as_of for point in current.history(provider.pk, limit=2)] == [date(2022, 6, 1), rows.AS_OF]


def test_queries_do_not_grow_with_the_population() -> None:
    rows.rubric()
    rows.trading(factories.provider(approved_on=SINCE), orders=10, sessions=1, since=rows.AS_OF - timedelta(days=95))
    rows.drain("roll_up")
    counts = []
    for size in (3, 30):
        while Provider.objects.count() < size:
            factories.provider(approved_on=SINCE)
        score_population(rows.AS_OF)
        Run.objects.update(code_version="older")
        with CaptureQueriesContext(connection) as queries:
            score_population(rows.AS_OF)
        counts.append(len(queries))
        assert Score.objects.count() == size
        score = Score.objects.select_related("run__rubric_version").order_by("provider").first()
        assert score is not None
        with CaptureQueriesContext(connection) as queries:
            card(score)
        assert not queries  # the matrix alone is read, by a cursor that is not counted
    assert counts[0] == counts[1]
