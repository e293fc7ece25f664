"""All scores of a day nobody scored before, against one bare ``sum()`` over the same provider-days in a plain table.

Scored as the portal does it: windows of this cycle and the one before, the matrix kept with its digest, every published
digit proved, rows and ranks written. The limit reads one column of a table with a row per provider and day and every
flow. The loop a reader would write first, a query per provider and reading, is timed on some providers and multiplied.
Medians of interleaved rounds; CPU is both processes'. Run:
``uv run python -m benchmarks.as_of [--size small|medium|large] [--rounds 3]``.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.ingest import start
from benchmarks.merchant_days import execute, settings, timed
from benchmarks.provider_days import register, write_days, write_persons, write_states, write_totals

if TYPE_CHECKING:
    from providers.models import Provider
    from scoring.core.inputs import Inputs
    from scoring.core.rubric import Rubric
    from scoring.models import Run

PROVIDERS = {"small": 2_000, "medium": 20_000, "large": 40_000}
TIMES = 10  # a tenth of the providers is measured first
DAYS = 400
FIRST = date(2021, 1, 1)
TODAY = FIRST + timedelta(days=DAYS)
PLAIN, NARROW = "plain_day", "plain_column"
LOOPED = 20  # providers that the naive loop is timed on
COLUMN = "gmv_strict"
TARGET, TARGET_WINDOWS, TARGET_GROWTH, TARGET_LOOP = 0.5, 1.2, 12.0, 1000.0


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=PROVIDERS, default="small")
    parser.add_argument("--rounds", type=int, default=3)
    said = parser.parse_args()
    os.environ |= settings(TODAY)
    stop = start()
    try:
        return judge(PROVIDERS[said.size], said.rounds)
    finally:
        from django.db import connections

        connections.close_all()
        stop()


class Bench:
    """The seconds of everything measured with so many providers."""

    def __init__(self, providers: int) -> None:
        self.providers = providers
        self.wall: dict[str, list[float]] = defaultdict(list)
        self.cpu: dict[str, list[float]] = defaultdict(list)

    def measure(self, name: str, work: Callable[[], object]) -> None:
        """Note wall and CPU seconds of the work, the backend's CPU included."""
        wall, cpu = timed(work)
        self.wall[name].append(wall)
        self.cpu[name].append(cpu)

    def of(self, name: str) -> float:
        """Return the median CPU seconds."""
        return median(self.cpu[name])

    def show(self) -> None:
        """Print the medians."""
        for name, seconds in self.wall.items():
            print(f"{self.providers} providers, {name}: wall {median(seconds):.3f} s, CPU {self.of(name):.3f} s")


