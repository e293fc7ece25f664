"""Contesting a score: a note to the rating staff, answered by a person."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from ecosystem.errors import DomainError
from ecosystem.models import User
from providers.current import working_for
from providers.models import Provider
from scoring.explanations import card
from scoring.forms import ContestForm
from scoring.models import Contest, Score
from scoring.steps.contest import file_contest
from scoring.views.subject import of_provider


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def file(request: HttpRequest, score_id: int) -> HttpResponse:
    """Write and send a contest of one score."""
    chosen = get_object_or_404(
        Score.objects.visible_to(request.user).select_related("run__rubric_version", "provider"), pk=score_id
    )
    if working_for(request).provider != chosen.provider:
        raise PermissionDenied(_("A score is contested by the members of its provider."))
    whole = card(chosen, with_path=False)
    nodes = [(leaf.code, f"{leaf.code} {leaf.name}") for part in whole.capabilities for leaf in part.indicators]
    form = ContestForm(request.POST or None, initial={"node": request.GET.get("node", "")}, nodes=nodes)
    if request.method == "POST" and form.is_valid():
        try:
            file_contest(chosen.pk, actor=cast(User, request.user), **form.cleaned_data)
        except DomainError as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Your objection has been sent to the rating staff."))
            return redirect("scoring:contests")
    context = {"form": form, "card": whole, "chosen": chosen, "provider": chosen.provider}
    return render(request, "scoring/contest.html", context, status=422 if form.errors else 200)


@require_safe
@of_provider
def contests(request: HttpRequest, provider: Provider) -> HttpResponse:
    """List the provider's contests with their answers, newest first."""
    found = (
        Contest.objects.visible_to(request.user)
        .filter(provider=provider)
        .select_related("score__run", "created_by", "answered_by")
        .order_by("-created_at", "-pk")
    )
    return render(request, "scoring/contests.html", {"provider": provider, "contests": found})
