"""Start child processes that cannot outlive us, and end them in good order."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from ecosystem.local.places import Account

PR_SET_PDEATHSIG = 1


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Return what a child runs before exec so that the kernel signals it when we are gone (Linux; None elsewhere)."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask_kernel() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel


def spawn(
    command: Sequence[str | os.PathLike[str]],
    *,
    output: IO[bytes],
    cwd: Path,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    on_parent_death: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, as another user when asked."""
    return subprocess.Popen(  # noqa: S603 - every caller names its own programs
        [os.fspath(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=die_with_parent(on_parent_death),  # noqa: PLW1509 - we start children from one thread only
    )


def stop(child: subprocess.Popen[bytes], *, ask: signal.Signals = signal.SIGTERM, patience: float = 20.0) -> None:
    """End a child and its group: ask, wait up to `patience` seconds, then kill what is left."""
    if child.poll() is None:
        child.send_signal(ask)
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def command_line(pid: int) -> str:
    """Return a process's command line; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return shown.stdout.strip()


def end_orphan(pid: int, *, marked: str, ask: signal.Signals, patience: float = 15.0) -> bool:
    """End a process left from an earlier start, if its command line carries our mark; say whether it is gone."""
    if marked not in command_line(pid):
        return True
    os.kill(pid, ask)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if marked not in command_line(pid):
            return True
        time.sleep(0.05)
    return False
