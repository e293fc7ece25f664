"""Load a demo through the steps that users take, each on the day it tells of."""

from __future__ import annotations

import io
import time
from collections import defaultdict
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connection

from ecosystem import ledger, waker
from ecosystem.accounts import create_demo_accounts
from providers.models import Batch
from providers.partitions import next_month
from providers.steps.ingest import load_belts
from scoring.demo import deliver, dirt, governance, history, registers
from scoring.demo.applicants import apply_all
from scoring.demo.clock import at
from scoring.demo.grants import grant_all
from scoring.demo.second import world_of
from scoring.demo.shared import bindings_at_work
from scoring.demo.sizes import AS_OF
from scoring.steps.benchmarks import freeze_granted
from scoring.steps.nightly import CLOSING_DAYS, freeze_closed_months
from scoring.steps.plans import ensure_plans, import_baselines
from scoring.steps.stability import KIND as STABILITY
from scoring.steps.work import register_work

BASELINES = Path(__file__).with_name("baselines.yaml")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

    from ecosystem.models import User
    from scoring.demo.world import World


def register_all(world: World) -> None:
    """Load belts, providers, bases, merchants, streamers, bindings, operators and cases."""
    began = AS_OF - timedelta(days=1)
    with at(world.size.first_day, 6, 30):
        _taken(load_belts())
    certificates, sessions = governance.operators(world)
    for feed, content, key in (
        ("providers", registers.providers(world, departed=True), "providers-departed"),
        ("providers", registers.providers(world, departed=False), "providers-working"),
        ("bases", registers.bases(world), "bases-all"),
        ("merchants", registers.merchants(world), "merchants-all"),
        ("streamers", registers.streamers(world), "streamers-all"),
        ("operator_certificates", certificates, "certificates-all"),
        ("operated_sessions", sessions, "sessions-all"),
        ("violations", governance.violations(world), "violations-all"),
    ):
        # A run must have known the cases it was computed from.
        _taken(deliver.send(feed, content, key=key, received=began, known=world.size.first_day))
    for month, content in _by_month(registers.bindings(world), world.size.first_day):
        _taken(deliver.send("bindings", content, key=f"bindings-{month:%Y%m}", received=month))


def _by_month(bindings: io.BytesIO, first_day: date) -> Iterator[tuple[date, io.BytesIO]]:
    """Split bindings by the month they begin in: a run must have known those it was computed from."""
    header, *lines = bindings.getvalue().decode().splitlines()
    place = header.split(",").index("starts_on")
    months: dict[date, list[str]] = defaultdict(list)
    for line in lines:
        starts_on = date.fromisoformat(line.split(",")[place])
        months[max(starts_on.replace(day=1), first_day)].append(line)
    for month in sorted(months):
        yield month, io.BytesIO("\n".join([header, *months[month], ""]).encode())


def facts(world: World, report: Callable[[str, int, int], None]) -> None:
    """Deliver every fact feed, month by month and the last days one by one."""
    every = deliver.parts(world)
    for number, part in enumerate(every):
        report("facts", number, len(every))
        batch = dirt.deliver(world, part)
        if batch is not None:
            _taken(batch)


def people(world: World, users: Mapping[str, User], report: Callable[[str, int, int], None]) -> None:
    """Take applications and grants through their steps; neither reads a fact."""
    apply_all(world.size, users["review"], len(world.providers), report)
    grant_all(world, users["incentives"], users["finance"], report)


def people_beside(size: str) -> None:
    """Do so in the second process, which built the world and says nothing."""
    with _in_haste():
        people(world_of(size), create_demo_accounts(), lambda what, done, total: None)


def compute(world: World, report: Callable[[str, int, int], None], beside: Executor | None) -> None:
    """Freeze benchmarks and roll everything up; granted traffic needs a first pass for its own benchmark."""
    register_work()
    report("roll up", 0, 2)
    with connection.cursor() as cursor:
        # The planner has seen none of these rows yet.
        cursor.execute("ANALYZE providers_binding, providers_merchant, providers_streamer, providers_deliveredday")
    for day in _closings(world.size.first_day):
        with at(day, 3):
            freeze_closed_months(day)
    for kind in ("beside", "room_month"):
        _drain(kind)
    _roll_up(beside)
    report("roll up", 1, 2)
    for as_of in history.run_days(world.size):
        with at(as_of.replace(day=CLOSING_DAYS), 3):
            freeze_granted(as_of)
    _drain("roll_up")


def _closings(first_day: date) -> Iterator[date]:
    """Yield the days on which months were closed, up to the day of the demo."""
    day = next_month(first_day.replace(day=1)) + timedelta(days=CLOSING_DAYS)
    while day <= AS_OF:
        yield day
        day = next_month(day.replace(day=1)) + timedelta(days=CLOSING_DAYS)


def _roll_up(beside: Executor | None) -> None:
    other = None if beside is None else beside.submit(roll_up_beside)
    _drain("roll_up")
    if other is not None:
        other.result()
    while ledger.waiting("roll_up"):
        # Of two that claim the same scopes at once, neither may have got them: they are due again in a second.
        time.sleep(0.1)
        _drain("roll_up")


def roll_up_beside() -> None:
    """Be the second worker, in the second process."""
    register_work()
    with _in_haste():
        _drain("roll_up")


def _drain(kind: str) -> None:
    while ledger.drain(kind, seconds=60, step_seconds=10):
        pass


def _taken(batch: Batch) -> None:
    if batch.status != Batch.Status.APPLIED:
        first = batch.row_errors.order_by("row").values("row", "column", "found", "reason").first()
        raise RuntimeError(f"The demo's batch {batch} was refused: {first}")


@contextmanager
def _in_haste() -> Iterator[None]:
    """Let commits not wait for the disk, as a loader that dies begins again with an empty portal; ring no bell."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
    with waker.silence():
        yield


def load(world: World, *, report: Callable[[str, int, int], None], beside: Executor | None = None) -> None:
    """Load a world into an empty portal, with a second process if there is one; all is computed when it returns."""
    with _in_haste():
        _load(world, report, beside)


def _load(world: World, report: Callable[[str, int, int], None], beside: Executor | None) -> None:
    report("rules", 0, 1)
    users = create_demo_accounts()
    with at(world.size.first_day, 8):
        ensure_plans()
        import_baselines(BASELINES.read_text(encoding="utf-8"), actor=None)
    old, new = history.rubrics(users["rating"])
    report("registers", 0, 1)
    register_all(world)
    dirt.before_facts(world, users)
    if beside is None:
        people(world, users, report)
        facts(world, report)
    else:
        others = beside.submit(people_beside, world.size.name)
        facts(world, report)
        report("applications and grants", 0, 1)
        others.result()
    dirt.after_facts(world, users)
    history.documents(world, users["review"])
    history.members(world)
    bindings_at_work(users)
    compute(world, report, beside)
    history.official_runs(world, users, old, new, report)
    report("standings", 0, 1)
    history.current(world, users)
    # How firm scores are is drawn once the portal has started.
    if waiting := ledger.waiting(*(kind for kind in ledger.kinds() if kind != STABILITY)):
        raise RuntimeError(f"{waiting} scopes of the demo could not be computed; the log says why.")
