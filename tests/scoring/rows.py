"""Rows of scoring for tests: plain functions with values that satisfy every constraint."""

from __future__ import annotations

from datetime import date, timedelta
from io import BytesIO
from typing import Any

from ecosystem import ledger
from ecosystem.models import User
from ecosystem.roles import Role
from providers.choices import BindingRole
from providers.models import Merchant, Provider, Streamer
from providers.steps.ingest import ingest
from scoring.core.formula import Operand
from scoring.core.inputs import Column, Inputs
from scoring.models import BudgetPool, Plan, RubricVersion, Run, Score
from scoring.steps.fund import book_endowment
from scoring.steps.rubrics import import_rubric, publish_rubric, validate_rubric
from tests import factories

AS_OF = date(2022, 6, 30)
# Two capabilities, one indicator each, read from two measures; a gate on a third.
SMALL_RUBRIC = """
rubric: small
version: "{version}"
scale: 100
published_decimals: 1
needs_capabilities: 1
root:
  code: TOTAL
  aggregate: weighted_mean
  missing: reweight
  children:
  - code: LIVE
    name: {{zh-hans: 直播, en: Live}}
    weight: {live}
    aggregate: weighted_mean
    missing: reweight
    children:
    - code: L1
      name: {{zh-hans: 场次, en: Sessions}}
      unit: sessions
      better: higher
      value: valid_sessions
      window: 90d
      points: {{anchors: [["0", "0"], ["100", "100"]]}}
      weight: 1
      missing: owed_by_platform
  - code: SALES
    name: {{zh-hans: 销售, en: Sales}}
    weight: 1
    aggregate: weighted_mean
    missing: reweight
    children:
    - code: S1
      name: {{zh-hans: 支付订单, en: Paid orders}}
      unit: orders
      better: higher
      value: paid_orders
      window: 30d
      points: {{anchors: [["0", "0"], ["1000", "100"]]}}
      weight: 1
      missing: owed_by_provider
grades: [[A, 70], [B, 40], [C, 0]]
gates:
- when: last(open_grave_violations) > 0
  then: {{highest_grade: C}}
"""
SESSIONS = Operand("valid_sessions", "sum", 90)
ORDERS = Operand("paid_orders", "sum", 30)
VIOLATIONS = Operand("open_grave_violations", "last", together=("open_grave_violations",))


def rubric(version: str = "1", *, live: int = 1, published: bool = True) -> RubricVersion:
    """Make a version of the small rubric; ``live`` is the weight of the capability LIVE beside 1."""
    rating = staff(Role.RATING)
    draft = import_rubric(SMALL_RUBRIC.format(version=version, live=live), actor=rating)
    if not published:
        return draft
    validate_rubric(draft.pk, actor=rating)
    return publish_rubric(draft.pk, actor=rating)


def inputs(values: dict[Provider, tuple[int, int]], gate_states: list[int] | None = None) -> Inputs:
    """Make the matrix of the small rubric: sessions and orders per provider."""
    subjects = sorted(values, key=lambda provider: provider.pk)
    return Inputs(
        tuple(str(provider.pk) for provider in subjects),
        {
            SESSIONS: Column.of([values[provider][0] for provider in subjects]),
            ORDERS: Column.of([values[provider][1] for provider in subjects]),
            VIOLATIONS: Column.of([0] * len(subjects), gate_states),
        },
    )


def run(version: RubricVersion | None = None, **fields: Any) -> Run:
    """Make an open official run."""
    values: dict[str, Any] = {
        "kind": Run.Kind.OFFICIAL,
        "as_of": AS_OF,
        "rubric_version": version or RubricVersion.objects.published().first() or rubric(),
    }
    return Run.objects.create(**values | fields)


def score(of: Provider | None = None, in_run: Run | None = None, **fields: Any) -> Score:
    """Make a rated score."""
    values: dict[str, Any] = {"status": "rated", "published": "65.0", "grade": "B", "rank": 1}
    if fields.get("status") == "not_rated":
        values = {}
    provider = of or factories.provider()
    return Score.objects.create(provider=provider, run=in_run or run(), **factories.called(provider), **values | fields)


def pool(cap: int = 1_000, unit: str = "fen") -> BudgetPool:
    """Make an endowed pool of a plan of its own."""
    number = factories.number()
    plan = Plan.objects.create(code=f"PLAN_{number}", name_zh="演示计划", name_en="Demo plan", starts_on=AS_OF)
    made = BudgetPool.objects.create(
        plan=plan, code=f"{plan.code}/pool", name_zh="演示池", name_en="Demo pool", unit=unit, cap=0
    )
    return book_endowment(made.pk, amount=cap, actor=None)


def staff(role: Role) -> User:
    """Make a staff member."""
    return factories.user(role)


def deliver(feed: str, header: str, lines: list[str], *, covers: tuple[date, date] | None = None) -> None:
    """Ingest a small file through the ordinary step; it must be applied."""
    content = "\n".join((header, *lines)).encode()
    batch = ingest(feed, BytesIO(content), key=f"key-{factories.number()}", covers=covers, accept_unusual="test")
    faults = [(fault.column, fault.reason) for fault in batch.row_errors.all()]
    assert batch.status == "applied", faults


def drain(*kinds: str) -> None:
    """Work off the ledger as the workers would."""
    for kind in ("beside", "room_month", *kinds) if "roll_up" in kinds else kinds:
        ledger.drain(kind, seconds=30)
    assert not ledger.parked().exists()


def trading(of: Provider, *, orders: int, sessions: int, since: date, until: date = AS_OF) -> tuple[Merchant, Streamer]:
    """Bind a merchant and a streamer to a provider and deliver their facts: so much a day in [since, until)."""
    merchant, streamer = factories.merchant(), factories.streamer()
    factories.binding(of, merchant, starts_on=since)
    factories.binding(of, streamer, starts_on=since, role=BindingRole.MCN)
    days = [since + timedelta(days=n) for n in range((until - since).days)]
    covers = (days[0], days[-1])
    deliver(
        "sales",
        "day,merchant,paid_orders,gmv_paid,gmv_settled",
        [f"{day},{merchant.code},{orders},{orders * 8_500},{orders * 7_000}" for day in days],
        covers=covers,
    )
    deliver("live", "day,streamer,valid_sessions", [f"{day},{streamer.code},{sessions}" for day in days], covers=covers)
    return merchant, streamer
