"""Tell providers that they reached or left a band of a plan, at which value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.urls import reverse

from ecosystem.models import User
from ecosystem.steps.notify import notify
from providers.models import Membership
from scoring.models import PlanTarget, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from scoring.models import Plan

NO_BAND = {"zh-hans": "未达档", "en": "no tier"}


def tell_band_changes(plan: Plan, as_of: date, before: Mapping[int, int | None]) -> int:
    """Notify the members of every provider whose band differs from ``before``; return how many providers."""
    standings = Standing.objects.of(plan, as_of).filter(provider__in=before).select_related("provider", "band")
    changed = {
        standing.provider_id: standing for standing in standings if standing.band_id != before[standing.provider_id]
    }
    bands = {band.pk: band for band in PlanTarget.objects.filter(plan=plan)}
    members: dict[int, list[User]] = {}
    for membership in Membership.objects.filter(provider__in=changed).select_related("user").order_by("pk"):
        members.setdefault(membership.provider_id, []).append(membership.user)
    for provider_id, users in members.items():
        standing = changed[provider_id]
        left = before[provider_id]
        notify(
            users,
            "band_changed",
            params={
                "provider": standing.provider.name,
                "plan_text": {"zh-hans": plan.name_zh, "en": plan.name_en},
                "before_text": NO_BAND if left is None else _names(bands[left]),
                "after_text": NO_BAND if standing.band is None else _names(standing.band),
                "value_fen": standing.value,
            },
            url=reverse("scoring:plan"),
            key=f"band:{plan.pk}:{provider_id}:{as_of}:{standing.band_id}",
        )
    return len(members)


def _names(band: PlanTarget) -> dict[str, str]:
    return {"zh-hans": band.name_zh, "en": band.name_en}
