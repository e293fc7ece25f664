"""What a row said before, in words, for whoever looks at it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from psycopg.types.range import Range

from ecosystem.numerals import day_text, money_text

# The row as it was, its type and all: columns that are not kept are as they are now.
_AS_IT_WAS = """
SELECT stood.*, version.recorded_to AS until, version.known IS NOT NULL AS recorded
FROM providers_registerversion version JOIN {table} standing ON standing.id = version.row_id,
    LATERAL jsonb_populate_record(standing, version.known) AS stood
WHERE version.register = %s AND version.row_id = %s ORDER BY version.id DESC
"""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a row said until a moment, as (name, value) in words, where it said something else afterwards.

    recorded: whether the row was there at all.
    """

    until: datetime
    recorded: bool
    said: tuple[tuple[str, str], ...]


def earlier_versions(row: models.Model, *, hidden: Collection[str] = ()) -> list[Earlier]:
    """Return a row's earlier versions, the newest first, without the fields that are hidden."""
    table = row._meta.db_table
    # The table's name is the model's own.
    versions: list[Any] = list(type(row)._default_manager.raw(_AS_IT_WAS.format(table=table), [table, row.pk]))
    differing = [_differing(*pair, hidden) for pair in pairwise([row, *versions])]
    models.prefetch_related_objects(versions, *{one.name for fields in differing for one in fields if one.is_relation})
    return [
        Earlier(
            version.until,
            version.recorded,
            tuple((capfirst(str(field.verbose_name)), _text(version, field)) for field in fields),
        )
        for version, fields in zip(versions, differing, strict=True)
    ]


def _differing(later: Any, version: Any, hidden: Collection[str]) -> list[models.Field[Any, Any]]:
    """Name what a version says otherwise than what came after it."""
    return [
        field
        for field in version._meta.concrete_fields
        if version.recorded
        and field.name not in hidden
        and getattr(version, field.attname) != getattr(later, field.attname)
    ]


def _text(row: models.Model, field: models.Field[Any, Any]) -> str:
    value = getattr(row, field.name)
    if value in (None, ""):
        return "—"
    if field.choices:
        return str(getattr(row, f"get_{field.name}_display")())
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, Range):
        return f"{_day(value.lower)} – {_day(value.upper and value.upper - date.resolution)}"
    if isinstance(value, date):
        return _day(value)
    return money_text(value) if field.name.endswith("_fen") else str(value)


def _day(value: date | None) -> str:
    return _("open end") if value is None else day_text(value)
