"""People who act for the provider and its documents."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ecosystem.clock import business_today
from ecosystem.csv_export import csv_response
from ecosystem.errors import DomainError
from ecosystem.sign_in import person
from providers import documents
from providers.current import SESSION_KEY, member_required, owner_only, working_for
from providers.errors import LinkUnusable
from providers.forms import DocumentForm, InvitationForm
from providers.models import Invitation, Membership, Provider, Qualification
from providers.models.members import MemberRole
from providers.steps import members, qualifications, register


@require_http_methods(["GET", "POST"])
@member_required
def people(request: HttpRequest, provider: Provider) -> HttpResponse:
    """List members, open invitations and documents; an owner invites from here."""
    is_owner = working_for(request).role == MemberRole.OWNER
    form = InvitationForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            members.invite_member(
                provider.pk,
                email=form.cleaned_data["email"],
                role=MemberRole(form.cleaned_data["role"]),
                actor=person(request),
            )
        except DomainError as refusal:
            if refusal.status == 403:
                raise
            form.add_error("email", str(refusal))
        else:
            messages.success(
                request, _("An invitation is on its way to %(email)s.") % {"email": form.cleaned_data["email"]}
            )
            return redirect("providers:people")
    context = {
        "provider": provider,
        "form": form,
        "is_owner": is_owner,
        "members": _members(provider),
        "invitations": _open_invitations(provider).select_related("invited_by"),
        "documents": [(document, _days_left(document)) for document in _documents(provider)],
    }
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "providers/people.html", context, status=status)


@require_safe
@member_required
def people_csv(request: HttpRequest, provider: Provider) -> StreamingHttpResponse:
    """Export the members."""
    rows = ((one.user.name, one.user.email, one.get_role_display(), one.created_at) for one in _members(provider))
    return csv_response("people", [_("name"), _("email"), _("role"), _("since")], rows)


@require_safe
@member_required
def documents_csv(request: HttpRequest, provider: Provider) -> StreamingHttpResponse:
    """Export the list of documents."""
    header = [
        _("kind"),
        _("number"),
        _("issuer"),
        _("valid from"),
        _("valid until"),
        _("days left"),
        _("status"),
        _("reason"),
    ]
    rows = (
        (
            one.get_kind_display(),
            one.number,
            one.issuer,
            one.valid_from,
            one.valid_until,
            _days_left(one),
            one.get_status_display(),
            one.reason,
        )
        for one in _documents(provider)
    )
    return csv_response("documents", header, rows)


@require_POST
@member_required
def remove_member(request: HttpRequest, provider: Provider, membership_id: int) -> HttpResponse:
    """End a membership."""
    membership = get_object_or_404(Membership, pk=membership_id, provider=provider)
    try:
        members.remove_member(membership.pk, actor=person(request))
    except DomainError as refusal:
        if refusal.status == 403:
            raise
        messages.error(request, str(refusal))
    else:
        messages.success(
            request, _("%(who)s no longer acts for %(provider)s.") % {"who": membership.user, "provider": provider}
        )
    return redirect("home" if membership.user_id == request.user.pk else "providers:people")


@require_POST
@member_required
def revoke_invitation(request: HttpRequest, provider: Provider, invitation_id: int) -> HttpResponse:
    """Take an invitation back."""
    invitation = get_object_or_404(Invitation, pk=invitation_id, provider=provider)
    members.revoke_invitation(invitation.pk, actor=person(request))
    messages.success(request, _("The invitation to %(email)s is taken back.") % {"email": invitation.email})
    return redirect("providers:people")


@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invitation to whoever holds its link, and let the invited person accept it."""
    try:
        found = members.find_invitation(token)
        if request.method == "POST":
            membership = members.accept_invitation(token, actor=person(request))
            request.session[SESSION_KEY] = membership.provider_id
            messages.success(request, _("You now act for %(provider)s.") % {"provider": membership.provider})
            return redirect("providers:home")
    except LinkUnusable as refusal:
        return render(request, "providers/link_unusable.html", {"refusal": refusal}, status=refusal.status)
    signed_in = request.user.is_authenticated
    if not signed_in:
        # Whoever opens the mailed link has shown that the address is theirs.
        request.session["account_verified_email"] = found.email
    context = {
        "invitation": found,
        "is_addressee": signed_in and person(request).email.lower() == found.email.lower(),
        "has_account": get_user_model()._default_manager.filter(email__iexact=found.email).exists(),
    }
    return render(request, "providers/invitation.html", context)


@require_http_methods(["GET", "POST"])
@member_required
def document_new(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Hand in a document."""
    owner_only(request)
    form = DocumentForm(request.POST, request.FILES) if request.method == "POST" else DocumentForm()
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            qualifications.add_qualification(
                provider.pk,
                kind=Qualification.Kind(values["kind"]),
                number=values["number"],
                issuer=values["issuer"],
                valid_from=values["valid_from"],
                valid_until=values["valid_until"],
                file=values["file"],
                actor=person(request),
            )
        except DomainError as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The document waits for its review."))
            return redirect(_back(provider))
    status = 422 if form.is_bound and form.errors else 200
    context = {"form": form, "provider": provider, "back": _back(provider)}
    return render(request, "providers/document_new.html", context, status=status)


@require_POST
@member_required
def remove_document(request: HttpRequest, provider: Provider, document_id: int) -> HttpResponse:
    """Take back a document nobody has decided yet."""
    document = get_object_or_404(Qualification, pk=document_id, provider=provider)
    qualifications.remove_qualification(document.pk, actor=person(request))
    messages.success(request, _("The document is taken back."))
    return redirect(_back(provider))


@never_cache
@require_safe
@login_required
def document(request: HttpRequest, document_id: int) -> FileResponse:
    """Hand a document's file to those who may see its provider."""
    visible = Provider.objects.visible_to(request.user)
    found = get_object_or_404(Qualification.objects.filter(provider__in=visible), pk=document_id)
    if not found.file:
        raise Http404
    return documents.download(found, found.kind)


def _members(provider: Provider) -> list[Membership]:
    return list(provider.memberships.select_related("user").order_by("created_at", "pk"))


def _open_invitations(provider: Provider) -> QuerySet[Invitation]:
    return provider.invitations.filter(
        accepted_at__isnull=True, revoked_at__isnull=True, expires_at__gt=timezone.now()
    ).order_by("-created_at", "pk")


def _documents(provider: Provider) -> list[Qualification]:
    return list(provider.qualifications.order_by("kind", "-valid_from", "pk"))


def _days_left(document: Qualification) -> int | None:
    """Count the days the document is still valid, today included; None when it does not expire."""
    if document.valid_until is None:
        return None
    return max(0, (document.valid_until - business_today()).days + 1)


def _back(provider: Provider) -> str:
    return "providers:application" if provider.status in register.APPLYING else "providers:people"
