"""Split a binding: another provider has a share of it once it accepts; the lead keeps the rest."""

from __future__ import annotations

from datetime import date
from functools import partial

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.types.range import DateRange

from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import may
from providers.models import Binding, Provider
from providers.shares import WHOLE, percent_text
from providers.steps.bind import BINDERS, require_binder
from providers.steps.change_binding import answered, detail, hold_binding, mark_changed, subject_of, take, tell
from providers.steps.members import require_member

Status = Binding.Status
_record = partial(AuditEntry.objects.record, Verb.REGISTER)


@transaction.atomic(durable=True)
def propose_share(
    lead_id: int, *, provider_id: int, share_bp: int, starts_on: date, ends_before: date | None = None, actor: User
) -> Binding:
    """Offer another provider a share (basis points) of a confirmed binding, as its lead or as staff who bind."""
    lead = hold_binding(lead_id)
    require_binder(actor, lead.provider_id)
    if lead.lead_id is not None or lead.status != Status.CONFIRMED:
        raise WrongStatus(_("Only a confirmed binding that is no share itself is split."))
    provider = Provider.objects.get(pk=provider_id)
    if provider.pk == lead.provider_id or provider.status != Provider.Status.APPROVED:
        raise InvalidInput(_("A share is for another provider that is approved."))
    if starts_on < business_today() and not may(actor, "bind"):
        raise InvalidInput(_("A provider splits a binding from today on, not for days that have passed."))
    period = DateRange(starts_on, ends_before or lead.period.upper)
    _refuse_outside(lead, period)
    refuse_excess(lead, period, share_bp)
    subject = {"merchant": lead.merchant, "streamer": lead.streamer}
    waiting = Binding.objects.filter(provider=provider, role=lead.role, status=Status.PROPOSED, **subject)
    if waiting.exists():
        raise WrongStatus(_("A proposal to this provider for the same work is waiting already."))
    share = Binding.objects.create(
        provider=provider,
        role=lead.role,
        period=period,
        lead=lead,
        share_bp=share_bp,
        related_party=lead.related_party,
        proposed_by=actor,
        **subject,
    )
    _record("propose_share", share, actor=actor, detail=detail(share))
    tell(share, "share_proposed", provider, lead=lead.provider.name, **_told(share))
    return share


@transaction.atomic(durable=True)
def accept_share(binding_id: int, *, actor: User) -> Binding:
    """Accept a share as an owner or operator of the provider it was offered to; from then on it counts."""
    share, lead = _offered(binding_id, actor)
    if lead.status != Status.CONFIRMED:
        raise WrongStatus(_("The binding this is a share of is “%(status)s”.") % {"status": lead.get_status_display()})
    _refuse_outside(lead, share.period)
    refuse_excess(lead, share.period, share.share_bp or 0)
    take(share, Status.PROPOSED, status=Status.CONFIRMED, confirmed_at=timezone.now(), confirmed_by=actor.email)
    _record("accept_share", share, actor=actor, detail=detail(share))
    mark_changed(share, share.period.lower, "accept_share")
    tell(share, "share_accepted", lead.provider, **_told(share))
    return share


@transaction.atomic(durable=True)
def decline_share(binding_id: int, *, actor: User) -> Binding:
    """Decline a share as an owner or operator of the provider it was offered to."""
    share, lead = _offered(binding_id, actor)
    take(share, Status.PROPOSED, status=Status.DECLINED)
    _record("decline_share", share, actor=actor)
    tell(share, "share_declined", lead.provider, **_told(share))
    return share


def _offered(binding_id: int, actor: User) -> tuple[Binding, Binding]:
    """Hold a share that waits for the answer of this person's provider, and its lead."""
    share = hold_binding(binding_id)
    require_member(actor, share.provider_id, *BINDERS)
    if share.lead is None or share.status != Status.PROPOSED:
        raise WrongStatus(answered(share))
    return share, share.lead


def _refuse_outside(lead: Binding, period: DateRange) -> None:
    first, last, lead_last = period.lower or date.min, period.upper or date.max, lead.period.upper or date.max
    if not lead.period.lower <= first < last <= lead_last:
        raise InvalidInput(
            _("A share lies within its binding: from %(first)s to before %(last)s.")
            % {"first": lead.period.lower, "last": lead.period.upper or _("an open end")}
        )


def refuse_excess(lead: Binding, period: DateRange, share_bp: int) -> None:
    """Refuse a share that would leave nothing to the lead on any of its days."""
    others = list(lead.shares.confirmed().filter(period__overlap=period))
    # What is given away is largest on a day on which a share begins.
    days = {max(period.lower, other.period.lower) for other in others}
    given = max((sum(other.share_bp or 0 for other in others if day in other.period) for day in days), default=0)
    if not 0 < share_bp < WHOLE - given:
        raise InvalidInput(
            _("The lead keeps a part: of %(subject)s less than %(left)s can be given on these days.")
            % {"subject": subject_of(lead), "left": percent_text(WHOLE - given)}
        )


def _told(share: Binding) -> dict[str, str]:
    return {"share_text": percent_text(share.share_bp or 0)}
