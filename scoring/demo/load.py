"""Load a demo through the steps that users take, each on the day it tells of."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from providers.measures import CATALOGUE
from scoring.demo import deliver, governance, registers
from scoring.demo.population import AS_OF
from scoring.demo.world import World, build

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoring.demo.sizes import Size

# (what is being done, how much of it, of how much)
Report = "Callable[[str, int, int], None]"


def register_all(world: World) -> None:
    """Load belts, providers, bases, merchants, streamers, bindings, operators and cases."""
    began = AS_OF - timedelta(days=1)
    with CATALOGUE.with_name("belts.csv").open("rb") as file:
        _taken(deliver.send("belts", file, key="belts-catalogue", received=world.size.first_day))  # type: ignore[arg-type]
    certificates, sessions = governance.operators(world)
    for feed, content, key in (
        ("providers", registers.providers(world, departed=True), "providers-departed"),
        ("providers", registers.providers(world, departed=False), "providers-working"),
        ("bases", registers.bases(world), "bases-all"),
        ("merchants", registers.merchants(world), "merchants-all"),
        ("streamers", registers.streamers(world), "streamers-all"),
        ("bindings", registers.bindings(world), "bindings-all"),
        ("operator_certificates", certificates, "certificates-all"),
        ("operated_sessions", sessions, "sessions-all"),
        ("violations", governance.violations(world), "violations-all"),
    ):
        _taken(deliver.send(feed, content, key=key, received=began))


def _taken(batch: object) -> None:
    from providers.models import Batch

    assert isinstance(batch, Batch)
    if batch.status != Batch.Status.APPLIED:
        first = batch.row_errors.order_by("row").first()
        raise RuntimeError(f"The demo's batch {batch} was refused: {first}")


def load(size: Size, *, report: Callable[[str, int, int], None]) -> World:
    """Build and load a demo of one size into an empty portal."""
    world = build(size, progress=lambda done, total: report("build", done, total))
    register_all(world)
    every = deliver.parts(world)
    for number, part in enumerate(every):
        report("facts", number, len(every))
        batch = deliver.deliver(world, part)
        if batch is not None:
            _taken(batch)
    return world
