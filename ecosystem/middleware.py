"""What every request passes and every response carries."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware import csp
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from ecosystem.errors import DomainError
from ecosystem.sign_in import has_second_factor


class MethodMiddleware:
    """Browsers read and send forms, other methods belong to the REST interface; a NUL fits into no table."""

    PAGES = ("GET", "HEAD", "POST", "OPTIONS")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep what comes next."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Refuse what no page answers before anything looks at it."""
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise BadRequest("a NUL character in the address")
        if request.method in self.PAGES or request.path.startswith("/api/"):
            return self.get_response(request)
        return HttpResponseNotAllowed(self.PAGES)


class ContentSecurityPolicyMiddleware(csp.ContentSecurityPolicyMiddleware):
    """Django's policy header, with a looser policy for the admin alone."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Choose the policy by address, unless the view chose its own."""
        if request.path.startswith(reverse("admin:index")) and not hasattr(response, "_csp_config"):
            response._csp_config = settings.ADMIN_CSP  # type: ignore[attr-defined]
        return super().process_response(request, response)


class LanguageMiddleware(LocaleMiddleware):
    """The language follows the account; visitors choose by cookie, then by their browser."""

    def process_request(self, request: HttpRequest) -> None:
        """Activate the language of whoever asks."""
        super().process_request(request)
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            translation.activate(user.language)
            request.LANGUAGE_CODE = translation.get_language() or settings.LANGUAGE_CODE


class SecondFactorMiddleware:
    """Staff work only in sessions in which a second factor was shown; the loopback demo alone goes without."""

    OPEN = ("accounts/", "language/", "healthz/", settings.STATIC_URL.lstrip("/"))

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep what comes next."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Let pass, or lead to the page where the factor is shown or enrolled."""
        if settings.DEMO or request.path.lstrip("/").startswith(self.OPEN):
            return self.get_response(request)
        user = request.user
        if not user.is_authenticated or not user.is_staff or has_second_factor(request):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            return JsonResponse(
                {
                    "type": "urn:portal:second_factor",
                    "title": _("Second factor needed"),
                    "status": 403,
                    "detail": _("Sign in again with your second factor."),
                },
                status=403,
                content_type="application/problem+json",
            )
        enrolled = is_mfa_enabled(user)
        page = reverse("mfa_reauthenticate" if enrolled else "mfa_activate_totp")
        if request.method in ("GET", "HEAD"):
            return redirect(f"{page}?{urlencode({'next': request.get_full_path()})}")
        return redirect(page)


class RefusalMiddleware:
    """A rule that refuses is an answer, not a failure: show it as a page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Keep what comes next."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn a DomainError into its page."""
        if not isinstance(exception, DomainError):
            return None
        return render(request, "ecosystem/refused.html", {"refusal": exception}, status=exception.status)
