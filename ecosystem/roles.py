"""Who may take which step: one table, read by pages, API, admin and steps alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ecosystem.errors import NotAllowed

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from ecosystem.models import User


class Role(models.TextChoices):
    """The hat a user wears; provider people wear none here, their memberships say what they may do."""

    PROVIDER = "provider", gettext_lazy("Provider staff")
    RECRUITING = "recruiting", gettext_lazy("Recruiting")
    REVIEW = "review", gettext_lazy("Qualification review")
    RATING = "rating", gettext_lazy("Rating")
    INCENTIVES = "incentives", gettext_lazy("Incentives")
    GOVERNANCE = "governance", gettext_lazy("Governance")
    CATEGORY_REGION = "category_region", gettext_lazy("Category and region")
    FINANCE = "finance", gettext_lazy("Finance")
    INVESTMENT = "investment", gettext_lazy("Investment")
    AUDITOR = "auditor", gettext_lazy("Auditor")
    ADMINISTRATOR = "administrator", gettext_lazy("Administrator")
    MACHINE = "machine", gettext_lazy("Machine account")


STAFF = frozenset(Role) - {Role.PROVIDER, Role.MACHINE}

# Step → roles that may take it. Administrators are named where they may act, never implied:
# whoever runs the system does not thereby decide about money or scores.
MAY: dict[str, frozenset[Role]] = {
    "invite_provider": frozenset({Role.RECRUITING, Role.ADMINISTRATOR}),
    "review_application": frozenset({Role.REVIEW}),
    "suspend_provider": frozenset({Role.GOVERNANCE}),
    "decide_violation": frozenset({Role.GOVERNANCE}),
    "bind": frozenset({Role.RECRUITING, Role.CATEGORY_REGION}),
    "decide_conflict": frozenset({Role.GOVERNANCE}),
    "ingest": frozenset({Role.MACHINE, Role.ADMINISTRATOR}),
    "undo_batch": frozenset({Role.ADMINISTRATOR}),
    "edit_rubric": frozenset({Role.RATING}),
    "try_rubric": frozenset(STAFF),
    # What a draft would cost in funds, in sums per grade; grants by name are for who sees money.
    "see_cost": frozenset(
        {Role.RATING, Role.INCENTIVES, Role.FINANCE, Role.INVESTMENT, Role.AUDITOR, Role.ADMINISTRATOR}
    ),
    "run_scores": frozenset({Role.RATING}),
    "publish": frozenset({Role.RATING}),
    "answer_contest": frozenset({Role.RATING}),
    "edit_plan": frozenset({Role.INCENTIVES}),
    "propose_grant": frozenset({Role.INCENTIVES}),
    "approve_grant": frozenset({Role.FINANCE}),
    "manage_pool": frozenset({Role.FINANCE}),
    "manage_users": frozenset({Role.ADMINISTRATOR}),
    "see_audit": frozenset({Role.AUDITOR, Role.ADMINISTRATOR}),
    "see_work": frozenset({Role.AUDITOR, Role.ADMINISTRATOR, Role.RATING}),
    "retry_work": frozenset({Role.ADMINISTRATOR}),
    "see_money": frozenset({Role.INCENTIVES, Role.FINANCE, Role.INVESTMENT, Role.AUDITOR, Role.ADMINISTRATOR}),
    "see_batches": frozenset({Role.MACHINE, Role.RATING, Role.AUDITOR, Role.ADMINISTRATOR}),
}


def may(user: User | AnonymousUser, step: str) -> bool:
    """Tell whether the user's role allows the step."""
    return user.is_authenticated and user.is_active and user.role in MAY[step]


def require(user: User | AnonymousUser, step: str) -> None:
    """Refuse with NotAllowed unless the user's role allows the step."""
    if not may(user, step):
        needed = ", ".join(str(role.label) for role in sorted(MAY[step]))
        raise NotAllowed(_("This step needs one of these roles: %(roles)s.") % {"roles": needed})
