"""The roll-up of late corrections of k provider-days, on a table and on the same table grown ten times by days.

Each correction changes one merchant's sales ten days before the newest delivered day. CPU is this process's and its
backend's. Medians of rounds. Run: ``uv run python -m benchmarks.corrections [--size small|medium|large] [--rounds 7]``.
"""

from __future__ import annotations

import argparse
import os
import sys
from datetime import date, timedelta
from statistics import median

from benchmarks.ingest import start
from benchmarks.merchant_days import FIRST, SHOPS_EACH, Population, deliver, execute, register, settings, timed

SIZES = {"small": Population(200, 200), "medium": Population(500, 400), "large": Population(2_000, 400)}
GROWN = 10
LATE_DAYS = 10
CORRECTIONS = (1, 10, 100)
TARGET, TARGET_SECONDS = 1.2, 0.3


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=7)
    said = parser.parse_args()
    about = SIZES[said.size]
    newest = FIRST + timedelta(days=about.days)
    os.environ |= settings(newest)
    stop = start()
    try:
        return judge(about, newest, said.rounds)
    finally:
        from django.db import connections

        connections.close_all()
        stop()


def judge(about: Population, newest: date, rounds: int) -> int:
    """Print medians and ratios; 0 if all are within their targets."""
    from ecosystem import waker

    found: list[dict[int, tuple[float, float]]] = []
    middle = newest - timedelta(days=about.days // GROWN)
    with waker.silence():
        register(about.providers)
        for first, last in ((middle, newest), (FIRST, middle)):
            deliver(first, last)
            settle()
            found.append(measured(about, newest, rounds))
    missed = False
    for k in CORRECTIONS:
        (wall, cpu), (grown_wall, grown_cpu) = found[0][k], found[1][k]
        print(f"{k} provider-days: wall {wall:.3f} s, CPU {cpu:.3f} s")
        print(f"{k} provider-days, grown: wall {grown_wall:.3f} s, CPU {grown_cpu:.3f} s")
        print(f"corrections k={k} ratio={grown_cpu / cpu:.2f} target={TARGET}")
        missed |= grown_cpu / cpu > TARGET
    slowest = found[1][1][0]
    print(f"corrections one={slowest:.3f}s target={TARGET_SECONDS}s")
    return 1 if missed or slowest > TARGET_SECONDS else 0


def settle() -> None:
    """Roll everybody up."""
    from ecosystem import ledger
    from providers.models import Provider
    from scoring.steps.room_months import delivered_months

    everyone = Provider.objects.order_by("pk").values_list("pk", flat=True)
    ledger.mark("room_month", [(month, None) for month in delivered_months()], cause="benchmark")
    ledger.mark("roll_up", [(str(provider), None) for provider in everyone], cause="benchmark")
    while ledger.drain("room_month", "roll_up", seconds=600):
        pass
    execute("TRUNCATE ecosystem_workmark, ecosystem_workrun")
    for table in ("provider_cum", "provider_person_cum"):
        execute(f"VACUUM ANALYZE {table}")


def measured(about: Population, newest: date, rounds: int) -> dict[int, tuple[float, float]]:
    """Return the median wall and CPU seconds of the roll-up for each number of corrections, taken turn by turn."""
    seconds: dict[int, list[tuple[float, float]]] = {k: [] for k in CORRECTIONS}
    for number in range(rounds + 1):
        for k in CORRECTIONS:
            correct(about, newest - timedelta(days=LATE_DAYS), k, number)
            spent = timed(work)
            seconds[k] += [spent] if number else []  # the first of a process fills its caches
    return {k: (median(wall for wall, _ in each), median(cpu for _, cpu in each)) for k, each in seconds.items()}


def correct(about: Population, day: date, k: int, number: int) -> None:
    """Change one row of each of k providers and mark them, as ingest does."""
    from django.db import transaction

    from ecosystem import ledger
    from providers.models import Merchant, Provider

    shops = list(Merchant.objects.order_by("pk").values_list("pk", flat=True)[: about.providers * SHOPS_EACH])
    providers = list(Provider.objects.order_by("pk").values_list("pk", flat=True))
    chosen = [(number * 7 + place) % about.providers for place in range(k)]
    with transaction.atomic():
        execute(
            "UPDATE fact_sales_merchant SET gmv_paid = gmv_paid + 1, gmv_settled = gmv_settled + 1"
            " WHERE day = %(day)s AND merchant_id = ANY(%(shops)s)",
            {"day": day, "shops": [shops[one] for one in chosen]},
        )
        ledger.mark("roll_up", [(str(providers[one]), day) for one in chosen], cause="correction")


def work() -> None:
    """Roll up what is marked."""
    from ecosystem import ledger

    while ledger.waiting("roll_up"):
        ledger.drain("roll_up", seconds=60)


if __name__ == "__main__":
    sys.exit(main())
