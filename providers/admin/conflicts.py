"""Conflict cases: the arbiter's queue, with what both sides say beside each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ecosystem import numerals
from ecosystem.admin_base import StaffAdmin, Step, StepForm
from ecosystem.roles import may
from providers.models import Conflict
from providers.steps import conflict

OUTCOMES = [(value, Conflict.Status(value).label) for value in ("dismissed", "moved", "shared")]


class DecisionForm(StepForm):
    """How it is decided, and why."""

    outcome = forms.ChoiceField(label=_("decision"), choices=OUTCOMES)
    share_bp = forms.IntegerField(
        label=_("share in basis points"),
        required=False,
        min_value=1,
        max_value=9999,
        help_text=_("Only where the days are shared: the claimant's part of 10,000."),
    )
    reason = forms.CharField(
        label=_("Reason"),
        widget=forms.Textarea,
        max_length=2000,
        help_text=_("Both sides read this word for word."),
    )


@admin.register(Conflict)
class ConflictAdmin(StaffAdmin):
    """Conflicts; open ones first, the one due first in front."""

    list_display = ("subject", "claimant", "holder", "role", "first_day", "status", "answer_by", "decided_at")
    list_display_links = ("subject",)
    list_filter = ("status", "binding__role")
    list_select_related = ("claimant", "binding__provider", "binding__merchant", "binding__streamer")
    search_fields = ("claimant__name", "binding__provider__name", "binding__merchant__name", "binding__streamer__name")
    ordering = ("decided_at", "answer_by", "pk")
    exclude = ("period",)
    readonly_fields = ("days",)
    row_steps: ClassVar = (
        Step(
            "decide",
            _("Decide"),
            "decide_conflict",
            conflict.decide_conflict,
            DecisionForm,
            when=lambda row: row.status == Conflict.Status.OPEN,
            explains=_("Days that move or are shared are rolled up again for exactly the providers concerned."),
            grave=True,
        ),
    )

    def beside(self, request: HttpRequest, row: Conflict) -> dict[str, Any]:
        """Show what both sides say."""
        return {
            "portal_beside": "admin/conflict.html",
            "conflict": row,
            "evidence": row.evidence.select_related("provider", "created_by").order_by("pk"),
            "may_open": may(request.user, "decide_conflict"),
        }

    @admin.display(description=_("Merchant or streamer"))
    def subject(self, row: Conflict) -> str:
        """Return whom it is about."""
        return str(row.binding.merchant or row.binding.streamer)

    @admin.display(description=_("Held by"))
    def holder(self, row: Conflict) -> str:
        """Return the provider of the contested binding."""
        return str(row.binding.provider)

    @admin.display(description=_("Role"))
    def role(self, row: Conflict) -> str:
        """Return the role that is contested."""
        return row.binding.get_role_display()

    @admin.display(description=_("claimed days"))
    def days(self, row: Conflict) -> str:
        """Return the claimed days as people write them."""
        last = numerals.day_text(row.period.upper - timedelta(days=1)) if row.period.upper else _("open end")
        return f"{numerals.day_text(row.period.lower)} – {last}"

    @admin.display(description=_("Claimed from"), ordering="period")
    def first_day(self, row: Conflict) -> object:
        """Return the first claimed day."""
        return row.period.lower
