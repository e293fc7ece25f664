"""A provider's own figures by day."""

from __future__ import annotations

from datetime import date, timedelta

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ecosystem.clock import business_today
from ecosystem.csv_export import csv_response
from providers.models import Provider
from scoring import figures as reading
from scoring.views.subject import of_provider

SPANS = (7, 30, 90, 365)


def _asked(request: HttpRequest) -> tuple[tuple[str, ...], date, date, int]:
    """Read the measures and the span of days the page is asked for."""
    known = {measure.code for measure in reading.choices()}
    codes = tuple(code for code in request.GET.getlist("measure") if code in known) or reading.FIRST_MEASURES
    span = int(asked) if (asked := request.GET.get("days", "")).isdecimal() and int(asked) in SPANS else 30
    last = business_today() - timedelta(days=1)
    return codes, last - timedelta(days=span - 1), last, span


@require_safe
@of_provider
def figures(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Show the chosen measures by day, with the first one drawn."""
    codes, first, last, span = _asked(request)
    rows = reading.days(provider.pk, codes, first=first, last=last)
    shown = reading.figures(codes)
    sums = [sum(column) for column in zip(*(row.values for row in rows), strict=True)]
    context = {
        "provider": provider,
        "figures": shown,
        "choices": reading.figures([measure.code for measure in reading.choices()]),
        "chosen": codes,
        "table": [{"day": row.day, "cells": list(zip(shown, row.values, strict=True))} for row in rows],
        "totals": list(zip(shown, sums, strict=False)),
        "series": [(row.day, row.values[0]) for row in reversed(rows)],
        "through": last,
        "span": span,
        "spans": SPANS,
    }
    return render(request, "scoring/figures.html", context)


@require_safe
@of_provider
def figures_csv(request: HttpRequest, provider: Provider) -> HttpResponseBase:
    """Export the chosen measures by day, in their own units."""
    codes, first, last, _span = _asked(request)
    rows = ((row.day, *row.values) for row in reading.days(provider.pk, codes, first=first, last=last))
    return csv_response(f"figures-{provider.code}", ("day", *codes), rows)
