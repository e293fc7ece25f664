"""Bind merchants and streamers to a provider for a period, with the other side's consent."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

from django.conf import settings
from django.contrib.postgres.fields import DateRangeField
from django.contrib.postgres.fields.ranges import RangeStartsWith
from django.db import transaction
from django.db.models import F, Func, Min, Q, Value
from django.utils import timezone
from django.utils.translation import gettext as _
from psycopg.types.range import DateRange

from ecosystem import ledger
from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput, WrongStatus
from ecosystem.models import AuditEntry, User
from ecosystem.models.audit import Verb
from ecosystem.roles import may
from ecosystem.steps.notify import post_email
from providers import links, reading
from providers.choices import BindingRole
from providers.errors import CoolingDown, LinkUnusable
from providers.models import Binding, Provider
from providers.models.members import MemberRole
from providers.steps.beside import mark_beside
from providers.steps.change_binding import (
    Subject,
    answered,
    clip_shares,
    detail,
    hold_binding,
    hold_subjects,
    kind_of,
    mark_changed,
    refuse_taken,
    shorten,
    subject_of,
    take,
    tell,
)
from providers.steps.members import require_member

Status = Binding.Status
BINDERS = (MemberRole.OWNER, MemberRole.OPERATOR)
_record = partial(AuditEntry.objects.record, Verb.REGISTER)


def require_binder(actor: User, provider_id: int) -> None:
    """Refuse unless the person keeps this provider's bindings: its owner or operator, or the staff who bind."""
    if not may(actor, "bind"):
        require_member(actor, provider_id, *BINDERS)


@transaction.atomic(durable=True)
def propose(
    provider_id: int,
    *,
    subject: Subject,
    role: BindingRole,
    starts_on: date,
    ends_before: date | None = None,
    term_ends_on: date | None = None,
    related_party: bool = False,
    takes_over: bool = False,
    actor: User,
) -> Binding:
    """Propose a binding and mail the other side a signed link; nothing counts before it confirms.

    With ``takes_over`` somebody else holds the role on the first day: that binding ends when this one is confirmed,
    and a cool-down from the proposal to the first day leaves time to answer.
    """
    require_binder(actor, provider_id)
    provider = Provider.objects.select_for_update(no_key=True).get(pk=provider_id)
    if provider.status != Provider.Status.APPROVED:
        raise WrongStatus(
            _("%(name)s is “%(status)s”; only an approved provider proposes bindings.")
            % {"name": provider.name, "status": provider.get_status_display()}
        )
    if ends_before is not None and ends_before <= starts_on:
        raise InvalidInput(_("The period must end after it starts."))
    if not subject.contact_email:
        raise InvalidInput(_("%(subject)s has no contact email to send the link to.") % {"subject": subject})
    kind = kind_of(subject)
    if Binding.objects.filter(provider=provider, role=role, status=Status.PROPOSED, **{kind: subject}).exists():
        raise WrongStatus(_("A proposal to %(subject)s in this role is waiting already.") % {"subject": subject})
    period = DateRange(starts_on, ends_before)
    old = _taken_over(provider, subject, role, starts_on) if takes_over else None
    refuse_taken(subject, role, period, apart_from=old)
    _refuse_sisters(provider, subject, role, starts_on)
    binding = Binding.objects.create(
        provider=provider,
        role=role,
        period=period,
        term_ends_on=term_ends_on,
        related_party=related_party,
        proposed_by=actor,
        transfer_of=old,
        cool_down_until=None if old is None else business_today() + timedelta(days=settings.COOL_DOWN_DAYS),
        **{kind: subject},
    )
    _record("propose", binding, actor=actor, detail=detail(binding))
    if old is not None:
        tell(old, "transfer_asked", old.provider, starts_day=starts_on.isoformat(), provider=provider.name)
    _mail(binding, links.Question(binding.pk, subject.contact_email))
    return binding


@transaction.atomic(durable=True)
def confirm(token: str) -> Binding:
    """Confirm a proposed binding as the merchant or streamer the link was mailed to."""
    question = links.read(token)
    binding = hold_binding(question.binding_id)
    if question.renew_until is not None or binding.status != Status.PROPOSED:
        raise LinkUnusable(answered(binding))
    if binding.provider.status not in (Provider.Status.APPROVED, Provider.Status.SUSPENDED):
        raise LinkUnusable(_("%(provider)s no longer works here.") % {"provider": binding.provider})
    if binding.conflicts.waiting().exists():
        raise LinkUnusable(_("The other side contests this; the link works again once it is decided."))
    old = binding.transfer_of
    if old is not None:
        _hand_over(old, binding.period.lower)
    refuse_taken(subject_of(binding), binding.role, binding.period)
    take(binding, Status.PROPOSED, status=Status.CONFIRMED, confirmed_at=timezone.now(), confirmed_by=question.asked)
    _record("confirm", binding, detail=detail(binding) | {"by": question.asked}, cause="signed link")
    mark_changed(binding, binding.period.lower, "confirm")
    tell(binding, "binding_confirmed")
    if old is not None:
        tell(old, "binding_ended", old.provider, end_day=old.period.upper.isoformat())
    return binding


