"""What the roll-up tests share: facts written straight into their tables, and totals read back as days."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.db import connection
from psycopg import sql

from ecosystem import ledger
from providers.measures import Subject, catalogue
from providers.models import Batch, DeliveredDay
from providers.partitions import attach_month, missing_months, new_month
from scoring.models.rolled import ProviderDay
from scoring.steps.roll_up import roll_up
from scoring.steps.room_months import refresh
from tests import factories

JUNE = date(2022, 6, 1)


def day(number: int) -> date:
    """Return the n-th day of June 2022, counted from 1."""
    return JUNE + timedelta(days=number - 1)


def fact(
    feed: str, subject: Subject, about: date, subject_id: int, *, batch: Batch, room: int = 0, **values: int
) -> None:
    """Write one fact row, in place of an earlier one of its key; its day counts as delivered."""
    table = f"fact_{feed}_{subject}"
    for month in missing_months(table, [about.replace(day=1)]):
        attach_month(table, new_month(table, month), month)
    cells: dict[str, Any] = {"day": about, f"{subject}_id": subject_id, "batch_id": batch.pk, **values}
    key = ["day", f"{subject}_id"]
    if subject == "merchant" and any(measure.by_streamer for measure in catalogue().delivered(feed, subject)):
        cells["streamer_id"] = room
        key.append("streamer_id")
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET ({}) = ROW({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, cells)),
                sql.SQL(", ").join(map(sql.Literal, cells.values())),
                sql.SQL(", ").join(map(sql.Identifier, key)),
                sql.SQL(", ").join(map(sql.Identifier, cells)),
                sql.SQL(", ").join(map(sql.Literal, cells.values())),
            )
        )
    deliver(feed, subject, about, batch=batch)


def deliver(feed: str, subject: Subject, first: date, last: date | None = None, *, batch: Batch) -> None:
    """Say that a feed delivered the days, with all its measures."""
    codes = [measure.code for measure in catalogue().delivered(feed, subject)]
    span = ((last or first) - first).days + 1
    DeliveredDay.objects.bulk_create(
        [
            DeliveredDay(feed=feed, subject=subject, day=first + timedelta(days=n), measures=codes, batch=batch)
            for n in range(span)
        ],
        ignore_conflicts=True,
    )


def batch() -> Batch:
    """Make a batch that facts may name."""
    return factories.batch()


def redo(*providers: int, from_day: date | None = None) -> None:
    """Roll providers up, and whoever is behind."""
    refresh({row.day.replace(day=1) for row in DeliveredDay.objects.all()})
    todo = {str(provider): from_day for provider in providers}
    while todo:
        done = roll_up(todo)
        todo = {found.scope: found.from_day for found in done.follow_ups if found.kind == "roll_up"}


def days_of(provider_id: int, measure: str) -> dict[int, int]:
    """Return the non-zero days of June of a measure: day of the month → value."""
    rows = ProviderDay.objects.filter(provider_id=provider_id).values_list("day", measure)
    return {about.day: value for about, value in rows if value and about.replace(day=1) == JUNE}


def drain_all() -> None:
    """Work off the roll-up marks."""
    while ledger.drain("roll_up", seconds=30):
        pass
