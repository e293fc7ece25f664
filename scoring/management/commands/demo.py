"""``manage.py demo``: load the demo ecosystem."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from ecosystem import health
from providers.models import Provider
from scoring.demo.load import load
from scoring.demo.second import second_process, use_database, world_of
from scoring.demo.sizes import SIZES


class Command(BaseCommand):
    help = "Load the demo ecosystem: invented providers, their facts, runs and plans as of 2022-06-30."
    stealth_options = ("begun",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--size", choices=sorted(SIZES), default="small")

    def handle(self, *args: Any, size: str, begun: Callable[[], None] | None = None, **options: Any) -> None:
        """Load it; ``begun`` is called when the tables stand and the world is built."""
        if not settings.DEMO:
            raise CommandError("The demo needs PORTAL_DEMO=1; everybody knows the passwords of its accounts.")
        started = time.monotonic()
        said = {"what": "", "share": -1}

        def report(what: str, done: int, total: int) -> None:
            share = done * 10 // max(total, 1)
            if (what, share) != (said["what"], said["share"]):
                said.update(what=what, share=share)
                self.stdout.write(f"demo {what} {share * 10} % ({time.monotonic() - started:.0f} s)")
                self.stdout.flush()

        report("world", 0, 1)
        with second_process() as beside:
            # The world needs no database.
            building = beside.submit(world_of, size)
            if shares := not connection.in_atomic_block:  # else it would not see what we write
                beside.submit(use_database, str(connection.settings_dict["NAME"]))
            if health.missing_migrations(connection):
                report("tables", 0, 1)
                call_command("migrate", interactive=False, verbosity=0)
            if Provider.objects.exists():
                raise CommandError("The demo loads into an empty portal; this one has providers already.")
            world = building.result()
            if begun is not None:
                begun()
            load(world, report=report, beside=beside if shares else None)
        self.stdout.write(f"demo {size} loaded in {time.monotonic() - started:.0f} s")
