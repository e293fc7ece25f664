"""Conflict cases: claim days another provider's binding holds, show evidence, and have a person decide.

A decision changes the ledger of bindings in retrospect and marks exactly the providers and days it touches.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.types.range import DateRange

from ecosystem import ledger
from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput, NotAllowed, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import MAY, may, require
from ecosystem.steps.notify import notify
from providers import documents, reading
from providers.choices import BindingRole
from providers.models import Binding, Conflict, Evidence, Provider
from providers.steps.bind import BINDERS
from providers.steps.change_binding import (
    Subject,
    clip_shares,
    hold_binding,
    kind_of,
    mark_changed,
    refuse_taken,
    subject_of,
    take,
)
from providers.steps.members import require_member
from providers.steps.split import refuse_excess

MOST_OPEN = 20  # conflicts of one claimant that wait
NO_TERM: dict[str, object] = {"term_ends_on": None, "renewed_on": None, "related_party": False}
Status = Conflict.Status
_record = partial(AuditEntry.objects.record, Verb.REGISTER)


@transaction.atomic(durable=True)
def open_conflict(
    provider_id: int,
    *,
    subject: Subject,
    role: BindingRole,
    starts_on: date,
    text: str,
    ends_before: date | None = None,
    file: UploadedFile[bytes] | None = None,
    actor: User,
) -> Conflict:
    """Claim days of a merchant or streamer that another provider holds in a role, or is about to take over."""
    require_member(actor, provider_id, *BINDERS)
    claimant = Provider.objects.select_for_update(no_key=True).get(pk=provider_id)
    if claimant.status != Provider.Status.APPROVED:
        raise WrongStatus(
            _("%(name)s is “%(status)s”.") % {"name": claimant.name, "status": claimant.get_status_display()}
        )
    if claimant.claims.waiting().count() >= MOST_OPEN:
        raise InvalidInput(_("%(limit)s conflicts of yours wait already.") % {"limit": MOST_OPEN})
    binding = _contested(claimant, subject, role, starts_on)
    upper = min(ends_before or date.max, binding.period.upper or date.max)
    if upper <= starts_on:
        raise InvalidInput(_("The period must end after it starts."))
    if binding.conflicts.filter(claimant=claimant, status=Status.OPEN).exists():
        raise WrongStatus(_("Your claim to these days is waiting already."))
    conflict = Conflict.objects.create(
        binding=binding,
        claimant=claimant,
        period=DateRange(starts_on, None if upper == date.max else upper),
        answer_by=business_today() + timedelta(days=settings.CONFLICT_ANSWER_DAYS),
        opened_by=actor,
    )
    _show(conflict, claimant, text, file, actor)
    _record("open_conflict", conflict, actor=actor, detail=_detail(conflict))
    params = {"provider": claimant.name, "subject": str(subject)}
    answer_day = conflict.answer_by.isoformat()
    _tell(conflict, "conflict_opened", binding.provider, **params, answer_day=answer_day)
    arbiters = User.objects.filter(role__in=MAY["decide_conflict"], is_active=True).order_by("pk")
    notify(arbiters, "conflict_waiting", params=params)
    return conflict


@transaction.atomic(durable=True)
def add_evidence(
    conflict_id: int, *, provider_id: int, text: str, file: UploadedFile[bytes] | None = None, actor: User
) -> Evidence:
    """Say something to an open conflict for one of its two sides, with a paper that shows it."""
    conflict = _held(conflict_id)
    if provider_id not in (conflict.claimant_id, conflict.binding.provider_id):
        raise NotAllowed(_("Only the two sides of a conflict bring evidence."))
    require_member(actor, provider_id, *BINDERS)
    side, other = conflict.claimant, conflict.binding.provider
    if provider_id == other.pk:
        side, other = other, side
    shown = _show(conflict, side, text, file, actor)
    _record("add_evidence", conflict, actor=actor, detail={"provider": provider_id, "evidence": shown.pk})
    _tell(conflict, "conflict_answered", other, subject=str(subject_of(conflict.binding)))
    return shown


@transaction.atomic(durable=True)
def withdraw_conflict(conflict_id: int, *, actor: User) -> Conflict:
    """Take a claim back before it is decided."""
    conflict = _held(conflict_id)
    require_member(actor, conflict.claimant_id, *BINDERS)
    Conflict.objects.filter(pk=conflict.pk).update(status=Status.WITHDRAWN)
    _record("withdraw_conflict", conflict, actor=actor)
    conflict.refresh_from_db()
    return conflict


@transaction.atomic(durable=True)
def decide_conflict(
    conflict_id: int, *, outcome: str, reason: str, share_bp: int | None = None, actor: User
) -> Conflict:
    """Decide as the arbiter: dismiss the claim, move the days to the claimant, or give it a share of them."""
    require(actor, "decide_conflict")
    conflict = _held(conflict_id)
    if outcome not in (Status.DISMISSED, Status.MOVED, Status.SHARED):
        raise InvalidInput(_("Dismiss the claim, move the days, or share them."))
    if not reason.strip():
        raise InvalidInput(_("Say why: both sides read it."))
    answered = conflict.evidence.filter(provider=conflict.binding.provider_id).exists()
    if not answered and business_today() <= conflict.answer_by:
        raise WrongStatus(
            _("The other side may answer until %(day)s; it is decided afterwards.") % {"day": conflict.answer_by}
        )
    binding = hold_binding(conflict.binding_id)
    if outcome == Status.MOVED:
        _move(conflict, binding)
    elif outcome == Status.SHARED:
        _share(conflict, binding, share_bp or 0)
    Conflict.objects.filter(pk=conflict.pk).update(
        status=outcome,
        reason=reason.strip(),
        share_bp=share_bp if outcome == Status.SHARED else None,
        decided_by=actor,
        decided_at=timezone.now(),
    )
    conflict.refresh_from_db()
    _record("decide_conflict", conflict, actor=actor, detail=_detail(conflict), cause=conflict.reason)
    for side in (conflict.claimant, binding.provider):
        _tell(conflict, "conflict_decided", side, subject=str(subject_of(binding)), reason=conflict.reason)
    return conflict


def papers(user: User) -> QuerySet[Evidence]:
    """Return the papers this person may open: those of the own side, as the arbiter all."""
    found = Evidence.objects.exclude(file="")
    if may(user, "decide_conflict"):
        return found
    return found.filter(provider__in=user.memberships.filter(role__in=BINDERS).values("provider"))


def _held(conflict_id: int) -> Conflict:
    """Hold an open conflict."""
    rows = Conflict.objects.select_related("claimant", "binding__provider", "binding__merchant", "binding__streamer")
    conflict = rows.select_for_update(no_key=True, of=("self",)).get(pk=conflict_id)
    if conflict.status != Status.OPEN:
        raise WrongStatus(_("This conflict is “%(status)s”.") % {"status": conflict.get_status_display()})
    return conflict


def _contested(claimant: Provider, subject: Subject, role: str, day: date) -> Binding:
    """Return whose days are claimed: another provider's, or those of a transfer away from the claimant."""
    others = Binding.objects.leads().select_related("provider").filter(role=role, period__contains=day)
    others = others.filter(**{kind_of(subject): subject}).exclude(provider=claimant)
    away = others.filter(status=Binding.Status.PROPOSED, transfer_of__provider=claimant)
    found = others.confirmed().first() or away.order_by("pk").first()
    if found is None:
        raise InvalidInput(
            _("No other provider serves %(subject)s in this role on %(day)s; propose a binding instead.")
            % {"subject": subject, "day": day}
        )
    return found


