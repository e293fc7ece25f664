"""Where a member lands, and the change from one provider to another."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from ecosystem.sign_in import person
from providers.current import SESSION_KEY, working_for
from providers.models import Provider


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Send a member to the score or, who may not read it, the bindings; an applicant to the application or the form."""
    member = working_for(request)
    if member.provider is None:
        return redirect("home" if request.user.is_staff else "providers:apply")
    if not Provider.objects.active().filter(pk=member.provider.pk).exists():
        return redirect("providers:application")
    return redirect("scoring:score" if member.reads_scores else "providers:bindings")


@require_POST
@login_required
def switch(request: HttpRequest, provider_id: int) -> HttpResponse:
    """Work for another of one's providers from now on."""
    provider = get_object_or_404(
        Provider.objects.visible_to(request.user).filter(memberships__user=person(request)), pk=provider_id
    )
    request.session[SESSION_KEY] = provider.pk
    return redirect("home")
