"""Whom the demo's provider accounts act for."""

from __future__ import annotations

from django.db import transaction

from ecosystem.accounts import create_demo_accounts
from providers.models import Membership
from providers.models.members import MemberRole


@transaction.atomic
def attach_demo_members(provider_id: int, *, other_provider_id: int) -> None:
    """Make owner, analyst and operator act for one provider, and the other owner for another."""
    users = create_demo_accounts()
    for name, provider, role in (
        ("owner", provider_id, MemberRole.OWNER),
        ("analyst", provider_id, MemberRole.ANALYST),
        ("operator", provider_id, MemberRole.OPERATOR),
        ("other", other_provider_id, MemberRole.OWNER),
    ):
        Membership.objects.get_or_create(user=users[name], provider_id=provider, defaults={"role": role})