def _show(conflict: Conflict, side: Provider, text: str, file: UploadedFile[bytes] | None, actor: User) -> Evidence:
    if not text.strip():
        raise InvalidInput(_("Say why the days are yours."))
    shown = Evidence(conflict=conflict, provider=side, text=text.strip(), created_by=actor)
    documents.keep(shown, file)
    return shown


def _move(conflict: Conflict, binding: Binding) -> None:
    """Give the claimed days to the claimant; what lies before and after them stays, shares included."""
    if binding.status == Binding.Status.PROPOSED:
        take(binding, Binding.Status.PROPOSED, status=Binding.Status.WITHDRAWN)
        return
    first, days = _still_held(conflict, binding)
    last = days.upper
    shares = list(binding.shares.confirmed().filter(period__overlap=DateRange(first, None)))
    after = None if last is None or last == binding.period.upper else DateRange(last, binding.period.upper)
    old = Binding(**{field.attname: getattr(binding, field.attname) for field in Binding._meta.concrete_fields})
    # A term that a decision cut short is nobody's failure to renew.
    if first > binding.period.lower:
        before = DateRange(binding.period.lower, first)
        take(binding, Binding.Status.CONFIRMED, period=before, term_ends_on=None, renewed_on=None)
    else:
        take(binding, Binding.Status.CONFIRMED, status=Binding.Status.WITHDRAWN)
    clip_shares([binding.pk], first, f"conflict {conflict.pk}")
    moved = _copy(old, conflict, provider=conflict.claimant, period=days, **NO_TERM)
    refuse_taken(subject_of(moved), moved.role, days)
    moved.save(force_insert=True)
    if after is not None:
        rest = _copy(old, conflict, period=after)
        rest.save(force_insert=True)
        for share in shares:
            start, end = max(share.period.lower, after.lower), share.period.upper
            if end is None or start < end:
                _copy(share, conflict, lead=rest, period=DateRange(start, end)).save(force_insert=True)
    touched = {moved.provider_id, old.provider_id, *(share.provider_id for share in shares)}
    ledger.mark("roll_up", [(str(one), first) for one in sorted(touched)], cause=f"conflict {conflict.pk}")
    mark_changed(moved, first, f"conflict {conflict.pk}")


