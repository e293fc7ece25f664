"""The life of a rubric version over REST: the steps of the admin, with the same roles and refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from ecosystem.clock import business_today
from ecosystem.models import AuditEntry, User
from ecosystem.roles import Role
from scoring.models import Consultation, RubricVersion
from tests.scoring import rows
from tests.web.sign_in import sign_in

pytestmark = pytest.mark.django_db


def post(client: Client, path: str, status: int, **body: object) -> dict[str, Any]:
    answer = client.post(f"/api/v1/{path}/", body, content_type="application/json", headers={"Accept-Language": "en"})
    assert answer.status_code == status, answer.content
    found: dict[str, Any] = answer.json()
    if status >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert (found["status"], bool(found["detail"])) == (status, True)
    return found


def english(role: Role) -> User:
    user = rows.staff(role)
    user.language = "en"
    user.save()
    return user


def test_a_version_lives_from_draft_to_retired(client: Client) -> None:
    sign_in(client, english(Role.RATING))
    today = business_today()
    period = {"starts_on": today.isoformat(), "ends_before": (today + timedelta(days=9)).isoformat()}
    for version in ("1", "2"):
        made = post(client, "rubrics", 201, text=rows.SMALL_RUBRIC.format(version=version, live=int(version)))
        assert made["status"] == "draft"
    refusal = post(client, "rubrics/1/publish", 409)
    assert refusal["type"] == "urn:portal:wrong_status"
    assert "validated" in refusal["detail"]
    post(client, "consultations", 409, version="1", note="weights", **period)
    assert post(client, "rubrics/1/validate", 200)["status"] == "validated"
    post(client, "rubrics/1/validate", 409)
    assert post(client, "rubrics/1/publish", 200)["published_at"]
    assert "successor" in post(client, "rubrics/1/retire", 409)["detail"]

    post(client, "rubrics/2/validate", 200)
    assert post(client, "consultations", 422, version="2", note=" ", **period)["errors"]
    post(client, "consultations", 422, version="2", note="weights", starts_on=period["starts_on"], ends_before="x")
    post(client, "consultations", 404, version="3", note="weights", **period)
    opened = post(client, "consultations", 201, version="2", note="weights", **period)
    assert (opened["rubric"], opened["rubric_version"], opened["is_running"]) == ("small", "2", True)
    refusal = post(client, "rubrics", 409, text=rows.SMALL_RUBRIC.format(version="2", live=5))
    assert refusal["type"] == "urn:portal:rubric_frozen"
    post(client, "rubrics/2/publish", 409)
    assert post(client, f"consultations/{opened['id']}/close", 200)["closed_at"]
    post(client, f"consultations/{opened['id']}/close", 409)
    assert post(client, "rubrics/2/publish", 200)["status"] == "published"
    assert post(client, "rubrics/1/retire", 200)["status"] == "retired"
    second = RubricVersion.objects.get(version="2")
    assert [entry.action for entry in AuditEntry.objects.about(second).order_by("pk")] == [
        "import_rubric",
        "validate_rubric",
        "publish_rubric",
    ]


def test_others_take_no_step(client: Client) -> None:
    version = rows.rubric("1", published=False)
    before = RubricVersion.objects.values().get()
    for role in (Role.ADMINISTRATOR, Role.AUDITOR, Role.PROVIDER):
        sign_in(client, english(role))
        for step in ("validate", "publish", "retire"):
            post(client, f"rubrics/{version.version}/{step}", 403)
        post(client, "consultations", 403, version="1", note="x", starts_on="2022-07-01", ends_before="2022-07-02")
    assert RubricVersion.objects.values().get() == before
    assert not Consultation.objects.exists()


def test_a_version_of_several_rubrics_is_named_with_its_rubric(client: Client) -> None:
    rating = english(Role.RATING)
    sign_in(client, rating)
    for code in ("small", "other"):
        post(client, "rubrics", 201, text=rows.SMALL_RUBRIC.format(version="1", live=1).replace("small", code, 1))
    refusal = post(client, "rubrics/1/validate", 422)
    assert "small, other" in refusal["detail"]
    assert client.get("/api/v1/rubrics/1/").status_code == 422
    answer = client.post("/api/v1/rubrics/1/validate/?rubric=other")
    assert (answer.json()["rubric"], answer.json()["status"]) == ("other", "validated")
    assert client.get("/api/v1/rubrics/1/?rubric=small").json()["status"] == "draft"


def test_refusals_name_line_reason_and_the_nearest_name(client: Client) -> None:
    sign_in(client, english(Role.RATING))
    text = rows.SMALL_RUBRIC.format(version="1", live=1).replace("paid_orders", "paid_ordres")
    line = 1 + text.splitlines().index("      value: paid_ordres")
    for path in ("rubrics", "rubrics/validate"):
        [fault] = post(client, path, 422, text=text)["errors"]["faults"]
        assert (fault["line"], fault["where"]) == (line, "S1: value")
        assert "did you mean 'paid_orders'?" in fault["reason"]
    assert not RubricVersion.objects.exists()


def test_a_chinese_reader_is_told_in_chinese(client: Client) -> None:
    sign_in(client, rows.staff(Role.RATING))
    text = rows.SMALL_RUBRIC.format(version="1", live=1).replace("value: paid_orders", "value: paid_ordres > 1")
    answer = client.post("/api/v1/rubrics/validate/", {"text": text}, content_type="application/json")
    reasons = [fault["reason"] for fault in answer.json()["errors"]["faults"]]
    assert reasons == ["第 1 个字符：此处需要数值，公式得到的是布尔值（公式“paid_ordres > 1”）"]
    body = {"text": rows.SMALL_RUBRIC.format(version="1", live=1).replace("paid_orders", "paid_ordres")}
    answer = client.post("/api/v1/rubrics/validate/", body, content_type="application/json")
    assert "没有度量“paid_ordres”；是否想写“paid_orders”？" in answer.json()["detail"]
