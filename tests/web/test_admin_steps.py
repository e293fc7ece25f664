"""Every step staff take through the admin's forms: what it does, who may, and how a refusal is told."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from ecosystem.clock import business_today
from ecosystem.models import ApiToken, AuditEntry, OutboxMessage, User, WorkScope
from ecosystem.roles import Role
from ecosystem.steps.accounts import digest_of
from providers.admin.register import ProviderAdmin
from providers.models import Binding, Invitation, Provider, Qualification, Violation
from providers.steps.register import REVIEW_DAYS
from scoring.models import Contest, Grant, RubricVersion, Run, Score
from scoring.steps.score import compute_run, store_inputs
from tests import factories
from tests.scoring import rows
from tests.web.sign_in import sign_in

if TYPE_CHECKING:
    from django.http import HttpResponse

pytestmark = pytest.mark.django_db


def as_(role: Role) -> Client:
    return sign_in(Client(), factories.user(role, language="en"))


def step(client: Client, row: models.Model | type[models.Model], name: str, /, **values: Any) -> HttpResponse:
    """Send a step's form, having looked at it first."""
    label = f"{row._meta.app_label}_{row._meta.model_name}"
    if isinstance(row, models.Model):
        url = reverse(f"admin:{label}_step", args=[row.pk, name])
    else:
        url = reverse(f"admin:{label}_list_step", args=[name])
    shown = client.get(url)
    assert shown.status_code == 200, (name, shown.status_code)
    return client.post(url, values)  # type: ignore[return-value]


def done(response: HttpResponse) -> None:
    assert response.status_code == 302, response.context["form"].errors


def refused(response: HttpResponse, text: str) -> None:
    assert response.status_code == 422
    told = " ".join(error for errors in response.context["form"].errors.values() for error in errors)
    assert told
    assert text in told
    assert escape(told.split("\n")[0][:40]) in response.content.decode()


# --- register -----------------------------------------------------------------------------------------------------


def test_an_application_goes_from_the_queue_to_approval() -> None:
    review = as_(Role.REVIEW)
    provider = factories.provider(Provider.Status.SUBMITTED)
    document = factories.qualification(provider, valid_until=business_today() + timedelta(days=300))
    home = review.get(reverse("admin:index")).content.decode()
    assert "?status__exact=submitted" in home
    queue = review.get(reverse("admin:providers_provider_changelist") + "?status__exact=submitted")
    assert provider.name in queue.content.decode()
    page = reverse("admin:providers_provider_change", args=[provider.pk])
    assert "/step/take-up/" in review.get(page).content.decode()
    done(step(review, provider, "take-up"))
    refused(step(review, provider, "take-up"), "in review")
    refused(step(review, provider, "approve"), "Not decided yet")
    done(step(review, document, "decide", accepted="on"))
    done(step(review, provider, "approve"))
    provider.refresh_from_db()
    assert (provider.status, provider.approved_on) == ("approved", business_today())
    shown = review.get(page).content.decode()
    assert "/step/approve/" not in shown
    assert "approve" in shown  # in the trail
    assert AuditEntry.objects.about(provider).filter(action="approve").exists()


def test_a_reviewer_works_down_the_queue() -> None:
    review = as_(Role.REVIEW)
    now = timezone.now()
    rows = [
        factories.provider(Provider.Status.IN_REVIEW, submitted_at=now - timedelta(days=days)) for days in (20, 3, 9)
    ]
    oldest, newest, middle = rows
    for provider in rows:
        factories.qualification(provider, valid_until=business_today() + timedelta(days=300))
        factories.qualification(provider, kind=Qualification.Kind.TEAM)
    queue = review.get(reverse("admin:providers_provider_changelist") + "?status__in=submitted,in_review")
    shown = list(queue.context["cl"].result_list)
    assert shown == [oldest, middle, newest]
    table = ProviderAdmin(Provider, admin.site)
    assert [(table.waiting(row), table.left(row), table.papers(row)) for row in shown] == [
        (20, REVIEW_DAYS - 20, 2),
        (9, REVIEW_DAYS - 9, 2),
        (3, REVIEW_DAYS - 3, 2),
    ]
    pages = {row: reverse("admin:providers_provider_change", args=[row.pk]) for row in rows}
    for row, following in ((oldest, middle), (middle, newest), (newest, oldest)):
        assert review.get(pages[row]).context["next_application"] == following
    document = oldest.qualifications.earliest("pk")
    assert step(review, document, "decide", accepted="on")["Location"] == pages[oldest]
    done(step(review, oldest, "accept-documents"))
    refused(step(review, oldest, "accept-documents"), "No document waits")
    assert set(oldest.qualifications.values_list("status", flat=True)) == {"accepted"}
    assert "/step/accept-documents/" not in review.get(pages[oldest]).content.decode()
    assert step(review, oldest, "approve")["Location"] == pages[middle]
    assert step(review, middle, "return", reason="The licence is not readable")["Location"] == pages[newest]
    assert step(review, newest, "reject", reason="Too young a company")["Location"] == pages[newest]


