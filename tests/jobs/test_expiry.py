"""Owners hear of papers that run out, once a week each."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ecosystem.clock import business_today
from ecosystem.models import Notice, OutboxMessage
from ecosystem.roles import Role
from providers.models import Qualification
from providers.steps.expiry import remind_expiring
from tests import factories

pytestmark = pytest.mark.django_db


def document(days: int) -> Qualification:
    """Make an accepted document of a working provider with an owner, valid for so many more days."""
    provider = factories.provider(status="approved")
    factories.owner(provider)
    return factories.qualification(
        provider,
        status="accepted",
        valid_until=business_today() + timedelta(days=days),
        decided_by=factories.user(Role.REVIEW),
        decided_at=timezone.now(),
    )


def test_an_owner_is_told_once_a_week() -> None:
    soon = document(30)
    document(31)
    assert remind_expiring() == 1
    assert remind_expiring() == 0
    notice = Notice.objects.get()
    assert notice.kind == "qualification_expiring"
    assert notice.params["expires_day"] == str(soon.valid_until)
    assert OutboxMessage.objects.count() == 1
    Qualification.objects.filter(pk=soon.pk).update(valid_until=business_today() + timedelta(days=23))
    assert remind_expiring() == 1


def test_papers_not_accepted_and_providers_gone_are_left_alone() -> None:
    refused = document(5)
    Qualification.objects.filter(pk=refused.pk).update(status="refused")
    gone = document(5)
    type(gone.provider).objects.filter(pk=gone.provider_id).update(status="withdrawn", ended_on=business_today())
    assert remind_expiring() == 0
    assert not Notice.objects.exists()
