"""Keep per room and month what its whole history is asked for: its first session, and what it sold in 30 days.

Tiers and bound rooms reach back to the first delivered day. Read from here they cost the same however long facts go
back. A month is refreshed whole when facts of its days change; providers whose days then read differently are marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from django.db import connection, transaction

from ecosystem.ledger import Done, Mark
from providers.models import DeliveredDay
from providers.partitions import next_month
from providers.steps.reach import FEEDS_ABOUT_PERSONS, TIER_DAYS
from scoring.steps.rolling.streamers import TIERS_FEN

# What differs from what is kept. Each month is looked up by itself, so that only its partitions are read.
_CHANGED = """
DROP TABLE IF EXISTS changed_room_month;
CREATE TEMP TABLE changed_room_month ON COMMIT DROP AS
WITH span AS (SELECT * FROM unnest(%(months)s::date[], %(afters)s::date[], %(sinces)s::date[])
  AS span(month, after, since)
), lived AS (
  SELECT span.month, live.* FROM span, LATERAL (
    SELECT streamer_id, min(day) AS first_session FROM fact_live_streamer
    WHERE day >= span.month AND day < span.after AND valid_sessions > 0 GROUP BY 1) AS live
), sold AS (
  SELECT span.month, sale.* FROM span, LATERAL (
    SELECT streamer_id, sum(gmv_settled)::bigint AS settled_30d FROM fact_sales_merchant
    WHERE day >= span.since AND day < span.after AND streamer_id <> 0 AND gmv_settled <> 0
    GROUP BY 1 HAVING sum(gmv_settled) <> 0) AS sale
), fresh AS (
  SELECT month, streamer_id, lived.first_session, coalesce(sold.settled_30d, 0) AS settled_30d
  FROM lived FULL JOIN sold USING (month, streamer_id)
)
SELECT month, streamer_id, fresh.first_session, fresh.settled_30d,
  old.first_session AS first_session_before, old.settled_30d AS settled_30d_before
FROM fresh FULL JOIN (SELECT * FROM room_month WHERE month = ANY(%(months)s)) AS old USING (month, streamer_id)
WHERE (fresh.first_session, fresh.settled_30d) IS DISTINCT FROM (old.first_session, old.settled_30d)
"""
_GONE = """
DELETE FROM room_month old USING changed_room_month changed
WHERE changed.settled_30d IS NULL AND old.month = changed.month AND old.streamer_id = changed.streamer_id
"""
_PUT = """
INSERT INTO room_month (streamer_id, month, first_session, settled_30d)
SELECT streamer_id, month, first_session, settled_30d FROM changed_room_month WHERE settled_30d IS NOT NULL
ON CONFLICT (streamer_id, month) DO UPDATE
SET first_session = EXCLUDED.first_session, settled_30d = EXCLUDED.settled_30d
"""
# The first day that reads differently: a first session that moved, or the month's end where the tier is another.
# A tier is a person's, whatever sister account sold; a store's own room follows its merchant.
_REACHED = """
SELECT binding.provider_id, min(changed.day) FROM (
  SELECT streamer_id, least(
    CASE WHEN first_session IS DISTINCT FROM first_session_before AND NOT EXISTS (
      SELECT FROM room_month earlier WHERE earlier.streamer_id = moved.streamer_id
      AND earlier.month < moved.month AND earlier.first_session IS NOT NULL)
      THEN least(first_session, first_session_before) END,
    CASE WHEN width_bucket(coalesce(settled_30d, 0), %(tiers)s::bigint[])
      <> width_bucket(coalesce(settled_30d_before, 0), %(tiers)s::bigint[])
      THEN (month + interval '1 month')::date - 1 END) AS day
  FROM changed_room_month moved) AS changed
JOIN providers_streamer room ON room.id = changed.streamer_id
JOIN providers_streamer sister ON sister.person = room.person
JOIN providers_binding binding ON binding.status = 'confirmed'
  AND (binding.streamer_id = sister.id OR binding.merchant_id = sister.merchant_id)
WHERE changed.day IS NOT NULL GROUP BY 1 ORDER BY 1
"""


@transaction.atomic
def room_months(scopes: Mapping[str, date | None]) -> Done:
    """Refresh the months (scopes such as 2022-06) and mark the providers whose days read differently."""
    return refresh(date.fromisoformat(f"{scope}-01") for scope in sorted(scopes))


def delivered_months() -> list[str]:
    """Return the months whose rooms any feed has told of, as scopes."""
    days = DeliveredDay.objects.filter(feed__in=FEEDS_ABOUT_PERSONS).dates("day", "month")
    return [f"{month:%Y-%m}" for month in days]


def refresh(months: Iterable[date]) -> Done:
    """Refresh the months that begin on these days."""
    wanted = sorted(months)
    afters = [next_month(month) for month in wanted]
    changed = 0
    with connection.cursor() as cursor:
        sinces = [after - timedelta(days=TIER_DAYS) for after in afters]
        cursor.execute(_CHANGED, {"months": wanted, "afters": afters, "sinces": sinces})
        for statement in (_GONE, _PUT):
            cursor.execute(statement)
            changed += cursor.rowcount
        cursor.execute(_REACHED, {"tiers": list(TIERS_FEN)})
        marks = [Mark("roll_up", str(provider), day) for provider, day in cursor.fetchall()]
    return Done(changed, marks)
