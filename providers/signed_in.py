"""The person behind a request, for pages that only people who are signed in reach."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from ecosystem.models import User


def person(request: HttpRequest) -> User:
    """Return the signed-in user; PermissionDenied for a visitor."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
