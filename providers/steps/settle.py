"""Settle one delivery: twice is once, all of it counts or none of it, and every fault is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from psycopg.errors import UniqueViolation

from ecosystem.models import AuditEntry
from ecosystem.models.audit import Verb
from providers.feeds import feeds
from providers.models import Batch, RowError
from providers.readers.faults import Faults, UnreadableFile
from providers.readers.source import Source
from providers.steps.copy_in import copy_in
from providers.steps.delivery import BatchKeyTaken
from providers.steps.meeting import NotAsTrusted

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.steps.delivery import Delivery

LOCK_SPACE = 0x1267
COUNTS = (
    "rows",
    "rows_added",
    "rows_changed",
    "rows_same",
    "rows_removed",
    "days_changed",
    "providers_touched",
    "errors",
    "warnings",
)


@dataclass(slots=True)
class Outcome:
    """What came of reading and applying a file."""

    digest: str
    row_count: int
    faults: Faults
    warnings: Faults = field(default_factory=Faults)


class Rollback(Exception):
    """Undoes what a savepoint wrote."""


def lock_feed(feed: str) -> None:
    """Let deliveries of one feed into the tables one after the other, for the rest of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK_SPACE, feeds().index(feed)])


@transaction.atomic
def settle(delivery: Delivery, content: BinaryIO, apply: Callable[[Batch, bool], Outcome]) -> Batch:
    """Return the batch of this key if it is applied already; else apply the file, or refuse it with its faults."""
    lock_feed(delivery.feed)
    applied = _applied_before(delivery, content)
    if applied is not None:
        return applied
    batch = _received(delivery)
    try:
        outcome = _attempt(batch, partial(apply, batch, True))
    except (IntegrityError, UniqueViolation, NotAsTrusted):
        # A key stands twice, in the file or under a day nobody called delivered, or days come mixed: read all of it,
        # then compare.
        content.seek(0)
        batch = _received(delivery)
        outcome = _attempt(batch, partial(apply, batch, False))
    if outcome.faults:
        rows = batch.rows
        batch = _received(delivery)
        batch.status, batch.rows, batch.errors = Batch.Status.REFUSED, rows, outcome.faults.total
    else:
        batch.warnings = outcome.warnings.total
    batch.digest = delivery.digest(outcome.digest)
    batch.save()
    _note_faults(batch, outcome)
    detail: dict[str, object] = {name.removeprefix("rows_"): getattr(batch, name) for name in ("status", *COUNTS)}
    if delivery.accept_unusual:
        detail["unusual_accepted"] = delivery.accept_unusual
    AuditEntry.objects.record(Verb.INGEST, "ingest", batch, actor=delivery.actor, detail=detail)
    return batch


def _applied_before(delivery: Delivery, content: BinaryIO) -> Batch | None:
    """Return the batch of this source, feed and key, if it is applied and has this content; refuse other content."""
    applied = Batch.objects.filter(
        source=delivery.source, feed=delivery.feed, key=delivery.key, status=Batch.Status.APPLIED
    ).first()
    if applied is None:
        return None
    try:
        digest = Source(content, delivery.mapping.encoding).digest_all()
    except UnreadableFile:
        digest = ""
    if applied.digest == delivery.digest(digest):
        return applied
    raise BatchKeyTaken(
        _("The batch %(key)s of %(feed)s was applied with other content. Send changed content under a new key.")
        % {"key": delivery.key, "feed": delivery.feed},
        detail={"batch": applied.pk, "digest": applied.digest},
    )


def _received(delivery: Delivery) -> Batch:
    """Return a batch as it arrives, of which nothing is known yet but what came beside it."""
    return Batch(
        source=delivery.source,
        feed=delivery.feed,
        key=delivery.key,
        file_name=delivery.file_name,
        partition=delivery.partition,
        version=delivery.version,
        replaces=delivery.replace,
        status=Batch.Status.APPLIED,
        received_by=delivery.actor,
    )


def _attempt(batch: Batch, apply: Callable[[], Outcome]) -> Outcome:
    """Apply the file under the batch; with faults, as if nothing had happened."""
    outcome: Outcome | None = None
    try:
        with transaction.atomic():
            batch.save()
            outcome = apply()
            batch.rows = outcome.row_count
            if outcome.faults:
                raise Rollback
    except Rollback:
        assert outcome is not None
    return outcome


def _note_faults(batch: Batch, outcome: Outcome) -> None:
    notes = [(fault, False) for fault in outcome.faults.first()] or [(one, True) for one in outcome.warnings.first()]
    copy_in(
        [
            RowError(
                batch=batch,
                row=fault.row,
                column=fault.column,
                found=_storable(fault.found),
                reason=fault.reason,
                is_warning=is_warning,
            )
            for fault, is_warning in notes
        ]
    )


def _storable(text: str) -> str:
    """Return the text without the one character the database cannot keep."""
    return text.replace("\x00", "\\0")
