"""Providers with their documents and people, for staff; filtered to those waiting, the list is the reviewer's queue."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from ecosystem.admin_base import ReasonForm, StaffAdmin, Step, StepForm
from ecosystem.clock import business_today
from ecosystem.models import AuditEntry
from ecosystem.roles import may
from providers import reading
from providers.admin.scope import OfProvidersAdmin
from providers.choices import ProviderCategory
from providers.models import Invitation, Membership, Provider, Qualification, Violation
from providers.models.members import MemberRole
from providers.steps import compliance, members, qualifications, register

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


def working(provider: Provider) -> bool:
    """Tell whether the provider works now."""
    return provider.status in (Status.APPROVED, Status.SUSPENDED)


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
        return (business_today() - timezone.localdate(row.submitted_at)).days

    def beside(self, request: HttpRequest, row: Provider) -> dict[str, Any]:
        """Show documents, people, look-alikes, bindings, cases and the trail beside the provider."""
        queue = Provider.objects.visible_to(request.user).waiting().exclude(pk=row.pk)
        if not may(request.user, "review_application"):
            queue = queue.none()
        return {
            "portal_beside": "admin/provider.html",
            "next_application": queue.first(),
            "waiting": queue.count(),
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
