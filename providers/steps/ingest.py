"""Take in one file of a feed: all of it counts, or none of it and every fault is named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, partial
from secrets import token_hex
from typing import BinaryIO

import numpy as np
from django.db import models, transaction
from django.utils.translation import gettext as _
from psycopg import sql

from ecosystem.clock import business_today
from ecosystem.errors import InvalidInput
from ecosystem.models import User
from ecosystem.roles import require
from providers.feeds import REGISTER_LAYOUTS, fact_layouts
from providers.measures import CATALOGUE, catalogue
from providers.models import Batch, Merchant, Provider, Streamer
from providers.readers.checks import RowCheck
from providers.readers.facts import FactReader
from providers.readers.faults import Fault, Faults
from providers.readers.fields import Codes
from providers.readers.mapping import PLAIN, Mapping
from providers.readers.plan import FactRules
from providers.readers.registers import read_register
from providers.steps.apply_facts import FactWriter, add_delivered
from providers.steps.delivery import (
    Delivery,
    check_delivery,
    name_measures_left_out,
    partition_days,
    refuse_older_version,
)
from providers.steps.reach import mark_anyone, mark_reached
from providers.steps.register_feeds import Applied, apply_register, register_codes
from providers.steps.settle import COUNTS, Outcome, Rollback, settle
from providers.steps.standing import one_row
from providers.steps.unbound import Unbound
from providers.steps.unusual_days import name_unusual_days


@dataclass(frozen=True, slots=True)
class Checked:
    """What ``ingest`` would have said: counts, and the faults and warnings kept word for word."""

    accepted: bool
    rows: int
    rows_added: int
    rows_changed: int
    rows_same: int
    rows_removed: int
    days_changed: int
    providers_touched: int
    errors: int
    warnings: int
    faults: tuple[Fault, ...]
    warned: tuple[Fault, ...]


def ingest(
    feed: str,
    content: BinaryIO,
    *,
    key: str = "",
    source: str = "file",
    mapping: Mapping | None = None,
    actor: User | None = None,
    covers: tuple[date, date] | None = None,
    file_name: str = "",
    accept_unusual: str = "",
    replace: bool = False,
    partition: str = "",
    version: int | None = None,
) -> Batch:
    """Read, check and apply a file; a refused one comes back as a batch with its row errors.

    The same source, key and content again return the batch as it is. ``covers`` are the first and last day delivered,
    both included; without it, the days in the file. ``accept_unusual`` is a person's reason to let an unusual day pass.
    ``replace``: the file is the whole of its days, so rows of its source that it leaves out go. ``partition`` names the
    days it is about, and ``version`` which statement of them it is: a newer one is never undone by an older one.
    """
    if actor is not None:
        require(actor, "ingest")
    mapping = mapping or PLAIN
    delivery = Delivery(
        feed,
        key or (f"{partition} v{version}" if partition and version else ""),
        source,
        mapping,
        actor,
        covers or (partition_days(partition) if partition else mapping.covers),
        file_name[:200],
        accept_unusual.strip(),
        replace,
        partition,
        version,
    )
    check_delivery(delivery)
    if feed in REGISTER_LAYOUTS:
        return settle(delivery, content, partial(_register, delivery, content))
    return settle(delivery, content, partial(_facts, delivery, content))


def check(
    feed: str,
    content: BinaryIO,
    *,
    source: str = "file",
    mapping: Mapping | None = None,
    covers: tuple[date, date] | None = None,
    actor: User | None = None,
    accept_unusual: str = "",
    replace: bool = False,
    partition: str = "",
    version: int | None = None,
) -> Checked:
    """Say what ``ingest`` would do with the file, and leave nothing behind."""
    checked: Checked | None = None
    try:
        with transaction.atomic():
            batch = ingest(
                feed,
                content,
                key=f"check {token_hex(8)}",
                source=source,
                mapping=mapping,
                actor=actor,
                covers=covers,
                accept_unusual=accept_unusual,
                replace=replace,
                partition=partition,
                version=version,
            )
            said: dict[bool, list[Fault]] = {True: [], False: []}
            for e in batch.row_errors.order_by("row", "id"):
                said[e.is_warning].append(Fault(e.row, e.column, e.found, e.reason))
            checked = Checked(
                accepted=batch.status == Batch.Status.APPLIED,
                faults=tuple(said[False]),
                warned=tuple(said[True]),
                **{name: getattr(batch, name) for name in COUNTS},
            )
            raise Rollback
    except Rollback:
        assert checked is not None
        return checked


@cache
def _row_checks() -> tuple[RowCheck, ...]:
    measures = catalogue().measures
    sums = {"live_uv": measures["live_uv"].inputs}
    return tuple(RowCheck.parse(text, sums) for text in catalogue().row_checks)


def _rules(feed: str) -> FactRules:
    layouts = fact_layouts(feed)
    refers = {column.refers for layout in layouts.values() for column in layout.columns if column.refers}
    tables: dict[str, type[models.Model]] = {"merchant": Merchant, "streamer": Streamer, "provider": Provider}
    return FactRules(
        layouts=layouts,
        registers={name: _registered(tables[name]) for name in sorted(refers)},
        row_checks=_row_checks(),
        states=frozenset(name for name, measure in catalogue().measures.items() if measure.kind == "stock"),
        today=business_today(),
    )


def _registered(table: type[models.Model]) -> Codes:
    """Return a register's codes; hundreds of thousands, so they come as bytes and never are objects."""
    data, numbers = one_row(
        sql.SQL(
            "SELECT string_agg(convert_to(code, 'UTF8'), ''),"
            " string_agg(int8send(octet_length(convert_to(code, 'UTF8'))) || int8send(id), '') FROM {table}"
        ).format(table=sql.Identifier(table._meta.db_table))
    )
    found = np.frombuffer(numbers, dtype=">i8").astype(np.int64)
    return Codes(data, found[::2], found[1::2])


