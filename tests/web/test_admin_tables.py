"""The staff's tables: every list, row and export opens with data in it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ecosystem.admin_base import StaffAdmin
from ecosystem.models import AuditEntry, Notice, OutboxMessage, WorkRun, WorkScope
from ecosystem.models.audit import Verb
from ecosystem.roles import Role
from ecosystem.steps.accounts import issue_token
from providers.models import OperatedSession, OperatorCertificate
from scoring.models import (
    Benchmark,
    Comment,
    Consultation,
    Contest,
    Grant,
    Progress,
    Publication,
    Scenario,
    Standing,
)
from tests import factories
from tests.scoring import rows
from tests.web.sign_in import sign_in
from tests.web.world import World, world

pytestmark = pytest.mark.django_db

TABLES = sorted(admin.site._registry, key=lambda model: model._meta.label)
# Who looks: the auditor everywhere but where accounts are kept.
KEPT_BY_ADMINISTRATORS = ("User", "ApiToken", "OutboxMessage")


@pytest.fixture
def made() -> World:
    return world()


def reader(made: World, name: str) -> Client:
    role = Role.ADMINISTRATOR if name in KEPT_BY_ADMINISTRATORS else Role.AUDITOR
    return sign_in(Client(), made.staff[role])


def test_only_the_portals_own_tables_are_registered() -> None:
    assert all(isinstance(admin.site._registry[model], StaffAdmin) for model in TABLES)


def test_every_list_row_and_export_opens(made: World) -> None:
    for model in TABLES:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        client = reader(made, model.__name__)
        row = made.row(model)
        shown = client.get(reverse(f"admin:{name}_changelist"))
        assert shown.status_code == 200, name
        assert f"/{row.pk}/change/" in shown.content.decode(), name
        assert client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code == 200, name
        lines = b"".join(client.get(reverse(f"admin:{name}_export_csv")).streaming_content).decode().splitlines()
        assert len(lines) >= 2, name


def more(made: World) -> None:
    """Add a row of every kind a table lists, each with relations of its own."""
    n = factories.number()
    day = date(2023, 1, 1) + timedelta(days=n)
    person = factories.user(Role.MACHINE)
    issue_token(person.pk, label="more", days=9, actor=None)
    provider, merchant = factories.provider(), factories.merchant()
    streamer = factories.streamer(merchant=merchant)
    factories.conflict(factories.binding(provider, merchant))
    factories.qualification(provider)
    factories.violation(provider)
    factories.member(provider)
    factories.invitation(provider)
    factories.batch(received_at=timezone.now())
    factories.base(belt=factories.belt(), operated_by=provider)
    for kind, texts in ((OperatorCertificate, {"number": f"C{n}"}), (OperatedSession, {"code": f"O{n}"})):
        twin: Any = kind.objects.get(pk=made.row(kind).pk)
        twin.pk, twin.provider = None, provider
        for field, text in (texts | ({"streamer": streamer} if kind is OperatedSession else {})).items():
            setattr(twin, field, text)
        twin.save(force_insert=True)
    version = rows.rubric(f"more-{n}")
    consultation = Consultation.objects.create(
        rubric_version=version, note="?", starts_on=day, ends_before=day + timedelta(days=1), opened_by=person
    )
    Comment.objects.create(consultation=consultation, provider=provider, text="?", created_by=person)
    scenario: Any = Scenario.objects.get(pk=made.row(Scenario).pk)
    scenario.pk, scenario.name = None, f"more {n}"
    scenario.save(force_insert=True)
    run = rows.run(
        version, as_of=day, status="published", input_digest="x", reviewed_by=person, reviewed_at=timezone.now()
    )
    Publication.objects.create(run=run, published_by=person, digest=factories.sha256(str(n)))
    score = rows.score(provider, rows.run(version, as_of=day))
    Contest.objects.create(provider=provider, score=score, text="?", created_by=person)
    pool = rows.pool()
    Grant.objects.create(pool=pool, provider=provider, amount=1, reason="r", proposed_by=person)
    target = pool.plan.targets.create(code="t", name_zh="档", name_en="Band", value="v", unit="fen", at_least=n)
    Standing.objects.create(plan=pool.plan, provider=provider, as_of=day, value=n, rank=1, band=target)
    Progress.objects.create(target=target, as_of=day, value=1, quality_value=1, gap=1)
    Benchmark.objects.create(
        measure=f"m{n}", month=date(2022, 1, 1), category="food", numerator=1, denominator=1, members=[1],
        digest=factories.sha256("x"),
    )  # fmt: skip
    AuditEntry.objects.record(Verb.REGISTER, "draft", provider, actor=person)
    Notice.objects.create(user=person, kind="binding_confirmed")
    OutboxMessage.objects.create(key=f"more-{n}", recipient="a@example.com", subject="s", body="b")
    WorkScope.objects.create(kind="roll_up", scope=str(n))
    WorkRun.objects.create(kind="score", scopes=1, marks=1, started_at=timezone.now(), ended_at=timezone.now())


def test_every_list_and_export_costs_the_same_at_3_and_at_30_rows(made: World) -> None:
    client = sign_in(Client(), made.staff[Role.ADMINISTRATOR])

    def costs(least: int) -> dict[str, int]:
        found = {}
        for model in TABLES:
            assert model._default_manager.count() >= least, model
            for page in ("changelist", "export_csv"):
                name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
                with CaptureQueriesContext(connection) as captured:
                    response: Any = client.get(reverse(name))
                    if response.streaming:
                        b"".join(response.streaming_content)
                assert response.status_code == 200, name
                found[name] = len(captured)
        return found

    more(made)
    more(made)
    few = costs(3)
    for _n in range(27):
        more(made)
    assert costs(29) == few
