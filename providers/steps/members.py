"""Who acts for a provider: invitations by mail, joining, leaving."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ecosystem.errors import InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import Role, may
from ecosystem.steps.notify import notify, post_email
from providers import reading
from providers.errors import LastOwner, LinkUnusable
from providers.models import Invitation, Membership, Provider
from providers.models.members import MemberRole

INVITATION_DAYS = 14
_record = partial(AuditEntry.objects.record, Verb.REGISTER)


def require_member(actor: User, provider_id: int, *roles: MemberRole) -> None:
    """Refuse with NotAllowed unless the person holds one of the roles at the provider."""
    held = actor.is_active and Membership.objects.filter(user=actor, provider=provider_id, role__in=roles).exists()
    if not held or actor.role != Role.PROVIDER:
        raise NotAllowed(
            _("This step needs one of these roles at the provider: %(roles)s.")
            % {"roles": ", ".join(str(role.label) for role in roles)}
        )


def require_owner(actor: User, provider_id: int) -> None:
    """Refuse with NotAllowed unless the person owns the provider's account."""
    require_member(actor, provider_id, MemberRole.OWNER)


@transaction.atomic(durable=True)
def invite_member(provider_id: int, *, email: str, role: MemberRole, actor: User) -> Invitation:
    """Mail somebody an invitation to act for the provider; owners invite, recruiting staff too."""
    if not may(actor, "invite_provider"):
        require_owner(actor, provider_id)
    return invite_into(Provider.objects.get(pk=provider_id), email=email, role=role, actor=actor)


def invite_into(provider: Provider, *, email: str, role: MemberRole, actor: User) -> Invitation:
    """Write and mail an invitation in the caller's transaction; it replaces an open one to the same address."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidInput(_("“%(email)s” is not an email address.") % {"email": email}) from error
    Provider.objects.select_for_update(no_key=True).get(pk=provider.pk)
    if provider.status in reading.ENDED:
        raise WrongStatus(
            _("%(name)s is “%(status)s”.") % {"name": provider.name, "status": provider.get_status_display()}
        )
    if Membership.objects.filter(provider=provider, user__email__iexact=email).exists():
        raise InvalidInput(_("%(email)s already acts for %(provider)s.") % {"email": email, "provider": provider.name})
    now = timezone.now()
    Invitation.objects.filter(
        provider=provider, email__iexact=email, accepted_at__isnull=True, revoked_at__isnull=True
    ).update(revoked_at=now)
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        provider=provider,
        email=email,
        role=role,
        digest=_digest(token),
        invited_by=actor,
        created_at=now,
        expires_at=now + timedelta(days=INVITATION_DAYS),
    )
    _record("invite_member", provider, actor=actor, detail={"email": email, "role": role})
    known = User.objects.filter(email__iexact=email).first()
    post_email(
        f"invitation:{invitation.pk}",
        to=known or email,
        template="member_invitation",
        context={
            "invitation": invitation,
            "days": INVITATION_DAYS,
            "url": settings.PORTAL_URL + reverse("providers:invitation", args=[token]),
        },
    )
    return invitation


def find_invitation(token: str) -> Invitation:
    """Return the open invitation behind a link; LinkUnusable when it is unknown, answered, taken back or too old."""
    invitation = Invitation.objects.select_related("provider", "invited_by").filter(digest=_digest(token)).first()
    if invitation is None:
        raise LinkUnusable(_("This invitation is not known; perhaps the link was cut. Ask for a new one."))
    if invitation.accepted_at is not None:
        raise LinkUnusable(_("This invitation has been accepted already. Sign in to go on."))
    if invitation.revoked_at is not None:
        raise LinkUnusable(_("This invitation was taken back or replaced by a newer one."))
    if invitation.expires_at <= timezone.now():
        raise LinkUnusable(
            _("This invitation has expired. Ask %(who)s for a new one.") % {"who": invitation.invited_by}
        )
    return invitation


@transaction.atomic(durable=True)
def accept_invitation(token: str, *, actor: User) -> Membership:
    """Join the provider; only the person the invitation was mailed to may, and only once."""
    invitation = find_invitation(token)
    if actor.role != Role.PROVIDER:
        raise NotAllowed(_("Platform staff and machines do not act for providers."))
    if actor.email.lower() != invitation.email.lower():
        raise NotAllowed(
            _("This invitation is for %(invited)s; you are signed in as %(email)s.")
            % {"invited": invitation.email, "email": actor.email}
        )
    taken = Invitation.objects.filter(pk=invitation.pk, accepted_at__isnull=True, revoked_at__isnull=True)
    if not taken.update(accepted_at=timezone.now()):
        raise LinkUnusable(_("This invitation has been accepted already. Sign in to go on."))
    membership, created = Membership.objects.get_or_create(
        user=actor, provider=invitation.provider, defaults={"role": invitation.role}
    )
    _record("accept_invitation", invitation.provider, actor=actor, detail={"role": membership.role})
    if created:
        notify(
            reading.owners(invitation.provider).exclude(pk=actor.pk),
            "invitation_accepted",
            params={"person": str(actor), "provider": invitation.provider.name},
            url=reverse("providers:people"),
        )
    return membership


@transaction.atomic(durable=True)
def revoke_invitation(invitation_id: int, *, actor: User) -> Invitation:
    """Take an open invitation back."""
    invitation = Invitation.objects.select_related("provider").get(pk=invitation_id)
    if not may(actor, "invite_provider"):
        require_owner(actor, invitation.provider_id)
    now = timezone.now()
    still_open = Invitation.objects.filter(pk=invitation_id, accepted_at__isnull=True, revoked_at__isnull=True)
    if not still_open.update(revoked_at=now):
        raise WrongStatus(_("This invitation is no longer open."))
    invitation.revoked_at = now
    _record("revoke_invitation", invitation.provider, actor=actor, detail={"email": invitation.email})
    return invitation


@transaction.atomic(durable=True)
def remove_member(membership_id: int, *, actor: User) -> None:
    """End a membership: an owner may end anybody's, everybody his own; the last owner stays."""
    membership = Membership.objects.select_related("provider", "user").get(pk=membership_id)
    if membership.user_id != actor.pk:
        require_owner(actor, membership.provider_id)
    Provider.objects.select_for_update(no_key=True).get(pk=membership.provider_id)
    others = Membership.objects.filter(provider=membership.provider, role=MemberRole.OWNER).exclude(pk=membership_id)
    if membership.role == MemberRole.OWNER and not others.exists():
        raise LastOwner(_("%(provider)s needs an owner; invite another one first.") % {"provider": membership.provider})
    removed, _by_kind = Membership.objects.filter(pk=membership_id).delete()
    if not removed:
        raise WrongStatus(_("This person no longer acts for the provider."))
    _record(
        "remove_member",
        membership.provider,
        actor=actor,
        detail={"user": membership.user_id, "role": membership.role},
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
