"""Pages of the ground: home, language, notices, the admin's sign-in, errors."""

from __future__ import annotations

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.views import ActivateTOTPView
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST, require_safe

from ecosystem.models import Notice
from ecosystem.sign_in import LANGUAGE_SECONDS, person
from ecosystem.steps import accounts, notify

NOTICES_PER_PAGE = 30


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Send staff to the workplace and members to their score; show visitors what this is."""
    if not request.user.is_authenticated:
        return render(request, "ecosystem/landing.html")
    return redirect("admin:index" if request.user.is_staff else "providers:home")


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Change the language, for the account when signed in, for this browser otherwise."""
    language = request.POST.get("language", "")
    back = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = "/"
    response = redirect(back)
    if translation.check_for_language(language) and language in accounts.LANGUAGES:
        if request.user.is_authenticated:
            accounts.choose_language(request.user.pk, language=language)
        response.set_cookie("django_language", language, max_age=LANGUAGE_SECONDS, samesite="Lax", httponly=True)
    return response


@login_required
@require_safe
def notices(request: HttpRequest) -> HttpResponse:
    """List the reader's notices, newest first."""
    rows = Notice.objects.filter(user=person(request)).order_by("-pk")
    before = request.GET.get("before", "")
    if before.isdecimal():
        rows = rows.filter(pk__lt=int(before))
    page = list(rows[: NOTICES_PER_PAGE + 1])
    older = f"?before={page[NOTICES_PER_PAGE - 1].pk}" if len(page) > NOTICES_PER_PAGE else ""
    return render(
        request,
        "ecosystem/notices.html",
        {
            "notices": page[:NOTICES_PER_PAGE],
            "next_url": older,
            "previous_url": reverse("notices") if before else "",
        },
    )


@login_required
@require_POST
def read_notices(request: HttpRequest) -> HttpResponse:
    """Mark every notice of the reader as read."""
    notify.mark_read(person(request).pk)
    return redirect("notices")


@login_required
@require_POST
def open_notice(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Mark one notice as read and go to the page it speaks of."""
    notice = get_object_or_404(Notice, pk=notice_id, user=person(request))
    notify.mark_read(person(request).pk, notice_id=notice.pk)
    return redirect(notice.url or "notices")


@require_GET
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Lead the admin's own sign-in to the one with the second factor."""
    if request.user.is_authenticated and not request.user.is_staff:
        raise PermissionDenied(_("The staff workplace is open to platform staff only."))
    page = reverse("account_login")
    query = request.GET.urlencode()
    return redirect(f"{page}?{query}" if query else page)


class ActivateSecondFactor(ActivateTOTPView):  # type: ignore[misc]
    """Enrolment; the code just shown counts as this session's second factor."""

    def form_valid(self, form: Form) -> HttpResponse:
        """Keep the enrolment, and in the session that the factor was shown."""
        response: HttpResponse = super().form_valid(form)
        record_authentication(self.request, self.request.user, method="mfa", type=Authenticator.Type.TOTP)
        return response


activate_totp = ActivateSecondFactor.as_view()


def locked_out(request: HttpRequest, response: HttpResponse | None, credentials: object) -> HttpResponse:
    """Answer sign-in attempts from a place that failed too often with this name."""
    return render(request, "account/locked.html", status=429)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that cannot be read."""
    return render(None, "400.html", status=400)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer when the portal failed; uses nothing that could fail again."""
    return render(None, "500.html", status=500)
