"""Start and stop the embedded Valkey, which only rings Celery's bell and keeps nothing on disk."""

import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import IO

from ecosystem.local.places import Places
from ecosystem.local.postgres import StartFailed
from ecosystem.local.processes import spawn, stop
from ecosystem.local.programs import Programs

START_SECONDS = 15.0


@dataclass(slots=True)
class Valkey:
    """One Valkey server on a unix socket."""

    places: Places
    programs: Programs
    output: IO[bytes]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server; return when it answers."""
        self.places.broker_socket.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(self.places.broker_socket),
            "unixsocketperm": "700",
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "noeviction",
            "dir": str(self.places.sockets),
        }
        self.process = spawn(
            [self.programs.valkey, *(part for name, value in options.items() for part in (f"--{name}", value))],
            output=self.output,
            cwd=self.places.sockets,
            account=self.places.account,
        )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._answers():
                return
            time.sleep(0.02)
        raise StartFailed(f"Valkey did not start; see {self.places.log / 'services.log'}.")

    def stop(self) -> None:
        """Stop the server."""
        if self.process is not None:
            stop(self.process, ask=signal.SIGTERM, patience=10)
            self.process = None

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self.places.broker_socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
            except OSError:
                return False
