"""The roll-up of everybody from nothing, against a scan that sums the same delivered measures; one worker and two.

Workers are processes that take steps of the ledger as the portal's own do, steps of half a second. CPU is the workers'
and their backends'. Medians of interleaved rounds. Run:
``uv run python -m benchmarks.roll_up [--size small|medium|large] [--rounds 3]``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import defaultdict
from datetime import timedelta
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from statistics import median

from benchmarks.ingest import start
from benchmarks.merchant_days import FEEDS, FIRST, Population, cpu_of, deliver, execute, register, settings, timed

SIZES = {"small": Population(100, 100), "medium": Population(500, 200), "large": Population(2_000, 400)}
TARGET, TARGET_TWO = 3.0, 1.8
ROLLED = ("provider_cum", "provider_stock", "provider_person_cum")
KINDS = ("beside", "room_month", "roll_up")


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--rounds", type=int, default=3)
    said = parser.parse_args()
    about = SIZES[said.size]
    os.environ |= settings(FIRST + timedelta(days=about.days))
    stop = start()
    try:
        return judge(about, said.rounds)
    finally:
        from django.db import connections

        connections.close_all()
        stop()


def judge(about: Population, rounds: int) -> int:
    """Print medians and both ratios; 0 if they are within their targets."""
    from ecosystem import waker

    with waker.silence():
        register(about.providers)
        deliver(FIRST, FIRST + timedelta(days=about.days))
        rebuild(1)  # warms the caches, and leaves the months of rooms as they are to be
        wall: dict[str, list[float]] = defaultdict(list)
        cpu: dict[str, list[float]] = defaultdict(list)
        steps: list[float] = []
        for _ in range(rounds):
            for name, found in (("scan", timed(scan)), ("one worker", rebuild(1)), ("two workers", rebuild(2))):
                wall[name].append(found[0])
                cpu[name].append(found[1])
                steps += durations() if name == "one worker" else []
    for name, seconds in wall.items():
        print(f"{name}: wall {median(seconds):.2f} s, CPU {median(cpu[name]):.2f} s")
    each = median(cpu["one worker"]) / about.providers / about.days * 1e6
    print(f"{about.providers} providers, {about.days} days, {about.merchant_days:,} merchant-days")
    print(f"{each:.0f} µs CPU a provider-day; steps of {median(steps):.2f} s, the longest {max(steps):.2f} s")
    ratio = median(cpu["one worker"]) / median(cpu["scan"])
    faster = median(wall["one worker"]) / median(wall["two workers"])
    print(f"roll_up two workers ratio={faster:.2f} target={TARGET_TWO}")
    print(f"roll_up ratio={ratio:.2f} target={TARGET:.0f}")
    return 0 if ratio <= TARGET and faster >= TARGET_TWO else 1


def scan() -> None:
    """Sum every delivered measure of every fact."""
    from providers.measures import catalogue

    execute("SET max_parallel_workers_per_gather = 0")
    for feed, subject in FEEDS:
        sums = ", ".join(f"sum({measure.code})" for measure in catalogue().delivered(feed, subject))
        execute(f"SELECT {sums} FROM fact_{feed}_{subject}")


def rebuild(workers: int) -> tuple[float, float]:
    """Forget all totals, let workers roll everybody up, and return wall and CPU seconds."""
    from django.db import connection

    from ecosystem import ledger
    from providers.models import Provider
    from scoring.steps.room_months import delivered_months

    execute(f"TRUNCATE {', '.join(ROLLED)}, ecosystem_workmark, ecosystem_workscope, ecosystem_workrun")
    everyone = Provider.objects.order_by("pk").values_list("pk", flat=True)
    ledger.mark("room_month", [(month, None) for month in delivered_months()], cause="rebuild")
    while ledger.drain("room_month", seconds=60):
        pass
    execute("TRUNCATE ecosystem_workmark, ecosystem_workrun")
    ledger.mark("roll_up", [(str(provider), None) for provider in everyone], cause="rebuild")
    execute("CHECKPOINT")
    connection.close()
    context = multiprocessing.get_context("spawn")
    begin, spent = context.Barrier(workers + 1), context.Queue()
    processes = [context.Process(target=work, args=(begin, spent), daemon=True) for _ in range(workers)]
    for process in processes:
        process.start()
    begin.wait()
    began = time.perf_counter()
    cpu = sum(spent.get() for _ in processes)
    wall = time.perf_counter() - began
    for process in processes:
        process.join()
    assert not ledger.waiting(*KINDS)
    return wall, cpu


def work(begin: Barrier, spent: Queue[float]) -> None:
    """Be one worker until nothing is left to roll up, and say what CPU it took."""
    import django

    django.setup()
    from ecosystem import ledger, waker

    backend = int(execute("SELECT pg_backend_pid()"))
    begin.wait()
    before = time.process_time() + cpu_of(backend)
    with waker.silence():
        while ledger.waiting(*KINDS):
            if not ledger.drain(*KINDS, seconds=20):
                time.sleep(0.02)
    spent.put(time.process_time() + cpu_of(backend) - before)


def durations() -> list[float]:
    """Return the seconds each step of the rebuild took."""
    from ecosystem.models import WorkRun

    return [(run.ended_at - run.started_at).total_seconds() for run in WorkRun.objects.filter(kind="roll_up")]


if __name__ == "__main__":
    sys.exit(main())
