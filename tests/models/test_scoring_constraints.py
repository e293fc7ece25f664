"""Each constraint and trigger of what is concluded refuses the row that breaks it."""

from __future__ import annotations

import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from django.utils import timezone

from providers.models import Provider
from scoring.models import (
    Benchmark,
    BudgetPool,
    Comment,
    Consultation,
    Contest,
    Entry,
    Grant,
    Plan,
    PlanTarget,
    Progress,
    Publication,
    RubricVersion,
    Run,
    RunInput,
    RunStability,
    Scenario,
    ScenarioInput,
    Score,
    Standing,
)
from tests import factories
from tests.models.breaking import Cases, assert_breaks, without

pytestmark = [pytest.mark.server, pytest.mark.django_db]
CASES = Cases()
DAY = date(2022, 6, 30)
DIGEST = factories.sha256("content")


def change(row: Model, **values: Any) -> None:
    type(row)._default_manager.filter(pk=row.pk).update(**values)


def rubric(**fields: Any) -> RubricVersion:
    values = {"rubric": "five", "version": f"v{factories.number()}", "body": "rubric: five", "digest": DIGEST}
    return RubricVersion.objects.create(**values | fields)


def run(status: str = "open", **fields: Any) -> Run:
    values: dict[str, Any] = {"kind": "official", "as_of": DAY, "status": status}
    if status != "open":
        values["input_digest"] = DIGEST
    if status in ("reviewed", "published", "superseded"):
        values |= {"reviewed_by": factories.user(), "reviewed_at": timezone.now()}
    values |= fields
    return Run.objects.create(rubric_version=values.pop("rubric_version", None) or rubric(), **values)


def score(of: Run | None = None, **fields: Any) -> Score:
    values: dict[str, Any] = {"status": "rated", "published": Decimal("70"), "grade": "A", "rank": 1}
    provider = fields.pop("provider", None) or factories.provider()
    values |= {"run": of or run(), "provider": provider, **factories.called(provider)}
    return Score.objects.create(**values | fields)


def published_with_score() -> tuple[Run, Score]:
    held = run()
    row = score(held)
    change(held, status="published", input_digest=DIGEST, reviewed_by=factories.user(), reviewed_at=timezone.now())
    held.refresh_from_db()
    return held, row


def plan(**fields: Any) -> Plan:
    code = f"plan-{factories.number()}"
    return Plan.objects.create(**{"code": code, "name_zh": "计划", "name_en": "Plan", "starts_on": DAY} | fields)


def target(of: Plan | None = None, **fields: Any) -> PlanTarget:
    values = {"code": f"t{factories.number()}", "name_zh": "档", "name_en": "Tier", "value": "gmv", "unit": "fen"}
    return PlanTarget.objects.create(plan=of or plan(), **values | {"at_least": 10, "target": 5} | fields)


def standing(**fields: Any) -> Standing:
    values = {"plan": plan(), "provider": factories.provider(), "as_of": DAY, "value": 1, "rank": 1}
    return Standing.objects.create(**values | fields)


def progress(**fields: Any) -> Progress:
    return Progress.objects.create(**{"target": target(), "as_of": DAY, "value": 1, "gap": 4} | fields)


def pool(**fields: Any) -> BudgetPool:
    values = {"code": f"p{factories.number()}", "name_zh": "池", "name_en": "Pool", "unit": "fen", "cap": 1000}
    return BudgetPool.objects.create(plan=plan(), **values | fields)


def grant(**fields: Any) -> Grant:
    values = {
        "pool": pool(),
        "provider": factories.provider(),
        "amount": 100,
        "reason": "演示",
        "proposed_by": factories.user(),
    }
    return Grant.objects.create(**values | fields)


def posting(*lines: tuple[BudgetPool, str, int]) -> None:
    number = uuid.uuid4()
    Entry.objects.bulk_create(
        [Entry(posting=number, pool=of, account=account, amount=amount) for of, account, amount in lines]
    )


def contest(**fields: Any) -> Contest:
    held = score()
    values = {"provider": held.provider, "score": held, "text": "数据不对", "created_by": factories.user()}
    return Contest.objects.create(**values | fields)


def consultation(**fields: Any) -> Consultation:
    values = {
        "rubric_version": fields.pop("rubric_version", None) or rubric(status="in_consultation"),
        "note": "权重调整",
        "starts_on": DAY,
        "ends_before": DAY + timedelta(days=14),
        "opened_by": factories.user(),
    }
    return Consultation.objects.create(**values | fields)


def comment(**fields: Any) -> Comment:
    values = {"text": "有意见", "provider": factories.provider(), "created_by": factories.user()}
    return Comment.objects.create(consultation=consultation(), **values | fields)


def scenario_input(**fields: Any) -> ScenarioInput:
    return ScenarioInput.objects.create(**{"digest": factories.sha256("inputs"), "content": b""} | fields)


