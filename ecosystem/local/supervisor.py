"""Keep the portal's own processes up: start, start again when one falls, stop all in good order."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ecosystem.local.locks import FileLock
from ecosystem.local.places import Places
from ecosystem.local.processes import end_orphan, spawn, stop
from ecosystem.local.stack import CHECKOUT

STOP_SECONDS = 30.0
CALM_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 20.0


class AlreadyUp(RuntimeError):
    """Another `up` runs on this data folder."""


@dataclass(frozen=True, slots=True)
class Register:
    """What the next start must know of this one."""

    address: str
    children: list[int]


@dataclass(slots=True)
class Child:
    """One process and how often it fell of late."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes]
    started_at: float
    falls: int = 0


@dataclass(slots=True)
class Supervisor:
    """The processes of one data folder; only one supervisor at a time."""

    places: Places
    address: str
    children: list[Child] = field(default_factory=list)
    _alone: FileLock | None = None

    @property
    def register(self) -> Path:
        """The file that names our children, read after a crash."""
        return self.places.run / "up.json"

    def begin(self) -> None:
        """Take the data folder and end what an earlier start left behind. AlreadyUp names the address of a twin."""
        self._alone = FileLock(self.places.run / "up.lock")
        if not self._alone.try_exclusive():
            raise AlreadyUp(self._read().address)
        for pid in self._read().children:
            end_orphan(pid, marked=self.places.slug, ask=signal.SIGTERM)
        self._write()

    def start(self, name: str, module: str, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        """Start `python -m module`, its output in the data folder's log."""
        command = [sys.executable, "-m", module, *arguments]
        self.children.append(Child(name, command, self._spawn(name, command), time.monotonic()))
        self._write()

    def look_after(self) -> list[str]:
        """Start again what fell, after a pause that grows; return what happened, for people."""
        told = []
        for child in self.children:
            code = child.process.poll()
            if code is None:
                continue
            lived = time.monotonic() - child.started_at
            child.falls = 1 if lived > CALM_SECONDS else child.falls + 1
            time.sleep(min(2.0 ** (child.falls - 1) - 1, LONGEST_PAUSE_SECONDS))
            child.process = self._spawn(child.name, child.command)
            child.started_at = time.monotonic()
            told.append(f"{child.name} ended with {code}; started again (see {self.log(child.name)})")
        if told:
            self._write()
        return told

    def stop(self) -> None:
        """Ask every child to finish, wait, and end what does not."""
        for child in self.children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for child in self.children:
            stop(child.process, patience=max(0.1, deadline - time.monotonic()))
        self.children.clear()
        if self._alone is not None:
            self.register.unlink(missing_ok=True)
            self._alone.close()
            self._alone = None

    def log(self, name: str) -> Path:
        """Return the log file of a child."""
        return self.places.log / f"{name}.log"

    def _spawn(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log(name).open("ab") as output:
            return spawn(command, output=output, cwd=CHECKOUT, env=dict(os.environ))

    def _read(self) -> Register:
        try:
            read = json.loads(self.register.read_text())
            return Register(str(read["address"]), [int(pid) for pid in read["children"]])
        except (FileNotFoundError, ValueError, KeyError):
            return Register("", [])

    def _write(self) -> None:
        register = Register(self.address, [child.process.pid for child in self.children])
        self.register.write_text(json.dumps(asdict(register)))
