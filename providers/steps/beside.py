"""A binding that changes touches others than its own provider: whoever is bound beside it.

Sales are counted once by the first role, activity and survival follow the person, a store's room follows its merchant.
Finding those others reads facts, so the change only marks the subject, and the ledger's step marks the providers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from django.db import connection

from ecosystem import ledger
from ecosystem.ledger import Done, Mark
from providers.models import DeliveredDay

KIND = "beside"

_BESIDE = """
WITH touched AS (
  SELECT * FROM unnest(%(kinds)s::text[], %(ids)s::bigint[], %(days)s::date[]) AS touched(kind, id, day)
), room AS (
  SELECT room.id, room.person, room.merchant_id, min(touched.day) AS day FROM providers_streamer room
  JOIN touched ON touched.kind = 'streamer' AND touched.id = room.id
    OR touched.kind = 'merchant' AND touched.id = room.merchant_id
  GROUP BY room.id
), merchant AS (
  SELECT id, day FROM touched WHERE kind = 'merchant'
  UNION ALL SELECT merchant_id, day FROM room WHERE merchant_id IS NOT NULL
), sold AS (
  SELECT DISTINCT merchant_id, streamer_id, day FROM fact_sales_merchant
  WHERE day >= %(first)s AND streamer_id <> 0 AND gmv_settled <> 0
    AND (merchant_id IN (SELECT id FROM merchant) OR streamer_id IN (SELECT id FROM room))
), subject AS (
  SELECT 'merchant' AS kind, id, day FROM merchant
  UNION ALL SELECT 'streamer', id, day FROM room
  UNION ALL SELECT 'streamer', sister.id, room.day FROM room JOIN providers_streamer sister USING (person)
  UNION ALL SELECT 'streamer', sold.streamer_id, sold.day FROM sold JOIN merchant
    ON merchant.id = sold.merchant_id AND sold.day >= merchant.day
  UNION ALL SELECT 'merchant', store.merchant_id, sold.day FROM sold JOIN merchant
    ON merchant.id = sold.merchant_id AND sold.day >= merchant.day
    JOIN providers_streamer store ON store.id = sold.streamer_id AND store.merchant_id IS NOT NULL
  UNION ALL SELECT 'merchant', sold.merchant_id, sold.day FROM sold JOIN room
    ON room.id = sold.streamer_id AND sold.day >= room.day
)
SELECT binding.provider_id, min(subject.day) FROM subject JOIN providers_binding binding
  ON binding.status = 'confirmed' AND (subject.kind = 'merchant' AND binding.merchant_id = subject.id
    OR subject.kind = 'streamer' AND binding.streamer_id = subject.id)
GROUP BY 1 ORDER BY 1
"""


def mark_beside(changed: Iterable[tuple[str, int, date]], *, cause: str) -> None:
    """Mark merchants and streamers (kind, id, first day) whose bindings changed; without facts nobody is touched."""
    if DeliveredDay.objects.exists():
        ledger.mark(KIND, [(f"{kind}:{subject_id}", day) for kind, subject_id, day in changed], cause=cause)


def beside(scopes: Mapping[str, date | None]) -> Done:
    """Mark every provider bound beside the subjects, for the ledger."""
    oldest = DeliveredDay.objects.order_by("day").values_list("day", flat=True).first()
    if oldest is None:
        return Done()
    days = [day or oldest for day in scopes.values()]
    subjects = [scope.split(":") for scope in scopes]
    with connection.cursor() as cursor:
        cursor.execute(
            _BESIDE,
            {
                "kinds": [kind for kind, _ in subjects],
                "ids": [int(subject_id) for _, subject_id in subjects],
                "days": days,
                "first": max(min(days), oldest),
            },
        )
        return Done(0, [Mark("roll_up", str(provider), day) for provider, day in cursor.fetchall()])
