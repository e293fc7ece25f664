"""Providers, documents, bindings, subjects, cases and batches for staff."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ecosystem import numerals
from ecosystem.admin_base import ReasonForm, StaffAdmin, Step, StepForm
from ecosystem.models import AuditEntry
from providers import reading
from providers.choices import ProviderCategory
from providers.models import (
    Base,
    Batch,
    Belt,
    Binding,
    Invitation,
    Membership,
    Merchant,
    OperatedSession,
    OperatorCertificate,
    Provider,
    Qualification,
    Streamer,
    Violation,
)
from providers.models.members import MemberRole
from providers.steps import bind, compliance, members, qualifications, register
from providers.steps.ingest import row_errors_csv
from providers.steps.undo_batch import undo_batch

Status = Provider.Status


class InviteForm(StepForm):
    """A company to invite: it gets a draft and a mail to its future owner."""

    name = forms.CharField(label=_("Company name"), max_length=120)
    category = forms.ChoiceField(label=_("provider category"), choices=ProviderCategory.choices)
    email = forms.EmailField(label=_("Email of its owner"))
    code = forms.CharField(
        label=_("unified social credit code"),
        max_length=18,
        required=False,
        help_text=_("If known: a company that is already here, or silent, is recognised at once."),
    )


class MemberForm(StepForm):
    """A person to act for the provider."""

    email = forms.EmailField(label=_("email"))
    role = forms.ChoiceField(label=_("role"), choices=MemberRole.choices)


class DocumentForm(StepForm):
    """A decision on a document."""

    accepted = forms.BooleanField(label=_("Accept"), required=False, initial=True)
    reason = forms.CharField(
        label=_("Reason"), widget=forms.Textarea, max_length=400, required=False, help_text=_("Needed for a refusal.")
    )


class ViolationForm(StepForm):
    """A case to open."""

    kind = forms.ChoiceField(label=_("kind"), choices=Violation.Kind.choices)
    severity = forms.ChoiceField(label=_("severity"), choices=Violation.Severity.choices)
    note = forms.CharField(label=_("note"), widget=forms.Textarea, help_text=_("What happened, and the evidence."))


class DecideForm(StepForm):
    """What a case was found to be."""

    severity = forms.ChoiceField(label=_("severity"), choices=Violation.Severity.choices)
    note = forms.CharField(label=_("note"), widget=forms.Textarea, required=False)


class EndForm(StepForm):
    """The first day on which a binding no longer holds."""

    ends_before = forms.DateField(label=_("Ends before"), help_text=_("The first day that no longer counts."))


def working(provider: Provider) -> bool:
    """Tell whether the provider works now."""
    return provider.status in (Status.APPROVED, Status.SUSPENDED)


class OfProvidersAdmin(StaffAdmin):
    """Tables about one provider a row: staff with a scope see those of the providers in it."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Scope by the providers one may see."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(provider__in=Provider.objects.visible_to(request.user))


