"""Ingest of full sales files against COPYs of the same rows, prebuilt: into a bare heap, and into the same keyed table.

``new months`` fills months nobody delivered before; ``next days`` adds days to a month that stands; ``same`` and
``one percent`` send delivered days again under a new key, unchanged or with every hundredth row corrected. Each ingest
reads CSV, checks every row, keeps history, marks providers. The keyed table has the keys that ingest meets: the
newest month has none by subject, and what giving it to the month before costs is noted by itself. Medians of
interleaved rounds; CPU is Python's + the database's, which work at the same time.
Run: ``uv run python -m benchmarks.ingest [--size small|medium|large] [--rounds 3]``.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from providers.models import Provider

type Columns = dict[str, np.ndarray]

SHOPS = {"small": 4_000, "medium": 40_000, "large": 400_000}
FIRST = date(2021, 1, 1)
DAYS = 40  # January and the first nine days of February
BOUND_SHARE = 0.25
KEYED, BARE, AGAIN = 0.8, 0.45, 0.35


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


def sales(days: range, shops: int) -> Columns:
    """Return plausible sales of every shop on every day, shops in no order, as a warehouse exports a day."""
    rng = np.random.default_rng(20220630)
    rows = len(days) * shops
    placed = rng.integers(1, 400, rows)
    price = rng.integers(3000, 20000, rows)
    paid = (placed * 0.9).astype(np.int64)
    gmv, private = paid * price, rng.integers(0, 3000, rows) * paid
    organic = (gmv - private) // 2
    return {
        "day": np.repeat(np.array(days), shops),
        "merchant": np.concatenate([rng.permutation(shops) for _day in days]),
        "gmv_placed": placed * price,
        "gmv_paid": gmv,
        "gmv_strict": gmv,
        "gmv_settled": gmv,
        "placed_orders": placed,
        "paid_orders": paid,
        "strict_orders": paid,
        "settled_orders": paid,
        "cancelled_orders": placed - paid,
        "gmv_private": private,
        "gmv_public_organic": organic,
        "gmv_public_paid": gmv - private - organic,
        "gmv_source_unknown": np.zeros(rows, np.int64),
        "gmv_settled_listed_county": gmv // 10,
    }


def as_csv(data: Columns) -> bytes:
    """Write the file a warehouse would send."""
    import pyarrow as pa
    from pyarrow import csv

    days, shops = np.unique(data["day"]), int(data["merchant"].max()) + 1
    named = pa.array([(FIRST + timedelta(days=int(n))).isoformat() for n in days])
    codes = pa.array([f"M-{n:07d}" for n in range(shops)])
    table = pa.table(
        {
            **{name: pa.array(values) for name, values in data.items()},
            "day": named.take(pa.array(np.searchsorted(days, data["day"]))),
            "merchant": codes.take(pa.array(data["merchant"])),
        }
    )
    out = io.BytesIO()
    out.write((",".join(data) + "\n").encode())
    csv.write_csv(table, out, csv.WriteOptions(include_header=False, quoting_style="none"))
    return out.getvalue()


class Bench:
    """A database with shops and bindings, and the seconds of everything measured in it."""

    def __init__(self, shops: int) -> None:
        from providers.models import FACTS, Merchant
        from tests import factories

        self.table = FACTS["sales", "merchant"]
        people = [Merchant(code=f"M-{n:07d}", name="基准店（演示）") for n in range(shops)]
        self.ids = np.array([shop.pk for shop in Merchant.objects.bulk_create(people, batch_size=10_000)])
        providers = [factories.provider() for _n in range(100)]
        self._bind(providers, int(shops * BOUND_SHARE))
        self.wall: dict[str, list[float]] = defaultdict(list)
        self.cpu: dict[str, list[float]] = defaultdict(list)
        self.own: dict[str, list[float]] = defaultdict(list)
        self._keys = 0

    def _bind(self, providers: list[Provider], shops: int) -> None:
        from providers.models import Binding
        from tests import factories

        like = factories.binding(providers[0], factories.merchant(), starts_on=date(2020, 1, 1))
        rows = []
        for n, shop in enumerate(self.ids[:shops].tolist()):
            row = Binding(**{f.attname: getattr(like, f.attname) for f in Binding._meta.fields if f.name != "id"})
            row.merchant_id, row.provider_id = shop, providers[n % len(providers)].pk
            rows.append(row)
        Binding.objects.bulk_create(rows, batch_size=5_000)

    def measure(self, name: str, work: Callable[[], object]) -> None:
        """Note wall and CPU seconds of the work, the backend's CPU included."""
        self.execute("CHECKPOINT")
        backend, own, wall = self._backend_cpu(), time.process_time(), time.perf_counter()
        work()
        self.wall[name].append(time.perf_counter() - wall)
        self.own[name].append(time.process_time() - own)
        self.cpu[name].append(self.own[name][-1] + self._backend_cpu() - backend)

    def _backend_cpu(self) -> float:
        pid = int(self.execute("SELECT pg_backend_pid()"))
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def execute(self, statement: str) -> Any:
        """Run a statement and return its first value, if it has one."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None

    def prebuilt(self, data: Columns) -> list[bytes]:
        """Return the rows as binary COPY data in key order."""
        from providers.readers.fields import as_number
        from providers.readers.rows import FactRows
        from providers.steps.copying import Layout

        rows = len(data["day"])
        keys = {
            "day": data["day"] + as_number(FIRST),
            "merchant": self.ids[data["merchant"]],
            "streamer": np.zeros(rows, np.int64),
        }
        measures = {name: values for name, values in data.items() if name not in keys}
        facts = FactRows("merchant", keys, measures, {}, np.zeros(rows, np.int64)).sorted()
        return list(Layout(0, list(measures), len(keys)).pieces(facts))

    def copy(self, table: str, data: Columns, pieces: list[bytes]) -> None:
        """COPY prebuilt rows."""
        from django.db import connection, transaction

        from providers.steps.copying import COPY_HEADER, COPY_TRAILER

        names = ", ".join(["batch_id", "day", "merchant_id", "streamer_id", *list(data)[2:]])
        with (
            transaction.atomic(),
            connection.cursor() as cursor,
            cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.write(COPY_HEADER)
            for piece in pieces:
                copy.write(piece)
            copy.write(COPY_TRAILER)

    def ingest(self, content: bytes) -> object:
        """Ingest a file under a new key, as the command does."""
        from providers.steps.ingest import ingest

        self._keys += 1
        batch = ingest("sales", io.BytesIO(content), key=f"k{self._keys}", accept_unusual="generated")
        assert batch.status == "applied", list(batch.row_errors.values()[:3])
        return batch

    def empty(self) -> None:
        """Forget every fact, month and delivered day."""
        name = self.table._meta.db_table
        parts = self.execute(
            f"SELECT array_agg(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = '{name}'::regclass"
        )
        for part in parts if isinstance(parts, list) else ():
            self.execute(f"DROP TABLE {part}")
        for table in (f"{name}_history", "providers_deliveredday", "ecosystem_workmark", "bare"):
            self.execute(f"TRUNCATE {table}")

    def begin(self, month: date) -> None:
        """Make a month, empty and with its key, and key by subject the one before."""
        from django.db import transaction

        from providers.partitions import attach_month, new_month

        with transaction.atomic():
            attach_month(self.table._meta.db_table, new_month(self.table._meta.db_table, month), month)


def round_of(bench: Bench, january: Columns, february: Columns, corrected: bytes) -> None:
    """Measure each thing once."""
    name = bench.table._meta.db_table
    january_csv = as_csv(january)
    january_rows, february_rows = bench.prebuilt(january), bench.prebuilt(february)
    bench.empty()
    bench.measure("bare COPY of a month", lambda: bench.copy("bare", january, january_rows))
    bench.execute("TRUNCATE bare")
    bench.measure("bare COPY of nine days", lambda: bench.copy("bare", february, february_rows))
    bench.empty()
    bench.begin(FIRST)
    bench.measure("keyed COPY of a month", lambda: bench.copy(name, january, january_rows))
    bench.measure("key by subject of a month", lambda: bench.begin(date(2021, 2, 1)))
    bench.measure("keyed COPY of nine days", lambda: bench.copy(name, february, february_rows))
    bench.empty()
    bench.measure("ingest of a new month", lambda: bench.ingest(january_csv))
    bench.execute(f"ANALYZE {name}")
    one_day = {key: values[: int(np.searchsorted(february["day"], 32))] for key, values in february.items()}
    bench.ingest(as_csv(one_day))
    rest = {key: values[len(one_day["day"]) :] for key, values in february.items()}
    rest_csv = as_csv(rest)
    bench.measure("ingest of the next days", lambda: bench.ingest(rest_csv))
    bench.execute(f"ANALYZE {name}")
    bench.measure("the same month again", lambda: bench.ingest(january_csv))
    bench.measure("a month, 1 % corrected", lambda: bench.ingest(corrected))


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SHOPS, default="medium")
    parser.add_argument("--rounds", type=int, default=3)
    said = parser.parse_args()
    stop = start()
    try:
        return judge(said.size, said.rounds)
    finally:
        from django.db import connections

        connections.close_all()
        stop()


def judge(size: str, rounds: int) -> int:
    """Print medians, then a ratio and its target per line; 0 if all are within."""
    shops = SHOPS[size]
    bench = Bench(shops)
    january, february = sales(range(31), shops), sales(range(31, DAYS), shops)
    fixed = {name: values.copy() for name, values in january.items()}
    fixed["gmv_settled"][::100] += 1
    corrected = as_csv(fixed)
    names = "batch_id bigint, day date, merchant_id bigint, streamer_id bigint"
    bench.execute(f"CREATE TABLE bare ({names}, {', '.join(f'{name} bigint' for name in list(january)[2:])})")
    for _n in range(rounds):
        round_of(bench, january, february, corrected)
    rows = {"month": 31 * shops, "nine": 9 * shops, "next": 8 * shops}
    for name, seconds in bench.wall.items():
        count = rows["nine" if "nine" in name else "next" if "next" in name else "month"]
        own, both = median(bench.own[name]), median(bench.cpu[name])
        print(f"{name}: {count:,} rows, wall {median(seconds):.2f} s, CPU {own:.2f} + {both - own:.2f} s")
    missed = False
    for label, limit, work, share, target in (
        ("new_month/keyed", "keyed COPY of a month", "ingest of a new month", 1.0, KEYED),
        ("new_month/bare", "bare COPY of a month", "ingest of a new month", 1.0, BARE),
        ("next_days/keyed", "keyed COPY of nine days", "ingest of the next days", 8 / 9, KEYED),
        ("next_days/bare", "bare COPY of nine days", "ingest of the next days", 8 / 9, BARE),
        ("same/bare", "bare COPY of a month", "the same month again", 1.0, AGAIN),
        ("corrected/bare", "bare COPY of a month", "a month, 1 % corrected", 1.0, AGAIN),
    ):
        ratio = share * median(bench.wall[limit]) / median(bench.wall[work])
        by_cpu = share * median(bench.cpu[limit]) / median(bench.cpu[work])
        missed |= ratio < target
        print(f"{label} ratio={ratio:.2f} cpu={by_cpu:.2f} target={target}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
