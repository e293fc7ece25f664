"""Bindings, those who are bound, and the places they come from, for staff."""

from __future__ import annotations

from typing import ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ecosystem import numerals
from ecosystem.admin_base import StaffAdmin, Step, StepForm
from providers.admin.scope import VersionedAdmin
from providers.models import Base, Belt, Binding, Merchant, Provider, Streamer
from providers.steps import bind


class EndForm(StepForm):
    """The first day on which a binding no longer holds."""

    ends_before = forms.DateField(label=_("Ends before"), help_text=_("The first day that no longer counts."))


@admin.register(Binding)
class BindingAdmin(VersionedAdmin):
    """Bindings: who served whom, in which role, on which days."""

    list_display = ("provider", "subject", "role", "share", "starts_on", "ends_before", "status", "term_ends_on")
    list_display_links = ("subject",)
    list_filter = ("status", "role")
    list_select_related = ("provider", "merchant", "streamer")
    search_fields = ("provider__name", "merchant__name", "streamer__name", "merchant__code", "streamer__code")
    ordering = ("-pk",)
    exclude = ("period",)
    readonly_fields = ("starts_on", "ends_before")
    row_steps: ClassVar = (
        Step(
            "end",
            _("End"),
            "bind",
            bind.end,
            EndForm,
            when=lambda row: row.status == Binding.Status.CONFIRMED,
            explains=_("Facts from that day on no longer reach the provider; its figures are rolled up again."),
            grave=True,
        ),
        Step(
            "withdraw",
            _("Withdraw the proposal"),
            "bind",
            bind.withdraw_proposal,
            when=lambda row: row.status == Binding.Status.PROPOSED,
        ),
    )

    @admin.display(description=_("Merchant or streamer"))
    def subject(self, row: Binding) -> str:
        """Return the other side."""
        return str(row.merchant or row.streamer)

    @admin.display(description=_("Share"), ordering="share_bp")
    def share(self, row: Binding) -> str:
        """Return a share's part; a lead has the rest."""
        return row.share_text

    @admin.display(description=_("Starts on"), ordering="period")
    def starts_on(self, row: Binding) -> object:
        """Return the first day."""
        return row.period.lower

    @admin.display(description=_("Ends before"))
    def ends_before(self, row: Binding) -> object:
        """Return the first day outside, None while it runs on."""
        return row.period.upper


@admin.register(Merchant)
class MerchantAdmin(VersionedAdmin):
    """Merchants."""

    list_display = ("name", "code", "category", "province", "city", "opened_on")
    list_filter = ("category", "province")
    search_fields = ("name", "code")
    ordering = ("-pk",)


@admin.register(Streamer)
class StreamerAdmin(VersionedAdmin):
    """Live accounts."""

    list_display = ("name", "code", "category", "province", "followers_text", "merchant")
    list_filter = ("category",)
    list_select_related = ("merchant",)
    search_fields = ("name", "code")
    ordering = ("-pk",)

    @admin.display(description=_("followers"), ordering="followers")
    def followers_text(self, row: Streamer) -> str:
        """Return followers in 万."""
        return numerals.count_text(row.followers)


@admin.register(Belt)
class BeltAdmin(StaffAdmin):
    """Industrial belts."""

    list_display = ("name", "province", "city", "category", "goods", "intensity")
    list_filter = ("province", "category")
    search_fields = ("name", "goods")


@admin.register(Base)
class BaseAdmin(StaffAdmin):
    """Bases."""

    list_display = ("name", "belt", "province", "city", "operated_by", "status", "awarded_on")
    list_filter = ("status", "province")
    list_select_related = ("belt", "operated_by")
    search_fields = ("name", "code")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Base]:
        """Leave out the bases of providers one may not see."""
        rows: QuerySet[Base] = super().get_queryset(request)
        return rows.filter(Q(operated_by=None) | Q(operated_by__in=Provider.objects.visible_to(request.user)))
