"""The pages of an application, of people and documents, and of bindings, as people use them."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ecosystem.clock import business_today
from ecosystem.models import OutboxMessage, User
from ecosystem.roles import Role
from providers import links
from providers.choices import BindingRole
from providers.models import Binding, Invitation, Membership, Provider, Qualification
from providers.models.members import MemberRole
from providers.steps import bind, members
from tests import factories
from tests.web.sign_in import sign_in

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.7 demo"


def as_(user: User) -> Client:
    return sign_in(Client(), user)


def owner_of(provider: Provider) -> Client:
    return as_(factories.owner(provider))


def rows_of(response: object) -> list[list[str]]:
    content = b"".join(response.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.reader(io.StringIO(content)))


def path_in(mail: OutboxMessage) -> str:
    found = re.search(r"https?://\S+", mail.body)
    assert found is not None
    return urlsplit(found.group()).path


# --- applying -----------------------------------------------------------------------------------------------------


def test_a_newcomer_fills_in_the_sections_and_submits() -> None:
    client = as_(factories.user())
    company = {
        "name": "山鹊里文化传媒（演示）",
        "category": "MCN",
        "goods_category": "food",
        "country": "cn",
        "credit_code": " " + factories.demo_credit_code().lower(),
        "legal_person": "演示法人",
    }
    assert client.get("/apply/").status_code == 200
    answer = client.post("/apply/", company)
    assert answer.url == "/application/place/"  # type: ignore[attr-defined]
    client.post("/application/place/", {"province": "33", "city": "杭州", "continue": "1"})
    contact = {
        "contact_name": "演示联系人",
        "contact_email": "c@example.com",
        "contact_phone": "100-0000-0002",
        "settlement_account": "DEMO 1234 5678",
    }
    answer = client.post("/application/contact/", contact | {"continue": "1"})
    assert answer.url == "/documents/new/"  # type: ignore[attr-defined]
    document = {
        "kind": "business_licence",
        "valid_from": "2021-01-01",
        "file": SimpleUploadedFile("licence.pdf", PDF),
    }
    assert client.post("/documents/new/", document).status_code == 302
    assert client.post("/application/submit/").status_code == 302

    provider = Provider.objects.get()
    assert (provider.status, provider.country) == ("submitted", "CN")
    assert provider.bank_account_digest == factories.sha256("DEMO12345678")
    page = client.get("/application/").content.decode()
    assert "DEMO1234" not in page
    assert client.get("/apply/").url == "/application/"  # type: ignore[attr-defined]
    assert client.post("/application/contact/", contact).status_code == 422
    assert client.get("/home/").url == "/application/"  # type: ignore[attr-defined]


def test_errors_stand_beside_their_fields_and_in_a_summary() -> None:
    client = as_(factories.user())
    page = client.post("/apply/", {"name": "", "category": "MCN", "country": "CN", "credit_code": "123"})
    text = page.content.decode()
    assert page.status_code == 422
    assert 'aria-describedby="id_credit_code_helptext id_credit_code_error"' in text
    assert '<a href="#id_credit_code">' in text
    assert '<a href="#id_name">' in text
    assert Provider.objects.count() == 0


def test_the_applicant_reads_the_reviewers_reason_and_what_is_missing() -> None:
    provider = factories.provider(Provider.Status.RETURNED, decision_reason="请补充营业执照")
    page = owner_of(provider).get("/application/").content.decode()
    assert "请补充营业执照" in page
    assert str(Qualification.Kind.BUSINESS_LICENCE.label) in page


def test_only_an_owner_edits_submits_and_leaves() -> None:
    provider = factories.provider(Provider.Status.RETURNED)
    factories.owner(provider)
    factories.qualification(provider)
    for role in (MemberRole.ANALYST, MemberRole.OPERATOR):
        client = as_(factories.member(provider, role).user)
        assert client.get("/application/").status_code == 200
        assert client.post("/application/submit/").status_code == 403
        assert client.post("/application/company/", {"name": "x"}).status_code == 403
        assert client.post("/application/withdraw/", {"sure": "on"}).status_code == 403
        assert client.get("/documents/new/").status_code == 403
    assert Provider.objects.get().status == "returned"


def test_staff_do_not_apply_and_strangers_sign_in() -> None:
    assert as_(factories.user(Role.REVIEW)).get("/apply/").status_code == 403
    for path in ("/apply/", "/application/", "/people/", "/bindings/", "/bindings/1/", "/documents/1/"):
        assert Client().get(path).url.startswith(reverse("account_login")), path  # type: ignore[attr-defined]


def test_a_silent_period_is_said_and_leaves_no_button() -> None:
    until = business_today() + timedelta(days=90)
    provider = factories.provider(Provider.Status.REJECTED, silent_until=until, rejections=2)
    factories.qualification(provider)
    client = owner_of(provider)
    assert reverse("providers:application-submit") not in client.get("/application/").content.decode()
    client.post("/application/submit/")
    assert Provider.objects.get().status == "rejected"


def test_leaving_asks_first() -> None:
    provider = factories.provider()
    client = owner_of(provider)
    assert client.post("/application/withdraw/", {}).status_code == 422
    assert client.post("/application/withdraw/", {"sure": "on"}).status_code == 302
    assert Provider.objects.get().status == "withdrawn"


# --- people and documents -----------------------------------------------------------------------------------------


def test_an_invited_person_without_an_account_is_led_to_sign_up() -> None:
    provider = factories.provider()
    owner = factories.owner(provider)
    members.invite_member(provider.pk, email="new@example.com", role=MemberRole.ANALYST, actor=owner)
    path = path_in(OutboxMessage.objects.get(recipient="new@example.com"))
    visitor = Client()
    page = visitor.get(path).content.decode()
    assert f"{reverse('account_signup')}?next={path}" in page
    assert 'value="new@example.com"' in visitor.get(reverse("account_signup")).content.decode()

    assert as_(factories.user()).post(path).status_code == 403
    client = as_(factories.user(email="new@example.com"))
    assert client.post(path).status_code == 302
    assert Membership.objects.get(user__email="new@example.com").role == "analyst"
    assert client.get(path).status_code == 410
    assert Client().get("/invitations/unknown-token/").status_code == 410


def test_an_owner_invites_and_takes_back_on_the_page() -> None:
    provider = factories.provider()
    client = owner_of(provider)
    assert client.post("/people/", {"email": "a@example.com", "role": "operator"}).status_code == 302
    [invitation] = Invitation.objects.all()
    assert "a@example.com" in client.get("/people/").content.decode()
    client.post(f"/invitations/{invitation.pk}/revoke/")
    assert "a@example.com" not in client.get("/people/").content.decode().partition("messages")[0]
    assert Invitation.objects.get().revoked_at is not None
    analyst = as_(factories.member(provider, MemberRole.ANALYST).user)
    assert analyst.post("/people/", {"email": "b@example.com", "role": "owner"}).status_code == 403
    assert Invitation.objects.count() == 1


def test_nobody_touches_another_providers_people_or_documents() -> None:
    mine, theirs = factories.provider(), factories.provider()
    client = owner_of(mine)
    member = factories.member(theirs)
    invitation = factories.invitation(theirs)
    document = factories.qualification(theirs)
    assert client.post(f"/people/{member.pk}/remove/").status_code == 404
    assert client.post(f"/invitations/{invitation.pk}/revoke/").status_code == 404
    assert client.post(f"/documents/{document.pk}/remove/").status_code == 404
    assert client.get(f"/documents/{document.pk}/").status_code == 404
    assert Membership.objects.filter(pk=member.pk).exists()
    assert Qualification.objects.filter(pk=document.pk).exists()


def test_a_document_is_handed_out_safely_to_those_who_may() -> None:
    provider = factories.provider()
    client = owner_of(provider)
    client.post(
        "/documents/new/",
        {"kind": "other", "valid_from": "2022-01-01", "file": SimpleUploadedFile("../../x.html", PDF)},
    )
    document = Qualification.objects.get()
    answer = client.get(f"/documents/{document.pk}/")
    assert b"".join(answer.streaming_content) == PDF  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'attachment; filename="other-{document.pk}.pdf"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    answer = as_(factories.user(Role.REVIEW)).get(f"/documents/{document.pk}/")
    assert b"".join(answer.streaming_content) == PDF  # type: ignore[attr-defined]
    assert owner_of(factories.provider()).get(f"/documents/{document.pk}/").status_code == 404
    bad = {"kind": "other", "valid_from": "2022-01-01", "file": SimpleUploadedFile("x.pdf", b"<script>")}
    assert client.post("/documents/new/", bad).status_code == 422
    assert Qualification.objects.count() == 1


def test_documents_show_the_days_they_have_left() -> None:
    provider = factories.provider()
    today = business_today()
    factories.qualification(provider, valid_from=today, valid_until=today + timedelta(days=9))
    factories.qualification(provider, kind="office", valid_from=today, valid_until=None)
    factories.qualification(
        provider, kind="team", valid_from=today - timedelta(days=9), valid_until=today - timedelta(days=1)
    )
    rows = rows_of(owner_of(provider).get("/documents/export/"))
    assert {row[0]: row[5] for row in rows[1:]} == {
        str(Qualification.Kind.BUSINESS_LICENCE.label): "10",
        str(Qualification.Kind.OFFICE.label): "",
        str(Qualification.Kind.TEAM.label): "0",
    }


# --- bindings -----------------------------------------------------------------------------------------------------


def test_an_operator_proposes_and_the_merchant_confirms_without_an_account() -> None:
    provider, merchant = factories.provider(), factories.merchant()
    owner = factories.owner(provider)
    operator = as_(factories.member(provider, MemberRole.OPERATOR).user)
    asked = {"kind": "merchant", "code": merchant.code, "role": "operation", "starts_on": "2022-06-01"}
    wrong = operator.post("/bindings/new/", asked | {"code": "nobody"})
    assert wrong.status_code == 422
    assert operator.post("/bindings/new/", asked).status_code == 302
    path = path_in(OutboxMessage.objects.get(recipient=merchant.contact_email))

    visitor = Client()
    page = visitor.get(path).content.decode()
    assert provider.name in page
    assert 'name="confirm"' in page
    assert Binding.objects.get().status == "proposed"
    assert visitor.post(path, {"confirm": "1"}).status_code == 200
    assert Binding.objects.get().status == "confirmed"
    again = visitor.get(path)
    assert again.status_code == 200
    assert 'name="confirm"' not in again.content.decode()
    assert visitor.post(path, {"decline": "1"}).status_code == 410
    assert Binding.objects.get().status == "confirmed"
    assert visitor.get(path[:-4] + "/").status_code == 410
    assert as_(owner).get("/notices/").status_code == 200


def test_the_confirmation_page_wants_its_own_form() -> None:
    provider = factories.provider()
    binding = factories.binding(provider, status=Binding.Status.PROPOSED)
    path = urlsplit(links.link(links.Question(binding.pk, "shop@example.com"))).path
    assert Client(enforce_csrf_checks=True).post(path, {"confirm": "1"}).status_code == 403
    assert Client().post(path, {}).status_code == 200
    assert Binding.objects.get().status == "proposed"


def test_an_analyst_and_a_stranger_change_no_binding() -> None:
    provider = factories.provider()
    binding = factories.binding(provider)
    analyst = as_(factories.member(provider, MemberRole.ANALYST).user)
    assert analyst.get(f"/bindings/{binding.pk}/").status_code == 200
    assert analyst.get("/bindings/new/").status_code == 403
    ending = {"end": "1", "end-ends_before": business_today().isoformat()}
    assert analyst.post(f"/bindings/{binding.pk}/", ending).status_code == 403
    assert owner_of(factories.provider()).post(f"/bindings/{binding.pk}/", ending).status_code == 404
    binding.refresh_from_db()
    assert binding.period.upper is None


def test_an_owner_ends_a_binding_and_errors_show_in_its_form() -> None:
    provider = factories.provider()
    binding = factories.binding(provider, starts_on=date(2022, 1, 1))
    client = owner_of(provider)
    path = f"/bindings/{binding.pk}/"
    early = client.post(path, {"end": "1", "end-ends_before": "2021-12-31"})
    assert early.status_code == 422
    assert client.post(path, {"renewal": "1", "renewal-term_ends_on": "2020-01-01"}).status_code == 422
    assert client.post(path, {"end": "1", "end-ends_before": business_today().isoformat()}).status_code == 302
    binding.refresh_from_db()
    assert binding.period.upper == business_today()


def test_bindings_are_searched_filtered_and_exported() -> None:
    provider = factories.provider()
    found = factories.binding(provider, factories.merchant(name="=演示·茶叶店", code="M-TEA"))
    factories.binding(provider, factories.streamer(name="演示主播-茶", code="S-1"), role=BindingRole.MCN)
    factories.binding(factories.provider(), factories.merchant(name="演示·别家茶叶店"))
    client = owner_of(provider)
    page = client.get("/bindings/", {"q": "茶叶"}).content.decode()
    assert "演示·茶叶店" in page
    assert "演示主播-茶" not in page
    assert "别家" not in client.get("/bindings/").content.decode()
    assert "演示主播-茶" in client.get("/bindings/", {"role": "mcn"}).content.decode()
    rows = rows_of(client.get("/bindings/export/", {"q": "茶叶"}))
    assert [row[2] for row in rows[1:]] == ["'=演示·茶叶店"]
    assert rows[1][0] == found.merchant.code  # type: ignore[union-attr]


def test_pages_of_bindings_follow_each_other_without_gap_or_repeat() -> None:
    provider = factories.provider()
    made = [factories.binding(provider).pk for _number in range(120)]
    client = owner_of(provider)
    seen: list[int] = []
    path = "/bindings/"
    pages = 0
    while path:
        text = client.get(path).content.decode()
        seen += [int(pk) for pk in re.findall(r'href="/bindings/(\d+)/"', text)]
        found = re.search(r'rel="next" href="([^"]+)"', text)
        last, path = path, f"/bindings/{found.group(1)}" if found else ""
        pages += 1
    assert pages == 3
    assert seen == sorted(made, reverse=True)
    back = re.search(r'rel="prev" href="([^"]+)"', client.get(last).content.decode())
    assert back is not None
    middle = client.get(f"/bindings/{back.group(1)}").content.decode()
    assert [int(pk) for pk in re.findall(r'href="/bindings/(\d+)/"', middle)] == seen[50:100]
    assert client.get("/bindings/?after=broken").status_code == 200


# --- cost ---------------------------------------------------------------------------------------------------------


def queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        answer = client.get(path)
        if answer.streaming:
            b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert answer.status_code == 200
    return len(captured)


@pytest.mark.parametrize(
    "path",
    [
        "/application/",
        "/people/",
        "/people/export/",
        "/documents/export/",
        "/bindings/",
        "/bindings/export/",
    ],
)
def test_a_list_costs_the_same_at_3_and_at_30_rows(path: str) -> None:
    provider = factories.provider(Provider.Status.RETURNED if path == "/application/" else Provider.Status.APPROVED)
    client = owner_of(provider)
    client.get(path)

    def grow(rows: int) -> None:
        for _row in range(rows):
            factories.member(provider, MemberRole.ANALYST)
            factories.invitation(provider)
            factories.qualification(provider)
            factories.binding(provider)
            factories.binding(provider, factories.streamer(), role=BindingRole.MCN)

    grow(3)
    at_3 = queries(client, path)
    grow(27)
    assert queries(client, path) == at_3


def test_one_binding_costs_the_same_however_long_its_history() -> None:
    provider = factories.provider()
    owner = factories.owner(provider)
    binding = factories.binding(provider, starts_on=date(2022, 1, 1))
    client = as_(owner)
    path = f"/bindings/{binding.pk}/"
    client.get(path)
    term = business_today()
    for number in range(3):
        bind.ask_renewal(
            binding.pk, term_ends_on=term + timedelta(days=number + 1), actor=factories.user(Role.RECRUITING)
        )
    at_3 = queries(client, path)
    for number in range(27):
        bind.ask_renewal(
            binding.pk, term_ends_on=term + timedelta(days=number + 9), actor=factories.user(Role.RECRUITING)
        )
    assert queries(client, path) == at_3
