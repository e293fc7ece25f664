"""What integrators, staff and members read over REST, whose it is, and what a list costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ecosystem.clock import business_today
from ecosystem.models import OutboxMessage
from ecosystem.roles import Role
from providers.choices import BindingRole
from providers.models import Batch, Binding, Provider, RowError
from providers.models.members import MemberRole
from scoring.models import Contest, Grant, Plan, RubricVersion, Run, Score, Standing
from tests import factories
from tests.scoring import rows
from tests.web.sign_in import sign_in
from tests.web.test_api_basics import problem, with_token
from tests.web.world import World, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def made() -> World:
    return world()


def as_member(made: World, role: MemberRole = MemberRole.OWNER) -> Client:
    return sign_in(Client(), made.ours.people[role])


def codes(client: Client, url: str, key: str = "code") -> set[str]:
    return {row[key] for row in client.get(url).json()["results"]}


def test_members_read_their_own_and_machines_all(made: World) -> None:
    ours, theirs = made.ours.provider.code, made.theirs.provider.code
    machine, owner = with_token(made.token), as_member(made)
    assert codes(machine, "/api/v1/providers/") == set(Provider.objects.values_list("code", flat=True)) > {ours, theirs}
    assert codes(owner, "/api/v1/providers/") == {ours}
    assert codes(owner, "/api/v1/merchants/") == {made.ours.merchant.code}
    assert codes(owner, "/api/v1/streamers/") == {made.ours.streamer.code}
    assert codes(owner, "/api/v1/bindings/", "provider") == {ours}
    assert codes(owner, "/api/v1/contests/", "provider") == {ours}
    assert codes(owner, "/api/v1/grants/", "provider") == {ours}
    problem(owner.get(f"/api/v1/providers/{theirs}/"), 404, "not_found")
    assert codes(machine, "/api/v1/providers/?province=33") & {ours, theirs} == {ours}


def test_a_binding_is_proposed_and_ended(made: World) -> None:
    operator, shop = as_member(made, MemberRole.OPERATOR), factories.merchant()
    asked = {"provider": made.ours.provider.code, "merchant": shop.code, "role": "training", "starts_on": "2022-07-01"}
    answer = operator.post("/api/v1/bindings/", asked, content_type="application/json")
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["status"], body["merchant"], body["starts_on"], body["ends_before"]) == (
        "proposed",
        shop.code,
        "2022-07-01",
        None,
    )
    assert OutboxMessage.objects.filter(recipient=shop.contact_email).exists()
    problem(operator.post("/api/v1/bindings/", asked, content_type="application/json"), 409, "wrong_status")
    running = Binding.objects.get(provider=made.ours.provider, merchant=made.ours.merchant)
    day = business_today() + timedelta(days=3)
    ended = operator.post(
        f"/api/v1/bindings/{running.pk}/end/", {"ends_before": day.isoformat()}, content_type="application/json"
    )
    assert (ended.status_code, ended.json()["ends_before"]) == (200, day.isoformat())
    both = asked | {"streamer": made.ours.streamer.code}
    problem(operator.post("/api/v1/bindings/", both, content_type="application/json"), 422, "invalid")
    foreign = asked | {"provider": made.theirs.provider.code}
    problem(operator.post("/api/v1/bindings/", foreign, content_type="application/json"), 422, "invalid")
    assert not Binding.objects.filter(provider=made.theirs.provider, merchant=shop).exists()


def test_whoever_may_not_bind_learns_nothing_about_codes(made: World) -> None:
    analyst, shop = as_member(made, MemberRole.ANALYST), factories.merchant()
    for provider, status, code in (
        (made.ours.provider, 403, "not_allowed"),
        (made.theirs.provider, 422, "invalid"),
    ):
        asked = {"provider": provider.code, "role": "training", "starts_on": "2022-07-01"}
        known, unknown = (
            problem(
                analyst.post("/api/v1/bindings/", asked | {"merchant": merchant}, content_type="application/json"),
                status,
                code,
            )
            for merchant in (shop.code, "nobody")
        )
        assert known == unknown


def test_scores_come_with_their_explanation(made: World) -> None:
    owner = as_member(made)
    [row] = owner.get("/api/v1/scores/").json()["results"]
    assert (row["provider"], row["kind"], row["as_of"]) == (made.ours.provider.code, "provisional", "2022-06-30")
    assert row["published"] == str(Score.objects.get(pk=row["id"]).published)
    told = owner.get(f"/api/v1/scores/{row['id']}/explanation/").json()
    parts = {part["code"]: part for part in told["capabilities"]}
    assert set(parts) == {"LIVE", "SALES"}
    [leaf] = parts["LIVE"]["indicators"]
    assert {"value", "points", "weight", "contribution", "reason", "readings"} <= set(leaf)
    published = Run.objects.get(status=Run.Status.PUBLISHED)
    assert codes(owner, f"/api/v1/scores/?run={published.pk}", "kind") == {"official"}
    assert codes(owner, "/api/v1/scores/?run=", "kind") == {"provisional"}
    assert codes(owner, "/api/v1/runs/?kind=official", "status") == {"published"}
    assert owner.get(f"/api/v1/runs/{published.pk}/").json()["data_through"] == "2022-06-29"


def test_before_publication_an_official_score_is_for_staff(made: World) -> None:
    run = rows.run(as_of=date(2022, 5, 31))
    score = rows.score(made.ours.provider, run)
    problem(as_member(made).get(f"/api/v1/scores/{score.pk}/"), 404, "not_found")
    assert not as_member(made).get(f"/api/v1/scores/?run={run.pk}").json().get("results")
    assert sign_in(Client(), made.staff[Role.RATING]).get(f"/api/v1/scores/{score.pk}/").status_code == 200


def test_an_operator_reads_no_scores(made: World) -> None:
    operator = as_member(made, MemberRole.OPERATOR)
    for name in ("scores", "contests", "grants"):
        assert operator.get(f"/api/v1/{name}/").json()["results"] == []
    assert operator.get(f"/api/v1/plans/{made.rows[Plan].code}/standings/").json()["results"] == []
    problem(operator.get(f"/api/v1/scores/{made.ours.rows[Score].pk}/explanation/"), 404, "not_found")


def test_a_score_is_contested_by_its_provider(made: World) -> None:
    url = f"/api/v1/scores/{made.ours.rows[Score].pk}/contest/"
    owner = as_member(made)
    answer = owner.post(url, {"text": "Orders of June are missing", "node": "S1"}, content_type="application/json")
    assert answer.status_code == 201, answer.content
    filed = Contest.objects.get(pk=answer.json()["id"])
    assert (filed.created_by, filed.node, filed.status) == (made.ours.people[MemberRole.OWNER], "S1", "open")
    wrong = owner.post(url, {"text": "x", "node": "S9"}, content_type="application/json")
    problem(wrong, 422, "invalid")
    problem(owner.post(url, {"text": ""}, content_type="application/json"), 422, "invalid")
    rating = sign_in(Client(), made.staff[Role.RATING])
    problem(rating.post(url, {"text": "x"}, content_type="application/json"), 403, "not_allowed")


def test_plans_progress_and_standings(made: World) -> None:
    code, machine = made.rows[Plan].code, with_token(made.token)
    assert [target["code"] for target in machine.get(f"/api/v1/plans/{code}/").json()["targets"]] == ["band"]
    [line] = machine.get(f"/api/v1/plans/{code}/progress/").json()
    assert (line["target"], line["value"], line["gap"]) == ("band", 3, 7)
    standings = machine.get(f"/api/v1/plans/{code}/standings/").json()["results"]
    assert [(row["provider"], row["value"], row["rank"]) for row in standings] == [
        (made.ours.provider.code, 999, 1),
        (made.theirs.provider.code, 998, 2),
    ]
    assert codes(as_member(made), f"/api/v1/plans/{code}/standings/", "provider") == {made.ours.provider.code}
    assert machine.get(f"/api/v1/plans/{code}/standings/?as_of=2021-01-01").json()["results"] == []
    problem(machine.get(f"/api/v1/plans/{code}/standings/?as_of=june"), 422, "invalid")
    problem(as_member(made).get(f"/api/v1/plans/{code}/progress/"), 403, "permission_denied")


def more(made: World) -> None:
    """Add a row of every listed kind."""
    provider = factories.provider()
    merchant = factories.merchant()
    factories.binding(provider, merchant)
    factories.binding(provider, factories.streamer(merchant=merchant), role=BindingRole.MCN)
    n = factories.number()
    day = date(1990, 1, 1) + timedelta(days=n)  # long before the current run, however many rows a session has made
    Run.objects.create(as_of=day, kind=Run.Kind.PROVISIONAL, status="computed", rubric_version=made.rows[RubricVersion],
                       input_digest="x")  # fmt: skip
    current = made.ours.rows[Score].run
    score = Score.objects.create(
        run=current,
        provider=provider,
        status="rated",
        published="50.0",
        grade="B",
        rank=3,
        **factories.called(provider),
    )
    owner = made.ours.people[MemberRole.OWNER]
    Contest.objects.create(provider=provider, score=score, text="?", created_by=owner)
    grant = Grant.objects.get(pk=made.ours.rows[Grant].pk)
    grant.pk, grant.provider = None, provider
    grant.save(force_insert=True)
    standing = Standing.objects.get(pk=made.ours.rows[Standing].pk)
    standing.pk, standing.provider, standing.value = None, provider, 900 - n
    standing.save(force_insert=True)
    plan = Plan.objects.create(code=f"PLAN_X{n}", name_zh="计划", name_en="Plan", starts_on=day)
    plan.targets.create(code="t", name_zh="目标", name_en="Target", value="gmv_settled_once", unit="fen", target=5)
    batch = factories.batch(received_at=timezone.now())
    RowError.objects.create(batch=batch, row=n, column="day", found="x", reason="y")
    RowError.objects.create(batch_id=made.rows[type(batch)].pk, row=n, column="day", found="x", reason="y")


LISTS: dict[str, Callable[[World], str]] = {
    name: (lambda made, name=name: f"/api/v1/{name}/")
    for name in ("providers", "merchants", "streamers", "bindings", "batches", "runs", "scores", "contests", "plans")
} | {
    "grants": lambda made: "/api/v1/grants/",
    "standings": lambda made: f"/api/v1/plans/{made.rows[Plan].code}/standings/",
    "errors": lambda made: f"/api/v1/batches/{made.rows[Batch].pk}/errors/",
}


def test_every_list_costs_the_same_at_3_and_at_30_rows(made: World) -> None:
    auditor = sign_in(Client(), made.staff[Role.AUDITOR])

    def cost(url: str, least: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            response = auditor.get(url)
        assert response.status_code == 200, response.content
        assert len(response.json()["results"]) >= least, url
        return len(captured)

    for _n in range(2):
        more(made)
    few = {name: cost(url(made), 3) for name, url in LISTS.items()}
    for _n in range(27):
        more(made)
    many = {name: cost(url(made), 30) for name, url in LISTS.items()}
    assert many == few
    assert max(many.values()) <= 8
    assert Provider.objects.count() >= 30
