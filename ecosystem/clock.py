"""Business days: what "today" means to a score."""

from datetime import date
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

SHANGHAI = ZoneInfo("Asia/Shanghai")


def business_today() -> date:
    """Return today's business day in Asia/Shanghai, or the day the settings hold still."""
    fixed: date | None = settings.BUSINESS_TODAY
    return fixed or timezone.now().astimezone(SHANGHAI).date()
