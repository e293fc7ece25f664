"""Start the whole portal on this machine and keep it up."""

import contextlib
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Container, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections
from kombu.exceptions import OperationalError

from ecosystem import health
from ecosystem.accounts import demo_accounts
from ecosystem.local.places import Places
from ecosystem.local.stack import alive
from ecosystem.local.supervisor import AlreadyUp, Supervisor

FIRST_TABLES = "providers.0001_initial"
READY_SECONDS = 90.0
RING_EVERY_SECONDS = 3.0


class Command(BaseCommand):
    help = "Start PostgreSQL, Valkey, web, workers and beat; load the demo on the first start; stop with Ctrl-C."
    requires_system_checks = ["security", "database"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="port of the web server on 127.0.0.1 (default 8000)")

    def handle(self, *, port: int, **options: Any) -> None:
        places = Places.of(settings.PORTAL_VAR)
        supervisor = Supervisor(places, f"http://{settings.BIND}:{port}/")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        try:
            try:
                supervisor.begin()
            except AlreadyUp as twin:
                raise CommandError(
                    f"The portal is already up on this data folder: {twin} ({places.var}). "
                    "For a second one: PORTAL_VAR=ANOTHER_FOLDER ./run --port ANOTHER_PORT"
                ) from None
            _refuse_busy(port)
            if places.home != places.var:
                self.stdout.write(f"The database lies in {places.home}: its user cannot walk to {places.var}.")
            self._start(supervisor, places, port)
            self._keep(supervisor, places)
        except KeyboardInterrupt:
            self.stdout.write("stopping …")
            self.stdout.flush()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            supervisor.stop()
        self.stdout.write("stopped")

    def _start(self, supervisor: Supervisor, places: Places, port: int) -> None:
        unfinished = places.var / "demo-unfinished"
        if unfinished.exists():
            with self._shown("Clearing a demo that was not loaded to its end"):
                _empty_database(places)
        os.environ["PORTAL_URL"] = supervisor.address.rstrip("/")
        missing = health.missing_migrations(connection)

        def begin() -> None:
            connections.close_all()
            _start_web(supervisor, places, port)
            _start_worker(supervisor, places)

        if settings.DEMO and _is_empty(missing):
            self.stdout.write("Loading the demo ecosystem (first start only)")
            self.stdout.flush()
            unfinished.touch()
            call_command("demo", size="small", begun=begin, stdout=self.stdout, stderr=self.stderr)
            unfinished.unlink()
        else:
            if missing:
                with self._shown("Migrating the database"):
                    call_command("migrate", interactive=False, verbosity=0)
            begin()
            self.stdout.write("Computing scores, tiers and standings")
            self.stdout.flush()
            call_command("recalculate", stdout=self.stdout, stderr=self.stderr)
        connections.close_all()
        with self._shown("Waiting for web and workers"):
            _wait_until_healthy(supervisor)
        _start_beat(supervisor, places)
        self.stdout.write(f"ready {supervisor.address}")
        self._show_accounts()
        self.stdout.flush()

    def _keep(self, supervisor: Supervisor, places: Places) -> None:
        embedded = settings.DATABASES["default"]["HOST"] == str(places.sockets)
        while True:
            for told in supervisor.look_after():
                self.stderr.write(told)
            if embedded and not alive(places):
                raise CommandError(
                    f"The embedded services ended; see {places.log / 'services.log'}. Start again with ./run."
                )
            time.sleep(0.5)

    def _show_accounts(self) -> None:
        if not settings.DEMO:
            return
        self.stdout.write("demo accounts:")
        for role, email, password in demo_accounts():
            self.stdout.write(f"  {role:<28} {email:<26} {password}")

    @contextlib.contextmanager
    def _shown(self, what: str) -> Iterator[None]:
        self.stdout.write(f"{what} … ", ending="")
        self.stdout.flush()
        begun = time.monotonic()
        yield
        self.stdout.write(f"{time.monotonic() - begun:.1f} s")
        self.stdout.flush()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _refuse_busy(port: int) -> None:
    """Refuse a port that somebody listens on; a closing connection of an earlier start is no listener."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.BIND, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} is not free ({error.strerror}). Choose another one: ./run --port {port + 1}"
            ) from None


def _start_web(supervisor: Supervisor, places: Places, port: int) -> None:
    scratch = "/dev/shm" if Path("/dev/shm").is_dir() else str(places.run)  # noqa: S108 - gunicorn's heartbeat files
    supervisor.start(
        "web",
        "gunicorn",
        *("ecosystem.wsgi", "--name", places.slug, "--bind", f"{settings.BIND}:{port}", "--preload"),
        *("--workers", "2", "--worker-class", "gthread", "--threads", "4", "--worker-tmp-dir", scratch),
        *("--graceful-timeout", "10", "--timeout", "60", "--no-control-socket", "--access-logfile", "-"),
    )


def _start_worker(supervisor: Supervisor, places: Places) -> None:
    supervisor.start(
        "worker",
        "celery",
        # Django's checks, which would take it as long as all else, are for whoever changes the code.
        *("--skip-checks", "-A", "ecosystem.celery", "worker", "-n", f"{places.slug}@%h"),
        *("-Q", "recalc,ingest,outbound", "-c", "2"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO"),
    )


def _start_beat(supervisor: Supervisor, places: Places) -> None:
    schedule = str(places.run / f"beat-{places.slug}")
    supervisor.start("beat", "celery", "-A", "ecosystem.celery", "beat", "-s", schedule, "--pidfile=", "-l", "INFO")


def _is_empty(missing: Container[str]) -> bool:
    """Say whether there are no providers yet, or not even their table."""
    return FIRST_TABLES in missing or not apps.get_model("providers", "Provider")._default_manager.exists()


def _empty_database(places: Places) -> None:
    """Empty the embedded database of a half-loaded demo, which nobody has worked with yet."""
    if settings.DATABASES["default"]["HOST"] != str(places.sockets):
        raise CommandError(
            "The demo was not loaded to its end; empty the database named by DATABASE_URL and start again."
        )
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")
    (places.var / "demo-unfinished").unlink()


def _wait_until_healthy(supervisor: Supervisor) -> None:
    deadline = time.monotonic() + READY_SECONDS
    rung = 0.0
    answer = ""
    while time.monotonic() < deadline:
        if time.monotonic() - rung > RING_EVERY_SECONDS:
            with contextlib.suppress(OperationalError):
                health.ring()
            rung = time.monotonic()
        try:
            request = urllib.request.Request(f"{supervisor.address}healthz/")  # noqa: S310 - our own address
            with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
                if response.status == 200:
                    return
        except urllib.error.HTTPError as error:
            answer = error.read(2000).decode(errors="replace")
            error.close()
        except OSError as error:
            answer = str(error)
        supervisor.look_after()
        time.sleep(0.1)
    raise CommandError(f"Not all parts came up within {READY_SECONDS:.0f} s: {answer} Logs: {supervisor.places.log}")
