"""What staff and monitors see of the work ledger."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from ecosystem import ledger
from ecosystem.models import ScheduleSlot, WorkMark, WorkRun, WorkScope
from ecosystem.roles import Role
from ecosystem.steps.accounts import issue_token
from tests import factories
from tests.web.sign_in import sign_in

pytestmark = pytest.mark.django_db


def parked() -> WorkScope:
    """Make a parked roll-up of a provider, with its mark, and some work done."""
    provider = factories.provider(name="青禾电商（演示）")
    ledger.mark("roll_up", [(str(provider.pk), factories.DAY)], cause="batch:7")
    ledger.mark("score", [("current", None)], cause="after roll_up")
    ScheduleSlot.objects.create(job="nightly", slot="2022-06-30")
    now = timezone.now()
    WorkRun.objects.create(kind="roll_up", scopes=30, marks=30, rows_changed=600, started_at=now, ended_at=now)
    return WorkScope.objects.create(
        kind="roll_up", scope=str(provider.pk), state="parked", attempts=6, last_error="ValueError: 金额"
    )


def test_a_monitor_reads_the_work_with_a_token(client: Client) -> None:
    scope = parked()
    token = issue_token(
        factories.user(Role.MACHINE).pk, label="monitor", days=30, actor=factories.user(Role.ADMINISTRATOR)
    )
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/healthz/work/").status_code == 401
    answer = client.get("/healthz/work/", headers=headers)
    assert answer.status_code == 200
    found = answer.json()
    lines = {line["kind"]: line for line in found["work"]}
    assert list(lines) == list(ledger.kinds())
    assert (lines["roll_up"]["waiting"], lines["roll_up"]["parked"]) == (0, 1), "parked work does not count as waiting"
    assert (lines["roll_up"]["scopes_per_minute"], lines["roll_up"]["rows_per_minute"]) == (3.0, 60.0)
    assert lines["score"]["waiting"] == 1
    assert [(one["kind"], one["scope"], one["attempts"]) for one in found["parked"]] == [("roll_up", scope.scope, 6)]
    assert found["last_slots"][0]["slot"] == "2022-06-30"
    assert "ValueError" not in answer.content.decode(), "errors may quote data"
    WorkMark.objects.update(created_at=timezone.now() - timedelta(hours=1))
    answer = client.get("/healthz/work/", headers=headers)
    assert (answer.status_code, answer.json()["late"]) == (503, ["score"])


def test_staff_see_what_is_parked_and_why() -> None:
    scope = parked()
    client = sign_in(Client(), factories.user(Role.ADMINISTRATOR, language="en"))
    with translation.override("en"):
        listed = client.get(reverse("admin:ecosystem_workscope_changelist")).content.decode()
        page = client.get(reverse("admin:ecosystem_workscope_change", args=[scope.pk])).content.decode()
    assert "Parked: a person must look" in listed
    assert "ValueError: 金额" in listed
    assert listed.count("青禾电商（演示）") == 2, "above the list and in it"
    assert "nightly · 2022-06-30" in listed
    for words in ("Daily totals of a provider", "青禾电商（演示）", "failed or died 6 times in a row", "batch:7"):
        assert words in page
    assert "Try again now" in page


def test_the_page_reads_alike_however_much_waits() -> None:
    client = sign_in(Client(), factories.user(Role.ADMINISTRATOR))
    counts = []
    for many in (3, 30):
        ledger.mark("roll_up", [(str(number), None) for number in range(many)], cause="test")
        for number in range(many):
            WorkScope.objects.get_or_create(kind="roll_up", scope=str(number), state="parked")
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("admin:ecosystem_workscope_changelist"))
        counts.append(len(queries))
    assert counts[0] == counts[1]
