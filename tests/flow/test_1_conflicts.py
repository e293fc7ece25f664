"""Conflict cases: who may claim, who answers, what a decision does to the ledger of bindings."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from psycopg.types.range import DateRange

from ecosystem.clock import business_today
from ecosystem.errors import DomainError, InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, Notice, User, WorkMark
from ecosystem.roles import Role
from providers.choices import BindingRole
from providers.errors import FileRefused, LinkUnusable
from providers.models import Binding, Conflict, Provider, RegisterVersion
from providers.steps import bind, conflict
from tests import factories
from tests.flow.reference import Reference
from tests.flow.rolling import batch, day, days_of, fact, redo
from tests.flow.test_1_shares import transfer

pytestmark = [pytest.mark.server, pytest.mark.django_db]
FIRST = date(2022, 6, 1)
PDF = b"%PDF-1.7 demo"


def claim(contested: Binding, claimant: Provider, **values: Any) -> Conflict:
    values = {"starts_on": FIRST, "text": "合同在我方（演示）", "actor": factories.owner(claimant)} | values
    subject = contested.merchant or contested.streamer
    assert subject is not None
    return conflict.open_conflict(claimant.pk, subject=subject, role=BindingRole(contested.role), **values)


def arbiter() -> User:
    return factories.user(Role.GOVERNANCE)


def marked() -> dict[str, date | None]:
    return dict(WorkMark.objects.filter(kind="roll_up").order_by("pk").values_list("scope", "from_day"))


def test_both_sides_are_heard_before_it_is_decided(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    contested, claimant = factories.binding(starts_on=FIRST), factories.provider()
    respondent, staff = factories.owner(contested.provider), arbiter()
    case = claim(contested, claimant, file=SimpleUploadedFile("contract.pdf", PDF))
    assert (case.binding_id, case.period, case.status) == (contested.pk, DateRange(FIRST, None), "open")
    assert case.evidence.get().file.size == len(PDF)
    assert Notice.objects.filter(user=respondent, kind="conflict_opened").count() == 1
    assert Notice.objects.filter(user=staff, kind="conflict_waiting").count() == 1
    with pytest.raises(WrongStatus, match=str(case.answer_by)):
        conflict.decide_conflict(case.pk, outcome="dismissed", reason="合同有效", actor=staff)
    for stranger, side in ((factories.owner(), claimant.pk), (respondent, claimant.pk), (respondent, 0)):
        with pytest.raises(NotAllowed):
            conflict.add_evidence(case.pk, provider_id=side, text="不", actor=stranger)
    with pytest.raises(FileRefused):
        conflict.add_evidence(
            case.pk,
            provider_id=contested.provider_id,
            text="见附件",
            file=SimpleUploadedFile("a.pdf", b"MZ"),
            actor=respondent,
        )
    conflict.add_evidence(case.pk, provider_id=contested.provider_id, text="双方续约", actor=respondent)
    with pytest.raises(NotAllowed):
        conflict.decide_conflict(case.pk, outcome="dismissed", reason="x", actor=factories.user(Role.RECRUITING))
    decided = conflict.decide_conflict(case.pk, outcome="dismissed", reason="合同有效", actor=staff)
    assert (decided.status, decided.decided_by, decided.reason) == ("dismissed", staff, "合同有效")
    assert marked() == {}
    assert list(AuditEntry.objects.about(case).order_by("pk").values_list("action", flat=True)) == [
        "open_conflict",
        "add_evidence",
        "decide_conflict",
    ]
    assert Notice.objects.filter(kind="conflict_decided").count() == 2
    for again in (
        lambda: conflict.decide_conflict(case.pk, outcome="moved", reason="x", actor=staff),
        lambda: conflict.add_evidence(case.pk, provider_id=contested.provider_id, text="x", actor=respondent),
        lambda: conflict.withdraw_conflict(case.pk, actor=factories.owner(claimant)),
    ):
        with pytest.raises(WrongStatus):
            again()


def due(contested: Binding, claimant: Provider, **values: Any) -> Conflict:
    """Open a case whose other side had its time to answer."""
    case = claim(contested, claimant, **values)
    Conflict.objects.filter(pk=case.pk).update(answer_by=business_today() - timedelta(days=1))
    return case


def test_days_moved_in_retrospect_touch_exactly_whom_they_concern() -> None:
    contested, claimant = factories.binding(starts_on=FIRST, term_ends_on=day(25)), factories.provider()
    share = factories.share(contested, 2500, period=DateRange(day(3), day(20)))
    bystander = factories.binding(starts_on=FIRST)
    known = batch()
    for number in (1, 5, 10, 15, 25):
        values = {"gmv_strict": 1000, "gmv_settled": 1000}
        for one in (contested, bystander):
            assert one.merchant is not None
            fact("sales", "merchant", day(number), one.merchant.pk, batch=known, **values)
    redo(contested.provider_id)
    case = due(contested, claimant, starts_on=day(9), ends_before=day(12))
    conflict.decide_conflict(case.pk, outcome="moved", reason="合同（演示）", actor=arbiter())
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    rows = Binding.objects.confirmed().filter(merchant=contested.merchant).order_by("period", "pk")
    assert [(row.provider_id, row.share_bp, row.period.lower, row.period.upper) for row in rows] == [
        (contested.provider_id, None, day(1), day(9)),
        (share.provider_id, 2500, day(3), day(9)),
        (claimant.pk, None, day(9), day(12)),
        (share.provider_id, 2500, day(12), day(20)),
        (contested.provider_id, None, day(12), None),
    ]
    assert [row.evidence for row in rows if row.period.lower >= day(9)] == [f"conflict {case.pk}"] * 3
    assert marked() == dict.fromkeys(map(str, (contested.provider_id, share.provider_id, claimant.pk)), day(9))
    redo(contested.provider_id, share.provider_id, claimant.pk, from_day=day(9))
    assert days_of(claimant.pk, "gmv_settled_once") == {10: 1000}
    assert days_of(contested.provider_id, "gmv_settled_once") == {1: 1000, 5: 750, 15: 750, 25: 1000}
    assert days_of(share.provider_id, "gmv_settled_once") == {5: 250, 15: 250}
    reference = Reference()
    for provider in (claimant.pk, contested.provider_id, share.provider_id):
        for n in range(1, 26):
            assert days_of(provider, "gmv_strict").get(n, 0) == reference.gmv_strict(provider, day(n))


def test_all_days_moved_leave_the_old_binding_withdrawn() -> None:
    contested, claimant = factories.binding(starts_on=FIRST), factories.provider()
    share = factories.share(contested, 2500)
    case = due(contested, claimant)
    conflict.decide_conflict(case.pk, outcome="moved", reason="合同（演示）", actor=arbiter())
    for row in (contested, share):
        row.refresh_from_db()
        assert (row.status, RegisterVersion.objects.of(row).count()) == ("withdrawn", 1)
    assert Binding.objects.confirmed().get(merchant=contested.merchant).provider == claimant


def test_a_decision_can_give_a_share() -> None:
    contested, claimant = factories.binding(starts_on=FIRST), factories.provider()
    case = due(contested, claimant)
    for wrong in (None, 10_000):
        with pytest.raises(InvalidInput):
            conflict.decide_conflict(case.pk, outcome="shared", share_bp=wrong, reason="各半", actor=arbiter())
    conflict.decide_conflict(case.pk, outcome="shared", share_bp=5000, reason="各半（演示）", actor=arbiter())
    share = contested.shares.confirmed().get()
    assert (share.provider, share.share_bp, share.period) == (claimant, 5000, contested.period)
    assert marked() == {str(claimant.pk): FIRST}


def test_a_contested_transfer_waits_for_the_decision() -> None:
    old, to = factories.binding(starts_on=FIRST), factories.provider()
    starts_on = business_today() + timedelta(days=40)
    asked, token = transfer(old, to, starts_on)
    case = due(asked, old.provider, starts_on=starts_on)
    with pytest.raises(LinkUnusable):
        bind.confirm(token)
    conflict.decide_conflict(case.pk, outcome="moved", reason="合同未到期（演示）", actor=arbiter())
    asked.refresh_from_db()
    assert asked.status == "withdrawn"
    old.refresh_from_db()
    assert old.period.upper is None
    assert marked() == {}


@pytest.mark.parametrize("wrong", ["own", "nobody", "empty", "silent", "twice", "analyst"])
def test_a_claim_that_cannot_be_is_refused(wrong: str) -> None:
    contested, claimant = factories.binding(starts_on=FIRST), factories.provider()
    values: dict[str, Any] = {}
    match wrong:
        case "own":
            claimant = contested.provider
        case "nobody":
            values["starts_on"] = FIRST - timedelta(days=1)
        case "empty":
            values["ends_before"] = FIRST
        case "silent":
            values["text"] = " "
        case "twice":
            claim(contested, claimant)
        case "analyst":
            values["actor"] = factories.member(claimant, factories.MemberRole.ANALYST).user
    before = Conflict.objects.count()
    with pytest.raises(DomainError):
        claim(contested, claimant, **values)
    assert Conflict.objects.count() == before


def test_a_claim_is_taken_back_by_the_claimant_alone() -> None:
    case = factories.conflict()
    with pytest.raises(NotAllowed):
        conflict.withdraw_conflict(case.pk, actor=factories.owner(case.binding.provider))
    assert conflict.withdraw_conflict(case.pk, actor=factories.owner(case.claimant)).status == "withdrawn"
