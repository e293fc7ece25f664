"""Who gets this order, and why: one page for staff and for members, each with what they may see."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from ecosystem.sign_in import person
from providers.attribution import attribution
from providers.forms import OrderForm


@require_safe
@login_required
def order(request: HttpRequest) -> HttpResponse:
    """Ask for merchant, room and day, and say who gets the order."""
    form = OrderForm(request.GET or None)
    found = None
    if form.is_valid() and form.merchant is not None:
        found = attribution(person(request), form.merchant, form.cleaned_data["day"], form.streamer)
    if form.is_bound and found is None and not form.errors:
        # One answer for what is not there and for what is not one's own.
        form.add_error(None, _("You have no part in orders of this merchant on this day."))
    return render(request, "providers/order.html", {"form": form, "found": found}, status=422 if form.errors else 200)
