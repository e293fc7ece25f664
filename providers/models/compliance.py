"""Violations (违规) by providers and how they were decided."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class ViolationKind(models.TextChoices):
    """The fourteen kinds of the rule."""

    POSING = "posing_as_platform", _("recruiting in the platform's name")
    FALSE_ADVERTISING = "false_advertising", _("false advertising")
    IMPROPER_SPEECH = "improper_speech", _("improper speech")
    HARASSMENT = "harassment", _("harassing staff")
    UNCIVIL = "uncivil_language", _("uncivil language")
    FALSIFIED = "falsified_information", _("falsified information")
    REFUSED_PAPERS = "refused_papers", _("refusing to hand in papers")
    INCITING = "inciting_violations", _("leading others to violate rules")
    OFF_PLATFORM = "off_platform_deal", _("off-platform deal")
    ACCOUNT_LENDING = "account_lending", _("lending or selling the account")
    EXPLOITING = "exploiting_loopholes", _("exploiting loopholes")
    ACCOUNT_THEFT = "account_theft", _("stealing accounts")
    FRAUD = "fraud", _("obtaining goods by fraud")
    BRIBERY = "bribery", _("commercial bribery")


class Violation(models.Model):
    """One case; an open grave one caps the grade, a proven breach of integrity even more."""

    Kind = ViolationKind

    class Severity(models.TextChoices):
        """How grave it is."""

        MINOR = "minor", _("minor")
        MEDIUM = "medium", _("medium")
        GRAVE = "grave", _("grave")

    class Status(models.TextChoices):
        """Where the case stands."""

        OPEN = "open", _("open")
        DECIDED = "decided", _("decided")
        ANNULLED = "annulled", _("annulled")

    # Kinds whose proof means the provider's word cannot be relied on (gate to grade D).
    INTEGRITY = frozenset(
        {ViolationKind.OFF_PLATFORM, ViolationKind.FALSIFIED, ViolationKind.FRAUD, ViolationKind.BRIBERY}
    )

    code = models.CharField(_("case number"), max_length=40, unique=True)
    provider = models.ForeignKey(
        "providers.Provider", verbose_name=_("provider"), on_delete=models.PROTECT, related_name="violations"
    )
    kind = models.CharField(_("kind"), max_length=24, choices=ViolationKind.choices)
    severity = models.CharField(_("severity"), max_length=8, choices=Severity.choices)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.OPEN)
    opened_on = models.DateField(_("opened on"))
    decided_on = models.DateField(_("decided on"), null=True, blank=True)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    note = models.TextField(_("note"), blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("decided by"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )

    class Meta:
        verbose_name = _("violation")
        verbose_name_plural = _("violations")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(name="violation_kind_known", condition=Q(kind__in=ViolationKind.values)),
            models.CheckConstraint(
                name="violation_severity_known", condition=Q(severity__in=["minor", "medium", "grave"])
            ),
            models.CheckConstraint(
                name="violation_status_known", condition=Q(status__in=["open", "decided", "annulled"])
            ),
            models.CheckConstraint(
                name="violation_decided_has_day", condition=Q(status="open") | Q(decided_on__isnull=False)
            ),
            models.CheckConstraint(
                name="violation_days_in_order",
                condition=(Q(decided_on__isnull=True) | Q(decided_on__gte=models.F("opened_on")))
                & (Q(closed_on__isnull=True) | Q(closed_on__gte=models.F("opened_on"))),
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(name="violation_by_provider", fields=["provider", "opened_on"]),
        ]

    def __str__(self) -> str:
        return self.code
