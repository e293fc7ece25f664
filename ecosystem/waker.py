"""The bell: tell a worker that marks wait. Never waits for the broker, never fails for it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ecosystem.celery import app

TASK = "scoring.tasks.drain"
EXPIRES_SECONDS = 60

logger = logging.getLogger(__name__)


class _Waker:
    """One background thread per process; kinds rung while it talks to the broker are sent once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[str] = set()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self.silent = False

    def ring(self, kind: str) -> None:
        if self.silent:
            return
        with self._lock:
            if self._process != os.getpid():  # a forked child inherits no thread
                self._thread, self._process = None, os.getpid()
            self._waiting.add(kind)
            if self._thread is None:
                self._thread = threading.Thread(target=self._send, name="waker", daemon=True)
                self._thread.start()

    def _send(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                kinds, self._waiting = sorted(self._waiting), set()
            for kind in kinds:
                try:
                    app.send_task(TASK, args=[kind], expires=EXPIRES_SECONDS, retry=False, ignore_result=True)
                except Exception as error:  # beat and `manage.py drain --loop` ring too: slower, not wrong
                    logger.warning("the broker did not take the bell for %s: %s", kind, error)


_waker = _Waker()


def ring(kind: str) -> None:
    """Ring the bell for a kind and return at once."""
    _waker.ring(kind)


@contextmanager
def silence() -> Iterator[None]:
    """Ring nothing from this process meanwhile: whoever asks works the ledger off itself."""
    _waker.silent = True
    try:
        yield
    finally:
        _waker.silent = False
