"""Who acts for a provider."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class MemberRole(models.TextChoices):
    """What a member may do: an owner everything, an analyst reads scores and facts, an operator keeps bindings."""

    OWNER = "owner", _("Owner")
    ANALYST = "analyst", _("Analyst")
    OPERATOR = "operator", _("Operator")


READS_SCORES = frozenset({MemberRole.OWNER, MemberRole.ANALYST})


class Membership(models.Model):
    """One user acting for one provider."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.CASCADE, related_name="memberships"
    )
    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="memberships"
    )
    role = models.CharField(_("role"), max_length=10, choices=MemberRole.choices)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="membership_role_known", condition=Q(role__in=MemberRole.values)),
            models.UniqueConstraint(name="membership_once", fields=["user", "provider"]),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.provider}"


class Invitation(models.Model):
    """A signed invitation by mail to act for a provider; only the token's SHA-256 is kept."""

    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="invitations"
    )
    email = models.EmailField(_("email"))
    role = models.CharField(_("role"), max_length=10, choices=MemberRole.choices)
    digest = models.CharField(_("SHA-256 of the token"), max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("invited by"), on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires at"))
    accepted_at = models.DateTimeField(_("accepted at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="invitation_role_known", condition=Q(role__in=MemberRole.values)),
            models.CheckConstraint(name="invitation_expires_later", condition=Q(expires_at__gt=models.F("created_at"))),
            models.CheckConstraint(
                name="invitation_accepted_or_revoked",
                condition=Q(accepted_at__isnull=True) | Q(revoked_at__isnull=True),
            ),
            models.UniqueConstraint(
                "provider",
                Lower("email"),
                name="invitation_one_open_per_address",
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.provider}"
