"""What the leaderboard, a provider's score page and a rank cost the database with ten times the providers.

Pages are asked for as a browser does; every query they send is explained with its buffers. The leaderboard is opened at
its start and in the middle. The fastest of many rounds, as both sizes cannot take turns.
Run: ``uv run python -m benchmarks.pages [--size small|medium|large]``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.ingest import start
from benchmarks.merchant_days import execute, settings
from benchmarks.provider_days import register

if TYPE_CHECKING:
    from scoring.models import Run

PROVIDERS = {"small": 2_000, "medium": 20_000, "large": 40_000}
TIMES = 10
TODAY = date(2022, 2, 5)
RUNS = 3
ROUNDS = 45
TARGET, TARGET_BUFFERS = 1.3, 60

# Totals as a population has them: every provider its own, ranks by competition.
_SCORES = """
INSERT INTO scoring_score (run_id, provider_id, provider_code, provider_name, provider_category, status, published,
  grade, rank, capabilities, flags)
SELECT %(run)s, id, code, name, category, 'rated', total, CASE WHEN total > 70 THEN 'A' ELSE 'B' END,
  rank() OVER (ORDER BY total DESC),
  %(capabilities)s, '{}'
FROM (SELECT *, (hashint8(id * 31 + %(run)s) & 1023)::numeric / 12 AS total FROM providers_provider) AS provider
ORDER BY total DESC, id
"""
_STABILITY = """
INSERT INTO scoring_runstability (run_id, block, digest, draws, drawn_at, providers, same_grade, rank_low, rank_high)
SELECT run_id, provider_id / %(block)s, %(digest)s, 1000, now(), array_agg(provider_id ORDER BY provider_id),
  array_agg(900 ORDER BY provider_id), array_agg(rank ORDER BY provider_id), array_agg(rank + 50 ORDER BY provider_id)
FROM scoring_score WHERE run_id = %(run)s GROUP BY 1, 2
"""
_STANDINGS = """
INSERT INTO scoring_standing (plan_id, provider_id, as_of, value, rank)
SELECT %(plan)s, id, %(as_of)s, value, rank() OVER (ORDER BY value DESC)
FROM (SELECT id, hashint8(id * 37)::bigint & 1048575 AS value FROM providers_provider) AS provider
"""


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=PROVIDERS, default="medium")
    providers = PROVIDERS[parser.parse_args().size]
    os.environ |= settings(TODAY)
    stop = start()
    try:
        return judge(providers)
    finally:
        from django.db import connections

        connections.close_all()
        stop()


def judge(providers: int) -> int:
    """Print each page at both sizes, then its ratio; 0 if all are within."""
    from ecosystem import waker

    with waker.silence():
        populate(providers)
        few = measured()
        populate(providers * (TIMES - 1))
        many = measured()
    missed = False
    for name, (seconds, buffers, queries) in many.items():
        before = few[name]
        ratio = seconds / before[0]
        missed |= ratio > TARGET or buffers > TARGET_BUFFERS
        print(
            f"{name}: {before[0] * 1e3:.2f} ms, {before[1]} buffers → {seconds * 1e3:.2f} ms, {buffers} buffers,"
            f" {queries} queries"
        )
        print(f"pages {name} ratio={ratio:.2f} target={TARGET} buffers={buffers} target={TARGET_BUFFERS}")
    return 1 if missed else 0


def populate(more: int) -> None:
    """Register so many more providers, and score all of them and set their standings anew."""
    from benchmarks.what_if import population
    from providers.models import Provider
    from scoring.models import Plan, Run, RunInput, RunStability, Score, Standing
    from scoring.models.stability import BLOCK, stands_on
    from scoring.steps.plans import ensure_plans
    from scoring.steps.rubrics import ensure_default_rubric

    register(more, TODAY - timedelta(days=400))
    version = ensure_default_rubric()
    Score.objects.all().delete()
    Standing.objects.all().delete()
    RunStability.objects.all().delete()
    subjects = tuple(map(str, Provider.objects.order_by("pk").values_list("pk", flat=True)))
    inputs = replace(population(version.as_core(), len(subjects)), subjects=subjects)
    for number in range(RUNS):
        run, _ = Run.objects.get_or_create(
            kind="provisional", as_of=TODAY - timedelta(days=number), defaults={"rubric_version": version}
        )
        run.status, run.rated = "computed", len(subjects)
        run.input_digest = RunInput.objects.keep(run, inputs.to_bytes())
        run.save()
        capabilities = ", ".join(f'"{item.code}": "50.0"' for item in version.as_core().capabilities)
        execute(_SCORES, {"run": run.pk, "capabilities": f"{{{capabilities}}}"})
        execute(_STABILITY, {"run": run.pk, "block": BLOCK, "digest": stands_on(run)})
    ensure_plans()
    for plan in Plan.objects.filter(is_closed=False):
        execute(_STANDINGS, {"plan": plan.pk, "as_of": TODAY})
    for table in ("scoring_score", "scoring_standing", "scoring_runinput", "scoring_runstability"):
        execute(f"VACUUM ANALYZE {table}")


def measured() -> dict[str, tuple[float, int, int]]:
    """Return each page's seconds in the database, buffers touched and queries."""
    from django.test import Client

    from providers.models import Provider
    from scoring import current
    from tests import factories
    from tests.web.sign_in import sign_in

    run = current.current_run()
    assert run is not None
    provider = Provider.objects.order_by("pk")[run.rated // 2]
    staff = sign_in(Client(headers={"host": "localhost"}), factories.user(factories.Role.RATING))
    owner = sign_in(Client(headers={"host": "localhost"}), factories.owner(provider))
    middle = _middle(run)
    works: dict[str, Callable[[], Any]] = {
        "leaderboard": lambda: staff.get("/leaderboard/?kind=provisional"),
        "leaderboard, middle": lambda: staff.get(f"/leaderboard/?kind=provisional&after={middle}"),
        "score page": lambda: owner.get("/score/"),
        "rank": lambda: current.score_of(provider.pk, run),
    }
    found = {}
    for name, work in works.items():
        queries = asked(work)
        seconds = [sum(explained(query)[0] for query in queries) for _ in range(ROUNDS)]
        found[name] = min(seconds), sum(explained(query)[1] for query in queries), len(queries)
    return found


def _middle(run: Run) -> str:
    """Return the cursor of the page in the middle of a run."""
    from ecosystem.pages import keyset

    middle = run.scores.order_by("rank", "provider_id")[run.rated // 2 : run.rated // 2 + 1].get()
    return keyset(run.scores.filter(rank__gte=middle.rank), ("rank", "provider_id"), size=1).next


def asked(work: Callable[[], Any]) -> list[str]:
    """Return the statements a warm process sends."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            response = work()
            seconds = time.perf_counter() - began
        assert getattr(response, "status_code", 200) == 200, response
    print(f"  answered in {seconds * 1e3:.0f} ms, {len(queries)} queries", flush=True)
    return [query["sql"] for query in queries if query["sql"].lstrip().upper().startswith(("SELECT", "WITH"))]


def explained(statement: str) -> tuple[float, int]:
    """Return the seconds a statement takes and the buffers it touches."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement.replace("%", "%%"))
        (plan,) = cursor.fetchone()[0]
    top = plan["Plan"]
    return plan["Execution Time"] / 1e3, top["Shared Hit Blocks"] + top["Shared Read Blocks"]


if __name__ == "__main__":
    sys.exit(main())
