"""Keyset pages: as fast at the end of a list as at its start, and no row twice when rows arrive meanwhile."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

ROWS = 50


@dataclass(frozen=True, slots=True)
class Page[M: Model]:
    """Some rows of a list, and the cursors of the pages beside it (empty: there is none)."""

    rows: list[M]
    previous: str = ""
    next: str = ""

    def links(self, request: HttpRequest) -> dict[str, str]:
        """Return ``previous_url`` and ``next_url`` for components/pages.html, keeping search and filters."""
        return {
            "previous_url": _url(request, before=self.previous) if self.previous else "",
            "next_url": _url(request, after=self.next) if self.next else "",
        }


def keyset[M: Model](
    queryset: QuerySet[M], order: Sequence[str], *, after: str = "", before: str = "", size: int = ROWS
) -> Page[M]:
    """Return the page after or before a cursor.

    ``order`` is a total order over columns that are never NULL, such as ``("-created_at", "-pk")``. A cursor that
    cannot be read shows the first page.
    """
    backwards = bool(before) and not after
    cursor = _read(before if backwards else after, len(order))
    towards = [_reversed(name) for name in order] if backwards else list(order)
    try:
        rows = list(queryset.filter(_beyond(towards, cursor)).order_by(*towards)[: size + 1])
    except (ValueError, ValidationError):
        return keyset(queryset, order, size=size)
    more = len(rows) > size
    rows = rows[:size]
    if backwards:
        rows.reverse()
    if not rows:
        return Page([])
    ahead, behind = (bool(cursor), more) if backwards else (more, bool(cursor))
    return Page(
        rows,
        previous=_cursor(rows[0], order) if behind else "",
        next=_cursor(rows[-1], order) if ahead else "",
    )


def page_of[M: Model](request: HttpRequest, queryset: QuerySet[M], order: Sequence[str], size: int = ROWS) -> Page[M]:
    """Return the page that the address asks for with ``?after=`` or ``?before=``."""
    return keyset(queryset, order, after=request.GET.get("after", ""), before=request.GET.get("before", ""), size=size)


def _beyond(order: Sequence[str], cursor: Sequence[Any]) -> Q:
    """Build the condition "comes later in this order than the cursor".

    It bounds the first column by itself too: an index is not entered by alternatives.
    """
    condition, equal, bound = Q(), Q(), Q()
    for name, value in zip(order, cursor, strict=False):
        column, comparison = (name[1:], "lt") if name.startswith("-") else (name, "gt")
        bound = bound or Q(**{f"{column}__{comparison}e": value})
        condition |= equal & Q(**{f"{column}__{comparison}": value})
        equal &= Q(**{column: value})
    return bound & condition


def _reversed(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _cursor(row: Model, order: Sequence[str]) -> str:
    values: list[Any] = []
    for name in order:
        value: Any = row
        for part in name.removeprefix("-").split("__"):
            value = getattr(value, part)
        values.append(value)
    return base64.urlsafe_b64encode(json.dumps(values, cls=DjangoJSONEncoder).encode()).decode().rstrip("=")


def _read(cursor: str, length: int) -> list[Any]:
    if not cursor:
        return []
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        return []
    good = isinstance(values, list) and len(values) == length and all(isinstance(v, str | int) for v in values)
    return values if good else []


def _url(request: HttpRequest, **cursor: str) -> str:
    query = request.GET.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    query.update(cursor)
    return f"?{query.urlencode()}"
