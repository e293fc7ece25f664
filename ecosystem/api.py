"""What every REST endpoint shares: sign-in by token, cursor pages, problem+json errors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.core.exceptions import ValidationError as ModelValidationError
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from ecosystem.errors import DomainError
from ecosystem.models import ApiToken, User
from ecosystem.steps.accounts import digest_of

# A token's "last used" is written at most this often, so that reading stays reading.
LAST_USED_STEP = timedelta(minutes=5)


def actor(request: Request) -> User:
    """Return the calling account (the default permission has refused anybody else)."""
    return cast(User, request.user)


class TokenAuthentication(BaseAuthentication):
    """``Authorization: Bearer TOKEN`` of a machine account."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the token's account; None when no token was sent."""
        parts = get_authorization_header(request).decode("latin-1").split()
        if not parts or parts[0].lower() != "bearer":
            return None
        if len(parts) != 2:
            raise exceptions.AuthenticationFailed(_("The header must read: Authorization: Bearer TOKEN."))
        now = timezone.now()
        token = ApiToken.objects.select_related("user").filter(digest=digest_of(parts[1])).first()
        if token is None or token.expires_at <= now or not token.user.is_active:
            raise exceptions.AuthenticationFailed(_("The token is unknown or has expired."))
        if token.last_used_at is None or now - token.last_used_at > LAST_USED_STEP:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a missing token is answered 401."""
        return 'Bearer realm="api"'


class Pages(CursorPagination):
    """Cursor pages: steady while rows arrive, flat in cost however far one reads."""

    page_size = 100
    max_page_size = 1000
    page_size_query_param = "page_size"
    ordering: str | list[str] | tuple[str, ...] = "pk"


def problem(status: int, code: str, title: str, detail: str, errors: object | None = None) -> Response:
    """Make a problem+json answer."""
    body: dict[str, object] = {"type": f"urn:portal:{code}", "title": title, "status": status, "detail": detail}
    if errors:
        body["errors"] = errors
    return Response(body, status=status, content_type="application/problem+json")


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn every refusal into problem+json; what is none of them is a bug and goes on to the server's log."""
    match error:
        case DomainError():
            return problem(error.status, error.code, _("Refused"), str(error), error.detail)
        case Http404():
            return problem(
                404, "not_found", _("Not found"), _("There is no such thing here, or it is not yours to see.")
            )
        case PermissionDenied():
            return problem(403, "not_allowed", _("Not allowed"), str(error) or _("This is not yours to do."))
        case ModelValidationError():
            return problem(422, "invalid", _("Invalid values"), "; ".join(error.messages))
        case exceptions.ValidationError():
            return problem(422, "invalid", _("Invalid values"), _("Some values cannot be used."), error.detail)
        case exceptions.APIException():
            codes = error.get_codes()
            answer = problem(
                error.status_code,
                codes if isinstance(codes, str) else "error",
                str(error.default_detail),
                str(error.detail),
            )
            if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
                answer["WWW-Authenticate"] = getattr(error, "auth_header", "")
            return answer
    return None