def _facts(delivery: Delivery, content: BinaryIO, batch: Batch, trusting: bool) -> Outcome:
    """Read a fact file and write its rows as they come; ``trusting`` that no key stands twice."""
    reader = FactReader(content, _rules(delivery.feed), delivery.mapping)
    outcome = Outcome("", 0, reader.faults)
    if not reader.faults:
        batch.subject, batch.measures = reader.subject, reader.measures
        refuse_older_version(delivery, reader.subject)
        writer = FactWriter(batch, reader.measures, trusting=trusting)
        unbound = Unbound(delivery.feed, reader.subject, outcome.warnings)
        try:
            for rows in reader.parts():
                writer.take(rows)
                unbound.look(rows)
            if not reader.faults:
                writer.end()
                _finish(delivery, batch, writer, reader.faults)
        finally:
            writer.close()
    outcome.digest, outcome.row_count = reader.digest(), reader.row_count
    if not reader.faults:
        outcome.row_count = writer.difference.rows
    return outcome


def _finish(delivery: Delivery, batch: Batch, writer: FactWriter, faults: Faults) -> None:
    """Compare, hold unusual days, note what is delivered now and mark whom it reaches."""
    days = writer.days()
    if delivery.covers:
        first, last = delivery.covers
        if not first <= days[0] <= days[-1] <= last:
            reason = _("The file has days outside the covered ones, %(first)s to %(last)s.")
            faults.add(0, "day", f"{days[0]}..{days[-1]}", reason % {"first": first, "last": last})
            return
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    batch.days = days
    batch.first_day, batch.last_day = days[0], days[-1]
    delivered = batch.delivered_days()
    if delivery.replace:
        name_measures_left_out(batch, faults)
    writer.finish(faults)
    difference = writer.difference
    if not faults and not delivery.accept_unusual:
        name_unusual_days(batch, difference, faults)
    if faults:
        return
    add_delivered(batch, difference)
    batch.rows_added, batch.rows_changed = difference.added, difference.changed
    batch.rows_removed = difference.removed
    batch.rows_same = difference.rows - difference.added - difference.changed
    batch.days_changed = len(difference.days)
    reached = mark_reached(batch, writer.touched()) if difference.touched else 0
    if not reached and not delivered.issuperset(days):
        mark_anyone(batch, days[-1])
    batch.providers_touched = reached


def _register(delivery: Delivery, content: BinaryIO, batch: Batch, _trusting: bool) -> Outcome:
    if delivery.covers:
        raise InvalidInput(_("A register feed covers no days."))
    layout = REGISTER_LAYOUTS[delivery.feed]
    file = read_register(content, layout, register_codes(layout), delivery.mapping, business_today())
    if not file.faults:
        applied: Applied = apply_register(batch, file, delivery.actor)
        batch.rows_added, batch.rows_changed, batch.rows_same = applied.added, applied.changed, applied.same
    return Outcome(file.digest, len(file.rows) if not file.faults else file.row_count, file.faults)


def load_belts() -> Batch:
    """Load the industrial belts of the catalogue; doing it again changes nothing."""
    with CATALOGUE.with_name("belts.csv").open("rb") as content:
        return ingest("belts", content, key="belts.csv", source="catalogue", file_name="belts.csv")
