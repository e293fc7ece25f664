"""Register: a company applies, is reviewed and approved, gathers people and documents, binds merchants, and parts."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, Notice, OutboxMessage, User, WorkMark
from ecosystem.roles import Role
from providers import reading
from providers.choices import BindingRole, ProviderCategory
from providers.errors import (
    ApplicationIncomplete,
    CompanyKnown,
    FileRefused,
    LastOwner,
    LinkUnusable,
    PeriodTaken,
    SilentPeriod,
)
from providers.models import Binding, Membership, Provider, Qualification, RegisterVersion, Violation
from providers.models.members import MemberRole
from providers.steps import bind, compliance, members, qualifications, register
from providers.steps.bind_import import BindingRow, import_bindings
from tests import factories

pytestmark = [pytest.mark.server, pytest.mark.django_db]
PDF = b"%PDF-1.7 demo"


def filled_in(applicant: User, **values: object) -> Provider:
    """Start an application and fill in all it needs."""
    provider = register.draft(name="麦浪八直播运营（演示）", category=ProviderCategory.MCN, actor=applicant)
    needed = {
        "goods_category": "food",
        "credit_code": factories.demo_credit_code(),
        "legal_person": "演示法人甲",
        "province": "33",
        "city": "杭州",
        "contact_name": "演示联系人",
        "contact_email": "contact@example.com",
        "contact_phone": "100-0000-0001",
        "bank_account_digest": factories.sha256(f"account {factories.number()}"),
    }
    register.save_application(provider.pk, values=needed | values, actor=applicant)
    licence(provider, applicant)
    return provider


def licence(provider: Provider, actor: User) -> Qualification:
    return qualifications.add_qualification(
        provider.pk,
        kind=Qualification.Kind.BUSINESS_LICENCE,
        valid_from=business_today() - timedelta(days=400),
        valid_until=business_today() + timedelta(days=400),
        file=SimpleUploadedFile("licence.pdf", PDF),
        actor=actor,
    )


def rejected(provider: Provider, applicant: User, reviewer: User) -> Provider:
    register.submit(provider.pk, actor=applicant)
    register.take_up(provider.pk, actor=reviewer)
    return register.reject(provider.pk, reason="团队不足", actor=reviewer)


def link_in(mail: OutboxMessage) -> str:
    found = re.search(r"https?://\S+", mail.body)
    assert found is not None
    return found.group().rstrip("/").rpartition("/")[2]


def actions(subject: Provider | Binding | Violation) -> list[str]:
    return list(AuditEntry.objects.about(subject).order_by("pk").values_list("action", flat=True))


def days_marked(provider: Provider) -> list[date | None]:
    return list(WorkMark.objects.filter(kind="roll_up", scope=str(provider.pk)).values_list("from_day", flat=True))


# --- applying -----------------------------------------------------------------------------------------------------


def test_a_company_applies_completes_and_is_approved() -> None:
    applicant, reviewer = factories.user(), factories.user(Role.REVIEW)
    provider = filled_in(applicant)

    assert register.submit(provider.pk, actor=applicant).status == "submitted"
    assert Notice.objects.filter(user=reviewer, kind="application_waiting").count() == 1
    register.take_up(provider.pk, actor=reviewer)
    returned = register.return_for_completion(provider.pk, reason="请补充团队证明", actor=reviewer)
    assert (returned.status, returned.decision_reason) == ("returned", "请补充团队证明")

    register.save_application(provider.pk, values={"introduction": "十二人团队"}, actor=applicant)
    register.submit(provider.pk, actor=applicant)
    register.take_up(provider.pk, actor=reviewer)
    document = provider.qualifications.get()
    with pytest.raises(ApplicationIncomplete, match=str(document.get_kind_display())):
        register.approve(provider.pk, actor=reviewer)
    qualifications.decide_qualification(document.pk, accepted=True, actor=reviewer)
    approved = register.approve(provider.pk, actor=reviewer)

    assert (approved.status, approved.approved_on) == ("approved", business_today())
    assert days_marked(approved) == [None]
    assert actions(approved) == [
        "draft",
        "save_application",
        "add_qualification",
        "submit",
        "take_up",
        "return_for_completion",
        "save_application",
        "submit",
        "take_up",
        "decide_qualification",
        "approve",
    ]
    told = Notice.objects.filter(user=applicant).order_by("pk").values_list("kind", flat=True)
    assert list(told) == ["application_returned", "qualification_accepted", "application_approved"]


def test_an_incomplete_application_is_not_taken() -> None:
    applicant = factories.user()
    provider = register.draft(name="橙舟（演示）", category=ProviderCategory.BRAND, actor=applicant)
    with pytest.raises(ApplicationIncomplete) as refused:
        register.submit(provider.pk, actor=applicant)
    assert len(refused.value.detail["missing"]) == 9  # type: ignore[arg-type]
    assert Provider.objects.get(pk=provider.pk).status == "draft"


def test_a_second_application_waits_for_the_first() -> None:
    applicant = factories.user()
    register.draft(name="甲（演示）", category=ProviderCategory.MCN, actor=applicant)
    with pytest.raises(WrongStatus):
        register.draft(name="乙（演示）", category=ProviderCategory.MCN, actor=applicant)
    assert Provider.objects.count() == 1


def test_the_credit_code_is_checked_to_its_check_character() -> None:
    applicant = factories.user()
    provider = register.draft(name="橙舟（演示）", category=ProviderCategory.MCN, actor=applicant)
    code = factories.demo_credit_code()
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    with pytest.raises(InvalidInput):
        register.save_application(provider.pk, values={"credit_code": wrong}, actor=applicant)
    assert register.save_application(provider.pk, values={"credit_code": code}, actor=applicant).credit_code == code


def test_a_living_company_cannot_apply_twice() -> None:
    code = factories.demo_credit_code()
    factories.provider(credit_code=code)
    applicant = factories.user()
    provider = filled_in(applicant, credit_code=code)
    with pytest.raises(CompanyKnown):
        register.submit(provider.pk, actor=applicant)
    assert Provider.objects.get(pk=provider.pk).status == "draft"


def test_only_reviewers_decide_and_only_the_owner_submits() -> None:
    applicant = factories.user()
    provider = filled_in(applicant)
    for stranger in (factories.user(), factories.owner(), factories.user(Role.REVIEW)):
        with pytest.raises(NotAllowed):
            register.submit(provider.pk, actor=stranger)
    register.submit(provider.pk, actor=applicant)
    for role in (Role.RECRUITING, Role.GOVERNANCE, Role.ADMINISTRATOR, Role.PROVIDER):
        with pytest.raises(NotAllowed):
            register.take_up(provider.pk, actor=factories.user(role))
    assert Provider.objects.get(pk=provider.pk).status == "submitted"


def test_a_twin_of_a_step_is_told_so() -> None:
    reviewer = factories.user(Role.REVIEW)
    provider = factories.provider(Provider.Status.SUBMITTED)
    register.take_up(provider.pk, actor=reviewer)
    with pytest.raises(WrongStatus):
        register.take_up(provider.pk, actor=reviewer)
    assert actions(provider) == ["take_up"]


# --- rejection and the silent period ------------------------------------------------------------------------------


def test_the_second_rejection_starts_the_silent_period() -> None:
    applicant, reviewer = factories.user(), factories.user(Role.REVIEW)
    provider = filled_in(applicant)
    first = rejected(provider, applicant, reviewer)
    assert (first.rejections, first.silent_until) == (1, None)
    second = rejected(provider, applicant, reviewer)
    until = business_today() + timedelta(days=register.SILENT_DAYS)
    assert (second.rejections, second.silent_until) == (2, until)

    with pytest.raises(SilentPeriod) as refused:
        register.submit(provider.pk, actor=applicant)
    assert until.isoformat() in str(refused.value)

    Provider.objects.filter(pk=provider.pk).update(silent_until=business_today())
    assert register.submit(provider.pk, actor=applicant).status == "submitted"


def test_the_silent_period_follows_the_company_not_the_form() -> None:
    account, reviewer = factories.sha256("one account"), factories.user(Role.REVIEW)
    first, second = factories.user(), factories.user()
    rejected(filled_in(first, bank_account_digest=account), first, reviewer)
    again = filled_in(second, bank_account_digest=account)
    assert rejected(again, second, reviewer).silent_until is not None

    third = factories.user()
    sister = filled_in(third, bank_account_digest=account)
    with pytest.raises(SilentPeriod):
        register.submit(sister.pk, actor=third)


def test_an_expelled_identity_is_recognised_when_it_comes_back() -> None:
    expelled = factories.provider(
        Provider.Status.EXPELLED, legal_person="演示法人乙", bank_account_digest=factories.sha256("account")
    )
    applicant = factories.user()
    provider = filled_in(
        applicant,
        credit_code=expelled.credit_code,
        legal_person="演示法人乙",
        bank_account_digest=factories.sha256("account"),
    )
    provider = register.submit(provider.pk, actor=applicant)

    [one] = reading.recognised(provider)
    assert (one.provider, one.has_ended) == (expelled, True)
    assert one.by == ("credit_code", "legal_person", "bank_account_digest")
    entry = AuditEntry.objects.about(provider).get(action="submit")
    assert entry.detail["recognised"][0]["provider"] == expelled.pk
    assert entry.detail["recognised"][0]["status"] == "expelled"


# --- watching and parting -----------------------------------------------------------------------------------------


def test_governance_suspends_resumes_and_expels() -> None:
    governance, provider = factories.user(Role.GOVERNANCE), factories.provider()
    owner = factories.owner(provider)
    assert register.suspend(provider.pk, reason="调查中", actor=governance).status == "suspended"
    assert register.resume(provider.pk, actor=governance).status == "approved"
    bound = factories.binding(provider, starts_on=business_today() - timedelta(days=30))
    later = factories.binding(provider, starts_on=business_today() + timedelta(days=5))
    waiting = factories.binding(provider, status=Binding.Status.PROPOSED)

    expelled = register.expel(provider.pk, reason="私单", actor=governance)

    assert (expelled.status, expelled.ended_on) == ("expelled", business_today())
    bound.refresh_from_db()
    assert bound.period.upper == business_today()
    assert set(Binding.objects.filter(pk__in=[later.pk, waiting.pk]).values_list("status", flat=True)) == {"withdrawn"}
    assert business_today() in days_marked(provider)
    assert Notice.objects.filter(user=owner, kind="provider_expelled").exists()
    with pytest.raises(WrongStatus):
        register.resume(provider.pk, actor=governance)


def test_a_provider_leaves_once_no_case_is_open() -> None:
    provider, governance = factories.provider(), factories.user(Role.GOVERNANCE)
    owner = factories.owner(provider)
    case = factories.violation(provider)
    with pytest.raises(WrongStatus):
        register.withdraw(provider.pk, actor=owner)
    compliance.decide_violation(case.pk, severity="minor", actor=governance)
    assert register.withdraw(provider.pk, actor=owner).status == "withdrawn"


# --- people -------------------------------------------------------------------------------------------------------


def test_recruiting_invites_a_company_and_its_owner_joins() -> None:
    recruiting = factories.user(Role.RECRUITING)
    provider = register.invite(
        name="石榴灯供应链（演示）", category=ProviderCategory.SUPPLY, email="Boss@example.com", actor=recruiting
    )
    token = link_in(OutboxMessage.objects.get(recipient="boss@example.com"))
    with pytest.raises(NotAllowed):
        members.accept_invitation(token, actor=factories.user())
    boss = factories.user(email="boss@example.com")
    membership = members.accept_invitation(token, actor=boss)
    assert (membership.provider, membership.role) == (provider, "owner")
    with pytest.raises(LinkUnusable):
        members.accept_invitation(token, actor=boss)
    assert Membership.objects.filter(provider=provider).count() == 1


def test_a_company_that_is_known_is_not_chased_twice() -> None:
    known = factories.provider(Provider.Status.SUBMITTED)
    with pytest.raises(CompanyKnown):
        register.invite(
            name="又一家（演示）",
            category=ProviderCategory.MCN,
            email="x@example.com",
            code=known.credit_code,
            actor=factories.user(Role.RECRUITING),
        )
    assert OutboxMessage.objects.count() == 0


def test_an_owner_invites_and_removes_but_never_the_last_owner() -> None:
    provider = factories.provider()
    owner = factories.owner(provider)
    analyst = factories.member(provider, MemberRole.ANALYST).user
    with pytest.raises(NotAllowed):
        members.invite_member(provider.pk, email="x@example.com", role=MemberRole.OPERATOR, actor=analyst)
    first = members.invite_member(provider.pk, email="x@example.com", role=MemberRole.OPERATOR, actor=owner)
    second = members.invite_member(provider.pk, email="X@example.com", role=MemberRole.ANALYST, actor=owner)
    first.refresh_from_db()
    assert first.revoked_at is not None
    members.revoke_invitation(second.pk, actor=owner)
    newest = OutboxMessage.objects.filter(recipient="x@example.com").latest("pk")
    with pytest.raises(LinkUnusable):
        members.find_invitation(link_in(newest))

    members.remove_member(Membership.objects.get(user=analyst).pk, actor=owner)
    with pytest.raises(LastOwner):
        members.remove_member(Membership.objects.get(user=owner).pk, actor=owner)
    assert list(Membership.objects.filter(provider=provider).values_list("user", flat=True)) == [owner.pk]


# --- documents ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"MZ program", b"<html>%PDF-", b"PK\x03\x04 archive"])
def test_a_file_is_judged_by_its_content(content: bytes) -> None:
    provider = factories.provider()
    with pytest.raises(FileRefused):
        qualifications.add_qualification(
            provider.pk,
            kind=Qualification.Kind.OTHER,
            valid_from=date(2022, 1, 1),
            file=SimpleUploadedFile("harmless.pdf", content, content_type="application/pdf"),
            actor=factories.owner(provider),
        )
    assert Qualification.objects.count() == 0


def test_a_document_is_decided_once_and_a_refusal_says_why() -> None:
    provider, reviewer = factories.provider(), factories.user(Role.REVIEW)
    owner = factories.owner(provider)
    document = licence(provider, owner)
    assert re.fullmatch(r"qualifications/\d{4}/\d{2}/[0-9a-f]{32}\.pdf", str(document.file.name))
    with pytest.raises(InvalidInput):
        qualifications.decide_qualification(document.pk, accepted=False, actor=reviewer)
    decided = qualifications.decide_qualification(document.pk, accepted=False, reason="模糊", actor=reviewer)
    assert (decided.status, decided.decided_by) == ("refused", reviewer)
    with pytest.raises(WrongStatus):
        qualifications.decide_qualification(document.pk, accepted=True, actor=reviewer)
    with pytest.raises(WrongStatus):
        qualifications.remove_qualification(document.pk, actor=owner)


# --- bindings -----------------------------------------------------------------------------------------------------


def proposed(provider: Provider, owner: User, **values: object) -> tuple[Binding, str]:
    merchant = values.pop("subject", None) or factories.merchant()
    binding = bind.propose(
        provider.pk,
        subject=merchant,  # type: ignore[arg-type]
        role=BindingRole.OPERATION,
        starts_on=values.pop("starts_on", date(2022, 6, 1)),  # type: ignore[arg-type]
        actor=owner,
        **values,  # type: ignore[arg-type]
    )
    return binding, link_in(OutboxMessage.objects.filter(recipient=merchant.contact_email).latest("pk"))  # type: ignore[attr-defined]


def test_a_merchant_confirms_by_a_signed_link_once() -> None:
    provider = factories.provider()
    owner = factories.owner(provider)
    binding, token = proposed(provider, owner)
    assert days_marked(provider) == []
    confirmed = bind.confirm(token)
    assert confirmed.status == "confirmed"
    assert confirmed.confirmed_by == confirmed.merchant.contact_email  # type: ignore[union-attr]
    assert days_marked(provider) == [date(2022, 6, 1)]
    assert Notice.objects.filter(user=owner, kind="binding_confirmed").count() == 1
    for answer in (bind.confirm, bind.decline):
        with pytest.raises(LinkUnusable):
            answer(token)
    assert actions(binding) == ["propose", "confirm"]


def test_a_declined_or_withdrawn_proposal_never_counts() -> None:
    provider = factories.provider()
    owner = factories.owner(provider)
    declined, token = proposed(provider, owner)
    assert bind.decline(token).status == "declined"
    with pytest.raises(LinkUnusable):
        bind.confirm(token)
    taken_back, other = proposed(provider, owner)
    bind.withdraw_proposal(taken_back.pk, actor=owner)
    with pytest.raises(LinkUnusable):
        bind.confirm(other)
    assert Binding.objects.confirmed().count() == 0
    assert days_marked(provider) == []
    assert declined.pk != taken_back.pk


def test_an_altered_or_old_link_changes_nothing(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = factories.provider()
    binding, token = proposed(provider, factories.owner(provider))
    with pytest.raises(LinkUnusable):
        bind.confirm(token[:-2] + ("AA" if not token.endswith("AA") else "BB"))
    monkeypatch.setattr("providers.links.LIFE", timedelta(seconds=-1))
    with pytest.raises(LinkUnusable):
        bind.confirm(token)
    assert Binding.objects.get(pk=binding.pk).status == "proposed"


def test_two_providers_cannot_hold_one_role_on_one_day() -> None:
    merchant = factories.merchant()
    one, two = factories.provider(), factories.provider()
    _first, first_token = proposed(one, factories.owner(one), subject=merchant)
    second, second_token = proposed(two, factories.owner(two), subject=merchant, starts_on=date(2022, 6, 20))
    bind.confirm(first_token)
    with pytest.raises(PeriodTaken):
        bind.confirm(second_token)
    assert Binding.objects.get(pk=second.pk).status == "proposed"
    three = factories.provider()
    with pytest.raises(PeriodTaken):
        proposed(three, factories.owner(three), subject=merchant, starts_on=date(2022, 7, 1))


def test_a_binding_ends_from_today_on_or_earlier_by_staff_but_never_before_its_start() -> None:
    provider = factories.provider()
    operator = factories.member(provider, MemberRole.OPERATOR).user
    analyst = factories.member(provider, MemberRole.ANALYST).user
    staff = factories.user(Role.CATEGORY_REGION)
    binding = factories.binding(provider, starts_on=date(2022, 1, 1))
    with pytest.raises(NotAllowed):
        bind.end(binding.pk, ends_before=business_today(), actor=analyst)
    with pytest.raises(InvalidInput):
        bind.end(binding.pk, ends_before=business_today() - timedelta(days=1), actor=operator)
    assert bind.end(binding.pk, ends_before=business_today(), actor=operator).period.upper == business_today()
    earlier = bind.end(binding.pk, ends_before=date(2022, 3, 1), actor=staff)
    assert earlier.period.upper == date(2022, 3, 1)
    for day in (date(2022, 1, 1), date(2021, 12, 1), date(2022, 3, 1)):
        with pytest.raises(InvalidInput):
            bind.end(binding.pk, ends_before=day, actor=staff)
    assert days_marked(provider) == [business_today(), date(2022, 3, 1)]
    said = [one.known and one.known["period"] for one in RegisterVersion.objects.of(binding)]
    assert said == ["[2022-01-01,)", f"[2022-01-01,{business_today()})"]


def test_a_renewal_needs_the_other_side() -> None:
    provider = factories.provider()
    owner = factories.owner(provider)
    until = business_today() + timedelta(days=400)
    binding = factories.binding(provider, starts_on=date(2022, 1, 1), ends_before=business_today() + timedelta(days=20))
    bind.ask_renewal(binding.pk, term_ends_on=until, actor=owner)
    binding.refresh_from_db()
    assert binding.term_ends_on is None
    token = link_in(OutboxMessage.objects.get(recipient=binding.merchant.contact_email))  # type: ignore[union-attr]
    with pytest.raises(LinkUnusable):
        bind.confirm(token)
    renewed = bind.renew(token)
    assert (renewed.term_ends_on, renewed.renewed_on, renewed.period.upper) == (until, business_today(), until)
    with pytest.raises(LinkUnusable):
        bind.renew(token)


def rows_of(*rows: tuple[object, ...]) -> list[BindingRow]:
    return [
        BindingRow(
            row=line,
            provider_id=provider.pk,  # type: ignore[attr-defined]
            merchant_id=merchant.pk,  # type: ignore[attr-defined]
            streamer_id=None,
            role="operation",
            starts_on=first,  # type: ignore[arg-type]
            ends_before=last,  # type: ignore[arg-type]
            evidence="合同扫描件",
        )
        for line, (provider, merchant, first, last) in enumerate(rows, start=2)
    ]


def test_an_import_takes_confirmed_bindings_over_whole_or_not_at_all() -> None:
    one, two, merchant, other = (
        factories.provider(),
        factories.provider(),
        factories.merchant(),
        factories.merchant(),
    )
    batch = factories.batch("bindings")
    first, change = date(2022, 1, 1), date(2022, 4, 1)
    rows = rows_of((one, merchant, first, change), (two, merchant, change, None), (one, other, first, None))
    result = import_bindings(rows, batch=batch)
    assert (result.faults, result.added, result.changed, result.same) == ([], 3, 0, 0)
    assert Binding.objects.confirmed().filter(period__contains=change).count() == 2
    assert days_marked(two) == [change]

    again = import_bindings(rows, batch=batch)
    assert (again.added, again.changed, again.same) == (0, 0, 3)
    assert len(days_marked(two)) == 1

    third = factories.provider()
    refused = import_bindings(
        rows_of((third, factories.merchant(), first, None), (third, merchant, date(2022, 5, 1), None)), batch=batch
    )
    [fault] = refused.faults
    assert (fault.row, fault.column, fault.found) == (3, "starts_on", "2022-05-01")
    assert two.code in fault.reason
    assert "2022-04-01" in fault.reason
    assert not Binding.objects.filter(provider=third).exists()


def test_an_import_moves_the_day_a_merchant_changed_hands() -> None:
    one, two, merchant = factories.provider(), factories.provider(), factories.merchant()
    first, old, new = date(2022, 1, 1), date(2022, 4, 1), date(2022, 3, 1)
    import_bindings(rows_of((one, merchant, first, None)), batch=factories.batch("bindings"))
    WorkMark.objects.all().delete()
    moved = rows_of((one, merchant, first, new), (two, merchant, new, None))
    result = import_bindings(moved, batch=factories.batch("bindings"))
    assert (result.added, result.changed) == (1, 1)
    assert (days_marked(one), days_marked(two)) == ([new], [new])
    assert old not in days_marked(one)
    known = RegisterVersion.objects.of(Binding.objects.get(provider=one)).get().known
    assert known is not None
    assert known["period"] == "[2022-01-01,)"
    assert not RegisterVersion.objects.of(Binding.objects.get(provider=two)).exists()


def test_rows_of_one_file_that_overlap_are_both_named() -> None:
    one, two, merchant = factories.provider(), factories.provider(), factories.merchant()
    rows = rows_of((one, merchant, date(2022, 1, 1), None), (two, merchant, date(2022, 2, 1), None))
    [fault] = import_bindings(rows, batch=factories.batch("bindings")).faults
    assert fault.row == 3
    assert "2" in fault.reason
    assert Binding.objects.count() == 0


# --- violations ---------------------------------------------------------------------------------------------------


def test_a_violation_is_opened_decided_closed_or_annulled_by_governance() -> None:
    provider, governance = factories.provider(), factories.user(Role.GOVERNANCE)
    with pytest.raises(NotAllowed):
        compliance.open_violation(
            provider.pk, kind="bribery", severity="grave", note="", actor=factories.user(Role.REVIEW)
        )
    case = compliance.open_violation(
        provider.pk, kind="bribery", severity="grave", note="举报", opened_on=date(2022, 6, 10), actor=governance
    )
    assert compliance.decide_violation(case.pk, severity="medium", actor=governance).severity == "medium"
    assert compliance.close_violation(case.pk, actor=governance).closed_on == business_today()
    with pytest.raises(WrongStatus):
        compliance.close_violation(case.pk, actor=governance)
    annulled = compliance.annul_violation(case.pk, reason="申诉成立", actor=governance)
    assert (annulled.status, annulled.note) == ("annulled", "申诉成立")
    with pytest.raises(WrongStatus):
        compliance.decide_violation(case.pk, severity="minor", actor=governance)
    assert days_marked(provider) == [date(2022, 6, 10)] * 4
    assert actions(case) == ["open_violation", "decide_violation", "close_violation", "annul_violation"]