def test_what_is_returned_or_rejected_needs_its_reason() -> None:
    review = as_(Role.REVIEW)
    for name, status in (("return", "returned"), ("reject", "rejected")):
        provider = factories.provider(Provider.Status.IN_REVIEW)
        assert step(review, provider, name, reason="").status_code == 422
        provider.refresh_from_db()
        assert provider.status == "in_review"
        done(step(review, provider, name, reason="The licence is not readable"))
        provider.refresh_from_db()
        assert provider.status == status
    document = factories.qualification(factories.provider(Provider.Status.IN_REVIEW))
    refused(step(review, document, "decide", reason=""), "Say why")
    done(step(review, document, "decide", reason="Not readable"))
    assert Qualification.objects.get(pk=document.pk).status == "refused"


def test_recruiting_invites_companies_and_people() -> None:
    recruiting = as_(Role.RECRUITING)
    company = {"name": "松果里（演示）", "category": "BRAND", "email": "boss@example.com"}
    done(step(recruiting, Provider, "invite", **company))
    made = Provider.objects.get(name=company["name"])
    assert made.status == "draft"
    assert OutboxMessage.objects.filter(recipient="boss@example.com").exists()
    refused(step(recruiting, Provider, "invite", **company, code="123"), "credit code")
    working = factories.provider()
    done(step(recruiting, working, "member", email="new@example.com", role="analyst"))
    invitation = Invitation.objects.get(provider=working)
    done(step(recruiting, invitation, "revoke"))
    refused(step(recruiting, invitation, "revoke"), "no longer open")


def test_governance_suspends_expels_and_decides_cases() -> None:
    governance = as_(Role.GOVERNANCE)
    provider = factories.provider()
    done(step(governance, provider, "violation", kind="false_advertising", severity="grave", note="seen"))
    case = Violation.objects.get(provider=provider)
    done(step(governance, case, "decide", severity="minor", note="less than it looked"))
    done(step(governance, case, "close"))
    done(step(governance, case, "annul", reason="wrong provider"))
    refused(step(governance, case, "annul", reason="again"), "annulled")
    for name, status in (("suspend", "suspended"), ("resume", "approved"), ("expel", "expelled")):
        done(step(governance, provider, name, reason="because"))
        provider.refresh_from_db()
        assert provider.status == status


def test_bindings_are_ended_and_proposals_withdrawn() -> None:
    manager = as_(Role.CATEGORY_REGION)
    running, asked = factories.binding(), factories.binding(status=Binding.Status.PROPOSED)
    refused(step(manager, running, "end", ends_before="2001-01-01"), "")
    done(step(manager, running, "end", ends_before="2022-06-20"))
    assert Binding.objects.get(pk=running.pk).period.upper == date(2022, 6, 20)
    done(step(manager, asked, "withdraw"))
    assert Binding.objects.get(pk=asked.pk).status == "withdrawn"


# --- score, fund, publish -----------------------------------------------------------------------------------------


def test_a_rubric_is_imported_checked_and_published() -> None:
    rating = as_(Role.RATING)
    refused(step(rating, RubricVersion, "import", text="rubric: small"), "")
    assert not RubricVersion.objects.exists()
    done(step(rating, RubricVersion, "import", text=rows.SMALL_RUBRIC.format(version="7", live=1)))
    version = RubricVersion.objects.get(version="7")
    refused(step(rating, version, "publish"), "validated")
    done(step(rating, version, "validate"))
    done(step(rating, version, "publish"))
    version.refresh_from_db()
    assert version.status == "published"


def test_a_run_goes_from_open_to_published(settings: Any) -> None:
    settings.BUSINESS_TODAY = rows.AS_OF
    rows.rubric()
    provider = factories.provider()
    rating = as_(Role.RATING)
    refused(step(rating, Run, "open", as_of="2022-07-01"), "not there yet")
    done(step(rating, Run, "open", as_of="2022-06-30"))
    run = Run.objects.get()
    done(step(rating, run, "freeze"))
    rows.drain("run")
    refused(step(rating, run, "publish"), "")
    page = rating.get(reverse("admin:scoring_run_change", args=[run.pk])).content.decode()
    assert "/step/review/" in page
    done(step(rating, run, "review", note="Coverage as expected"))
    refused(step(rating, run, "publish"), "someone else")
    done(step(as_(Role.RATING), run, "publish"))
    run.refresh_from_db()
    assert run.status == "published"
    assert Score.objects.filter(run=run, provider=provider).exists()
    done(step(rating, run, "correct"))
    assert Run.objects.filter(status="open").count() == 1


