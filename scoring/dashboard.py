"""The staff's home page: where does the plan stand, and what needs me today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ecosystem.clock import business_today
from ecosystem.ledger import parked
from ecosystem.models import User
from ecosystem.roles import may
from providers.models import Batch, Provider, Qualification, Violation
from scoring import current
from scoring.models import BudgetPool, Contest, Grant, Plan, Progress, Run

EXPIRY_LEAD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Task:
    """Something that waits: what, how many, where, and the right that makes it this person's."""

    label: str | Promise
    right: str
    count: Callable[[User], int]
    url: Callable[[], str]


def _list(name: str, query: str = "") -> Callable[[], str]:
    return lambda: reverse(f"admin:{name}_changelist") + query


TASKS = (
    Task(
        _("Applications submitted"),
        "review_application",
        lambda user: Provider.objects.filter(status=Provider.Status.SUBMITTED).count(),
        _list("providers_provider", "?status__exact=submitted"),
    ),
    Task(
        _("Applications in review"),
        "review_application",
        lambda user: Provider.objects.filter(status=Provider.Status.IN_REVIEW).count(),
        _list("providers_provider", "?status__exact=in_review"),
    ),
    Task(
        _("Documents to decide"),
        "review_application",
        lambda user: Qualification.objects.filter(status=Qualification.Status.PENDING).count(),
        _list("providers_qualification", "?status__exact=pending"),
    ),
    Task(
        _("Documents that expire within 30 days"),
        "review_application",
        lambda user: Qualification.objects.filter(
            status=Qualification.Status.ACCEPTED, valid_until__range=(business_today(), business_today() + EXPIRY_LEAD)
        ).count(),
        _list("providers_qualification", "?status__exact=accepted&o=6"),
    ),
    Task(
        _("Open cases"),
        "decide_violation",
        lambda user: Violation.objects.filter(status=Violation.Status.OPEN).count(),
        _list("providers_violation", "?status__exact=open"),
    ),
    Task(
        _("Grants to decide"),
        "approve_grant",
        lambda user: Grant.objects.filter(status=Grant.Status.PROPOSED).exclude(proposed_by=user).count(),
        _list("scoring_grant", "?status__exact=proposed"),
    ),
    Task(
        _("Grants that expire within 30 days"),
        "propose_grant",
        lambda user: Grant.objects.filter(
            status=Grant.Status.APPROVED, expires_on__range=(business_today(), business_today() + EXPIRY_LEAD)
        ).count(),
        _list("scoring_grant", "?status__exact=approved"),
    ),
    Task(
        _("Contests to answer"),
        "answer_contest",
        lambda user: Contest.objects.filter(status=Contest.Status.OPEN).count(),
        _list("scoring_contest", "?status__exact=open"),
    ),
    Task(
        _("Runs to review"),
        "run_scores",
        lambda user: Run.objects.filter(kind=Run.Kind.OFFICIAL, status=Run.Status.COMPUTED).count(),
        _list("scoring_run", "?kind__exact=official&status__exact=computed"),
    ),
    Task(
        _("Runs to publish"),
        "publish",
        lambda user: Run.objects.filter(status=Run.Status.REVIEWED).count(),
        _list("scoring_run", "?status__exact=reviewed"),
    ),
    Task(
        _("Batches refused in the last 7 days"),
        "see_batches",
        lambda user: Batch.objects.filter(
            status=Batch.Status.REFUSED, received_at__date__gte=business_today() - timedelta(days=7)
        ).count(),
        _list("providers_batch", "?status__exact=refused"),
    ),
    Task(
        _("Work that is parked"),
        "see_work",
        lambda user: parked().count(),
        _list("ecosystem_workscope", "?state__exact=parked"),
    ),
)


def _promise(line: Progress) -> dict[str, object]:
    """Return one promise with how far it is, in tenths of a percent of its goal."""
    goal = line.target.target or line.target.cap or 0
    return {
        "line": line,
        "goal": goal,
        "is_money": line.target.unit == "fen" and not line.target.counts_providers,
        "length": min(100, line.value * 100 // goal) if goal else 0,
    }


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the admin's first page."""
    user = request.user
    assert isinstance(user, User)
    plan = Plan.objects.filter(is_closed=False).order_by("-starts_on", "code").first()
    statuses = dict(Provider.objects.visible_to(user).order_by().values_list("status").annotate(n=Count("pk")))
    tasks = [
        {"label": task.label, "count": task.count(user), "url": task.url()} for task in TASKS if may(user, task.right)
    ]
    return context | {
        "plan": plan,
        "promises": [_promise(line) for line in current.progress_of(plan)] if plan else [],
        "days_left": (plan.ends_before - business_today()).days if plan and plan.ends_before else None,
        "tasks": tasks,
        "current_run": current.current_run(),
        "published_run": current.published_run(),
        "statuses": [(label, statuses.get(code, 0), code) for code, label in Provider.Status.choices],
        "pools": BudgetPool.objects.filter(plan=plan).order_by("code") if plan and may(user, "see_money") else [],
        "late_batches": Batch.objects.order_by("-received_at", "-pk")[:6] if may(user, "see_batches") else [],
    }
