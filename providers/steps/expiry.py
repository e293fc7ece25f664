"""Documents that run out: their owners are told 30 days ahead, and again every week."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.urls import reverse

from ecosystem.clock import business_today
from ecosystem.models import ScheduleSlot, User
from ecosystem.steps.notify import notify
from providers.models import Membership, Provider, Qualification
from providers.models.members import MemberRole

LEAD_DAYS = 30
REPEAT_DAYS = 7
JOB = "qualification_expiring"


@transaction.atomic
def remind_expiring() -> int:
    """Tell owners of working providers which accepted documents run out soon, once a week each; return how many."""
    today = business_today()
    documents = list(
        Qualification.objects.filter(
            status=Qualification.Status.ACCEPTED,
            valid_until__range=(today, today + timedelta(days=LEAD_DAYS)),
            provider__in=Provider.objects.active(),
        )
        .select_related("provider")
        .order_by("pk")
    )
    # The week counted back from the last valid day: a night that is skipped only delays its reminder.
    slots = {f"{doc.pk}:{(doc.valid_until - today).days // REPEAT_DAYS}": doc for doc in documents if doc.valid_until}
    told = set(ScheduleSlot.objects.filter(job=JOB, slot__in=slots).values_list("slot", flat=True))
    due = {slot: document for slot, document in slots.items() if slot not in told}
    ScheduleSlot.objects.bulk_create([ScheduleSlot(job=JOB, slot=slot) for slot in due])
    owners: dict[int, list[User]] = {}
    for member in Membership.objects.filter(
        role=MemberRole.OWNER, provider__in=[document.provider_id for document in due.values()]
    ).select_related("user"):
        owners.setdefault(member.provider_id, []).append(member.user)
    for slot, document in due.items():
        notify(
            owners.get(document.provider_id, []),
            "qualification_expiring",
            params={
                "document": str(document),
                "provider": document.provider.name,
                "expires_day": str(document.valid_until),
            },
            url=reverse("providers:people"),
            key=f"{JOB}:{slot}",
        )
    return len(due)
