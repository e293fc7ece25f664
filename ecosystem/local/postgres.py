"""Make, start and stop the embedded PostgreSQL cluster."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ecosystem.local.places import DATABASE, Places
from ecosystem.local.processes import end_orphan, spawn, stop
from ecosystem.local.programs import Programs

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "80",
    "shared_buffers": "192MB",
    "effective_cache_size": "1GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum_naptime": "10s"}
SMALL_SHARED_MEMORY = 256 * 2**20
START_SECONDS = 40.0


class StartFailed(RuntimeError):
    """An embedded service did not start."""


@dataclass(slots=True)
class Postgres:
    """One PostgreSQL server on a unix socket."""

    places: Places
    programs: Programs
    output: IO[bytes]
    throw_away: bool
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server on its cluster, made first when there is none; return when it answers.

        Right after a crash the old server's children may still hold its memory: the start is tried again.
        """
        if not (self.places.cluster / "PG_VERSION").exists():
            self._make_cluster()
        pid_file = self.places.cluster / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._end_old(pid_file)
            self.process = spawn(
                [self.programs.postgres, "-D", self.places.cluster, "-k", self.places.sockets, *self._options()],
                output=self.output,
                cwd=self.places.cluster,
                account=self.places.account,
                env=_environment(),
                on_parent_death=signal.SIGINT,
            )
            if self._wait_until_ready(pid_file, deadline):
                return
            time.sleep(0.3)
        raise StartFailed(
            f"PostgreSQL did not start within {START_SECONDS:.0f} s; see {self.places.log / 'services.log'}."
        )

    def stop(self) -> None:
        """Stop the server: open transactions are rolled back, everything committed is on disk."""
        if self.process is not None:
            if self.process.poll() is None:
                stop(self.process, ask=signal.SIGQUIT if self.throw_away else signal.SIGINT, patience=60)
            self.process = None

    def _options(self) -> list[str]:
        settings = SETTINGS | (THROW_AWAY if self.throw_away else {})
        memory = Path("/dev/shm")  # noqa: S108 - only measured
        if memory.is_dir() and shutil.disk_usage(memory).total < SMALL_SHARED_MEMORY:
            settings = settings | {"dynamic_shared_memory_type": "mmap"}
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _wait_until_ready(self, pid_file: Path, deadline: float) -> bool:
        if self.process is None:
            return False
        while time.monotonic() < deadline and self.process.poll() is None:
            lines = _lines(pid_file)
            if len(lines) > 7 and lines[0].strip() == str(self.process.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(0.02)
        if self.process.poll() is None:
            stop(self.process, ask=signal.SIGQUIT, patience=5)
        return False

    def _end_old(self, pid_file: Path) -> None:
        lines = _lines(pid_file)
        if lines and lines[0].strip().isdigit():
            end_orphan(int(lines[0]), marked=str(self.places.cluster), ask=signal.SIGINT)

    def _make_cluster(self) -> None:
        """Make the cluster with its database; whole or not at all, so that a crash here leaves nothing half-made."""
        account = self.places.account
        partial = self.places.cluster.with_name("postgres.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        if account is not None:
            os.chown(partial, account.uid, account.gid)
        initdb: list[str | Path] = [
            self.programs.initdb,
            *("-D", partial, "--username=portal", "--auth=trust", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--locale=C.UTF-8", "--no-instructions"),
            *(["--no-sync"] if self.throw_away else []),
        ]
        self._call(initdb, cwd=partial)
        single: list[str | Path] = [self.programs.postgres, "--single", "-D", partial, "-c", "fsync=off", "postgres"]
        self._call(single, cwd=partial, text=f"CREATE DATABASE {DATABASE}\n")
        partial.rename(self.places.cluster)

    def _call(self, command: Sequence[str | Path], *, cwd: Path, text: str = "") -> None:
        account = self.places.account
        done = subprocess.run(  # noqa: S603 - our own programs
            [os.fspath(part) for part in command],
            input=text.encode(),
            stdout=self.output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=_environment(),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            check=False,
        )
        if done.returncode != 0:
            raise StartFailed(f"{command[0]} ended with {done.returncode}; see {self.places.log / 'services.log'}.")


def _environment() -> dict[str, str]:
    """Return an environment without settings of another PostgreSQL."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C", "HOME": "/"}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
