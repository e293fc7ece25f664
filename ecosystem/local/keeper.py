"""The process that owns the embedded servers: it starts both and stops them when their last user has gone.

Users hold a shared file lock, which the kernel gives back even after ``kill -9``; the keeper takes it alone when nobody
is left. Run as ``python -m ecosystem.local.keeper FOLDER [--throw-away]``; ``stack.join`` does.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from ecosystem.local.locks import FileLock
from ecosystem.local.places import Places, own
from ecosystem.local.postgres import Postgres, StartFailed
from ecosystem.local.programs import locate
from ecosystem.local.valkey import Valkey

LOOK_EVERY_SECONDS = 0.2


class Keeper:
    """Both servers of one data folder."""

    def __init__(self, places: Places, *, throw_away: bool) -> None:
        """Prepare the folders."""
        self.places = places
        self.throw_away = throw_away
        self.asked_to_stop = False
        places.home.mkdir(parents=True, exist_ok=True)
        if places.home != places.var:
            places.home.chmod(0o711)
        own(places.sockets, places.account)
        output = (places.log / "services.log").open("ab")
        programs = locate(places)
        self.postgres = Postgres(places, programs, output, throw_away)
        self.valkey = Valkey(places, programs, output)

    def start(self) -> None:
        """Start both servers and say so in the state file."""
        self.valkey.start()
        self.postgres.start()
        tell(
            self.places,
            {"keeper": os.getpid(), "database_url": self.places.database_url, "broker_url": self.places.broker_url},
        )

    def watch(self, users: FileLock, guard: Callable[[], FileLock]) -> None:
        """Keep both servers up until nobody uses them; then stop them while no newcomer can look."""
        while not self.asked_to_stop:
            if users.try_exclusive():
                users.release()
                with guard():
                    if users.try_exclusive():
                        self.stop()
                        return
            self._restart_fallen()
            time.sleep(LOOK_EVERY_SECONDS)
        self.stop()

    def stop(self) -> None:
        """Stop both servers; a throw-away folder goes with them."""
        self.postgres.stop()
        self.valkey.stop()
        self.places.state.unlink(missing_ok=True)
        if self.throw_away:
            shutil.rmtree(self.places.var, ignore_errors=True)
            if self.places.sockets.exists():
                shutil.rmtree(self.places.sockets, ignore_errors=True)

    def ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        """Stop soon (signal handler)."""
        self.asked_to_stop = True

    def _restart_fallen(self) -> None:
        for server in (self.postgres, self.valkey):
            if server.process is not None and server.process.poll() is not None:
                server.start()


def tell(places: Places, state: dict[str, object]) -> None:
    """Write the state file, whole or not at all."""
    partial = places.state.with_suffix(".partial")
    partial.write_text(json.dumps(state))
    partial.rename(places.state)


def main(folder: str, *, throw_away: bool) -> int:
    """Run the keeper of a data folder; return its exit code."""
    places = Places(Path(folder))
    alive = FileLock(places.run / "keeper.lock")
    if not alive.try_exclusive(seconds=2.0):
        return 0
    try:
        keeper = Keeper(places, throw_away=throw_away)
        signal.signal(signal.SIGTERM, keeper.ask_to_stop)
        signal.signal(signal.SIGINT, keeper.ask_to_stop)
        try:
            keeper.start()
        except (OSError, StartFailed):
            keeper.postgres.stop()
            keeper.valkey.stop()
            raise
    except (OSError, StartFailed) as error:
        tell(places, {"error": str(error)})
        return 1
    keeper.watch(FileLock(places.run / "users.lock"), lambda: FileLock(places.run / "guard.lock"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], throw_away="--throw-away" in sys.argv[2:]))
