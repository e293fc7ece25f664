"""From commit of a changed fact to the corrected score, while two workers roll everybody up from nothing.

A correction of one merchant's day is committed every half second; the reader waits until the provider's score in the
run of today was computed from it. Run: ``uv run python -m benchmarks.freshness [--size small|medium|large]``.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import sys
import time
from datetime import date, timedelta

import numpy as np

from benchmarks.ingest import start
from benchmarks.merchant_days import execute, register, settings

PROVIDERS = {"small": 1_000, "medium": 5_000, "large": 20_000}
SHOPS_EACH = 4
DAYS = 120
AS_OF = date(2022, 6, 30)
FIRST = AS_OF - timedelta(days=DAYS)
WORKERS = 2
CORRECTIONS = 40
EVERY_SECONDS = 0.5
LATE_DAYS = 20
GIVEN_UP_SECONDS = 60.0
TARGET_SECONDS = 3.0


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=PROVIDERS, default="small")
    providers = PROVIDERS[parser.parse_args().size]
    os.environ |= settings(AS_OF)
    stop = start()
    try:
        return measure(providers)
    finally:
        from django.db import connections

        connections.close_all()
        stop()


def work() -> None:
    """Be one worker: see to every kind in turn, as the Celery task does."""
    import django

    django.setup()
    from ecosystem import ledger, waker

    with waker.silence():
        while True:
            if not ledger.drain(*ledger.kinds(), seconds=5):
                time.sleep(0.05)


def measure(providers: int) -> int:
    """Rebuild everybody, correct facts meanwhile, and wait for each to show."""
    from ecosystem import ledger, waker
    from ecosystem.models import WorkMark, WorkRun

    with waker.silence():
        build(providers)
        settle()
        execute("TRUNCATE ecosystem_workrun")  # the first run to come is the workers', which are up then
        everyone = [(str(number), None) for number in ids()]
        ledger.mark("roll_up", everyone, cause="rebuild")
        context = multiprocessing.get_context("spawn")
        workers = [context.Process(target=work, daemon=True) for _ in range(WORKERS)]
        for worker in workers:
            worker.start()
        while not WorkRun.objects.filter(kind="roll_up", scopes__gt=1).exists():
            time.sleep(0.05)
        rng = np.random.default_rng(20220630)
        waits = []
        for number in range(CORRECTIONS):
            left = WorkMark.objects.filter(kind="roll_up", cause="rebuild").count()
            if not left:  # the rebuild must not end before the last correction
                ledger.mark("roll_up", everyone, cause="rebuild")
            waits.append(correct(number, int(rng.integers(providers))))
            print(f"{number + 1:3d}: {waits[-1]:.2f} s, {left} providers of the rebuild waiting", flush=True)
            time.sleep(EVERY_SECONDS)
        for worker in workers:
            worker.terminate()
            worker.join()
    longest = max(
        (run.ended_at - run.started_at).total_seconds() for run in WorkRun.objects.filter(kind="roll_up", scopes__gt=1)
    )
    scoring = [(run.ended_at - run.started_at).total_seconds() for run in WorkRun.objects.filter(kind="score")]
    worst = float(np.percentile(waits, 99))
    print(f"{providers} providers, {DAYS} days, {WORKERS} workers, {len(waits)} corrections beside a rebuild")
    print(
        f"median {np.median(waits):.2f} s; scoring takes {np.median(scoring):.2f} s, a rebuild's step {longest:.2f} s"
    )
    print(f"freshness p99={worst:.2f}s target={TARGET_SECONDS:.0f}s")
    return 0 if worst <= TARGET_SECONDS else 1


def ids() -> list[int]:
    """Return the ids of the providers."""
    from providers.models import Provider

    return list(Provider.objects.order_by("pk").values_list("pk", flat=True))


def build(providers: int) -> None:
    """Set up providers with merchants bound to them, the default rubric, and sales of every merchant and day."""
    from providers.models import Merchant
    from providers.steps.ingest import ingest
    from scoring.steps.rubrics import ensure_default_rubric

    ensure_default_rubric()
    register(providers, SHOPS_EACH, 0, FIRST)
    shops = list(Merchant.objects.order_by("pk"))
    days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    for month in sorted({day.replace(day=1) for day in days}):
        within = [day for day in days if day.replace(day=1) == month]
        lines = ["day,merchant,paid_orders,gmv_paid,gmv_settled"]
        lines += [
            f"{day},{shop.code},{9 + place % 7},{90_000 + place},{80_000 + place}"
            for day in within
            for place, shop in enumerate(shops)
        ]
        batch = ingest("sales", io.BytesIO("\n".join(lines).encode()), key=f"{month}", accept_unusual="benchmark")
        assert batch.status == "applied", [error.reason for error in batch.row_errors.all()[:3]]


def settle() -> None:
    """Work everything off before the measurement."""
    from ecosystem import ledger

    while ledger.drain(*ledger.kinds(), seconds=600):
        pass


def reading(place: int) -> tuple[str, int]:
    """Return the digest of the inputs of today's scores, and the provider's paid orders in them."""
    from scoring.models import Run, RunInput

    run = Run.objects.get(kind="provisional", as_of=AS_OF, status="computed")
    inputs = RunInput.objects.get(run=run).as_core()
    column = next(
        column
        for operand, column in inputs.columns.items()
        if operand.measure == "paid_orders" and operand.read == "sum" and operand.days >= LATE_DAYS
    )
    return run.input_digest, int(column.numerator[place])


def correct(number: int, place: int) -> float:
    """Commit one late fact and return the seconds until today's score was computed from it."""
    from providers.steps.ingest import ingest
    from scoring.models import Run

    digest, before = reading(place)
    day = AS_OF - timedelta(days=1 + number % LATE_DAYS)
    row = f"{day},M{place:06d},{500 + number},9000000,8000000"
    content = f"day,merchant,paid_orders,gmv_paid,gmv_settled\n{row}".encode()
    batch = ingest("sales", io.BytesIO(content), key=f"correction {number}", accept_unusual="benchmark")
    assert batch.rows_changed == 1
    began = time.perf_counter()
    while time.perf_counter() - began < GIVEN_UP_SECONDS:
        if Run.objects.values_list("input_digest", flat=True).get(kind="provisional", as_of=AS_OF) != digest:
            digest, now = reading(place)
            if now != before:
                return time.perf_counter() - began
        time.sleep(0.02)
    return GIVEN_UP_SECONDS


if __name__ == "__main__":
    sys.exit(main())
