"""A provider's score: five capabilities, every indicator's value, points, weight, contribution and reason."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ecosystem.csv_export import csv_response
from providers.models import Provider
from scoring import current
from scoring.explanations import card
from scoring.facts_behind import fact_rows, facts_behind
from scoring.models import Consultation, Run, Score
from scoring.peers import peers
from scoring.views.subject import gaps, of_provider

HISTORY_LIMIT = 400


def _chosen(request: HttpRequest, provider: Provider) -> Score | None:
    """Return the score the page is about: of the run asked for, else the newest provisional one."""
    asked = request.GET.get("run", "")
    run = Run.objects.visible_to(request.user).filter(pk=asked).first() if asked.isdecimal() else current.current_run()
    return current.score_of(provider.pk, run)


@require_safe
@of_provider
def score(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Show the score as five capabilities, the way to the next grade, and the history."""
    chosen = _chosen(request, provider)
    points = current.history(provider.pk, limit=HISTORY_LIMIT)
    official = [point for point in points if point.is_official]
    standings = current.standing_of(provider.pk)
    whole = card(chosen, with_path=True, standings=standings) if chosen else None
    context = {
        "provider": provider,
        "card": whole,
        "petals": [(part.name, part.points) for part in whole.capabilities] if whole else [],
        "chosen": chosen,
        "history": [(point.through, point.value) for point in points],
        "official": official[-1] if official else None,
        "gaps": gaps(standings),
        "consultation": Consultation.objects.running().select_related("rubric_version").first(),
        "peers": peers(chosen) if chosen else None,
    }
    return render(request, "scoring/score.html", context)


@require_safe
@of_provider
def score_csv(request: HttpRequest, provider: Provider) -> HttpResponseBase:
    """Export the score's table, one row per capability and indicator."""
    chosen = _chosen(request, provider)
    rows: list[tuple[object, ...]] = []
    for capability in card(chosen).capabilities if chosen else ():
        rows.append(
            (
                capability.code,
                capability.name,
                "",
                capability.points,
                capability.weight,
                capability.contribution,
                capability.reason,
            )
        )
        rows += [
            (leaf.code, leaf.name, leaf.value, leaf.points, leaf.weight, leaf.contribution, leaf.reason)
            for leaf in capability.indicators
        ]
    header = ("code", "name", "value", "points", "weight_percent", "contribution", "reason")
    return csv_response(f"score-{provider.code}", header, rows)


@require_safe
@of_provider
def history(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Show every score the provider has had."""
    points = current.history(provider.pk, limit=HISTORY_LIMIT)
    context = {
        "provider": provider,
        "points": points[::-1],
        "series": [(point.through, point.value) for point in points],
    }
    return render(request, "scoring/history.html", context)


@require_safe
@of_provider
def history_csv(request: HttpRequest, provider: Provider) -> HttpResponseBase:
    """Export the history."""
    points = current.history(provider.pk, limit=HISTORY_LIMIT)
    rows = (
        (
            point.through,
            "official" if point.is_official else "provisional",
            point.value,
            point.grade,
            point.rank,
            point.rated_of,
        )
        for point in points
    )
    return csv_response(
        f"score-history-{provider.code}", ("data_through", "kind", "score", "grade", "rank", "of"), rows
    )


@require_safe
@login_required
def indicator(request: HttpRequest, score_id: int, indicator: str) -> HttpResponse:
    """Show one indicator down to the facts and batches behind it."""
    chosen = get_object_or_404(
        Score.objects.visible_to(request.user).select_related("run__rubric_version", "provider"), pk=score_id
    )
    whole = card(chosen, with_path=False)
    found = [
        (capability, leaf)
        for capability in whole.capabilities
        for leaf in capability.indicators
        if leaf.code == indicator
    ]
    if not found:
        return render(request, "404.html", status=404)
    context = {
        "provider": chosen.provider,
        "chosen": chosen,
        "card": whole,
        "capability": found[0][0],
        "leaf": found[0][1],
        "facts": facts_behind(chosen, found[0][1]),
    }
    return render(request, "scoring/indicator.html", context)


@require_safe
@login_required
def facts_csv(request: HttpRequest, score_id: int, indicator: str) -> HttpResponseBase:
    """Export every fact behind an indicator: day, subject, measure, own part of its value, batch, and the whole."""
    chosen = get_object_or_404(
        Score.objects.visible_to(request.user).select_related("run__rubric_version", "provider"), pk=score_id
    )
    leaves = [leaf for part in card(chosen).capabilities for leaf in part.indicators if leaf.code == indicator]
    if not leaves:
        raise Http404
    header = ("feed", "day", "about", "code", "name", "measure", "value", "batch", "share", "delivered")
    return csv_response(f"facts-{chosen.provider.code}-{indicator}", header, fact_rows(chosen, leaves[0]))
