"""Which provider a member is working for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from ecosystem.roles import Role
from providers.models import Membership, Provider
from providers.models.members import READS_SCORES, MemberRole

SESSION_KEY = "provider"


@dataclass(frozen=True, slots=True)
class Member:
    """The provider worked for, the role there, and the providers one could change to."""

    provider: Provider | None = None
    role: str = ""
    others: tuple[Provider, ...] = ()

    @property
    def reads_scores(self) -> bool:
        """Say whether scores, plan and figures are open to this member."""
        return self.role in READS_SCORES


def working_for(request: HttpRequest) -> Member:
    """Return the member's standing; one query per request, none for staff and visitors."""
    known: Member | None = getattr(request, "_working_for", None)
    if known is None:
        known = _read(request)
        request._working_for = known  # type: ignore[attr-defined]
    return known


def owner_only(request: HttpRequest) -> None:
    """Refuse whoever does not own the account of the provider in question."""
    if working_for(request).role != MemberRole.OWNER:
        raise PermissionDenied(_("Only an owner of the provider's account does this."))


def _read(request: HttpRequest) -> Member:
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active or user.role != Role.PROVIDER:
        return Member()
    memberships = list(
        Membership.objects.filter(user=user).select_related("provider").order_by("provider__name", "provider_id")
    )
    if not memberships:
        return Member()
    wanted = request.session.get(SESSION_KEY)
    chosen = next((membership for membership in memberships if membership.provider_id == wanted), memberships[0])
    return Member(
        provider=chosen.provider,
        role=chosen.role,
        others=tuple(membership.provider for membership in memberships if membership is not chosen),
    )


def current_provider(request: HttpRequest) -> Provider | None:
    """Return the provider the member is working for; None for visitors, staff and people without one."""
    return working_for(request).provider


def member_required[**P](
    view: Callable[Concatenate[HttpRequest, Provider, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Open a page to members only and hand it the provider; visitors sign in, applicants apply."""

    @wraps(view)
    def page(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        provider = current_provider(request)
        if provider is not None:
            return view(request, provider, *args, **kwargs)
        if request.user.is_authenticated and request.user.role != Role.PROVIDER:
            raise PermissionDenied(_("This page belongs to the members of a provider."))
        return redirect("providers:apply")

    return login_required(page)  # type: ignore[return-value]
