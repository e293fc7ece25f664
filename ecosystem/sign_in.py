"""How people sign in: what allauth and axes ask of the portal."""

from __future__ import annotations

import time
import uuid
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from ecosystem.models import User
from ecosystem.roles import Role
from ecosystem.steps.notify import post_email

LANGUAGE_SECONDS = 365 * 24 * 60 * 60


def sign_in_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Return the name a sign-in attempt is counted under: the email in lower case."""
    given = (credentials or {}).get("email") or (credentials or {}).get("login") or request.POST.get("login", "")
    return str(given).strip().lower()[:254]


def person(request: HttpRequest) -> User:
    """Return who is signed in; for pages that let nobody else in."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    return request.user


def has_second_factor(request: HttpRequest) -> bool:
    """Tell whether this user showed a second factor in this session."""
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))


class SignUpForm(forms.Form):
    """What a provider's applicant tells beside email and password."""

    name = forms.CharField(label=_("Your name"), max_length=80, widget=forms.TextInput(attrs={"autocomplete": "name"}))

    def signup(self, request: HttpRequest, user: User) -> None:
        """Keep the name and the language the applicant reads."""
        user.name = self.cleaned_data["name"]
        user.language = translation.get_language() or "zh-hans"
        user.save(update_fields=["name", "language"])


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Mail through the outbox, in the recipient's language; machines do not sign in."""

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Put a mail of the accounts into the outbox: ``account/email/x`` is ``emails/x.txt``."""
        template = template_prefix.rpartition("/")[2]
        known = context.get("user") or User.objects.filter(email__iexact=email).first()
        # A code or link is good for one use; every request for one is a message of its own.
        post_email(
            f"account:{uuid.uuid4()}",
            to=known or email,
            address=email,
            template=template,
            context={**context, "email": email},
        )

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Spare whoever signed in within the last minutes a second request for the password."""
        recent = time.time() - app_settings.REAUTHENTICATION_TIMEOUT
        if any(record["at"] > recent for record in get_authentication_records(self.request, self.request.user)):
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Refuse machine accounts: they come with a token, to the REST interface only."""
        if user.role == Role.MACHINE:
            return redirect("account_inactive")
        answer: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return answer