def test_two_people_grant_and_the_pool_holds() -> None:
    pool, provider = rows.pool(cap=1_000), factories.provider()
    incentives, finance = as_(Role.INCENTIVES), as_(Role.FINANCE)
    for code, amount, text in (("nobody", 10, "No provider"), (provider.code, 0, "")):
        refused(step(incentives, pool, "propose", provider=code, amount=amount, reason="x"), text)
    refused(step(incentives, pool, "propose", provider=provider.code, amount="1.005", reason="x"), "")
    for yuan in ("9.00", "2"):
        values = {"provider": provider.code, "amount": yuan, "reason": "good work", "expires_on": "2099-01-01"}
        done(step(incentives, pool, "propose", **values))
    assert (
        incentives.get(reverse("admin:scoring_grant_step", args=[Grant.objects.first().pk, "approve"])).status_code
        == 403
    )
    first, second = Grant.objects.order_by("-amount")
    done(step(finance, first, "approve"))
    refused(step(finance, second, "approve"), "")
    pool.refresh_from_db()
    assert pool.committed == 900
    done(step(finance, second, "refuse", reason="the pool is spent"))
    done(step(finance, pool, "endow", amount=5))
    done(step(finance, first, "settle", amount="4.00"))
    refused(step(finance, first, "settle", amount="5.01"), "RMB 5.00 left")
    done(step(finance, first, "claw-back", amount=1, reason="returned"))
    pool.refresh_from_db()
    assert (pool.cap, pool.committed, pool.paid) == (1_500, 300, 300)
    page = incentives.get(reverse("admin:scoring_budgetpool_change", args=[pool.pk])).content.decode()
    assert "RMB 15.00" in page
    traffic = rows.pool(cap=1_000, unit="impressions")
    refused(step(incentives, traffic, "propose", provider=provider.code, amount="1.5", reason="x"), "whole")
    done(step(incentives, traffic, "propose", provider=provider.code, amount=10, reason="x"))
    assert Grant.objects.get(pool=traffic).amount == 10


def test_a_contest_is_answered_once() -> None:
    rating, score = as_(Role.RATING), rows.score()
    contest = Contest.objects.create(
        provider=score.provider, score=score, text="?", created_by=factories.owner(score.provider)
    )
    assert step(rating, contest, "answer", answer="").status_code == 422
    done(step(rating, contest, "answer", upheld="on", answer="You are right"))
    contest.refresh_from_db()
    assert (contest.status, contest.answer) == ("upheld", "You are right")
    refused(step(rating, contest, "answer", answer="again"), "answered already")


# --- portal -------------------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_works() -> None:
    administrator = as_(Role.ADMINISTRATOR)
    done(step(administrator, User, "open", email="erp@example.com", name="ERP", role="machine"))
    machine = User.objects.get(email="erp@example.com")
    refused(step(administrator, User, "open", email="erp@example.com", role="machine"), "already an account")
    done(step(administrator, machine, "token", label="nightly", days=30))
    token = ApiToken.objects.get(user=machine)
    page = administrator.get(reverse("admin:ecosystem_user_change", args=[machine.pk])).content.decode()
    shown = page[page.index("portal_") :].split("<")[0].split()[0]
    assert digest_of(shown) == token.digest
    again = administrator.get(reverse("admin:ecosystem_user_change", args=[machine.pk])).content.decode()
    assert shown not in again
    assert Client(headers={"Authorization": f"Bearer {shown}"}).get("/api/v1/me/").status_code == 200
    done(step(administrator, token, "revoke"))
    assert not ApiToken.objects.filter(pk=token.pk).exists()


def test_an_account_is_changed_but_not_ones_own() -> None:
    administrator = factories.user(Role.ADMINISTRATOR, language="en")
    client, other = sign_in(Client(), administrator), factories.user(Role.REVIEW)
    done(step(client, other, "change", role="rating", is_active="on"))
    other.refresh_from_db()
    assert (other.role, other.is_active) == ("rating", True)
    refused(step(client, administrator, "change", role="rating", is_active="on"), "another administrator")


def test_parked_work_is_tried_again() -> None:
    scope = WorkScope.objects.create(kind="roll_up", scope="1", state="parked", attempts=6, last_error="boom")
    done(step(as_(Role.ADMINISTRATOR), scope, "retry"))
    scope.refresh_from_db()
    assert scope.state != "parked"


# --- home ---------------------------------------------------------------------------------------------------------


def test_home_shows_the_plan_and_what_waits_for_this_role() -> None:
    pool = rows.pool()
    target = pool.plan.targets.create(
        code="t", name_zh="目标", name_en="Billion club", value="gmv_settled_once", unit="fen", at_least=1, target=100
    )
    target.progress.create(as_of=rows.AS_OF, value=25, quality_value=20, gap=75)
    factories.provider(Provider.Status.SUBMITTED)
    Grant.objects.create(
        pool=pool, provider=factories.provider(), amount=1, reason="r", proposed_by=factories.user(Role.INCENTIVES)
    )
    inputs = rows.inputs({factories.provider(): (10, 10)})
    run = rows.run(rows.rubric(), status="frozen", input_digest=inputs.sha256)
    store_inputs(run, inputs)
    compute_run(run.pk)
    home = {role: as_(role).get(reverse("admin:index")).content.decode() for role in (Role.REVIEW, Role.FINANCE)}
    assert all("Billion club" in page for page in home.values())
    assert "Applications submitted" in home[Role.REVIEW]
    assert "Grants to decide" not in home[Role.REVIEW]
    assert "Grants to decide" in home[Role.FINANCE]
    assert "Applications submitted" not in home[Role.FINANCE]
    assert "Runs to review" in as_(Role.RATING).get(reverse("admin:index")).content.decode()
