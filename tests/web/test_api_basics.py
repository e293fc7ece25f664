"""What every REST endpoint shares: sign-in by token, cursor pages, problem+json, schema and docs."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from ecosystem.models import ApiToken, User
from ecosystem.roles import Role
from ecosystem.steps.accounts import change_account, digest_of, issue_token, revoke_token
from providers.models import Provider
from tests import factories
from tests.web.sign_in import sign_in

pytestmark = pytest.mark.django_db


def machine() -> tuple[User, str]:
    user = factories.user(Role.MACHINE)
    return user, issue_token(user.pk, label="warehouse", days=30, actor=None)


def with_token(token: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {token}"})


def problem(response: object, status: int, code: str) -> dict[str, object]:
    """Check that an answer is this problem, and return it."""
    assert response.status_code == status, response.content  # type: ignore[attr-defined]
    assert response["Content-Type"] == "application/problem+json"  # type: ignore[index]
    body: dict[str, object] = response.json()  # type: ignore[attr-defined]
    assert (body["type"], body["status"]) == (f"urn:portal:{code}", status)
    assert body["title"]
    assert body["detail"]
    return body


# --- sign-in ------------------------------------------------------------------------------------------------------


def test_a_token_opens_the_interface_and_its_use_is_noted_every_few_minutes() -> None:
    user, token = machine()
    client = with_token(token)
    assert client.get("/api/v1/me/").json() == {
        "email": user.email,
        "name": user.name,
        "role": "machine",
        "language": "zh-hans",
    }
    first = ApiToken.objects.get().last_used_at
    assert first is not None
    client.get("/api/v1/me/")
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=timezone.now() - timedelta(hours=1))
    client.get("/api/v1/me/")
    assert ApiToken.objects.get().last_used_at >= first


def test_only_a_digest_of_the_token_is_kept() -> None:
    _user, token = machine()
    row = ApiToken.objects.get()
    assert row.digest == digest_of(token)
    assert token not in str(list(ApiToken.objects.values()))


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer portal_unknown", "Basic abc", ""])
def test_without_a_good_token_the_answer_is_401(header: str) -> None:
    machine()
    client = Client(headers={"Authorization": header}) if header else Client()
    response = client.get("/api/v1/providers/")
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    problem(response, 401, "not_authenticated" if header in ("", "Basic abc") else "authentication_failed")


def test_expired_revoked_and_closed_ends_a_token() -> None:
    administrator = factories.user(Role.ADMINISTRATOR)
    user, token = machine()
    client = with_token(token)
    assert client.get("/api/v1/me/").status_code == 200
    change_account(user.pk, role=Role.MACHINE, is_active=False, actor=administrator)
    problem(client.get("/api/v1/me/"), 401, "authentication_failed")
    change_account(user.pk, role=Role.MACHINE, is_active=True, actor=administrator)
    assert client.get("/api/v1/me/").status_code == 200
    past = timezone.now() - timedelta(days=2)
    ApiToken.objects.update(created_at=past, expires_at=past + timedelta(days=1))
    problem(client.get("/api/v1/me/"), 401, "authentication_failed")
    again = issue_token(user.pk, label="again", days=1, actor=administrator)
    assert with_token(again).get("/api/v1/me/").status_code == 200
    revoke_token(ApiToken.objects.get(label="again").pk, actor=administrator)
    problem(with_token(again).get("/api/v1/me/"), 401, "authentication_failed")


def test_staff_need_their_second_factor_here_too() -> None:
    rating = factories.user(Role.RATING)
    problem(sign_in(Client(), rating, second_factor=False).get("/api/v1/providers/"), 403, "second_factor")
    assert sign_in(Client(), rating).get("/api/v1/providers/").status_code == 200


def test_a_session_writes_only_with_its_csrf_token() -> None:
    owner = factories.owner(factories.provider())
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    response = client.post("/api/v1/bindings/", {}, content_type="application/json")
    assert response.status_code == 403
    assert response["Content-Type"] == "application/problem+json"


# --- problems -----------------------------------------------------------------------------------------------------


def test_every_kind_of_refusal_is_a_problem() -> None:
    _user, token = machine()
    client = with_token(token)
    problem(client.get("/api/v1/providers/nobody/"), 404, "not_found")
    problem(client.delete("/api/v1/providers/"), 405, "method_not_allowed")
    problem(client.post("/api/v1/bindings/", "{", content_type="application/json"), 400, "parse_error")
    problem(client.post("/api/v1/bindings/", "a=b", content_type="text/plain"), 415, "unsupported_media_type")
    wrong = problem(client.post("/api/v1/bindings/", {}, content_type="application/json"), 422, "invalid")
    assert {"provider", "role", "starts_on"} <= set(wrong["errors"])  # type: ignore[call-overload]
    problem(client.post("/api/v1/ingest/nothing/?key=k", b"", content_type="text/csv"), 422, "unknown_feed")
    nothing = client.post("/api/v1/ingest/sales/?key=k")
    assert (nothing.status_code, nothing.json()["status"]) == (422, "refused")
    problem(client.get("/api/v1/providers/?status=nonsense"), 422, "invalid")
    problem(client.get("/api/v1/providers/?cursor=nonsense"), 404, "not_found")
    problem(client.get("/api/v1/scores/nonsense/"), 404, "not_found")
    analyst = Client()
    analyst.force_login(factories.user())
    problem(analyst.get("/api/v1/batches/"), 403, "permission_denied")


def test_addresses_that_do_not_exist_are_problems_too() -> None:
    problem(Client().get("/api/v1/nothing/"), 404, "not_found")


# --- pages --------------------------------------------------------------------------------------------------------


def test_cursor_pages_show_every_row_once_while_rows_arrive() -> None:
    _user, token = machine()
    client = with_token(token)
    for _n in range(5):
        factories.provider()
    seen: list[str] = []
    url: str | None = "/api/v1/providers/?page_size=2"
    while url:
        page = client.get(url).json()
        seen += [row["code"] for row in page["results"]]
        url = page["next"]
        if len(seen) == 2:
            factories.provider()
    assert seen == list(Provider.objects.order_by("pk").values_list("code", flat=True))
    assert len(client.get("/api/v1/providers/?page_size=100000").json()["results"]) == 6


# --- schema and docs ----------------------------------------------------------------------------------------------


def test_the_committed_schema_is_the_schema(tmp_path: Path) -> None:
    made = tmp_path / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(made))
    kept = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
    assert made.read_text() == kept.read_text()


def test_the_schema_tells_of_token_errors_and_every_endpoint() -> None:
    response = Client().get("/api/v1/schema/", headers={"Accept-Language": "zh-hans"})
    schema = yaml.safe_load(response.content)
    assert schema["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}
    for path in ("providers/", "merchants/", "bindings/", "ingest/{feed}/", "scores/{id}/explanation/", "batches/"):
        assert f"/api/v1/{path}" in schema["paths"]
    for methods in schema["paths"].values():
        for operation in methods.values():
            assert "application/problem+json" in operation["responses"]["403"]["content"]
    assert not re.search("[\u4e00-\u9fff]", response.content.decode())


def test_the_docs_page_loads_nothing_from_elsewhere_and_nothing_inline() -> None:
    response = Client().get("/api/v1/docs/")
    page = response.content.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(sources) >= 5
    assert all(source.startswith("/") and not source.startswith("//") for source in sources)
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*src=)", page)
    policy = response["Content-Security-Policy"]
    assert "script-src 'self';" in policy + ";"
    assert "unsafe" not in policy
    for source in sources:
        answer = Client().get(source.replace("&amp;", "&"))
        assert answer.status_code == 200, source
        b"".join(answer) if answer.streaming else answer.content  # the file is read to its end and closed
        answer.close()
