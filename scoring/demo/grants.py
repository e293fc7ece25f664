"""Grants of the wind-maker plan through the fund's steps, each on its day: proposed, approved, paid or used, lapsed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from providers.models import Provider
from scoring.demo.clock import at
from scoring.demo.money import LIVES_DAYS
from scoring.demo.sizes import AS_OF
from scoring.models import BudgetPool
from scoring.steps import fund

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecosystem.models import User
    from scoring.demo.world import World

CASH = "ZAOFENG_2021/cash"
TRAFFIC = "ZAOFENG_2021/traffic"
FUND = "ZAOFENG_2021/fund"


def grant_all(world: World, incentives: User, finance: User, report: Callable[[str, int, int], None]) -> None:
    """Book every grant of the world."""
    pools = {pool.code: pool.pk for pool in BudgetPool.objects.filter(code__in=[CASH, TRAFFIC, FUND])}
    providers = dict(Provider.objects.values_list("code", "pk"))
    total = len(world.traffic_grants) + len(world.cash_grants)
    for number, grant in enumerate(world.traffic_grants):
        report("grants", number, total)
        issued = world.size.first_day + timedelta(days=grant.day)
        expires = issued + timedelta(days=LIVES_DAYS)
        reason = "616 品质购物节流量券（演示）" if grant.is_festival else "按月度评级发放扶持流量（演示）"
        with at(issued, 9, number % 60):
            booked = fund.propose_grant(
                pools[TRAFFIC],
                provider_id=providers[world.providers[grant.provider].code],
                amount=grant.amount,
                reason=reason,
                expires_on=expires,
                actor=incentives,
            )
            fund.approve_grant(booked.pk, actor=finance)
        if grant.used:
            with at(min(expires, AS_OF) - timedelta(days=1), 18):
                fund.settle_grant(booked.pk, amount=grant.used, actor=finance)
        if grant.expired:
            with at(expires, 1):
                fund.expire_grant(booked.pk)
    for deal in world.fund_deals:
        day = world.size.first_day + timedelta(days=deal.day)
        with at(day, 15):
            booked = fund.propose_grant(
                pools[FUND],
                provider_id=providers[world.providers[deal.provider].code],
                amount=deal.committed,
                reason="生态基金投资，投决会通过（演示）",
                actor=incentives,
            )
            fund.approve_grant(booked.pk, actor=finance)
        if deal.disbursed:
            with at(min(day + timedelta(days=9), AS_OF), 15):
                fund.settle_grant(booked.pk, amount=deal.disbursed, actor=finance)
    for number, cash in enumerate(world.cash_grants):
        report("grants", len(world.traffic_grants) + number, total)
        day = world.size.first_day + timedelta(days=cash.day)
        with at(day, 11, number % 60):
            booked = fund.propose_grant(
                pools[CASH],
                provider_id=providers[world.providers[cash.provider].code],
                amount=cash.amount,
                reason="季度达标现金激励（演示）",
                actor=incentives,
            )
        if cash.is_proposed:
            continue
        with at(min(day + timedelta(days=2), AS_OF), 14, number % 60):
            fund.approve_grant(booked.pk, actor=finance)
        if cash.paid:
            with at(min(day + timedelta(days=12), AS_OF), 16):
                fund.settle_grant(booked.pk, amount=cash.paid, actor=finance)
        if cash.clawed_back:
            with at(min(day + timedelta(days=40), AS_OF), 10):
                fund.claw_back_grant(
                    booked.pk,
                    amount=cash.clawed_back,
                    reason="付款后退款超出约定，按比例追回（演示）",
                    actor=finance,
                )