def scenario(**fields: Any) -> Scenario:
    of = run()
    values = {
        "name": "A",
        "run": of,
        "base": of.rubric_version,
        "body": "rubric: five",
        "digest": DIGEST,
        "result_digest": DIGEST,
        "created_by": factories.user(),
        "inputs": scenario_input(),
    }
    return Scenario.objects.create(**values | fields)


def benchmark(**fields: Any) -> Benchmark:
    values = {
        "measure": "gmv_expected",
        "month": date(2022, 6, 1),
        "category": "all",
        "numerator": 1,
        "denominator": 2,
        "members": [1],
        "digest": DIGEST,
    }
    return Benchmark.objects.create(**values | fields)


# --- rubrics, runs, scores, publications --------------------------------------------------------------------------


@CASES.breaks("rubricversion_once")
def _() -> None:
    rubric(version=rubric().version)


@CASES.breaks("rubricversion_status_known")
def _() -> None:
    rubric(status="whispered")


@CASES.breaks("rubricversion_published_has_time")
def _() -> None:
    rubric(status="published")


@CASES.breaks("rubric_frozen")
def _() -> None:
    change(rubric(status="published", published_at=timezone.now()), body="rubric: other")


@CASES.breaks("run_kind_known")
def _() -> None:
    run(kind="rehearsal")


@CASES.breaks("run_status_known")
def _() -> None:
    run("lost")


@CASES.breaks("run_provisional_is_never_published")
def _() -> None:
    run("reviewed", kind="provisional")


@CASES.breaks("run_frozen_has_inputs")
def _() -> None:
    run("frozen", input_digest="")


@CASES.breaks("run_review_signed")
def _() -> None:
    run("reviewed", reviewed_by=None)


@CASES.breaks("run_corrects_officially")
def _() -> None:
    run(kind="provisional", corrects=run())


@CASES.breaks("run_one_provisional_per_day")
def _() -> None:
    run(kind="provisional")
    run(kind="provisional")


@CASES.breaks("run_one_published_per_day")
def _() -> None:
    run("published")
    run("published")


@CASES.breaks("runs_frozen")
def _() -> None:
    change(run("published"), as_of=DAY + timedelta(days=1))


@CASES.breaks("runinput_digest_is_sha256")
def _() -> None:
    RunInput.objects.create(run=run(), content=b"x", digest="x")


@CASES.breaks("runstability_digest_is_sha256")
def _() -> None:
    nobody: dict[str, Any] = {"providers": [], "same_grade": [], "rank_low": [], "rank_high": []}
    RunStability.objects.create(run=run(), block=0, digest="x", draws=1, **nobody)


@CASES.breaks("inputs_frozen")
def _() -> None:
    held = run()
    frozen = RunInput.objects.create(run=held, content=b"x", digest=DIGEST)
    change(held, status="published", input_digest=DIGEST, reviewed_by=factories.user(), reviewed_at=timezone.now())
    change(frozen, content=b"y")


@CASES.breaks("score_once_per_run")
def _() -> None:
    first = score()
    score(first.run, provider=first.provider)


@CASES.breaks("score_names_its_provider")
def _() -> None:
    change(score(), provider_code="")


@CASES.breaks("score_status_known")
def _() -> None:
    row = score()
    without("scoring_score", "score_rated_has_numbers")  # it knows the two statuses as well
    change(row, status="guessed")


@CASES.breaks("score_rated_has_numbers")
def _() -> None:
    change(score(), rank=None)


@CASES.breaks("scores_added_before_publication")
def _() -> None:
    held, _row = published_with_score()
    score(held)


@CASES.breaks("scores_changed_before_publication")
def _() -> None:
    _held, row = published_with_score()
    change(row, published=Decimal("99"))


@CASES.breaks("scores_removed_before_publication")
def _() -> None:
    _held, row = published_with_score()
    row.delete()


@CASES.breaks("scores_stay")
def _() -> None:
    change(score(), run=run())


def test_a_score_stays_with_its_provider() -> None:
    row = score()
    assert_breaks("scores_stay", lambda: change(row, provider=factories.provider()))


@CASES.breaks("scores_name_what_is_there")
def _() -> None:
    score(run=Run(pk=0))


def test_a_score_names_a_provider_that_is_there() -> None:
    provider = factories.provider()
    gone = Provider(pk=0, code=provider.code, name=provider.name, category=provider.category)
    assert_breaks("scores_name_what_is_there", lambda: score(provider=gone))


@CASES.breaks("run_stays_under_scores")
def _() -> None:
    change(score().run, id=0)


@CASES.breaks("runs_not_emptied_under_scores")
def _() -> None:
    score()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE scoring_run CASCADE")


@CASES.breaks("publication_digest_is_sha256")
def _() -> None:
    Publication.objects.create(run=run("published"), published_by=factories.user(), digest="x")


@CASES.breaks("publications_insert_only")
def _() -> None:
    made = Publication.objects.create(run=run("published"), published_by=factories.user(), digest=DIGEST)
    change(made, published_at=timezone.now())


# --- plans --------------------------------------------------------------------------------------------------------


