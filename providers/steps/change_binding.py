"""What every step on a binding does: hold it, change it, mark what it touches, tell those concerned."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.types.range import DateRange

from ecosystem import ledger
from ecosystem.errors import InvalidInput, WrongStatus
from ecosystem.steps.notify import notify
from providers import reading
from providers.errors import PeriodTaken
from providers.models import Binding, Merchant, Provider, Streamer
from providers.steps.beside import mark_beside

type Subject = Merchant | Streamer

_CLIP = """
UPDATE providers_binding share
SET status = CASE WHEN head.status = 'confirmed' AND share.period && head.period THEN share.status ELSE 'withdrawn' END,
    period = CASE WHEN share.period && head.period THEN share.period * head.period ELSE share.period END
FROM providers_binding head
WHERE head.id = share.lead_id AND head.id = ANY(%s) AND share.status = 'confirmed'
  AND (head.status <> 'confirmed' OR NOT share.period <@ head.period)
RETURNING share.provider_id
"""


def kind_of(subject: Subject) -> str:
    """Return the name of the column that holds the subject."""
    return "merchant" if isinstance(subject, Merchant) else "streamer"


def subject_of(binding: Binding) -> Subject:
    """Return the merchant or streamer."""
    subject = binding.merchant or binding.streamer
    if subject is None:
        raise InvalidInput(_("The binding names nobody."))
    return subject


def hold_binding(binding_id: int) -> Binding:
    """Hold a binding's subject, then the binding and the one it is a share of or takes over.

    Every step on bindings holds the subjects first, so that two of them take turns instead of deadlocking.
    """
    found = Binding.objects.get(pk=binding_id)
    hold_subjects([found.merchant_id], [found.streamer_id])
    ids = [pk for pk in (binding_id, found.lead_id, found.transfer_of_id) if pk is not None]
    rows = Binding.objects.select_related("provider", "merchant", "streamer", "lead__provider", "transfer_of__provider")
    held = {row.pk: row for row in rows.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True, of=("self",))}
    return held[binding_id]


def hold_subjects(merchants: Iterable[int | None], streamers: Iterable[int | None]) -> None:
    """Hold merchants, then streamers, each in the order of their ids."""
    for model, ids in ((Merchant, merchants), (Streamer, streamers)):
        wanted = model._default_manager.filter(pk__in={pk for pk in ids if pk is not None})
        list(wanted.order_by("pk").select_for_update(no_key=True).values_list("pk"))


def take(binding: Binding, needs: Binding.Status, **values: object) -> None:
    """Change the binding by one conditional UPDATE; a twin raises WrongStatus, an overlap PeriodTaken."""
    try:
        with transaction.atomic():
            changed = Binding.objects.filter(pk=binding.pk, status=needs).update(**values)
    except IntegrityError as error:
        raise PeriodTaken(_("Some of these days are taken by another binding of this role.")) from error
    if not changed:
        raise WrongStatus(answered(binding))
    for name, value in values.items():
        setattr(binding, name, value)


def shorten(binding: Binding, ends_before: date, cause: str) -> None:
    """Let a confirmed binding end earlier, its shares with it, and mark what that touches."""
    take(binding, Binding.Status.CONFIRMED, period=DateRange(binding.period.lower, ends_before))
    clip_shares([binding.pk], ends_before, cause)
    mark_changed(binding, ends_before, cause)


def clip_shares(leads: Collection[int], day: date, cause: str) -> None:
    """Keep shares within their leads, which changed from a day on; a share without a day left is withdrawn."""
    with connection.cursor() as cursor:
        cursor.execute(_CLIP, [list(leads)])
        clipped = sorted({provider for (provider,) in cursor.fetchall()})
    ledger.mark("roll_up", [(str(provider), day) for provider in clipped], cause=cause)


def refuse_taken(subject: Subject, role: str, period: DateRange, *, apart_from: Binding | None = None) -> None:
    """Say kindly what the exclusion constraint would refuse; whose binding it is stays between those two."""
    own = {kind_of(subject): subject}
    taken = Binding.objects.confirmed().leads().filter(role=role, period__overlap=period, **own)
    if apart_from is not None:
        taken = taken.exclude(pk=apart_from.pk)
    other = taken.order_by("period", "pk").first()
    if other is not None:
        raise PeriodTaken(
            _("%(subject)s is bound in this role from %(first)s to %(last)s already.")
            % {
                "subject": subject,
                "first": other.period.lower,
                "last": other.period.upper - timedelta(days=1) if other.period.upper else _("an open end"),
            }
        )


def answered(binding: Binding) -> str:
    """Say that there is nothing left to answer."""
    return _("This binding is “%(status)s”; there is nothing left to answer.") % {
        "status": binding.get_status_display()
    }


def detail(binding: Binding) -> dict[str, object]:
    """Return what the audit trail keeps of a binding."""
    period = binding.period
    kept: dict[str, object] = {
        "provider": binding.provider_id,
        "starts_on": period.lower.isoformat(),
        "ends_before": period.upper.isoformat() if period.upper else None,
        "term_ends_on": binding.term_ends_on.isoformat() if binding.term_ends_on else None,
    }
    if binding.lead_id:
        kept |= {"lead": binding.lead_id, "share_bp": binding.share_bp}
    if binding.transfer_of_id:
        kept |= {"transfer_of": binding.transfer_of_id}
    return kept


def mark_changed(binding: Binding, day: date, cause: str) -> None:
    """Mark the provider, and whoever is bound beside it, from the first day that reads differently."""
    ledger.mark("roll_up", [(str(binding.provider_id), day)], cause=cause)
    subject = subject_of(binding)
    mark_beside([(kind_of(subject), subject.pk, day)], cause=cause)


def tell(binding: Binding, kind: str, *providers: Provider, **params: object) -> None:
    """Tell the owners of the providers (the binding's own unless named) and, of its own, whoever proposed it."""
    people = {user.pk: user for provider in providers or [binding.provider] for user in reading.owners(provider)}
    if binding.proposed_by is not None and not providers:
        people[binding.proposed_by.pk] = binding.proposed_by
    notify(
        people.values(),
        kind,
        params={"subject": str(subject_of(binding)), "provider": binding.provider.name, **params},
        url=reading.binding_page(binding),
    )