@transaction.atomic(durable=True)
def decline(token: str) -> Binding:
    """Decline a proposed binding as the merchant or streamer the link was mailed to."""
    question = links.read(token)
    binding = hold_binding(question.binding_id)
    if question.renew_until is not None or binding.status != Status.PROPOSED:
        raise LinkUnusable(answered(binding))
    take(binding, Status.PROPOSED, status=Status.DECLINED)
    _record("decline", binding, detail={"by": question.asked}, cause="signed link")
    tell(binding, "binding_declined")
    return binding


@transaction.atomic(durable=True)
def withdraw_proposal(binding_id: int, *, actor: User) -> Binding:
    """Take a proposal back before it is answered."""
    binding = hold_binding(binding_id)
    _require_side(actor, binding)
    take(binding, Status.PROPOSED, status=Status.WITHDRAWN)
    _record("withdraw_proposal", binding, actor=actor)
    return binding


@transaction.atomic(durable=True)
def end(binding_id: int, *, ends_before: date, actor: User) -> Binding:
    """Shorten a confirmed binding; a provider may end it from today on, staff on an earlier day as well.

    Its shares end with it. A share is ended by either of its two providers.
    """
    binding = hold_binding(binding_id)
    _require_side(actor, binding)
    if binding.status != Status.CONFIRMED:
        raise WrongStatus(answered(binding))
    period = binding.period
    if ends_before <= period.lower:
        raise InvalidInput(
            _("The binding starts on %(day)s; it cannot end on or before that day.") % {"day": period.lower}
        )
    if period.upper is not None and ends_before >= period.upper:
        raise InvalidInput(_("The binding already ends before %(day)s.") % {"day": period.upper})
    if ends_before < business_today() and not may(actor, "bind"):
        raise InvalidInput(_("A provider ends a binding from today on, not for days that have passed."))
    shorten(binding, ends_before, "end")
    _record("end", binding, actor=actor, detail=detail(binding))
    tell(binding, "binding_ended", end_day=ends_before.isoformat())
    return binding


@transaction.atomic(durable=True)
def ask_renewal(binding_id: int, *, term_ends_on: date, actor: User) -> Binding:
    """Mail the other side a signed link that renews the binding until a day."""
    binding = hold_binding(binding_id)
    require_binder(actor, binding.provider_id)
    subject = subject_of(binding)
    _refuse_renewal(binding, term_ends_on)
    if not subject.contact_email:
        raise InvalidInput(_("%(subject)s has no contact email to send the link to.") % {"subject": subject})
    _record("ask_renewal", binding, actor=actor, detail={"term_ends_on": term_ends_on.isoformat()})
    _mail(binding, links.Question(binding.pk, subject.contact_email, term_ends_on))
    return binding


@transaction.atomic(durable=True)
def renew(token: str) -> Binding:
    """Renew a binding as the one the link was mailed to: a new term, and a longer period where that ends before."""
    question = links.read(token)
    binding = hold_binding(question.binding_id)
    until = question.renew_until
    if until is None or (binding.renewed_on is not None and binding.term_ends_on == until):
        raise LinkUnusable(answered(binding))
    _refuse_renewal(binding, until)
    period, old_end, renewed_before = binding.period, binding.period.upper, binding.renewed_on
    if old_end is not None and old_end < until:
        period = DateRange(period.lower, until)
        refuse_taken(subject_of(binding), binding.role, period, apart_from=binding)
    today = business_today()
    take(binding, Status.CONFIRMED, term_ends_on=until, renewed_on=today, period=period)
    _record("renew", binding, detail=detail(binding) | {"by": question.asked}, cause="signed link")
    mark_changed(binding, min(today, old_end or today, renewed_before or today), "renew")
    tell(binding, "binding_confirmed")
    return binding


