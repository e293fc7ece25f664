"""Budgets: balanced, never over the cap, two persons."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Sum

from ecosystem.errors import InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, Notice, User, WorkMark
from ecosystem.roles import Role
from providers.models import Provider
from scoring.errors import BudgetExceeded, SecondPersonNeeded
from scoring.models import BudgetPool, Entry, Grant
from scoring.steps import fund
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.server


def proposal(pool: BudgetPool, amount: int = 100, **fields: object) -> Grant:
    return fund.propose_grant(
        pool.pk,
        provider_id=factories.provider().pk,
        amount=amount,
        reason="演示",
        actor=rows.staff(Role.INCENTIVES),
        **fields,  # type: ignore[arg-type]
    )


def balances(pool: BudgetPool) -> dict[str, int]:
    totals = Entry.objects.filter(pool=pool).values("account").annotate(total=Sum("amount")).order_by("account")
    return {row["account"]: row["total"] for row in totals if row["total"]}


def assert_books_agree(pool_id: int) -> None:
    """The counters of a pool are its account balances, and all of it adds up to nothing."""
    pool = BudgetPool.objects.get(pk=pool_id)
    accounts = balances(pool)
    assert sum(accounts.values()) == 0
    assert pool.committed == pool.cap - accounts.get("available", 0)
    assert pool.paid == accounts.get("paid", 0)
    assert pool.expired == accounts.get("expired", 0)


@pytest.mark.django_db
def test_a_grant_is_reserved_when_a_second_person_approves() -> None:
    pool = rows.pool(1_000)
    grant = proposal(pool, 600)
    assert BudgetPool.objects.get(pk=pool.pk).committed == 0
    finance = rows.staff(Role.FINANCE)
    owner = factories.owner(grant.provider)
    fund.approve_grant(grant.pk, actor=finance)
    assert BudgetPool.objects.get(pk=pool.pk).committed == 600
    assert balances(pool) == {"available": 400, "committed": 600, "endowment": -1_000}
    assert_books_agree(pool.pk)
    assert Notice.objects.get(user=owner).kind == "grant_approved"
    assert [entry.action for entry in AuditEntry.objects.about(grant).order_by("pk")] == [
        "propose_grant",
        "approve_grant",
    ]
    with pytest.raises(WrongStatus):
        fund.approve_grant(grant.pk, actor=finance)


@pytest.mark.django_db
def test_beyond_the_cap_nothing_changes() -> None:
    pool = rows.pool(1_000)
    fund.approve_grant(proposal(pool, 700).pk, actor=rows.staff(Role.FINANCE))
    late = proposal(pool, 301)
    with pytest.raises(BudgetExceeded) as refusal:
        fund.approve_grant(late.pk, actor=rows.staff(Role.FINANCE))
    assert refusal.value.detail == {"asked": 301, "available": 300}
    assert Grant.objects.get(pk=late.pk).status == Grant.Status.PROPOSED
    assert BudgetPool.objects.get(pk=pool.pk).committed == 700
    exact = proposal(pool, 300)
    fund.approve_grant(exact.pk, actor=rows.staff(Role.FINANCE))
    assert_books_agree(pool.pk)


@pytest.mark.django_db
def test_nobody_decides_about_their_own_proposal() -> None:
    pool = rows.pool()
    person = rows.staff(Role.INCENTIVES)
    grant = fund.propose_grant(pool.pk, provider_id=factories.provider().pk, amount=1, reason="演示", actor=person)
    User.objects.filter(pk=person.pk).update(role=Role.FINANCE)
    person.refresh_from_db()
    with pytest.raises(SecondPersonNeeded):
        fund.approve_grant(grant.pk, actor=person)
    with pytest.raises(SecondPersonNeeded):
        fund.refuse_grant(grant.pk, reason="no", actor=person)
    with pytest.raises(IntegrityError, match="grant_second_person"), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(decided_by=person)


@pytest.mark.django_db
@pytest.mark.parametrize("role", [role for role in Role if role != Role.FINANCE])
def test_only_finance_decides(role: Role) -> None:
    grant = proposal(rows.pool())
    with pytest.raises(NotAllowed):
        fund.approve_grant(grant.pk, actor=rows.staff(role))
    assert Grant.objects.get(pk=grant.pk).status == Grant.Status.PROPOSED


@pytest.mark.django_db
def test_a_refusal_reaches_the_proposer_and_reserves_nothing() -> None:
    pool = rows.pool()
    grant = proposal(pool)
    fund.refuse_grant(grant.pk, reason="材料不全", actor=rows.staff(Role.FINANCE))
    assert BudgetPool.objects.get(pk=pool.pk).committed == 0
    notice = Notice.objects.get(user=grant.proposed_by)
    assert notice.kind == "grant_refused"
    assert notice.params["reason"] == "材料不全"


@pytest.mark.django_db
def test_money_is_paid_in_parts_and_what_is_clawed_back_returns_to_the_pool() -> None:
    pool = rows.pool(1_000)
    finance = rows.staff(Role.FINANCE)
    grant = fund.approve_grant(proposal(pool, 600).pk, actor=finance)
    fund.settle_grant(grant.pk, amount=200, actor=finance)
    assert Grant.objects.get(pk=grant.pk).status == Grant.Status.APPROVED
    with pytest.raises(InvalidInput):
        fund.settle_grant(grant.pk, amount=401, actor=finance)
    fund.settle_grant(grant.pk, amount=400, actor=finance)
    assert Grant.objects.get(pk=grant.pk).status == Grant.Status.PAID
    assert_books_agree(pool.pk)
    fund.claw_back_grant(grant.pk, amount=150, reason="退款", actor=finance)
    pool.refresh_from_db()
    assert (pool.committed, pool.paid, pool.expired, pool.available) == (450, 450, 150, 550)
    assert_books_agree(pool.pk)


@pytest.mark.django_db
def test_impressions_lapse_after_their_last_day_and_stay_counted(settings: Settings) -> None:
    settings.BUSINESS_TODAY = date(2022, 6, 1)
    pool = rows.pool(10_000, unit="impressions")
    finance = rows.staff(Role.FINANCE)
    grant = fund.approve_grant(proposal(pool, 6_000).pk, actor=finance)
    assert grant.expires_on == date(2022, 7, 1)
    assert WorkMark.objects.get(kind="roll_up").from_day == date(2022, 6, 1)
    fund.settle_grant(grant.pk, amount=2_000, actor=finance)
    with pytest.raises(WrongStatus):
        fund.expire_grant(grant.pk)
    assert fund.expire_due_grants() == 0
    settings.BUSINESS_TODAY = date(2022, 7, 1)
    assert fund.expire_due_grants() == 1
    assert fund.expire_due_grants() == 0
    pool.refresh_from_db()
    assert (pool.committed, pool.paid, pool.expired) == (6_000, 2_000, 4_000)
    assert_books_agree(pool.pk)
    assert WorkMark.objects.filter(kind="roll_up", from_day=date(2022, 7, 1)).count() == 1


@pytest.mark.django_db
def test_an_unapproved_provider_gets_nothing() -> None:
    with pytest.raises(WrongStatus):
        fund.propose_grant(
            rows.pool().pk,
            provider_id=factories.provider(Provider.Status.SUSPENDED).pk,
            amount=1,
            reason="演示",
            actor=rows.staff(Role.INCENTIVES),
        )
    assert not Grant.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_database_refuses_an_unbalanced_posting() -> None:
    pool = rows.pool()
    with pytest.raises(IntegrityError, match="does not balance"):
        Entry.objects.create(posting=uuid4(), pool=pool, account="available", amount=5)
    with pytest.raises(DatabaseError, match="insert-only"):
        Entry.objects.filter(pool=pool).update(amount=1)
    assert_books_agree(pool.pk)


@pytest.mark.django_db(transaction=True)
def test_fifty_approvals_at_once_never_pass_the_cap() -> None:
    pool = rows.pool(1_000)
    finance = rows.staff(Role.FINANCE)
    proposer, provider = rows.staff(Role.INCENTIVES), factories.provider()
    grants = [
        fund.propose_grant(pool.pk, provider_id=provider.pk, amount=30, reason="演示", actor=proposer).pk
        for _ in range(50)
    ]

    def approve(grant_id: int) -> bool:
        try:
            fund.approve_grant(grant_id, actor=finance)
        except BudgetExceeded:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(max_workers=10) as threads:
        approved = sum(threads.map(approve, grants))
    assert approved == 33  # 33 × 30 = 990, and not one more
    assert Grant.objects.filter(status=Grant.Status.APPROVED).count() == 33
    assert BudgetPool.objects.get(pk=pool.pk).committed == 990
    assert_books_agree(pool.pk)


@pytest.mark.django_db
def test_what_is_due_is_not_early() -> None:
    grant = proposal(rows.pool(), expires_on=rows.AS_OF + timedelta(days=30_000))
    approved = fund.approve_grant(grant.pk, actor=rows.staff(Role.FINANCE))
    with pytest.raises(WrongStatus):
        fund.expire_grant(approved.pk)
