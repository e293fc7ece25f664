"""The staff's what-if: a draft on a run, its impact, its cost, and scenarios that give the same again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from ecosystem.errors import NotAllowed
from ecosystem.models import User
from ecosystem.roles import Role
from providers.models import Provider
from scoring.core.inputs import Inputs, State
from scoring.core.reader import load
from scoring.draft_inputs import draft_inputs
from scoring.drafting import answers, edited, lines
from scoring.dry_run import dry_run
from scoring.errors import RubricInvalid
from scoring.impact import Impact, impact, shadow_header, shadow_rows
from scoring.impact_on_plans import costs, tier_moves
from scoring.models import BudgetPool, Grant, PlanTarget, Run, RunInput, Scenario, Standing
from scoring.steps.rubrics import checked
from scoring.steps.scenarios import save_scenario
from scoring.steps.score import store_inputs
from tests import factories
from tests.scoring import rows
from tests.web.sign_in import sign_in

pytestmark = [pytest.mark.server, pytest.mark.django_db]


def scored(values: list[tuple[int, int]]) -> tuple[Run, list[Provider]]:
    """Make a provisional run of the small rubric: (sessions, orders) per provider."""
    providers = [factories.provider() for _ in values]
    return run_of(rows.inputs(dict(zip(providers, values, strict=True)))), providers


def run_of(inputs: Inputs) -> Run:
    made = rows.run(
        kind=Run.Kind.PROVISIONAL,
        status=Run.Status.COMPUTED,
        input_digest=inputs.sha256,
        computed_at=timezone.now(),
    )
    store_inputs(made, inputs)
    return made


def draft(live: int = 3, **replaced: str) -> str:
    text = rows.SMALL_RUBRIC.format(version="draft", live=live)
    for found, other in replaced.items():
        text = text.replace(found, other)
    return text


def tried(run: Run, text: str, user: User | None = None) -> Impact:
    return impact(run, checked(text), user=user or rows.staff(Role.RATING))


# sessions/100 and orders/1000 are the points; A from 70, B from 40. LIVE 1:1 → 3:1.
POPULATION = [(90, 500), (80, 480), (20, 900), (50, 500), (30, 400)]


def test_winners_losers_and_grades_are_those_of_the_draft() -> None:
    run, providers = scored(POPULATION)
    made = tried(run, draft())
    assert [made.before.published(row) for row in range(5)] == [
        Decimal(text) for text in ("70.0", "64.0", "55.0", "50.0", "35.0")
    ]
    assert [made.after.published(row) for row in range(5)] == [
        Decimal(text) for text in ("80.0", "72.0", "37.5", "50.0", "32.5")
    ]
    assert (made.comparison.winners, made.comparison.losers, made.unchanged) == (2, 2, 1)
    assert made.mean_change == Decimal("-0.40")
    assert made.grades() == [("A", 1, 2), ("B", 3, 1), ("C", 1, 2), ("", 0, 0)]
    assert made.grade_moves().cells == ((1, 0, 0, 0), (1, 1, 1, 0), (0, 0, 1, 0), (0, 0, 0, 0))
    largest = made.movers()[0]
    assert (largest.code, largest.change, largest.grade_before, largest.grade_after) == (
        providers[2].code,
        Decimal("-17.5"),
        "B",
        "C",
    )
    table = [dict(zip(shadow_header(made), row, strict=True)) for row in shadow_rows(made)]
    assert [row["score_after"] for row in table] == [made.after.published(row) for row in range(5)]
    assert (table[2]["LIVE_after"], table[2]["SALES_after"]) == (Decimal("20.0"), Decimal("90.0"))
    [(effect)] = made.categories()
    assert (effect.rated, effect.winners, effect.losers, effect.up, effect.down) == (5, 2, 2, 1, 1)
    assert effect.mean_before == Decimal("54.80")
    assert sum(after for _, _, after in made.distribution()) == 5


def test_what_it_costs_follows_todays_grants() -> None:
    run, providers = scored(POPULATION)
    pool = rows.pool(cap=10_000)
    granted(pool, providers[0], 900)  # the only A
    granted(pool, providers[1], 300)  # three B hold 300 together
    granted(pool, providers[4], 50, status=Grant.Status.PROPOSED)
    [cost] = costs(tried(run, draft()))
    assert (cost.granted, cost.projected, cost.borrowed) == (1_200, 2 * 900 + 100, ())
    assert cost.by_grade == (("A", 1, 2, 900), ("B", 3, 1, 100), ("C", 1, 2, 0), ("", 0, 0, 0))
    assert not cost.over_cap
    # Where nobody holds a grade today, the next lower one that somebody holds is the measure.
    [cost] = costs(tried(run, draft(**{"[A, 70]": "[S, 75], [A, 70]"})))
    assert cost.borrowed == ("S",)
    assert {code: rate for code, _, _, rate in cost.by_grade}["S"] == 900


def granted(pool: BudgetPool, to: Provider, amount: int, status: str = Grant.Status.APPROVED) -> Grant:
    decided = status != Grant.Status.PROPOSED
    return Grant.objects.create(
        pool=pool,
        provider=to,
        amount=amount,
        reason="test",
        status=status,
        proposed_by=factories.user(),
        decided_by=factories.user() if decided else None,
        decided_at=timezone.now() if decided else None,
    )


def test_a_tier_counts_for_quality_by_grade() -> None:
    run, providers = scored(POPULATION)
    plan = rows.pool().plan
    band = PlanTarget.objects.create(
        plan=plan, code="band", name_zh="档", name_en="Band", value="gmv_settled_once", unit="fen", at_least=1
    )
    assert tier_moves(tried(run, draft())) == [], "nobody stands anywhere yet"
    for place, provider in enumerate(providers[:4], start=1):
        Standing.objects.create(plan=plan, provider=provider, as_of=run.as_of, value=100, rank=place, band=band)
    later = run.as_of + timedelta(days=1)
    Standing.objects.create(plan=plan, provider=providers[4], as_of=later, value=100, rank=1, band=band)
    [(found, [(target, moves)])] = tier_moves(tried(run, draft()))
    assert (found, target) == (plan, band)
    assert moves.cells == ((3, 1), (0, 0))  # four held B or better, one of them no longer


def test_fields_make_the_same_draft_as_text() -> None:
    rubric = checked(rows.SMALL_RUBRIC.format(version="draft", live=1))
    held = answers(rubric)
    assert held["points-L1"] == "0:0, 100:100"
    assert edited(rubric, held) is rubric
    assert [line.code for line in lines(rubric)] == ["TOTAL", "LIVE", "L1", "SALES", "S1"]
    changed = edited(rubric, {**held, "weight-LIVE": "3", "points-S1": "0：0，2000：100", "gate-1": ""})
    assert changed.find("LIVE").weight == 3
    assert "2000:100" in answers(changed)["points-S1"]
    assert not changed.gates
    with translation.override("en"):
        with pytest.raises(RubricInvalid, match="ascend"):
            edited(rubric, {"points-S1": "10:0, 5:100"})
        with pytest.raises(RubricInvalid, match="a pair of value and points"):
            edited(rubric, {"points-S1": "10:0, nonsense"})
        with pytest.raises(RubricInvalid, match="did you mean 'paid_orders'"):
            edited(rubric, {"value-S1": "paid_order"})


def test_a_scenario_gives_the_same_again_when_its_run_has_moved_on() -> None:
    run, providers = scored(POPULATION)
    rating = rows.staff(Role.RATING)
    kept = save_scenario(run.pk, text=draft(), name="more sessions", actor=rating)
    again = save_scenario(run.pk, text=draft(), name="the same", actor=rating)
    assert (kept.result_digest, kept.inputs_id) == (again.result_digest, again.inputs_id)
    other = rows.inputs(dict.fromkeys(providers, (10, 10)))
    RunInput.objects.filter(run=run).delete()
    store_inputs(run, other)
    made = impact(run, checked(kept.body), user=rating, base=kept.base.as_core(), inputs=kept.inputs.as_core())
    assert made.digest() == kept.result_digest
    assert tried(run, draft()).digest() != kept.result_digest
    with pytest.raises(NotAllowed):
        save_scenario(run.pk, text=draft(), name="x", actor=factories.user(Role.PROVIDER))


def test_what_the_run_did_not_freeze_is_measured_or_named() -> None:
    run, _ = scored(POPULATION)
    made = tried(run, draft(**{"value: paid_orders": "value: paid_orders / placed_orders"}))
    assert made.added == ("placed_orders[30d]",)
    found = dry_run(checked(draft(**{"value: paid_orders": "value: placed_orders"})), run)
    assert found is not None
    assert (found.added, found.unavailable) == (("placed_orders[30d]",), ("placed_orders[30d]",))
    by_code = {reading.code: reading for reading in found.readings}
    assert by_code["S1"].missing == 100
    assert "S1" in found.still


def test_what_only_the_draft_carries_is_read_of_the_cycle_before() -> None:
    provider, other = factories.provider(), factories.provider()
    version = rows.rubric()
    nobody = rows.inputs({provider: (60, 900), other: (40, 200)})
    frozen = replace(nobody, previous=Inputs(nobody.subjects, {}))
    run = rows.run(version, status=Run.Status.FROZEN, input_digest=frozen.sha256)
    store_inputs(run, frozen)
    same = draft_inputs(run, version.as_core()).inputs
    assert same.sha256 == frozen.sha256
    body = version.body.replace("value: paid_orders", "value: paid_orders / (valid_sessions - 60)")
    wider = draft_inputs(run, load(body.encode())).inputs.previous
    assert wider is not None
    # Nothing was delivered: read, and not known.
    assert {operand.measure for operand in wider.columns} == {"paid_orders", "valid_sessions"}
    assert all(column.state.tolist() == [State.NO_DATA] * 2 for column in wider.columns.values())


def test_a_dry_run_tells_what_every_indicator_reads() -> None:
    run, _ = scored([(90, 500), (80, 480), (20, 900), (150, 500), (130, 500)])
    found = dry_run(checked(draft(**{'["1000", "100"]': '["490", "100"]'})), run)
    assert found is not None
    sessions, orders = found.readings
    assert (sessions.minimum, sessions.median, sessions.maximum) == (20, 90, 150)
    assert (sessions.clamped, orders.clamped) == (40, 80)
    assert (sessions.missing, found.still, found.rated) == (0, (), 5)
    assert dry_run(checked(draft()), None) is not None  # the newest run is taken
    still, _ = dry_run(checked(draft()), run_of_equals()).readings  # type: ignore[union-attr]
    assert not still.varies


def run_of_equals() -> Run:
    Run.objects.all().update(as_of=rows.AS_OF - timedelta(days=1))
    return run_of(rows.inputs({factories.provider(): (50, place) for place in range(3)}))


def test_the_page_tries_saves_and_keeps(client: Client) -> None:
    scored(POPULATION)
    staff = rows.staff(Role.RATING)
    sign_in(client, staff)
    url = "/admin/scoring/scenario/what-if/"
    shown = client.get(url, headers={"Accept-Language": "en"}).content.decode()
    assert 'name="weight-LIVE"' in shown
    text = rows.SMALL_RUBRIC.format(version="1", live=1)
    answer = client.post(url, {"text": text, "weight-LIVE": "3", "action": "try"})
    assert answer.status_code == 200
    assert answer.context["impact"].comparison.winners == 2
    assert not Scenario.objects.exists()
    refused = client.post(url, {"text": text, "points-S1": "9:0, 1:100", "action": "save", "name": "x"})
    assert refused.status_code == 422
    assert 'value="9:0, 1:100"' in refused.content.decode()
    assert not Scenario.objects.exists()
    csv = client.post(url, {"text": text, "weight-LIVE": "3", "action": "csv"})
    lines_of_csv = csv.getvalue().decode().splitlines()
    assert len(lines_of_csv) == 6
    assert lines_of_csv[1].endswith("1,1,90.0,50.0,90.0,50.0")
    client.post(url, {"text": text, "weight-LIVE": "3", "action": "save", "name": "more"})
    kept = Scenario.objects.get()
    page = client.get(f"/admin/scoring/scenario/{kept.pk}/change/")
    assert page.context["is_same"]
    client.post(url, {"text": text, "weight-LIVE": "3", "action": "keep", "version": "1.1"})
    assert checked(kept.body).find("LIVE").weight == 3
    assert "weight: 3" in client.get("/api/v1/rubrics/1.1/").json()["body"]


def test_the_page_costs_the_same_at_3_and_30(client: Client) -> None:
    sign_in(client, rows.staff(Role.AUDITOR))

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            answer = client.post("/admin/scoring/scenario/what-if/", {"text": draft(), "action": "try"})
        assert answer.status_code == 200
        return len(captured)

    counts: list[int] = []
    for size in (3, 30):
        Run.objects.all().update(as_of=rows.AS_OF - timedelta(days=size))
        scored([(place, 10 * place) for place in range(size)])
        queries()  # what a process keeps of a run is read once
        counts.append(queries())
    assert counts[0] == counts[1]


def test_the_interface_tells_the_same(client: Client) -> None:
    scored(POPULATION)
    sign_in(client, rows.staff(Role.INCENTIVES))
    post = partial(_json, client)
    found = post("/api/v1/what-if/", {"edits": {"weight-LIVE": "3"}}, 200)
    assert (found["winners"], found["losers"], found["mean_change"]) == (2, 2, "-0.40")
    assert found["differences"] == [{"code": "LIVE", "field": "weight", "before": "1", "after": "3"}]
    assert {"before": "B", "after": "C", "providers": 1} in found["grade_moves"]
    refusal = post("/api/v1/what-if/", {"text": draft(**{"value: paid_orders": "value: paid_order"})}, 422)
    assert refusal["code" if "code" in refusal else "type"].endswith("rubric_invalid")
    assert refusal["errors"]["faults"][0]["line"]
    kept = post("/api/v1/scenarios/", {"name": "more", "edits": {"weight-LIVE": "3"}}, 201)
    again = client.get(f"/api/v1/scenarios/{kept['id']}/impact/").json()
    assert again["is_same"]
    assert again["result_digest"] == found["result_digest"]


def _json(client: Client, url: str, body: dict[str, Any], status: int) -> dict[str, Any]:
    answer = client.post(url, body, content_type="application/json")
    assert answer.status_code == status, answer.content
    return answer.json()
