"""Whose numbers a page shows: a member's own provider, or the one staff ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import wraps
from typing import Concatenate

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _

from providers.current import working_for
from providers.models import Provider
from scoring.models import Standing


def of_provider[**P](
    view: Callable[Concatenate[HttpRequest, Provider, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Hand the page its provider: ``?provider=CODE`` for staff, else the one the owner or analyst works for."""

    @wraps(view)
    def page(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        code = request.GET.get("provider")
        if code and request.user.is_staff:
            return view(
                request, get_object_or_404(Provider.objects.visible_to(request.user), code=code), *args, **kwargs
            )
        member = working_for(request)
        if member.provider is None:
            if request.user.is_staff:
                return redirect("scoring:leaderboard")
            return redirect("home")
        if not member.reads_scores:
            raise PermissionDenied(_("Scores and figures are for the provider's owners and analysts."))
        return view(request, member.provider, *args, **kwargs)

    return login_required(page)  # type: ignore[return-value]


def gaps(standings: Sequence[Standing]) -> list[tuple[Standing, Decimal | None]]:
    """Put beside each standing how much of the next tier is reached, in percent; None at the highest."""
    return [
        (one, None if one.gap is None else Decimal(one.value) * 100 / max(Decimal(one.value) + one.gap, Decimal(1)))
        for one in standings
    ]