def _copy(row: Binding, conflict: Conflict, **values: object) -> Binding:
    """Return a new binding like a row, confirmed by the decision."""
    kept = {field.attname: getattr(row, field.attname) for field in Binding._meta.concrete_fields}
    for name in ("id", "transfer_of_id", "cool_down_until", "proposed_by_id", "batch_id", "created_at"):
        del kept[name]
    copy = Binding(**kept)
    decided = {
        "status": Binding.Status.CONFIRMED,
        "confirmed_at": timezone.now(),
        "evidence": reading.decision_text(conflict.pk),
    }
    for name, value in (decided | values).items():
        setattr(copy, name, value)
    if copy.provider_id != row.provider_id:
        copy.confirmed_by = ""
    return copy


def _share(conflict: Conflict, binding: Binding, share_bp: int) -> None:
    """Give the claimant a share of the claimed days."""
    if binding.status != Binding.Status.CONFIRMED:
        raise WrongStatus(_("A binding that is not confirmed cannot be shared."))
    first, days = _still_held(conflict, binding)
    refuse_excess(binding, days, share_bp)
    if binding.shares.confirmed().filter(provider=conflict.claimant, period__overlap=days).exists():
        raise InvalidInput(_("The claimant has a share of some of these days already."))
    share = _copy(
        binding,
        conflict,
        provider=conflict.claimant,
        period=days,
        lead=binding,
        share_bp=share_bp,
        **NO_TERM,
    )
    share.save(force_insert=True)
    mark_changed(share, first, f"conflict {conflict.pk}")


def _still_held(conflict: Conflict, binding: Binding) -> tuple[date, DateRange]:
    """Return the claimed days that the binding still holds, and the first of them."""
    first: date = max(conflict.period.lower, binding.period.lower)
    last = min(conflict.period.upper or date.max, binding.period.upper or date.max)
    if binding.status != Binding.Status.CONFIRMED or first >= last:
        raise WrongStatus(_("The contested binding no longer holds any of these days; dismiss the claim."))
    return first, DateRange(first, None if last == date.max else last)


def _detail(conflict: Conflict) -> dict[str, object]:
    period = conflict.period
    return {
        "binding": conflict.binding_id,
        "claimant": conflict.claimant_id,
        "starts_on": period.lower.isoformat(),
        "ends_before": period.upper.isoformat() if period.upper else None,
        "outcome": conflict.status,
        "share_bp": conflict.share_bp,
    }


def _tell(conflict: Conflict, kind: str, side: Provider, **params: str) -> None:
    notify(reading.owners(side), kind, params=params, url=reverse("providers:conflict", args=[conflict.pk]))