def end_all(provider: Provider, *, ends_before: date, cause: str) -> int:
    """End every binding of a provider in the caller's transaction; return how many confirmed ones it touched."""
    own = Binding.objects.filter(provider=provider)
    held = own.filter(status__in=[Status.PROPOSED, Status.CONFIRMED]).values_list("merchant", "streamer")
    hold_subjects((merchant for merchant, _ in held), (streamer for _, streamer in held))
    running = own.confirmed().filter(Q(period__endswith__isnull=True) | Q(period__endswith__gt=ends_before))
    first = running.aggregate(first=Min(RangeStartsWith("period")))["first"]
    own.filter(status=Status.PROPOSED).update(status=Status.WITHDRAWN)
    subjects = list(running.values_list("merchant", "streamer"))
    leads = list(running.filter(shares__status=Status.CONFIRMED).values_list("pk", flat=True).distinct())
    touched = running.filter(period__startswith__gte=ends_before).update(status=Status.WITHDRAWN)
    touched += running.filter(period__startswith__lt=ends_before).update(
        period=Func(
            RangeStartsWith(F("period")), Value(ends_before), function="daterange", output_field=DateRangeField()
        )
    )
    if touched:
        day = max(first, ends_before)
        clip_shares(leads, ends_before, cause)
        ledger.mark("roll_up", [(str(provider.pk), day)], cause=cause)
        beside = [
            ("merchant", merchant, day) if merchant else ("streamer", streamer, day) for merchant, streamer in subjects
        ]
        mark_beside(beside, cause=cause)
    return touched


def _require_side(actor: User, binding: Binding) -> None:
    """Refuse unless the person keeps the binding, as its provider or, of a share, as the lead."""
    lead = binding.lead
    sides = [binding.provider_id] if lead is None else [binding.provider_id, lead.provider_id]
    if not any(actor.memberships.filter(provider=side, role__in=BINDERS).exists() for side in sides):
        require_binder(actor, binding.provider_id)


def _taken_over(provider: Provider, subject: Subject, role: str, starts_on: date) -> Binding:
    """Return the binding a transfer ends; refuse before the cool-down is over."""
    held = Binding.objects.confirmed().leads().select_related("provider", "merchant", "streamer", "proposed_by")
    old = held.filter(role=role, period__contains=starts_on, **{kind_of(subject): subject}).first()
    if old is None or old.provider_id == provider.pk:
        raise InvalidInput(_("Nobody else serves %(subject)s in this role on that day.") % {"subject": subject})
    earliest = max(business_today() + timedelta(days=settings.COOL_DOWN_DAYS), old.period.lower + timedelta(days=1))
    if starts_on < earliest:
        raise CoolingDown(
            _("A transfer waits %(days)s days: it may begin on %(day)s at the earliest.")
            % {"days": settings.COOL_DOWN_DAYS, "day": earliest}
        )
    return old


def _refuse_sisters(provider: Provider, subject: Subject, role: str, starts_on: date) -> None:
    """Refuse to move somebody between companies of one owner before the longer cool-down is over."""
    since = starts_on - timedelta(days=settings.SISTER_COOL_DOWN_DAYS)
    sisters = reading.same_company(provider).exclude(pk=provider.pk)
    last = (
        Binding.objects.confirmed()
        .leads()
        .filter(provider__in=sisters, role=role, period__endswith__gt=since, **{kind_of(subject): subject})
        .order_by("-period", "-pk")
        .first()
    )
    if last is not None:
        raise CoolingDown(
            _("A sister company served %(subject)s until %(day)s; between sister companies %(days)s days must pass.")
            % {"subject": subject, "day": last.period.upper, "days": settings.SISTER_COOL_DOWN_DAYS}
        )


def _hand_over(old: Binding, starts_on: date) -> None:
    """End the binding that a confirmed transfer takes over, if it still runs on that day."""
    if starts_on < business_today():
        raise LinkUnusable(_("The transfer was to begin on %(day)s; that day has passed.") % {"day": starts_on})
    if old.status == Status.CONFIRMED and (old.period.upper is None or old.period.upper > starts_on):
        shorten(old, starts_on, "transfer")
        _record("transfer", old, detail=detail(old), cause="signed link")


def _refuse_renewal(binding: Binding, until: date) -> None:
    today, end_day = business_today(), binding.period.upper
    if binding.lead_id is not None:
        raise WrongStatus(_("A share has no term of its own; it ends with its lead binding at the latest."))
    if binding.status != Status.CONFIRMED or (end_day is not None and end_day <= today):
        raise WrongStatus(_("Only a confirmed binding that still runs is renewed; propose a new one instead."))
    if until <= max(today, binding.term_ends_on or today):
        raise InvalidInput(_("The new term must end later than today and than the present term."))


def _mail(binding: Binding, question: links.Question) -> None:
    post_email(
        f"binding:{binding.pk}:{timezone.now().isoformat()}",
        to=question.asked,
        template="binding_question",
        context={
            "binding": binding,
            "subject": subject_of(binding),
            "until": question.renew_until,
            "last_day": binding.period.upper - timedelta(days=1) if binding.period.upper else None,
            "days": links.LIFE.days,
            "url": links.link(question),
        },
    )