@admin.register(Provider)
class ProviderAdmin(StaffAdmin):
    """Providers; filtered to those waiting, the list is the reviewer's queue."""

    list_display = ("name", "code", "category", "status", "place", "waiting", "approved_on")
    list_display_links = ("name",)
    list_filter = ("status", "category", "province", "goods_category")
    list_select_related = ("belt",)
    search_fields = ("name", "code", "credit_code", "legal_person", "contact_name")
    exclude = ("bank_account_digest",)
    list_steps: ClassVar = (Step("invite", _("Invite a company"), "invite_provider", register.invite, InviteForm),)
    row_steps: ClassVar = (
        Step(
            "take-up",
            _("Take up the review"),
            "review_application",
            register.take_up,
            when=lambda row: row.status == Status.SUBMITTED,
        ),
        Step(
            "approve",
            _("Approve"),
            "review_application",
            register.approve,
            when=lambda row: row.status == Status.IN_REVIEW,
            explains=_("The provider may bind merchants and streamers from today on and is told so."),
        ),
        Step(
            "return",
            _("Return for completion"),
            "review_application",
            register.return_for_completion,
            ReasonForm,
            when=lambda row: row.status == Status.IN_REVIEW,
        ),
        Step(
            "reject",
            _("Reject"),
            "review_application",
            register.reject,
            ReasonForm,
            when=lambda row: row.status == Status.IN_REVIEW,
            explains=_("After a second rejection the company cannot apply during the silent period."),
            grave=True,
        ),
        Step("member", _("Invite a member"), "invite_provider", members.invite_member, MemberForm, when=working),
        Step("violation", _("Open a case"), "decide_violation", compliance.open_violation, ViolationForm, when=working),
        Step(
            "suspend",
            _("Suspend"),
            "suspend_provider",
            register.suspend,
            ReasonForm,
            when=lambda row: row.status == Status.APPROVED,
            grave=True,
        ),
        Step(
            "resume",
            _("Resume"),
            "suspend_provider",
            register.resume,
            ReasonForm,
            when=lambda row: row.status == Status.SUSPENDED,
        ),
        Step("expel", _("Expel"), "suspend_provider", register.expel, ReasonForm, when=working, grave=True),
    )

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Put whoever waits longest first while the queue is shown, else the newest."""
        asked = request.GET.get("status__exact", "") or request.GET.get("status", "")
        return ("submitted_at", "pk") if asked in (Status.SUBMITTED, Status.IN_REVIEW) else ("-pk",)

    @admin.display(description=_("Place"))
    def place(self, row: Provider) -> str:
        """Return province and city."""
        return " ".join(part for part in (row.get_province_display() if row.province else "", row.city) if part)

    @admin.display(description=_("Days waiting"), ordering="submitted_at")
    def waiting(self, row: Provider) -> int | None:
        """Return the days since submission while a decision is due."""
        if row.submitted_at is None or row.status not in (Status.SUBMITTED, Status.IN_REVIEW):
            return None
        return (timezone.now() - row.submitted_at).days

    def beside(self, request: HttpRequest, row: Provider) -> dict[str, Any]:
        """Show documents, people, look-alikes, bindings, cases and the trail beside the provider."""
        return {
            "portal_beside": "admin/provider.html",
            "documents": row.qualifications.order_by("status", "kind", "pk"),
            "members": row.memberships.select_related("user").order_by("pk"),
            "recognised": reading.recognised(row),
            "rejections": reading.rejections(row),
            "silent": reading.silent(row),
            "bindings": row.bindings.confirmed().count(),
            "violations": row.violations.order_by("-opened_on", "-pk")[:5],
            "trail": AuditEntry.objects.about(row).newest_first().select_related("actor")[:12],
            "score_url": reverse("scoring:score") + f"?provider={row.code}",
            "bindings_url": reverse("admin:providers_binding_changelist") + f"?provider__id__exact={row.pk}",
        }


@admin.register(Qualification)
class QualificationAdmin(OfProvidersAdmin):
    """Documents to be decided, and those that expire."""

    list_display = ("provider", "kind", "number", "issuer", "valid_from", "valid_until", "status", "created_at")
    list_display_links = ("kind",)
    list_filter = ("status", "kind", ("valid_until", admin.DateFieldListFilter))
    list_select_related = ("provider",)
    search_fields = ("provider__name", "number", "issuer")
    ordering = ("status", "created_at", "pk")
    exclude = ("file",)
    readonly_fields = ("document",)
    row_steps: ClassVar = (
        Step(
            "decide",
            _("Decide"),
            "review_application",
            qualifications.decide_qualification,
            DocumentForm,
            when=lambda row: row.status == Qualification.Status.PENDING,
        ),
    )

    @admin.display(description=_("file"))
    def document(self, row: Qualification) -> str:
        """Link to the private file."""
        if not row.file:
            return "—"
        return format_html('<a href="{}">{}</a>', reverse("providers:document", args=[row.pk]), _("Open the file"))


@admin.register(Membership)
class MembershipAdmin(OfProvidersAdmin):
    """Who acts for whom."""

    list_display = ("user", "provider", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "provider")
    search_fields = ("user__email", "provider__name")
    ordering = ("-created_at", "-pk")


@admin.register(Invitation)
class InvitationAdmin(OfProvidersAdmin):
    """Invitations on their way."""

    list_display = ("email", "provider", "role", "invited_by", "created_at", "expires_at", "accepted_at", "revoked_at")
    list_select_related = ("provider", "invited_by")
    search_fields = ("email", "provider__name")
    exclude = ("digest",)
    ordering = ("-created_at", "-pk")
    row_steps: ClassVar = (
        Step(
            "revoke",
            _("Revoke"),
            "invite_provider",
            members.revoke_invitation,
            when=lambda row: row.accepted_at is None and row.revoked_at is None,
            grave=True,
        ),
    )


@admin.register(Binding)
class BindingAdmin(StaffAdmin):
    """Bindings: who served whom, in which role, on which days."""

    list_display = ("provider", "subject", "role", "starts_on", "ends_before", "status", "term_ends_on")
    list_display_links = ("subject",)
    list_filter = ("status", "role")
    list_select_related = ("provider", "merchant", "streamer")
    search_fields = ("provider__name", "merchant__name", "streamer__name", "merchant__code", "streamer__code")
    ordering = ("-pk",)
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

    @admin.display(description=_("Starts on"), ordering="period")
    def starts_on(self, row: Binding) -> object:
        """Return the first day."""
        return row.period.lower

    @admin.display(description=_("Ends before"))
    def ends_before(self, row: Binding) -> object:
        """Return the first day outside, None while it runs on."""
        return row.period.upper


@admin.register(Merchant)
class MerchantAdmin(StaffAdmin):
    """Merchants."""

    list_display = ("name", "code", "category", "province", "city", "opened_on")
    list_filter = ("category", "province")
    search_fields = ("name", "code")
    ordering = ("-pk",)


@admin.register(Streamer)
class StreamerAdmin(StaffAdmin):
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


@admin.register(OperatorCertificate)
class OperatorCertificateAdmin(OfProvidersAdmin):
    """Certified live-operation leads."""

    list_display = ("number", "provider", "level", "period")
    list_filter = ("level",)
    list_select_related = ("provider",)
    search_fields = ("number", "provider__name")
    exclude = ("person",)
    ordering = ("-pk",)


@admin.register(OperatedSession)
class OperatedSessionAdmin(OfProvidersAdmin):
    """Sessions registered in advance, with their baselines."""

    list_display = ("code", "provider", "streamer", "day", "gmv", "baseline", "baseline_sessions", "fell_below_after")
    list_select_related = ("provider", "streamer")
    search_fields = ("code", "provider__name")
    exclude = ("operator",)
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
class ViolationAdmin(OfProvidersAdmin):
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


@admin.register(Batch)
class BatchAdmin(StaffAdmin):
    """Deliveries: what was applied, what was refused and why, and the way back."""

    sight = "see_batches"
    list_display = (
        "received_at",
        "feed",
        "key",
        "status",
        "rows",
        "rows_added",
        "rows_changed",
        "rows_same",
        "errors",
        "first_day",
        "last_day",
    )
    list_display_links = ("key",)
    list_filter = ("status", "feed", "source")
    search_fields = ("key", "file_name")
    ordering = ("-received_at", "-pk")

    row_steps: ClassVar = (
        Step(
            "undo",
            _("Undo"),
            "undo_batch",
            undo_batch,
            when=lambda row: row.status == Batch.Status.APPLIED,
            explains=_(
                "Every row goes back to what was known before this batch; the providers it touched are rolled up again."
            ),
            grave=True,
        ),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add the download of row errors."""
        errors = path(
            "<int:object_id>/errors.csv", self.admin_site.admin_view(self.errors_csv), name="providers_batch_errors"
        )
        return [errors, *super().get_urls()]

    def errors_csv(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        """Download the batch's row errors."""
        if request.method == "POST":
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        batch = get_object_or_404(self.get_queryset(request), pk=object_id)
        response = StreamingHttpResponse(row_errors_csv(batch), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="batch-{batch.pk}-errors.csv"'
        return response

    def beside(self, request: HttpRequest, row: Batch) -> dict[str, Any]:
        """Show the first row errors."""
        return {
            "portal_beside": "admin/batch.html",
            "row_errors": row.row_errors.order_by("row", "pk")[:50],
            "errors_url": reverse("admin:providers_batch_errors", args=[row.pk]),
        }
