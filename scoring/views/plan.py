"""Plans and the leaderboard: where one stands, what is missing, and how the population lies."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from ecosystem.csv_export import csv_response
from ecosystem.pages import page_of
from providers.choices import ProviderCategory
from providers.models import Provider
from scoring import current
from scoring.models import Grant, Run, Score
from scoring.models.scores import ScoreQuerySet
from scoring.views.subject import gaps, of_provider


def _grants(request: HttpRequest, provider: Provider) -> QuerySet[Grant]:
    """Return the grants the page lists, newest first."""
    return (
        Grant.objects.visible_to(request.user)
        .filter(provider=provider)
        .select_related("pool")
        .order_by("-granted_on", "-pk")
    )


@require_safe
@of_provider
def plan(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Show the provider's standing in every open plan and the grants it has received."""
    context = {
        "provider": provider,
        "gaps": gaps(current.standing_of(provider.pk)),
        "grants": _grants(request, provider),
    }
    return render(request, "scoring/plan.html", context)


@require_safe
@of_provider
def grants_csv(request: HttpRequest, provider: Provider) -> HttpResponseBase:
    """Export the provider's grants."""
    header = ("pool", "unit", "amount", "status", "granted_on", "expires_on", "settled_amount", "reason")
    rows = (
        (
            grant.pool.code,
            grant.pool.unit,
            grant.amount,
            grant.status,
            grant.granted_on,
            grant.expires_on,
            grant.settled_amount,
            grant.reason,
        )
        for grant in _grants(request, provider)
    )
    return csv_response(f"grants-{provider.code}", header, rows)


def _ranked(request: HttpRequest, run: Run | None) -> ScoreQuerySet:
    """Return the run's scores as the page filters them, best first."""
    if not request.user.is_staff:
        raise PermissionDenied(_("The leaderboard is for platform staff."))
    scores = Score.objects.visible_to(request.user).filter(run=run, rank__isnull=False)
    if category := request.GET.get("category"):
        scores = scores.filter(provider_category=category)
    if grade := request.GET.get("grade"):
        scores = scores.filter(grade=grade)
    if words := request.GET.get("q", "").strip():
        scores = scores.filter(provider_name__icontains=words)
    return scores


def _run(request: HttpRequest) -> Run | None:
    """Return the run asked for: the published official one unless the provisional one is named."""
    official = None if request.GET.get("kind") == "provisional" else current.published_run()
    return official or current.current_run()


@require_safe
@login_required
def leaderboard(request: HttpRequest) -> HttpResponse:
    """List the rated providers, best first."""
    run = _run(request)
    page = page_of(request, _ranked(request, run), ("rank", "provider_id"))
    context = {
        "run": run,
        "scores": page.rows,
        **page.links(request),
        "categories": ProviderCategory.choices,
        "capabilities": current.capabilities(run) if run else [],
        "grades": current.grades(run) if run else [],
    }
    return render(request, "scoring/leaderboard.html", context)


@require_safe
@login_required
def leaderboard_csv(request: HttpRequest) -> HttpResponseBase:
    """Export the leaderboard as filtered."""
    run = _run(request)
    codes = [code for code, _name in current.capabilities(run)] if run else []
    rows = (
        (
            row.rank,
            row.provider_code,
            row.provider_name,
            row.provider_category,
            row.published,
            row.grade,
            *(row.capabilities.get(code) for code in codes),
        )
        for row in _ranked(request, run).best_first()
    )
    return csv_response("leaderboard", ("rank", "code", "name", "category", "score", "grade", *codes), rows)
