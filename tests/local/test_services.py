"""The embedded PostgreSQL and Valkey: shared, stopped with their last user, whole after a crash."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from ecosystem.local.locks import FileLock
from ecosystem.local.places import Places
from ecosystem.local.processes import command_line
from ecosystem.local.stack import CHECKOUT, alive, begin, join

PATIENCE_SECONDS = 30


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="portal-local-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name) / "var"


def processes(places: Places) -> dict[str, int]:
    """Return the process ids of keeper, postgres and valkey."""
    keeper = int(json.loads(places.state.read_text())["keeper"])
    postmaster = int((places.cluster / "postmaster.pid").read_text().split()[0])
    with redis.Redis(unix_socket_path=str(places.broker_socket)) as client:
        valkey = int(client.info("server")["process_id"])
    return {"keeper": keeper, "postgres": postmaster, "valkey": valkey}


def wait_until_gone(pids: dict[str, int]) -> list[str]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := [name for name, pid in pids.items() if command_line(pid)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return left


def test_users_share_the_services_and_the_last_one_ends_them(folder: Path) -> None:
    first = join(folder)
    pids = processes(first.places)
    second = join(folder)
    assert processes(second.places) == pids
    assert not first.leave(wait_seconds=1)
    with psycopg.connect(second.database_url) as connection:
        assert connection.info.server_version >= 180000
    assert second.leave(wait_seconds=PATIENCE_SECONDS)
    assert first.leave(wait_seconds=PATIENCE_SECONDS)
    assert wait_until_gone(pids) == []
    assert not first.places.state.exists()


def test_nothing_listens_on_a_port(folder: Path) -> None:
    stack = join(folder)
    with psycopg.connect(stack.database_url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    with redis.Redis(unix_socket_path=str(stack.places.broker_socket)) as client:
        assert client.config_get("port") == {"port": "0"}
    assert stack.leave(wait_seconds=PATIENCE_SECONDS)


def test_the_services_end_with_a_user_who_was_killed(folder: Path) -> None:
    imports = "import sys, time; from pathlib import Path; from ecosystem.local.stack import join"
    code = f"{imports}; stack = join(Path(sys.argv[1])); print('up', flush=True); time.sleep(600)"
    user = subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=CHECKOUT, stdout=subprocess.PIPE)
    assert user.stdout is not None
    assert user.stdout.readline() == b"up\n"
    pids = processes(Places.of(folder))
    user.kill()
    user.wait()
    user.stdout.close()
    assert wait_until_gone(pids) == []
    assert not alive(Places.of(folder))


def test_a_keeper_about_to_end_is_followed_by_another(folder: Path) -> None:
    places = Places.of(folder)
    ending = FileLock(places.run / "keeper.lock")
    ending.exclusive()  # as its process does until the kernel has closed the last file
    joining = begin(folder)
    ending.close()
    stack = joining.finish()
    with psycopg.connect(stack.database_url) as connection:
        assert connection.info.server_version >= 180000
    assert stack.leave(wait_seconds=PATIENCE_SECONDS)


@pytest.mark.parametrize("killed", [("keeper", "postgres", "valkey"), ("keeper",)], ids=["all", "keeper"])
def test_a_start_after_kill_9_finds_everything_committed(folder: Path, killed: tuple[str, ...]) -> None:
    stack = join(folder)
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("CREATE TABLE kept (line int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
    pids = processes(stack.places)
    for name in killed:
        os.kill(pids[name], signal.SIGKILL)
    stack.leave(wait_seconds=PATIENCE_SECONDS)
    again = join(folder)
    with psycopg.connect(again.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
    assert processes(again.places).keys() == pids.keys()
    assert again.leave(wait_seconds=PATIENCE_SECONDS)
    assert wait_until_gone(pids) == []


def test_a_fallen_server_is_started_again(folder: Path) -> None:
    stack = join(folder)
    before = processes(stack.places)
    os.kill(before["postgres"], signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    answered = False
    while not answered and time.monotonic() < deadline:
        try:
            with psycopg.connect(stack.database_url) as connection:
                answered = connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            time.sleep(0.1)
    assert answered
    assert processes(stack.places)["postgres"] != before["postgres"]
    assert stack.leave(wait_seconds=PATIENCE_SECONDS)


def test_a_throw_away_folder_is_thrown_away(folder: Path) -> None:
    stack = join(folder, throw_away=True)
    assert (folder / "postgres" / "PG_VERSION").exists()
    assert stack.leave(wait_seconds=PATIENCE_SECONDS)
    assert not folder.exists()
