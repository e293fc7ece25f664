"""Ingest of a sales file against a bare binary COPY of the same rows into an unindexed table.

Also shown: keyed COPY, the limit of any ingest into keyed tables, and the same file again under a new key.
Run: ``uv run python -m benchmarks.ingest [--size small|medium|large]``.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np

ROWS = {"small": 100_000, "medium": 1_000_000, "large": 5_000_000}
DAYS = 365
FIRST = date(2021, 1, 1)
TARGET = 0.40
MEASURES = ("gmv_placed", "gmv_paid", "gmv_strict", "gmv_settled", "placed_orders", "paid_orders", "strict_orders")


def start() -> Callable[[], object]:
    """Start a throw-away database, migrate it, and return what stops it."""
    folder = Path(tempfile.mkdtemp(prefix="portal-benchmark-"))
    folder.chmod(0o711)
    from ecosystem.local.places import Places
    from ecosystem.local.stack import join

    places = Places.of(folder)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="ecosystem.settings",
        PORTAL_VAR=str(places.var),
        DATABASE_URL=places.database_url,
        BROKER_URL=places.broker_url,
    )
    stack = join(places.var, throw_away=True)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    return lambda: stack.leave(wait_seconds=20)


def columns(rows: int) -> dict[str, np.ndarray]:
    """Return plausible sales of ``rows`` merchant-days."""
    rng = np.random.default_rng(20220630)
    placed = rng.integers(1, 400, rows)
    paid = (placed * 0.9).astype(np.int64)
    price = rng.integers(3000, 20000, rows)
    amounts = [placed * price, paid * price, paid * price, paid * price, placed, paid, paid]
    days = np.arange(rows) % DAYS
    shops = np.arange(rows) // DAYS
    return {"day": days, "merchant": shops, **dict(zip(MEASURES, amounts, strict=True))}


def as_csv(data: dict[str, np.ndarray]) -> bytes:
    """Write the file a warehouse would send."""
    names = [(FIRST + timedelta(days=n)).isoformat() for n in range(DAYS)]
    out = io.StringIO()
    out.write(",".join(data) + "\n")
    for day, shop, *values in zip(*(column.tolist() for column in data.values()), strict=True):
        out.write(f"{names[day]},M-{shop:07d}," + ",".join(map(str, values)) + "\n")
    return out.getvalue().encode()


def timed(work: Callable[[], object]) -> float:
    """Return the seconds the work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=ROWS, default="medium")
    rows = ROWS[parser.parse_args().size]
    stop = start()
    try:
        return measure(rows)
    finally:
        from django.db import connections

        connections.close_all()
        stop()


def measure(rows: int) -> int:
    """Compare bare COPY, keyed COPY and ingest of the same rows."""
    from django.db import connection

    from providers.models import FACTS, Batch, Merchant
    from providers.readers.facts import FactRows
    from providers.readers.fields import as_number
    from providers.steps import apply_facts
    from providers.steps.ingest import ingest

    data = columns(rows)
    content = as_csv(data)
    shops = [Merchant(code=f"M-{n:07d}", name="基准店（演示）") for n in range(int(data["merchant"].max()) + 1)]
    ids = np.array([shop.pk for shop in Merchant.objects.bulk_create(shops)])
    key = {
        "day": data["day"] + as_number(FIRST),
        "merchant": ids[data["merchant"]],
        "streamer": np.zeros(rows, np.int64),
    }
    order = np.lexsort((key["merchant"], key["day"]))
    arrays = FactRows(
        "merchant",
        {name: values[order] for name, values in key.items()},
        {name: data[name][order] for name in MEASURES},
    )
    table = FACTS["sales", "merchant"]
    key_names = apply_facts.key_columns(table)
    names = ", ".join(["batch_id bigint", "day date", "merchant_id bigint", "streamer_id bigint"])
    names += "".join(f", {name} bigint" for name in MEASURES)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE bare ({names})")
        cursor.execute(f"CREATE TABLE keyed ({names}, PRIMARY KEY (day, merchant_id, streamer_id))")
    batch = Batch(pk=0)
    bare = timed(lambda: apply_facts.copy_rows("bare", batch, arrays, key_names))
    keyed = timed(lambda: apply_facts.copy_rows("keyed", batch, arrays, key_names))
    first = timed(lambda: ingest("sales", io.BytesIO(content), key="one"))
    again = timed(lambda: ingest("sales", io.BytesIO(content), key="two"))
    assert Batch.objects.get(key="one").rows_added == rows
    assert Batch.objects.get(key="two").rows_same == rows
    for name, seconds in (("bare COPY", bare), ("keyed COPY", keyed), ("ingest", first), ("the same again", again)):
        print(f"{name}: {rows / seconds:,.0f} rows/s ({bare / seconds:.2f} of bare, {keyed / seconds:.2f} of keyed)")
    ratio = bare / first
    print(f"ingest ratio={ratio:.2f} target={TARGET}")
    return 0 if ratio >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
