"""Let the loader's steps happen on the day they tell of, so that every row and audit entry bears its own moment."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING

from django.conf import settings
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
    """Hold the portal's clock and business day at a moment in Asia/Shanghai, for this process only."""
    before = (settings.BUSINESS_TODAY, timezone.datetime, getattr(_Told, "moment", None))  # type: ignore[attr-defined]
    settings.BUSINESS_TODAY = day
    _Told.moment = datetime.combine(day, time(hour, minute), SHANGHAI)
    timezone.datetime = _Told  # type: ignore[attr-defined]
    try:
        yield
    finally:
        settings.BUSINESS_TODAY, timezone.datetime = before[:2]  # type: ignore[attr-defined]
        if before[2] is not None:
            _Told.moment = before[2]
