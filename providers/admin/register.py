"""Providers with their documents and people, for staff; filtered to those waiting, the list is the reviewer's queue."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
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
WAITING = (Status.SUBMITTED, Status.IN_REVIEW)
# The steps that end the work on an application.
DECISIONS = frozenset({"approve", "return", "reject"})


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

    list_display = ("name", "code", "category", "status", "place", "waiting", "left", "papers", "approved_on")
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
            "accept-documents",
            _("Accept all documents"),
            "review_application",
            qualifications.accept_waiting,
            when=lambda row: row.status == Status.IN_REVIEW and row.papers > 0,
            explains=_("Every document that still waits is accepted; its owner is told."),
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

    def get_queryset(self, request: HttpRequest) -> Any:
        """Count beside each provider the documents that wait."""
        pending = Qualification.objects.filter(provider=OuterRef("pk"), status=Qualification.Status.PENDING)
        counted = pending.order_by().values("provider").annotate(number=Count("pk")).values("number")
        return super().get_queryset(request).annotate(papers=Coalesce(Subquery(counted), 0))

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Put whoever waits longest first while the queue is shown, else the newest."""
        asked = [request.GET.get(f"status{kind}", "") for kind in ("__exact", "", "__in")]
        queue = set(",".join(asked).split(",")) - {""}
        return ("submitted_at", "pk") if queue and queue <= set(WAITING) else ("-pk",)

    def onward_from(self, request: HttpRequest, row: Provider, step: Step) -> str:
        """Lead a reviewer from the application just decided to the next."""
        following = self._following(request, row) if step.name in DECISIONS else None
        return "" if following is None else self.back_from(following)

    def _following(self, request: HttpRequest, row: Provider) -> Provider | None:
        """Return the application that has waited longest after this one, and behind the last the first again."""
        others = self._others(request, row)
        if row.submitted_at is None:
            return others.first()
        later = Q(submitted_at__gt=row.submitted_at) | Q(submitted_at=row.submitted_at, pk__gt=row.pk)
        return others.filter(later).first() or others.first()

    def _others(self, request: HttpRequest, row: Provider) -> QuerySet[Provider]:
        queue = Provider.objects.visible_to(request.user).waiting().exclude(pk=row.pk)
        return queue if may(request.user, "review_application") else queue.none()

    @admin.display(description=_("Place"))
    def place(self, row: Provider) -> str:
        """Return province and city."""
        return " ".join(part for part in (row.get_province_display() if row.province else "", row.city) if part)

    @admin.display(description=_("Days waiting"), ordering="submitted_at")
    def waiting(self, row: Provider) -> int | None:
        """Return the days since submission while a decision is due."""
        if row.submitted_at is None or row.status not in WAITING:
            return None
        return (business_today() - timezone.localdate(row.submitted_at)).days

    @admin.display(description=_("Days left"), ordering="submitted_at")
    def left(self, row: Provider) -> int | None:
        """Return the days until a decision is due; less than nothing: overdue."""
        waited = self.waiting(row)
        return None if waited is None else register.REVIEW_DAYS - waited

    @admin.display(description=_("Documents to decide"))
    def papers(self, row: Any) -> int | None:
        """Return how many documents wait for a decision."""
        return row.papers or None

    def beside(self, request: HttpRequest, row: Provider) -> dict[str, Any]:
        """Show documents, people, look-alikes, bindings, cases and the trail beside the provider."""
        return {
            "portal_beside": "admin/provider.html",
            "next_application": self._following(request, row),
            "waiting": self._others(request, row).count(),
            "reviews": may(request.user, "review_application"),
            "queue_url": reverse("admin:providers_provider_changelist") + f"?status__in={','.join(WAITING)}",
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

    def back_from(self, row: Qualification) -> str:
        """Return to the provider: its other documents are there, and what they are for."""
        return reverse("admin:providers_provider_change", args=[row.provider_id])

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
