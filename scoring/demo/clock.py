"""Let the loader's steps happen on the day they tell of, so that every row and audit entry bears its own moment."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection
from django.utils import timezone

from ecosystem.clock import SHANGHAI

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Told(datetime):
    """A clock that stands where the story is; a millisecond passes with every look at it."""

    moment: datetime

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        _Told.moment += timedelta(milliseconds=1)
        return _Told.moment.astimezone(tz or UTC)


@contextmanager
def at(day: date, hour: int = 10, minute: int = 0) -> Iterator[None]:
    """Hold the portal's clock and business day at a moment in Asia/Shanghai, for this process and its connection."""
    before = (settings.BUSINESS_TODAY, timezone.datetime, getattr(_Told, "moment", None))  # type: ignore[attr-defined]
    settings.BUSINESS_TODAY = day
    _Told.moment = datetime.combine(day, time(hour, minute), SHANGHAI)
    timezone.datetime = _Told  # type: ignore[attr-defined]
    try:
        with known_since(day, hour, minute):
            yield
    finally:
        settings.BUSINESS_TODAY, timezone.datetime = before[:2]  # type: ignore[attr-defined]
        if before[2] is not None:
            _Told.moment = before[2]


@contextmanager
def known_since(day: date, hour: int = 10, minute: int = 0) -> Iterator[None]:
    """Have the database note that registers said what they do from a moment on."""
    told = _tell(datetime.combine(day, time(hour, minute), SHANGHAI).isoformat())
    try:
        yield
    finally:
        if not connection.needs_rollback:
            _tell(told)


def _tell(moment: str) -> str:
    """Tell the database when the rows changed that it keeps versions of; return what it was told before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('portal.now', true), '')")
        before: str = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('portal.now', %s, false)", [moment])
    return before