def judge(providers: int, rounds: int) -> int:
    """Print medians, then a ratio and its target per line; 0 if all are within."""
    from ecosystem import waker

    with waker.silence():
        prepare()
        tenth = populated(providers // TIMES)
        measured(tenth, rounds)
        tenth.show()
        whole = populated(providers - providers // TIMES, providers)
        measured(whole, rounds)
        whole.show()
        loop = looped()
    days = execute("SELECT count(*) FROM provider_cum")
    print(f"{days:,} provider-days; the loop takes {loop * 1e3:.0f} ms CPU a provider, timed on {LOOPED}")
    limit, scored = whole.of("sum of a column"), whole.of("scores, sums only")
    longer = whole.of("windows of 365 days") / whole.of("windows of 30 days")
    growth = scored / tenth.of("scores, sums only")
    faster = loop * providers / scored
    print(f"as_of states and largest too ratio={whole.of('scores, whole rubric') / limit:.2f} beside the target")
    print(f"as_of every column summed ratio={scored / whole.of('sum of every column read'):.2f} beside the target")
    print(f"as_of the column alone in a table ratio={scored / whole.of('sum of a lone column'):.2f} beside the target")
    print(f"as_of 365 days against 30 ratio={longer:.2f} target={TARGET_WINDOWS}")
    print(f"as_of ten times the providers ratio={growth:.1f} target={TARGET_GROWTH:.0f}")
    print(f"as_of the loop of queries ratio={faster:.0f} target={TARGET_LOOP:.0f}")
    print(f"as_of ratio={scored / limit:.2f} target={TARGET}")
    within = longer <= TARGET_WINDOWS and growth <= TARGET_GROWTH and faster >= TARGET_LOOP
    return 0 if within and scored <= TARGET * limit else 1


def prepare() -> None:
    """Call every feed delivered on every day."""
    from providers.measures import catalogue
    from providers.models import DeliveredDay
    from tests import factories

    batch = factories.batch()
    DeliveredDay.objects.bulk_create(
        DeliveredDay(
            feed=feed,
            subject=subject,
            day=FIRST + timedelta(days=number),
            measures=[measure.code for measure in catalogue().delivered(feed, subject)],
            batch=batch,
        )
        for feed, subject in catalogue().fact_feeds()
        for number in range(DAYS)
    )
    execute("ANALYZE providers_deliveredday")


def populated(more: int, providers: int = 0) -> Bench:
    """Register so many more providers, with all that scoring reads, and lay the same days out plainly."""
    new = register(more, FIRST)
    execute(f"CREATE TABLE IF NOT EXISTS {PLAIN} AS SELECT * FROM provider_day WITH NO DATA")
    execute(f"CREATE TABLE IF NOT EXISTS {NARROW} AS SELECT day, provider_id, {COLUMN} FROM provider_day WITH NO DATA")
    write_days(PLAIN, new, FIRST, DAYS)
    write_totals(new, FIRST, DAYS)
    write_states(new, TODAY)
    write_persons(new, FIRST, DAYS)
    execute(
        f"INSERT INTO {NARROW} SELECT day, provider_id, {COLUMN} FROM {PLAIN} WHERE provider_id > %(new)s", {"new": new}
    )
    execute(f"VACUUM ANALYZE {NARROW}")
    return Bench(providers or more)


def published(text: str) -> Rubric:
    """Let scores follow this text from now on."""
    from ecosystem.roles import Role
    from scoring.steps.rubrics import import_rubric, publish_rubric, validate_rubric
    from tests import factories

    editor = factories.user(Role.RATING)
    named = re.sub(r"^version: .*$", f"version: v{factories.number()}", text, flags=re.MULTILINE)
    version = import_rubric(named, actor=editor)
    validate_rubric(version.pk, actor=editor)
    return publish_rubric(version.pk, actor=editor).as_core()


def measured(bench: Bench, rounds: int) -> None:
    """Measure each thing once a round, scores of a day without any."""
    from scoring.steps.rubrics import DEFAULT
    from scoring.steps.score import score_population
    from scoring.steps.windows import window_table

    text = DEFAULT.read_text(encoding="utf-8")
    sums_only = re.sub(r"^gates:.*?^(?=profiles:)", "", text, flags=re.MULTILINE | re.DOTALL)
    sums_only = re.sub(r"last\(\w+\)", "paid_orders", re.sub(r"largest\((\w+), \w+\)", r"\1", sums_only))
    operands = published(sums_only).operands()
    columns = ", ".join(f"sum({name})" for name in sorted({operand.measure for operand in operands}))
    execute("SET max_parallel_workers_per_gather = 0")
    for _ in range(rounds):
        execute("CHECKPOINT")
        bench.measure("sum of a column", partial(execute, f"SELECT sum({COLUMN}) FROM {PLAIN}"))
        bench.measure("sum of a lone column", partial(execute, f"SELECT sum({COLUMN}) FROM {NARROW}"))
        bench.measure("sum of every column read", partial(execute, f"SELECT {columns} FROM {PLAIN}"))
        for name, rules in (("whole rubric", text), ("sums only", sums_only)):
            published(rules)
            execute("TRUNCATE scoring_run, scoring_runinput, scoring_score CASCADE")
            bench.measure(f"scores, {name}", partial(score_population, TODAY))
            assert execute("SELECT count(*) FROM scoring_score") == bench.providers
        for days in (30, 365):
            windows = {replace(operand, days=days) for operand in operands}
            bench.measure(f"windows of {days} days", partial(window_table, windows, as_of=TODAY))


def looped() -> float:
    """Return the CPU seconds a provider costs with a query per reading, one after the other; nothing is carried."""
    from providers.models import Provider
    from scoring.models import Run, RunInput

    execute(f"CREATE INDEX ON {PLAIN} (provider_id, day)")
    execute(f"DROP VIEW provider_day; ALTER TABLE {PLAIN} RENAME TO provider_day")
    run = Run.objects.get(as_of=TODAY)
    matrix = RunInput.objects.get(run=run).as_core()
    run.scores.all().delete()
    providers = list(Provider.objects.order_by("pk")[:LOOPED])
    one_by_one(run, matrix, providers[:1])  # whatever only the first costs
    _, cpu = timed(partial(one_by_one, run, matrix, providers[1:]))
    return cpu / (LOOPED - 1)


def one_by_one(run: Run, matrix: Inputs, providers: list[Provider]) -> None:
    """Score provider after provider from plain days; every sum must be what the matrix says."""
    from django.apps import apps
    from django.db.models import Sum

    from scoring.core.inputs import Column, Inputs
    from scoring.core.score import score

    rubric, plain_days = run.rubric_version.as_core(), apps.get_model("scoring", "ProviderDay")._default_manager
    for provider in providers:
        row, columns = matrix.row(str(provider.pk)), {}
        for operand in rubric.operands():
            days = plain_days.filter(
                provider_id=provider.pk, day__gte=run.as_of - timedelta(days=operand.days), day__lt=run.as_of
            )
            total = int(days.aggregate(total=Sum(operand.measure))["total"])
            known = matrix.columns[operand]
            assert not known.known[row] or known.numerator[row] == total
            columns[operand] = Column.of([total])
        scores = score(rubric, Inputs((str(provider.pk),), columns))
        run.scores.update_or_create(
            provider=provider,
            defaults={
                "status": scores.status(0),
                "published": scores.published(0),
                "grade": scores.grade_code(0) or "",
                "rank": 1,
                "flags": list(scores.flags(0)),
                "provider_code": provider.code,
                "provider_name": provider.name,
                "provider_category": provider.category,
            },
        )


if __name__ == "__main__":
    sys.exit(main())
