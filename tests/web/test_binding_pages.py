"""Shares and conflicts on pages and over REST: offered, accepted, claimed, answered, decided; names only where due."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ecosystem.clock import business_today
from ecosystem.models import AuditEntry, User
from ecosystem.roles import Role
from providers.models import Binding, Conflict
from tests import factories
from tests.factories import DAY
from tests.web.sign_in import sign_in

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7 demo"


def reading_english(client: Client, person: User) -> None:
    User.objects.filter(pk=person.pk).update(language="en")
    person.refresh_from_db()
    sign_in(client, person)


def paper_at(client: Client, address: str) -> tuple[int, bytes]:
    answer = client.get(address)
    content = b"".join(answer.streaming_content) if answer.streaming else b""  # type: ignore[arg-type]
    return answer.status_code, content


def test_a_share_is_offered_on_the_leads_page_and_accepted_on_its_own(client: Client) -> None:
    lead, other = factories.binding(starts_on=DAY), factories.provider()
    page = reverse("providers:binding", args=[lead.pk])
    reading_english(client, factories.owner(lead.provider))
    form = {"share": "1", "share-code": other.code, "share-percent": "33.33", "share-starts_on": business_today()}
    for wrong, words in (({"share-code": "nobody"}, "No approved provider"), ({"share-percent": "100"}, "99.99")):
        refused = client.post(page, form | wrong)
        assert refused.status_code == 422
        assert words in refused.content.decode()
    assert client.post(page, form).status_code == 302
    assert "33.33%" in client.get(page).content.decode()
    share = Binding.objects.get(lead=lead)
    own = reverse("providers:binding", args=[share.pk])
    assert client.get(own).status_code == 200
    assert client.post(own, {"accept": "1"}).status_code == 403
    reading_english(client, factories.owner(other))
    assert client.get(page).status_code == 404
    assert client.post(own, {"accept": "1"}).status_code == 302
    share.refresh_from_db()
    assert (share.status, share.share_bp) == ("confirmed", 3333)


def test_shares_over_rest(client: Client) -> None:
    lead, other = factories.binding(starts_on=DAY), factories.provider()
    reading_english(client, factories.owner(lead.provider))
    body = {"provider": other.code, "share_bp": 2500, "starts_on": business_today().isoformat()}
    made = client.post(reverse("api-binding-shares", args=[lead.pk]), body, content_type="application/json")
    assert (made.status_code, made.json()["lead"], made.json()["share_bp"]) == (201, str(lead.pk), 2500)
    again = client.post(reverse("api-binding-shares", args=[lead.pk]), body, content_type="application/json")
    assert (again.status_code, again.json()["type"]) == (409, "urn:portal:wrong_status")
    reading_english(client, factories.owner(other))
    answered = client.post(reverse("api-binding-accept", args=[made.json()["id"]]))
    assert (answered.status_code, answered.json()["status"]) == (200, "confirmed")
    assert client.get(reverse("api-binding-list")).json()["results"][0]["share_bp"] == 2500


def test_a_transfer_is_proposed_on_the_page(client: Client) -> None:
    old, to = factories.binding(starts_on=DAY), factories.provider()
    assert old.merchant is not None
    reading_english(client, factories.owner(to))
    form = {"kind": "merchant", "code": old.merchant.code, "role": "operation", "takes_over": "on"}
    soon, later = (business_today() + timedelta(days=days) for days in (3, 40))
    refused = client.post(reverse("providers:binding-new"), form | {"starts_on": soon})
    assert "A transfer waits 30 days" in refused.content.decode()
    assert client.post(reverse("providers:binding-new"), form | {"starts_on": later}).status_code == 302
    reading_english(client, factories.owner(old.provider))
    page = client.get(reverse("providers:binding", args=[old.pk])).content.decode()
    assert "asks to take over" in page
    assert to.name not in page


def test_a_conflict_from_claim_to_decision(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    held, claimant = factories.binding(starts_on=DAY), factories.provider()
    assert held.merchant is not None
    owner, respondent = factories.owner(claimant), factories.owner(held.provider)
    reading_english(client, owner)
    form = {"kind": "merchant", "code": held.merchant.code, "role": "operation", "starts_on": DAY, "text": "合同在我方"}
    new = reverse("providers:conflict-new")
    assert client.post(new, form | {"file": SimpleUploadedFile("a.pdf", b"MZ")}).status_code == 422
    assert client.post(new, form | {"file": SimpleUploadedFile("a.pdf", PDF)}).status_code == 302
    case = Conflict.objects.get()
    page, paper = (
        reverse("providers:conflict", args=[case.pk]),
        reverse("providers:evidence", args=[case.evidence.get().pk]),
    )
    for address in (page, reverse("providers:conflicts")):
        assert held.provider.name not in client.get(address).content.decode()
    assert paper_at(client, paper) == (200, PDF)
    reading_english(client, respondent)
    assert claimant.name in client.get(page).content.decode()
    assert paper_at(client, paper) == (404, b"")
    assert client.post(page, {"text": "双方续约"}).status_code == 302
    arbiter = factories.user(Role.GOVERNANCE)
    reading_english(client, arbiter)
    assert paper_at(client, paper) == (200, PDF)
    change = reverse("admin:providers_conflict_change", args=[case.pk])
    beside = client.get(change).content.decode()
    assert "双方续约" in beside
    assert paper in beside
    step = reverse("admin:providers_conflict_step", args=[case.pk, "decide"])
    decision = {"outcome": "moved", "reason": "合同（演示）"}
    assert client.post(step, {"outcome": "shared", "reason": "各半"}).status_code == 422
    assert client.post(step, decision).status_code == 302
    case.refresh_from_db()
    assert (case.status, case.decided_by) == ("moved", arbiter)
    reading_english(client, owner)
    assert "合同（演示）" in client.get(page).content.decode()


def test_conflicts_over_rest_name_the_holder_to_whom_it_is_visible(client: Client) -> None:
    held, claimant = factories.binding(starts_on=DAY), factories.provider()
    assert held.merchant is not None
    reading_english(client, factories.owner(claimant))
    body = {
        "provider": claimant.code,
        "merchant": held.merchant.code,
        "role": "operation",
        "starts_on": DAY.isoformat(),
        "text": "合同在我方",
    }
    made = client.post(reverse("api-conflict-list"), body, content_type="application/json").json()
    assert (made["holder"], made["claimant"], made["status"]) == (None, claimant.code, "open")
    assert [(one["by_claimant"], one["has_paper"]) for one in made["evidence"]] == [(True, False)]
    reading_english(client, factories.owner(held.provider))
    said = {"provider": held.provider.code, "text": "双方续约"}
    address = reverse("api-conflict-evidence", args=[made["id"]])
    told = client.post(address, said, content_type="application/json").json()
    assert (told["holder"], told["evidence"][1]["by_claimant"]) == (held.provider.code, False)
    reading_english(client, factories.owner())
    assert client.get(reverse("api-conflict-detail", args=[made["id"]])).status_code == 404


def test_papers_and_decisions_over_rest(client: Client, settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    held, claimant = factories.binding(starts_on=DAY), factories.provider()
    assert held.merchant is not None
    owner, respondent = factories.owner(claimant), factories.owner(held.provider)
    reading_english(client, owner)
    claim = {"provider": claimant.code, "merchant": held.merchant.code, "role": "operation", "starts_on": DAY}
    claim |= {"ends_before": "", "text": "合同在我方"}
    refused = client.post(reverse("api-conflict-list"), claim | {"file": SimpleUploadedFile("a.pdf", b"MZ")})
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:portal:file_refused")
    made = client.post(reverse("api-conflict-list"), claim | {"file": SimpleUploadedFile("a.pdf", PDF)}).json()
    assert [one["has_paper"] for one in made["evidence"]] == [True]
    paper = reverse("api-conflict-paper", args=[made["id"], made["evidence"][0]["id"]])
    assert paper_at(client, paper) == (200, PDF)
    decide = reverse("api-conflict-decide", args=[made["id"]])
    decision = {"outcome": "shared", "share_bp": 2500, "reason": "各有一份（演示）"}
    assert client.post(decide, decision, content_type="application/json").status_code == 403
    reading_english(client, respondent)
    assert client.get(paper).status_code == 404
    said = {"provider": held.provider.code, "text": "双方续约", "file": SimpleUploadedFile("b.pdf", PDF)}
    assert client.post(reverse("api-conflict-evidence", args=[made["id"]]), said).status_code == 200
    arbiter = factories.user(Role.GOVERNANCE)
    reading_english(client, arbiter)
    assert paper_at(client, paper) == (200, PDF)
    assert client.post(decide, decision | {"outcome": "open"}, content_type="application/json").status_code == 422
    told = client.post(decide, decision, content_type="application/json").json()
    assert (told["status"], told["share_bp"], told["reason"]) == ("shared", 2500, "各有一份（演示）")
    assert held.shares.confirmed().get().provider == claimant
    assert AuditEntry.objects.get(action="decide_conflict").actor == arbiter


def test_lists_cost_the_same_at_3_and_at_30_conflicts(client: Client) -> None:
    claimant = factories.provider()
    reading_english(client, factories.owner(claimant))

    def costs() -> list[int]:
        found = []
        for name in ("providers:conflicts", "api-conflict-list"):
            with CaptureQueriesContext(connection) as captured:
                assert client.get(reverse(name)).status_code == 200
            found.append(len(captured))
        return found

    for _ in range(3):
        factories.conflict(claimant=claimant)
    few = costs()
    for _ in range(27):
        factories.conflict(claimant=claimant)
    assert costs() == few