@CASES.breaks("plan_period_not_empty")
def _() -> None:
    plan(ends_before=DAY)


@CASES.breaks("plantarget_once")
def _() -> None:
    first = target()
    target(first.plan, code=first.code)


@CASES.breaks("plantarget_band_not_empty")
def _() -> None:
    target(below=10)


@CASES.breaks("plantarget_one_goal")
def _() -> None:
    target(cap=5)


@CASES.breaks("standing_once_per_day")
def _() -> None:
    first = standing()
    standing(plan=first.plan, provider=first.provider)


@CASES.breaks("standing_gap_with_next")
def _() -> None:
    standing(gap=5)


@CASES.breaks("progress_once_per_day")
def _() -> None:
    progress(target=progress().target)


@CASES.breaks("progress_gap_not_negative")
def _() -> None:
    progress(gap=-1)


# --- budgets ------------------------------------------------------------------------------------------------------


@CASES.breaks("budgetpool_unit_known")
def _() -> None:
    pool(unit="euros")


@CASES.breaks("budgetpool_never_over_cap")
def _() -> None:
    change(pool(), committed=1001)


@CASES.breaks("budgetpool_pays_what_is_committed")
def _() -> None:
    change(pool(), committed=10, paid=11)


@CASES.breaks("scoring_grant_stays")
def _() -> None:
    grant().delete()


@CASES.breaks("grant_amount_positive")
def _() -> None:
    grant(amount=0)


@CASES.breaks("grant_status_known")
def _() -> None:
    grant(status="lost", decided_by=factories.user(), decided_at=timezone.now())


@CASES.breaks("grant_second_person")
def _() -> None:
    same = factories.user()
    grant(proposed_by=same, decided_by=same, decided_at=timezone.now(), status="approved")


@CASES.breaks("grant_decision_signed")
def _() -> None:
    grant(status="approved")


@CASES.breaks("grant_settles_at_most_its_amount")
def _() -> None:
    change(grant(), settled_amount=101)


@CASES.breaks("entry_account_known")
def _() -> None:
    posting((pool(), "pocket", 5))


@CASES.breaks("entry_amount_not_zero")
def _() -> None:
    posting((pool(), "available", 0))


@CASES.breaks("entries_balance")
def _() -> None:
    held = pool()
    posting((held, "available", 5), (held, "committed", -4))


@CASES.breaks("entries_insert_only")
def _() -> None:
    held = pool()
    posting((held, "available", 5), (held, "endowment", -5))
    Entry.objects.filter(pool=held).update(amount=6)


def test_a_posting_stays_inside_one_pool() -> None:
    assert_breaks("entries_balance", lambda: posting((pool(), "available", 5), (pool(), "committed", -5)))


# --- consultations, scenarios -------------------------------------------------------------------------------------


@CASES.breaks("rubric_in_consultation_frozen")
def _() -> None:
    change(consultation().rubric_version, body="rubric: other")


@CASES.breaks("consultation_period_not_empty")
def _() -> None:
    consultation(ends_before=DAY)


@CASES.breaks("consultation_closing_signed")
def _() -> None:
    change(consultation(), closed_at=timezone.now())


@CASES.breaks("consultation_has_note")
def _() -> None:
    consultation(note="")


@CASES.breaks("consultation_one_open_per_version")
def _() -> None:
    consultation(rubric_version=consultation().rubric_version)


@CASES.breaks("comment_has_text")
def _() -> None:
    comment(text="")


@CASES.breaks("comments_insert_only")
def _() -> None:
    change(comment(), text="other")


@CASES.breaks("scenario_has_name")
def _() -> None:
    scenario(name="")


@CASES.breaks("scenario_digests_are_sha256")
def _() -> None:
    scenario(digest="x")


@CASES.breaks("scenarioinput_digest_is_sha256")
def _() -> None:
    scenario_input(digest="x")


@CASES.breaks("scenarios_insert_only")
def _() -> None:
    change(scenario(), name="other")


@CASES.breaks("scenario_inputs_insert_only")
def _() -> None:
    change(scenario_input(), content=b"other")


# --- contests, benchmarks -----------------------------------------------------------------------------------------


@CASES.breaks("contest_status_known")
def _() -> None:
    change(contest(), status="lost", answer="x", answered_by=factories.user(), answered_at=timezone.now())


@CASES.breaks("contest_answer_signed")
def _() -> None:
    change(contest(), status="upheld")


@CASES.breaks("contest_has_text")
def _() -> None:
    contest(text="")


@CASES.breaks("benchmark_once")
def _() -> None:
    benchmark()
    benchmark()


@CASES.breaks("benchmark_denominator_positive")
def _() -> None:
    benchmark(denominator=0)


@CASES.breaks("benchmark_month_is_first_day")
def _() -> None:
    benchmark(month=date(2022, 6, 2))


@CASES.breaks("benchmarks_insert_only")
def _() -> None:
    change(benchmark(), numerator=3)


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_database_refuses(name: str) -> None:
    assert_breaks(name, CASES[name])
