"""Each constraint of what happened refuses the row that breaks it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F, Model
from django.utils import timezone
from psycopg.types.range import DateRange

from providers import credit_code
from providers.models import Batch, Binding, OperatedSession, OperatorCertificate, Provider, RegisterVersion
from tests import factories
from tests.models.breaking import Cases, assert_breaks, without
from tests.models.test_scoring_constraints import score

pytestmark = [pytest.mark.server, pytest.mark.django_db]
CASES = Cases()
DAY = factories.DAY


def change(row: Model, **values: Any) -> None:
    type(row)._default_manager.filter(pk=row.pk).update(**values)


# --- providers ----------------------------------------------------------------------------------------------------


@CASES.breaks("provider_status_known")
def _() -> None:
    change(factories.provider(), status="asleep")


@CASES.breaks("provider_category_known")
def _() -> None:
    change(factories.provider(), category="BAKERY")


@CASES.breaks("provider_goods_category_known")
def _() -> None:
    change(factories.provider(), goods_category="dreams")


@CASES.breaks("provider_province_known")
def _() -> None:
    change(factories.provider(), province="99")


@CASES.breaks("provider_credit_code_shape")
def _() -> None:
    # The check character fits, but letters stand where the division code has digits.
    change(factories.provider(), credit_code=credit_code.complete("91ABCDEF00000000A"))


@CASES.breaks("provider_credit_code_check_character")
def _() -> None:
    right = factories.demo_credit_code()
    change(factories.provider(), credit_code=right[:-1] + ("1" if right[-1] == "0" else "0"))


@CASES.breaks("provider_bank_account_is_sha256")
def _() -> None:
    change(factories.provider(), bank_account_digest="DEMO1234")


@CASES.breaks("provider_mainland_has_credit_code")
def _() -> None:
    change(factories.provider(), credit_code="")


@CASES.breaks("provider_working_has_approval_day")
def _() -> None:
    change(factories.provider(), approved_on=None)


@CASES.breaks("provider_ended_has_day")
def _() -> None:
    change(factories.provider(), status="withdrawn", ended_on=None)


@CASES.breaks("provider_waiting_has_submission")
def _() -> None:
    change(factories.provider(Provider.Status.SUBMITTED), submitted_at=None)


@CASES.breaks("provider_credit_code_once_among_living")
def _() -> None:
    change(factories.provider(), credit_code=factories.provider().credit_code)


def test_a_code_may_come_back_once_its_owner_has_gone() -> None:
    gone = factories.provider(Provider.Status.EXPELLED)
    assert factories.provider(credit_code=gone.credit_code).pk != gone.pk


@pytest.mark.parametrize(
    "code", ["91350100M000100Y43", "00DEM0000000000018", "91350100M000100Y44", "91350100M000100Y4", "", "O" * 18]
)
def test_python_and_the_database_judge_codes_alike(code: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT credit_code_is_right(%s)", [code])
        [right] = cursor.fetchone()
    assert right == credit_code.is_valid(code)


# --- people and documents -----------------------------------------------------------------------------------------


@CASES.breaks("membership_role_known")
def _() -> None:
    change(factories.member(), role="guest")


@CASES.breaks("membership_once")
def _() -> None:
    held = factories.member()
    factories.member(held.provider, person=held.user)


@CASES.breaks("invitation_role_known")
def _() -> None:
    change(factories.invitation(), role="guest")


@CASES.breaks("invitation_expires_later")
def _() -> None:
    change(factories.invitation(), expires_at=F("created_at"))


@CASES.breaks("invitation_accepted_or_revoked")
def _() -> None:
    change(factories.invitation(), accepted_at=timezone.now(), revoked_at=timezone.now())


@CASES.breaks("invitation_one_open_per_address")
def _() -> None:
    first = factories.invitation(email="a@example.com")
    factories.invitation(first.provider, email="A@example.com")


@CASES.breaks("qualification_kind_known")
def _() -> None:
    change(factories.qualification(), kind="poem")


@CASES.breaks("qualification_status_known")
def _() -> None:
    reviewer = factories.user()
    change(factories.qualification(), status="maybe", decided_by=reviewer, decided_at=timezone.now())


@CASES.breaks("qualification_period_not_empty")
def _() -> None:
    change(factories.qualification(), valid_until=F("valid_from") - timedelta(days=1))


@CASES.breaks("qualification_decision_signed")
def _() -> None:
    change(factories.qualification(), status="accepted")


# --- places, merchants, streamers ---------------------------------------------------------------------------------


@CASES.breaks("belt_province_known")
def _() -> None:
    change(factories.belt(), province="99")


@CASES.breaks("belt_category_known")
def _() -> None:
    change(factories.belt(), category="dreams")


@CASES.breaks("belt_intensity_1_to_10")
def _() -> None:
    change(factories.belt(), intensity=11)


@CASES.breaks("base_status_known")
def _() -> None:
    change(factories.base(), status="lost")


@CASES.breaks("base_awarded_has_date")
def _() -> None:
    change(factories.base(), status="awarded")


@CASES.breaks("merchant_category_known")
def _() -> None:
    change(factories.merchant(), category="dreams")


@CASES.breaks("merchant_province_known")
def _() -> None:
    change(factories.merchant(), province="99")


@CASES.breaks("streamer_category_known")
def _() -> None:
    change(factories.streamer(), category="dreams")


@CASES.breaks("streamer_province_known")
def _() -> None:
    change(factories.streamer(), province="99")


@CASES.breaks("streamer_has_person")
def _() -> None:
    change(factories.streamer(), person="")


# --- bindings -----------------------------------------------------------------------------------------------------


@CASES.breaks("binding_role_known")
def _() -> None:
    change(factories.binding(), role="friend")


@CASES.breaks("binding_status_known")
def _() -> None:
    change(factories.binding(), status="perhaps")


@CASES.breaks("binding_one_subject")
def _() -> None:
    change(factories.binding(), streamer=factories.streamer())


@CASES.breaks("binding_period_not_empty")
def _() -> None:
    binding = factories.binding(status=Binding.Status.PROPOSED)
    without("providers_binding", "binding_period_has_start")  # an empty range has no start either
    change(binding, period=DateRange(empty=True))


@CASES.breaks("binding_period_has_start")
def _() -> None:
    change(factories.binding(), period=DateRange(None, DAY))


@CASES.breaks("binding_confirmed_by_someone")
def _() -> None:
    change(factories.binding(), confirmed_by="", evidence="")


@CASES.breaks("binding_one_open_proposal_per_merchant_role")
def _() -> None:
    first = factories.binding(status=Binding.Status.PROPOSED)
    factories.binding(first.provider, first.merchant, status=Binding.Status.PROPOSED)


@CASES.breaks("binding_one_open_proposal_per_streamer_role")
def _() -> None:
    first = factories.binding(subject=factories.streamer(), status=Binding.Status.PROPOSED)
    factories.binding(first.provider, first.streamer, status=Binding.Status.PROPOSED)


@CASES.breaks("binding_one_provider_per_merchant_role_day")
def _() -> None:
    merchant = factories.merchant()
    factories.binding(subject=merchant, starts_on=DAY, ends_before=DAY + timedelta(days=2))
    factories.binding(subject=merchant, starts_on=DAY + timedelta(days=1))


@CASES.breaks("binding_one_provider_per_streamer_role_day")
def _() -> None:
    streamer = factories.streamer()
    factories.binding(subject=streamer)
    factories.binding(subject=streamer, starts_on=DAY - timedelta(days=9), ends_before=DAY + timedelta(days=1))


@CASES.breaks("binding_share_of_a_lead")
def _() -> None:
    change(factories.share(factories.binding(), 4000), share_bp=None)


@CASES.breaks("binding_transfer_after_cool_down")
def _() -> None:
    old = factories.binding(ends_before=DAY + timedelta(days=9))
    change(factories.binding(starts_on=DAY), transfer_of=old, cool_down_until=DAY + timedelta(days=1))


@CASES.breaks("binding_one_share_per_provider_day")
def _() -> None:
    first = factories.share(factories.binding(), 3000)
    factories.share(first.lead, 2000, first.provider)


@CASES.breaks("share_added_within_lead")
def _() -> None:
    lead = factories.binding(ends_before=DAY + timedelta(days=9))
    factories.share(lead, 4000, period=DateRange(DAY, DAY + timedelta(days=10)))


@CASES.breaks("share_stays_within_lead")
def _() -> None:
    lead = factories.binding()
    factories.share(lead, 4000)
    change(lead, period=DateRange(DAY, DAY + timedelta(days=5)))


@transaction.atomic
def split(lead: Binding, *shares: int, **fields: Any) -> None:
    for bp in shares:
        factories.share(lead, bp, **fields)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("shares", [(10_000,), (6000, 4000), (5000, 3000, 2001)])
def test_shares_never_take_all_from_the_lead(shares: tuple[int, ...]) -> None:
    lead = factories.binding()
    with pytest.raises(DatabaseError, match=r"leave nothing to its lead|binding_share_of_a_lead"):
        split(lead, *shares)


def test_shares_that_follow_each_other_are_not_added_up() -> None:
    lead = factories.binding()
    half = DAY + timedelta(days=5)
    factories.share(lead, 9000, period=DateRange(DAY, half))
    factories.share(lead, 9000, period=DateRange(half, None))
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert lead.shares.confirmed().count() == 2


@pytest.mark.parametrize("wrong", ["provider", "role", "subject", "grandchild", "proposed"])
def test_a_share_is_of_a_confirmed_lead_of_somebody_else_for_the_same_work(wrong: str) -> None:
    lead = factories.binding()
    fields: dict[str, Any] = {}
    match wrong:
        case "provider":
            fields["of"] = lead.provider
        case "role":
            fields["role"] = "ads"
        case "subject":
            fields["merchant"] = factories.merchant()
        case "grandchild":
            lead = factories.share(lead, 5000)
        case "proposed":
            lead = factories.binding(status=Binding.Status.PROPOSED)
    with pytest.raises(DatabaseError, match="is not within it"):
        split(lead, 1000, **fields)


def test_the_day_a_period_ends_before_is_free_for_the_next() -> None:
    merchant = factories.merchant()
    factories.binding(subject=merchant, starts_on=DAY - timedelta(days=9), ends_before=DAY)
    factories.binding(subject=merchant, starts_on=DAY)
    assert Binding.objects.confirmed().filter(period__contains=DAY).count() == 1


# --- compliance, operators, batches -------------------------------------------------------------------------------


@CASES.breaks("violation_kind_known")
def _() -> None:
    change(factories.violation(), kind="snoring")


@CASES.breaks("violation_severity_known")
def _() -> None:
    change(factories.violation(), severity="cosmic")


@CASES.breaks("violation_status_known")
def _() -> None:
    change(factories.violation(), status="lost", decided_on=DAY)


@CASES.breaks("violation_decided_has_day")
def _() -> None:
    change(factories.violation(), status="decided")


@CASES.breaks("violation_days_in_order")
def _() -> None:
    change(factories.violation(), closed_on=DAY - timedelta(days=1))


def certificate(**values: Any) -> None:
    fields = {"number": "C1", "person": "p", "level": "junior", "period": DateRange(DAY, None)} | values
    OperatorCertificate.objects.create(provider=factories.provider(), **fields)


@CASES.breaks("operatorcertificate_level_known")
def _() -> None:
    certificate(level="wizard")


@CASES.breaks("operatorcertificate_period_not_empty")
def _() -> None:
    certificate(period=DateRange(empty=True))


@CASES.breaks("operatedsession_day_index_positive")
def _() -> None:
    OperatedSession.objects.create(
        code="S1",
        provider=factories.provider(),
        streamer=factories.streamer(),
        operator="p",
        day=date(2022, 6, 1),
        registered_hours_ahead=48,
        gmv_strict_fen=1,
        baseline_fen=1,
        baseline_sessions=1,
        day_index_bp=0,
        fell_below_after=False,
    )


# --- conflicts ----------------------------------------------------------------------------------------------------


@CASES.breaks("conflict_status_known")
def _() -> None:
    conflict = factories.conflict()
    without("providers_conflict", "conflict_decision_signed")
    change(conflict, status="lost")


@CASES.breaks("conflict_decision_signed")
def _() -> None:
    change(factories.conflict(), status="moved")


@CASES.breaks("conflict_share_decided")
def _() -> None:
    change(factories.conflict(), share_bp=4000)


@CASES.breaks("conflict_has_days")
def _() -> None:
    change(factories.conflict(), period=DateRange(None, DAY))


@CASES.breaks("conflict_one_open_per_claimant")
def _() -> None:
    first = factories.conflict()
    factories.conflict(first.binding, first.claimant)


@CASES.breaks("evidence_has_text")
def _() -> None:
    said = factories.conflict().evidence.get()
    said.pk, said.text = None, ""
    said.save()


@CASES.breaks("evidence_insert_only")
def _() -> None:
    change(factories.conflict().evidence.get(), text="something else")


@CASES.breaks("versions_insert_only")
def _() -> None:
    factories.violation()
    RegisterVersion.objects.all().delete()


@CASES.breaks("providers_violation_stays")
def _() -> None:
    factories.violation().delete()


@CASES.breaks("providers_operatorcertificate_stays")
def _() -> None:
    OperatorCertificate.objects.all().delete()


@CASES.breaks("providers_operatedsession_stays")
def _() -> None:
    OperatedSession.objects.all().delete()


@CASES.breaks("batch_status_known")
def _() -> None:
    change(factories.batch(), status="lost")


@CASES.breaks("batch_key_applied_once")
def _() -> None:
    factories.batch(key=factories.batch().key)


@CASES.breaks("batch_version_applied_once")
def _() -> None:
    for _n in range(2):
        factories.batch(subject="merchant", partition="2022-06-01", version=1)


@CASES.breaks("batch_version_of_a_partition")
def _() -> None:
    factories.batch(version=1)


@CASES.breaks("batch_refused_has_errors")
def _() -> None:
    factories.batch(status=Batch.Status.REFUSED)


@CASES.breaks("provider_stays_under_scores")
def _() -> None:
    change(score().provider, id=0)


@CASES.breaks("providers_not_emptied_under_scores")
def _() -> None:
    score()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("TRUNCATE providers_provider CASCADE")


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_database_refuses(name: str) -> None:
    assert_breaks(name, CASES[name])
