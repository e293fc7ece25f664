"""A draft in consultation: the provider's shadow score, marked as such, and its comments."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from ecosystem.errors import DomainError
from ecosystem.models import User
from providers.current import working_for
from providers.models import Provider
from scoring import current
from scoring.forms import CommentForm
from scoring.models import Comment, Consultation
from scoring.rule_words import worded_differences
from scoring.shadow import shadow_of
from scoring.steps.consult import comment
from scoring.views.subject import of_provider


@require_safe
@of_provider
def consultation(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Show the newest running consultation with the provider's shadow score; else say that there is none."""
    found = Consultation.objects.running().select_related("rubric_version").first()
    return _page(request, provider, found)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def commenting(request: HttpRequest, consultation_id: int) -> HttpResponse:
    """Show one consultation, and take a comment on it."""
    found = get_object_or_404(
        Consultation.objects.visible_to(request.user).select_related("rubric_version"), pk=consultation_id
    )
    member = working_for(request)
    if member.provider is None or not member.reads_scores:
        raise PermissionDenied(_("Comments are written by the owners and analysts of a provider."))
    if request.method != "POST":
        return _page(request, member.provider, found)
    form = CommentForm(request.POST, nodes=_nodes(found))
    if form.is_valid():
        try:
            comment(found.pk, provider_id=member.provider.pk, actor=cast(User, request.user), **form.cleaned_data)
        except DomainError as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Your comment has been sent to the rating staff."))
            return redirect("scoring:consultation")
    return _page(request, member.provider, found, form=form)


def _page(
    request: HttpRequest, provider: Provider, found: Consultation | None, *, form: CommentForm | None = None
) -> HttpResponse:
    context: dict[str, object] = {"provider": provider, "consultation": found}
    if found is not None:
        run = current.current_run()
        own = Comment.objects.visible_to(request.user).filter(consultation=found, provider=provider)
        context |= {
            "shadow": shadow_of(provider.pk, found),
            "differences": (
                worded_differences(run.rubric_version.as_core(), found.rubric_version.as_core()) if run else ()
            ),
            "comments": own.select_related("created_by").order_by("-created_at", "-pk"),
            "form": form or CommentForm(nodes=_nodes(found)),
            "is_member": working_for(request).provider == provider,
        }
    return render(request, "scoring/consultation.html", context, status=422 if form and form.errors else 200)


def _nodes(found: Consultation) -> list[tuple[str, str]]:
    language = get_language() or "zh-hans"
    return [
        (item.code, f"{item.code} {current.name_in(item.name, language)}".strip())
        for item in found.rubric_version.as_core().walk()
    ]
