"""Cases, certificates and operated sessions for staff."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from ecosystem import numerals
from ecosystem.admin_base import ReasonForm, Step, StepForm
from providers.admin.scope import OfProvidersAdmin, VersionedAdmin
from providers.models import OperatedSession, OperatorCertificate, Violation
from providers.steps import compliance


class DecideForm(StepForm):
    """What a case was found to be."""

    severity = forms.ChoiceField(label=_("severity"), choices=Violation.Severity.choices)
    note = forms.CharField(label=_("note"), widget=forms.Textarea, required=False)


@admin.register(OperatorCertificate)
class OperatorCertificateAdmin(OfProvidersAdmin, VersionedAdmin):
    """Certified live-operation leads."""

    list_display = ("number", "provider", "level", "period")
    list_filter = ("level",)
    list_select_related = ("provider",)
    search_fields = ("number", "provider__name")
    exclude = hidden_in_versions = ("person",)
    ordering = ("-pk",)


@admin.register(OperatedSession)
class OperatedSessionAdmin(OfProvidersAdmin, VersionedAdmin):
    """Sessions registered in advance, with their baselines."""

    list_display = ("code", "provider", "streamer", "day", "gmv", "baseline", "baseline_sessions", "fell_below_after")
    list_select_related = ("provider", "streamer")
    search_fields = ("code", "provider__name")
    exclude = hidden_in_versions = ("operator",)
    ordering = ("-day", "-pk")

    @admin.display(description=_("Strict GMV"), ordering="gmv_strict_fen")
    def gmv(self, row: OperatedSession) -> str:
        """Return the session's strict GMV."""
        return numerals.money_text(row.gmv_strict_fen)

    @admin.display(description=_("Baseline"))
    def baseline(self, row: OperatedSession) -> str:
        """Return the median of the 28 days before."""
        return numerals.money_text(row.baseline_fen)


@admin.register(Violation)
class ViolationAdmin(OfProvidersAdmin, VersionedAdmin):
    """Cases by severity and clock."""

    list_display = ("code", "provider", "kind", "severity", "status", "opened_on", "decided_on", "closed_on")
    list_filter = ("status", "severity", "kind")
    list_select_related = ("provider",)
    search_fields = ("code", "provider__name", "note")
    ordering = ("-opened_on", "-pk")
    row_steps: ClassVar = (
        Step(
            "decide",
            _("Decide"),
            "decide_violation",
            compliance.decide_violation,
            DecideForm,
            when=lambda row: row.status == Violation.Status.OPEN,
        ),
        Step(
            "close",
            _("Close"),
            "decide_violation",
            compliance.close_violation,
            when=lambda row: row.status == Violation.Status.DECIDED and row.closed_on is None,
        ),
        Step(
            "annul",
            _("Annul"),
            "decide_violation",
            compliance.annul_violation,
            ReasonForm,
            when=lambda row: row.status != Violation.Status.ANNULLED,
            grave=True,
        ),
    )
