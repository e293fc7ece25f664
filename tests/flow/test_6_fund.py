"""Fund: a pool of a plan, a grant proposed by one person and approved by another, down to the provider's facts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from ecosystem.errors import NotAllowed
from ecosystem.models import AuditEntry, Notice, OutboxMessage
from ecosystem.roles import Role
from scoring import current
from scoring.core.formula import Operand
from scoring.errors import BudgetExceeded, SecondPersonNeeded
from scoring.models import BudgetPool, Grant, Plan
from scoring.steps import fund
from scoring.steps.plans import ensure_plans
from scoring.steps.windows import window_table
from tests import factories
from tests.scoring import rows

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db

SINCE = rows.AS_OF - timedelta(days=60)


@pytest.fixture(autouse=True)
def _today(settings: Settings) -> None:
    settings.BUSINESS_TODAY = rows.AS_OF


def test_from_a_pool_to_a_grant_and_back_into_the_figures(settings: Settings) -> None:
    rows.rubric()
    ensure_plans()
    provider = factories.provider(approved_on=SINCE)
    owner = factories.owner(provider)
    rows.trading(provider, orders=10, sessions=1, since=SINCE)
    rows.drain("roll_up", "score", "tier")
    score = current.score_of(provider.pk, current.current_run())
    assert score is not None
    incentives, finance = rows.staff(Role.INCENTIVES), rows.staff(Role.FINANCE)
    traffic = BudgetPool.objects.get(code="ZAOFENG_2021/traffic")
    grant = fund.propose_grant(
        traffic.pk,
        provider_id=provider.pk,
        amount=5_000_000,
        reason="评级 B，扶持流量",
        actor=incentives,
        score_id=score.pk,
    )
    notice = Notice.objects.get(user=finance)
    assert (notice.kind, notice.url) == ("grant_proposed", f"/admin/scoring/grant/{grant.pk}/change/")
    assert not Grant.objects.visible_to(owner).exists()
    with pytest.raises(NotAllowed):
        fund.approve_grant(grant.pk, actor=incentives)
    settings.BUSINESS_TODAY = rows.AS_OF - timedelta(days=10)
    fund.approve_grant(grant.pk, actor=finance)
    settings.BUSINESS_TODAY = rows.AS_OF
    assert list(Grant.objects.visible_to(owner)) == [grant]
    assert OutboxMessage.objects.filter(recipient=owner.email).count() == 1
    rows.drain("roll_up", "score", "tier")
    issued = Operand("granted_impressions_issued", "sum", 30)
    table = window_table([issued], as_of=rows.AS_OF)
    assert table.columns[issued].fraction(table.row(str(provider.pk))) == 5_000_000
    progress = {row.target.code: row for row in current.progress_of(Plan.objects.get(code="ZAOFENG_2021"))}
    assert (progress["traffic"].value, progress["traffic"].gap) == (5_000_000, 100_000_000_000 - 5_000_000)
    assert [entry.verb for entry in AuditEntry.objects.about(grant)] == ["fund", "fund"]


def test_the_cap_is_the_cap_and_two_persons_are_two() -> None:
    ensure_plans()
    cash = BudgetPool.objects.get(code="ZAOFENG_2021/cash")
    finance = rows.staff(Role.FINANCE)
    whole = fund.propose_grant(
        cash.pk, provider_id=factories.provider().pk, amount=cash.cap, reason="演示", actor=rows.staff(Role.INCENTIVES)
    )
    more = fund.propose_grant(
        cash.pk, provider_id=factories.provider().pk, amount=1, reason="演示", actor=rows.staff(Role.INCENTIVES)
    )
    fund.approve_grant(whole.pk, actor=finance)
    with pytest.raises(BudgetExceeded):
        fund.approve_grant(more.pk, actor=finance)
    Grant.objects.filter(pk=more.pk).update(proposed_by=finance)
    with pytest.raises(SecondPersonNeeded):
        fund.approve_grant(more.pk, actor=finance)
    fund.endow(cash.pk, amount=1, actor=finance)
    Grant.objects.filter(pk=more.pk).update(proposed_by=rows.staff(Role.INCENTIVES))
    fund.approve_grant(more.pk, actor=finance)
    cash.refresh_from_db()
    assert cash.available == 0
