"""A population whose merchants and rooms have facts on every day, written straight into the fact tables."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from providers.measures import Subject
    from providers.models import Provider

FIRST = date(2021, 1, 1)
SHOPS_EACH = 20
ROOMS_EACH = 2
SELLING_ROOM = 5  # every fifth shop sells through a room of its provider

# Shops and rooms belong to providers in no order; the facts of a day lie together, as feeds deliver them.
_SALES = """
INSERT INTO fact_sales_merchant (day, merchant_id, streamer_id, batch_id, {columns})
SELECT day::date, shop.id, shop.room, %(batch)s, {values}
FROM generate_series(%(first)s::date, %(last)s::date - 1, interval '1 day') AS day
CROSS JOIN (SELECT merchant.id, hashint8(merchant.id) & 1023 AS size,
  CASE WHEN row_number() OVER (PARTITION BY binding.provider_id ORDER BY merchant.id) %% %(selling)s = 0
    THEN room.id ELSE 0 END AS room
  FROM providers_merchant merchant JOIN providers_binding binding ON binding.merchant_id = merchant.id
  JOIN LATERAL (SELECT streamer_id AS id FROM providers_binding signed
    WHERE signed.provider_id = binding.provider_id AND signed.streamer_id IS NOT NULL
    ORDER BY 1 LIMIT 1) room ON true) AS shop
ORDER BY 1, 2
"""
_LIVE = """
INSERT INTO fact_live_streamer (day, streamer_id, batch_id, {columns})
SELECT day::date, room.id, %(batch)s, {values}
FROM generate_series(%(first)s::date, %(last)s::date - 1, interval '1 day') AS day
CROSS JOIN (SELECT id, hashint8(id) & 1023 AS size FROM providers_streamer) AS room
ORDER BY 1, 2
"""
FEEDS: dict[tuple[str, Subject], str] = {("sales", "merchant"): _SALES, ("live", "streamer"): _LIVE}


@dataclass(frozen=True, slots=True)
class Population:
    """How many providers with facts of how many days."""

    providers: int
    days: int

    @property
    def merchant_days(self) -> int:
        """Rows of sales."""
        return self.providers * SHOPS_EACH * self.days


def settings(today: date) -> dict[str, str]:
    """Return the environment of a benchmark's portal."""
    return {
        "PORTAL_LOCAL": "1",
        "PORTAL_SECRET_KEY": "benchmark-only-" + "0123456789abcdef" * 4,
        "PORTAL_BUSINESS_TODAY": today.isoformat(),
        "PORTAL_LOG_LEVEL": "ERROR",
    }


def register(providers: int, shops_each: int = SHOPS_EACH, rooms_each: int = ROOMS_EACH, since: date = FIRST) -> None:
    """Register providers with shops and rooms bound to them."""
    from django.utils import timezone
    from psycopg.types.range import DateRange

    from providers.models import Binding, Merchant, Streamer

    made = working(range(providers), since, ["LOCAL_MERCHANT"])
    shops = Merchant.objects.bulk_create(
        (
            Merchant(code=f"M{number:06d}", name=f"演示店 {number}", category="apparel")
            for number in range(providers * shops_each)
        ),
        batch_size=5_000,
    )
    rooms = Streamer.objects.bulk_create(
        (
            Streamer(code=f"S{number:06d}", name=f"演示直播间 {number}", person=f"person-{number}", category="apparel")
            for number in range(providers * rooms_each)
        ),
        batch_size=5_000,
    )

    def bound(number: int, **subject: object) -> Binding:
        return Binding(
            provider=made[number % providers],
            role="operation" if "merchant" in subject else "mcn",
            period=DateRange(since, None),
            status="confirmed",
            confirmed_at=timezone.now(),
            confirmed_by="演示",
            **subject,
        )

    Binding.objects.bulk_create((bound(place, merchant=shop) for place, shop in enumerate(shops)), batch_size=5_000)
    Binding.objects.bulk_create((bound(place, streamer=room) for place, room in enumerate(rooms)), batch_size=5_000)
    for table in ("providers_provider", "providers_merchant", "providers_streamer", "providers_binding"):
        execute(f"ANALYZE {table}")


def working(numbers: Iterable[int], since: date, categories: Sequence[str]) -> list[Provider]:
    """Make providers that work since a day, of each category in turn."""
    from django.utils import timezone

    from providers import credit_code
    from providers.models import Provider

    return Provider.objects.bulk_create(
        (
            Provider(
                code=f"P{number:06d}",
                name=f"基准服务商 {number}（演示）",
                status="approved",
                approved_on=since,
                submitted_at=timezone.now(),
                credit_code=credit_code.complete(f"00DEM0{number:011d}"),
                category=categories[number % len(categories)],
                goods_category="apparel",
                province="33",
            )
            for number in numbers
        ),
        batch_size=5_000,
    )


def deliver(first: date, last: date) -> None:
    """Write facts of every shop and room for the days [first, last), in new months or in months that stand."""
    from providers.measures import catalogue
    from providers.models import Batch, DeliveredDay
    from providers.partitions import attach_month, missing_months, new_month
    from tests import factories

    batch: Batch = factories.batch()
    days = [first + timedelta(days=number) for number in range((last - first).days)]
    for (feed, subject), statement in FEEDS.items():
        table = f"fact_{feed}_{subject}"
        for month in missing_months(table, [day.replace(day=1) for day in days]):
            attach_month(table, new_month(table, month), month)
        measures = [measure.code for measure in catalogue().delivered(feed, subject)]
        values = [
            f"(1 + place.size %% 7) * {10 + number}".replace("place.size", _size(feed))
            for number, _ in enumerate(measures)
        ]
        for month in sorted({day.replace(day=1) for day in days}):
            within = [day for day in days if day.replace(day=1) == month]
            execute(
                statement.format(columns=", ".join(measures), values=", ".join(values)),
                {
                    "first": within[0],
                    "last": within[-1] + timedelta(days=1),
                    "batch": batch.pk,
                    "selling": SELLING_ROOM,
                },
            )
        DeliveredDay.objects.bulk_create(
            DeliveredDay(feed=feed, subject=subject, day=day, measures=measures, batch=batch) for day in days
        )
        execute(f"VACUUM ANALYZE {table}")


def _size(feed: str) -> str:
    return f"({'shop' if feed == 'sales' else 'room'}.size + extract(day FROM day)::int)"


def execute(statement: str, parameters: dict[str, Any] | None = None) -> Any:
    """Run a statement and return its first value, if it has one."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0] if cursor.description else None


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a living process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds of the work, this process's and its backend's together."""
    backend = int(execute("SELECT pg_backend_pid()"))
    before, own, began = cpu_of(backend), time.process_time(), time.perf_counter()
    work()
    return time.perf_counter() - began, time.process_time() - own + cpu_of(backend) - before
