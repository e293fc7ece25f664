"""Join the embedded services of a data folder, starting them for the first user."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ecosystem.local.locks import FileLock
from ecosystem.local.places import Places
from ecosystem.local.postgres import StartFailed

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0


@dataclass(slots=True)
class Stack:
    """The running services; they stay up at least until `leave` or the end of this process."""

    places: Places
    _users: FileLock
    _keeper: subprocess.Popen[bytes] | None

    @property
    def database_url(self) -> str:
        """The address of PostgreSQL."""
        return self.places.database_url

    @property
    def broker_url(self) -> str:
        """The address of Valkey."""
        return self.places.broker_url

    def leave(self, *, wait_seconds: float = 0.0) -> bool:
        """Stop using the services; the last to leave ends them. Say whether they ended within the wait."""
        self._users.close()
        deadline = time.monotonic() + wait_seconds
        while alive(self.places) or (self._keeper is not None and self._keeper.poll() is None):
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)
        return True


@dataclass(slots=True)
class Joining:
    """Services on their way up, so that the caller can load its own code meanwhile."""

    places: Places
    _users: FileLock
    _guard: FileLock
    _throw_away: bool
    _keeper: subprocess.Popen[bytes] | None = None

    def finish(self) -> Stack:
        """Wait until the services answer. StartFailed says why they do not."""
        try:
            self._wait()
        finally:
            self._guard.close()
        return Stack(self.places, self._users, self._keeper)

    def keep(self) -> None:
        """Start a keeper where none runs."""
        if (self._keeper is None or self._keeper.poll() is not None) and not alive(self.places):
            self._keeper = _start_keeper(self.places, throw_away=self._throw_away)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                state = json.loads(self.places.state.read_text())
            except FileNotFoundError:
                self.keep()  # the one before may have been about to end when it was looked for
                time.sleep(0.02)
                continue
            if "error" in state:
                raise StartFailed(state["error"])
            return
        raise StartFailed(
            f"The embedded services did not start within {START_SECONDS:.0f} s; see {self.places.log / 'services.log'}."
        )


def begin(var: Path, *, throw_away: bool = False) -> Joining:
    """Start to use the services of a data folder; start them when they are not up."""
    places = Places.of(var)
    for folder in (places.run, places.log):
        folder.mkdir(parents=True, exist_ok=True)
    users = FileLock(places.run / "users.lock")
    guard = FileLock(places.run / "guard.lock")
    guard.exclusive()
    users.shared()
    if not alive(places):
        places.state.unlink(missing_ok=True)  # of a keeper that was killed, or that could not start
    joining = Joining(places, users, guard, throw_away)
    joining.keep()
    return joining


def join(var: Path, *, throw_away: bool = False) -> Stack:
    """Use the services of a data folder and wait until they answer."""
    return begin(var, throw_away=throw_away).finish()


def alive(places: Places) -> bool:
    """Say whether a keeper runs for this data folder."""
    path = places.run / "keeper.lock"
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        return not lock.try_exclusive()
    finally:
        lock.close()


def _start_keeper(places: Places, *, throw_away: bool) -> subprocess.Popen[bytes]:
    with (places.log / "services.log").open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own module
            [
                sys.executable,
                "-m",
                "ecosystem.local.keeper",
                str(places.var),
                *(["--throw-away"] if throw_away else []),
            ],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != "PYTHONSTARTUP"},
        )
