"""Documents that prove what a provider says."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Qualification(models.Model):
    """One document (资质) with its validity; a reviewer decides on it."""

    class Kind(models.TextChoices):
        """What the document proves."""

        BUSINESS_LICENCE = "business_licence", _("Business licence")
        TAXPAYER = "taxpayer", _("General VAT taxpayer certificate")
        OFFICE = "office", _("Proof of office")
        TEAM = "team", _("Proof of team")
        BRAND_AUTHORISATION = "brand_authorisation", _("Brand authorisation")
        OTHER = "other", _("Other document")

    class Status(models.TextChoices):
        """What the reviewer decided."""

        PENDING = "pending", _("to be reviewed")
        ACCEPTED = "accepted", _("accepted")
        REFUSED = "refused", _("refused")

    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="qualifications"
    )
    kind = models.CharField(_("kind"), max_length=24, choices=Kind.choices)
    number = models.CharField(_("number"), max_length=80, blank=True)
    issuer = models.CharField(_("issuer"), max_length=120, blank=True)
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True, help_text=_("Empty: no expiry."))
    file = models.FileField(_("file"), upload_to="qualifications/%Y/%m", blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.PENDING)
    reason = models.CharField(_("reason"), max_length=400, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("decided by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("qualification document")
        verbose_name_plural = _("qualification documents")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                name="qualification_kind_known",
                condition=Q(
                    kind__in=["business_licence", "taxpayer", "office", "team", "brand_authorisation", "other"]
                ),
            ),
            models.CheckConstraint(
                name="qualification_status_known", condition=Q(status__in=["pending", "accepted", "refused"])
            ),
            models.CheckConstraint(
                name="qualification_period_not_empty",
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
            ),
            models.CheckConstraint(
                name="qualification_decision_signed",
                condition=Q(status="pending") | Q(decided_by__isnull=False, decided_at__isnull=False),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="qualification_expiring", fields=["valid_until", "id"], condition=Q(status="accepted")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number}".strip()
