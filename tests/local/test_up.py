"""`up` from start to stop, as a user meets it: twins, busy ports, commands beside it, signals, kill -9."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecosystem.local.places import Places
from ecosystem.local.stack import CHECKOUT, alive

PATIENCE_SECONDS = 300
MANAGE = str(CHECKOUT / "manage.py")


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """An environment with a data folder of its own and no demo."""
    with tempfile.TemporaryDirectory(prefix="portal-up-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PORTAL_", "DJANGO_"))}
        kept = {key: value for key, value in kept.items() if key not in {"DATABASE_URL", "BROKER_URL"}}
        yield kept | {"PORTAL_VAR": f"{name}/var", "PORTAL_DEMO": "0", "PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ours(environment: dict[str, str]) -> dict[int, str]:
    """Return every living process of a data folder."""
    places = Places.of(Path(environment["PORTAL_VAR"]))
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(places.var) in line or places.slug in line:
            found[int(folder.name)] = line
    return found


@contextmanager
def started(environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    """Start `up` and wait for its ready line."""
    log = Path(environment["PORTAL_VAR"]).parent / "up.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, MANAGE, "up", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            text=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while f"ready http://127.0.0.1:{port}/\n" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE_SECONDS)


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, MANAGE, *arguments], capture_output=True, text=True, env=environment, cwd="/", check=False
    )


def is_healthy(port: int) -> bool:
    """Ask until every part answers: on a busy machine one answer may come too late."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz/", timeout=10) as response:
                return int(response.status) == 200
        except urllib.error.HTTPError as error:
            error.close()
            time.sleep(0.5)
    return False


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_one_portal_from_start_to_stop(environment: dict[str, str]) -> None:
    port = free_port()
    with started(environment, port) as process:
        assert is_healthy(port)

        twin = run(environment, "up", "--port", str(free_port()))
        assert twin.returncode != 0
        assert f"already up on this data folder: http://127.0.0.1:{port}/" in twin.stderr

        beside = run(environment, "showmigrations", "--plan")
        assert beside.returncode == 0, beside.stderr
        assert "[ ]" not in beside.stdout
        assert is_healthy(port)

        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert ours(environment) == {}
    assert not alive(Places.of(Path(environment["PORTAL_VAR"])))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_a_start_after_kill_9_of_everything(environment: dict[str, str]) -> None:
    port = free_port()
    shell = "from ecosystem.models import User; "
    with started(environment, port):
        made = run(environment, "shell", "-v", "0", "-c", shell + "User.objects.create_user('kept@example.org')")
        assert made.returncode == 0, made.stderr
        for pid in ours(environment):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    assert ours(environment) == {}
    with started(environment, port) as process:
        assert is_healthy(port)
        kept = run(
            environment,
            "shell",
            "-v",
            "0",
            "-c",
            shell + "print(User.objects.filter(email='kept@example.org').count())",
        )
        assert kept.stdout.strip() == "1"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    assert ours(environment) == {}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_a_busy_port_is_refused_and_nothing_stays(environment: dict[str, str]) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = int(occupant.getsockname()[1])
        refused = run(environment, "up", "--port", str(port))
    assert refused.returncode != 0
    assert f"Port {port} is not free" in refused.stderr
    assert "--port" in refused.stderr
    assert ours(environment) == {}
