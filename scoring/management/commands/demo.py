"""``manage.py demo``: load the demo ecosystem."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from ecosystem import health
from providers.models import Provider
from scoring.demo.load import load
from scoring.demo.sizes import SIZES
from scoring.demo.world import build


class Command(BaseCommand):
    help = "Load the demo ecosystem: invented providers, their facts, runs and plans as of 2022-06-30."
    stealth_options = ("begun",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--size", choices=sorted(SIZES), default="small")

    def handle(self, *args: Any, size: str, begun: Callable[[], None] | None = None, **options: Any) -> None:
        """Load it; ``begun`` is called when the tables stand, the world is built and the second core is free again."""
        started = time.monotonic()
        said = {"what": "", "share": -1}

        def report(what: str, done: int, total: int) -> None:
            share = done * 10 // max(total, 1)
            if (what, share) != (said["what"], said["share"]):
                said.update(what=what, share=share)
                self.stdout.write(f"demo {what} {share * 10} % ({time.monotonic() - started:.0f} s)")
                self.stdout.flush()

        report("world", 0, 1)
        # The world needs no database: a second core builds it meanwhile.
        with ProcessPoolExecutor(1, get_context("spawn")) as beside:
            building = beside.submit(build, SIZES[size])
            if health.missing_migrations(connection):
                report("tables", 0, 1)
                call_command("migrate", interactive=False, verbosity=0)
            if Provider.objects.exists():
                raise CommandError("The demo loads into an empty portal; this one has providers already.")
            world = building.result()
        if begun is not None:
            begun()
        load(world, report=report)
        self.stdout.write(f"demo {size} loaded in {time.monotonic() - started:.0f} s")
