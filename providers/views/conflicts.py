"""Conflict cases for the two sides: the list, a new claim, one case with its evidence."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from ecosystem.errors import DomainError
from ecosystem.pages import page_of
from ecosystem.sign_in import person
from providers import documents
from providers.choices import BindingRole
from providers.current import member_required, working_for
from providers.forms import ConflictForm, EvidenceForm
from providers.models import Conflict, Membership, Provider
from providers.steps import conflict as steps
from providers.steps.bind import BINDERS


@require_safe
@member_required
def conflicts(request: HttpRequest, provider: Provider) -> HttpResponse:
    """List the conflicts the provider has a side in, newest first."""
    found = (
        Conflict.objects.visible_to(request.user)
        .filter(Q(claimant=provider) | Q(binding__provider=provider))
        .select_related("binding__merchant", "binding__streamer", "claimant")
    )
    page = page_of(request, found, ["-pk"])
    can_bind = working_for(request).role in BINDERS
    context = {"provider": provider, "conflicts": page.rows, "can_bind": can_bind, **page.links(request)}
    return render(request, "providers/conflicts.html", context)


@require_http_methods(["GET", "POST"])
@member_required
def conflict_new(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Claim days that another provider holds."""
    if working_for(request).role not in BINDERS:
        raise PermissionDenied(_("Owners and operators keep the bindings."))
    form = ConflictForm(request.POST, request.FILES) if request.method == "POST" else ConflictForm()
    if request.method == "POST" and form.is_valid() and form.subject is not None:
        values = form.cleaned_data
        try:
            made = steps.open_conflict(
                provider.pk,
                subject=form.subject,
                role=BindingRole(values["role"]),
                starts_on=values["starts_on"],
                ends_before=values["ends_before"],
                text=values["text"],
                file=values["file"],
                actor=person(request),
            )
        except DomainError as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The other side and the arbiter are told."))
            return redirect("providers:conflict", conflict_id=made.pk)
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "providers/conflict_new.html", {"form": form, "provider": provider}, status=status)


@require_http_methods(["GET", "POST"])
@login_required
def conflict(request: HttpRequest, conflict_id: int) -> HttpResponse:
    """Show a case with what both sides said; bring evidence, or take one's claim back."""
    found = get_object_or_404(
        Conflict.objects.visible_to(request.user).select_related(
            "binding__merchant", "binding__streamer", "binding__provider", "claimant", "decided_by"
        ),
        pk=conflict_id,
    )
    own = _own_sides(request, found)
    form = EvidenceForm()
    status = 200
    if request.method == "POST":
        if not own:
            raise PermissionDenied(_("Only the two sides of a conflict bring evidence."))
        form = EvidenceForm(request.POST, request.FILES)
        try:
            if "withdraw" in request.POST:
                steps.withdraw_conflict(found.pk, actor=person(request))
                return _done(request, found, _("The claim is taken back."))
            if form.is_valid():
                steps.add_evidence(found.pk, provider_id=own[0], actor=person(request), **form.cleaned_data)
                return _done(request, found, _("The other side and the arbiter can read it now."))
            status = 422
        except DomainError as refusal:
            if refusal.status == 403:
                raise
            form.add_error(None, str(refusal))
            status = refusal.status
    context = {
        "conflict": found,
        "evidence": [
            (one, one.provider_id in own or request.user.is_staff)
            for one in found.evidence.select_related("provider").order_by("pk")
        ],
        "form": form,
        "is_claimant": found.claimant_id in own,
        "names_all": request.user.is_staff or found.binding.provider_id in own,
        "can_answer": bool(own) and found.status == Conflict.Status.OPEN,
    }
    return render(request, "providers/conflict.html", context, status=status)


@require_safe
@login_required
def evidence(request: HttpRequest, evidence_id: int) -> FileResponse:
    """Hand out a paper to the side that brought it and to whoever decides."""
    return documents.download(get_object_or_404(steps.papers(person(request)), pk=evidence_id), "evidence")


def _own_sides(request: HttpRequest, found: Conflict) -> list[int]:
    """Return the sides for which the person may speak, the claimant first."""
    sides = (found.claimant_id, found.binding.provider_id)
    held = Membership.objects.filter(user=person(request), provider__in=sides, role__in=BINDERS)
    return sorted(held.values_list("provider_id", flat=True), key=sides.index)


def _done(request: HttpRequest, conflict: Conflict, text: str) -> HttpResponse:
    messages.success(request, text)
    return redirect("providers:conflict", conflict_id=conflict.pk)
