"""One data folder: where its services live, who may use them, what it remembers."""

import os
import stat
from pathlib import Path

import pytest

from ecosystem.local import command
from ecosystem.local.locks import FileLock
from ecosystem.local.places import Places, own, reachable

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def local_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("PORTAL_SECRET_KEY", "PORTAL_DEMO", "PORTAL_LOCAL", "DATABASE_URL", "BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PORTAL_VAR", str(tmp_path / "var"))
    return tmp_path / "var"


def test_a_closed_folder_is_not_reachable_by_others(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    stranger = 54321
    assert not reachable(closed / "inner", stranger)
    assert reachable(Path("/usr/bin"), stranger)
    assert reachable(closed.parent, os.geteuid())


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the servers as another user")
def test_below_a_closed_home_the_cluster_lies_outside_and_always_at_the_same_place(tmp_path: Path) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    places = Places.of(closed / "checkout" / "var")
    assert closed not in places.cluster.parents
    assert places.cluster == Places.of(closed / "checkout" / "var").cluster
    assert places.cluster != Places.of(closed / "other" / "var").cluster
    assert places.account is not None
    assert places.account.uid != 0
    assert not places.home.exists()


def test_a_socket_address_is_never_too_long(tmp_path: Path) -> None:
    deep = Places.of(tmp_path / ("a" * 60) / ("b" * 60))
    assert len(str(deep.sockets / ".s.PGSQL.5432")) <= 100
    assert len(str(deep.broker_socket)) <= 100


def test_a_folder_made_by_somebody_else_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.mkdir()
    trap = tmp_path / "sockets"
    trap.symlink_to(target)
    with pytest.raises(PermissionError, match="belongs to"):
        own(trap, None)
    own(tmp_path / "mine", None)
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o700


def test_a_lock_is_shared_or_alone(tmp_path: Path) -> None:
    first, second, third = (FileLock(tmp_path / "lock") for _ in range(3))
    first.shared()
    second.shared()
    assert not third.try_exclusive()
    first.close()
    assert not third.try_exclusive()
    second.close()
    assert third.try_exclusive()
    third.close()


@pytest.mark.parametrize("arguments", [["check", "--deploy"], ["score_table"], ["help"], ["migrate", "--help"], []])
def test_commands_without_a_table_start_nothing(local_environment: Path, arguments: list[str]) -> None:
    assert not command.needs_services(arguments)
    assert command.prepare(arguments) is None
    assert not local_environment.exists()


@pytest.mark.parametrize("arguments", [["up"], ["migrate"], ["ingest", "sales", "file.csv"], ["recalculate", "--all"]])
def test_commands_with_tables_need_the_services_unless_others_are_named(
    local_environment: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command.needs_services(arguments)
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/portal")
    assert command.needs_services(arguments)
    monkeypatch.setenv("BROKER_URL", "redis://elsewhere")
    assert not command.needs_services(arguments)


def test_a_folder_remembers_its_key_and_its_demo(local_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = command.local_settings(local_environment)
    assert len(first["PORTAL_SECRET_KEY"]) >= 50
    assert first["PORTAL_DEMO"] == "1"
    assert first["PORTAL_BUSINESS_TODAY"] == "2022-06-30"
    assert stat.S_IMODE((local_environment / "local.env").stat().st_mode) == 0o600
    monkeypatch.setenv("PORTAL_DEMO", "0")
    assert command.local_settings(local_environment) == first
    other = command.local_settings(local_environment.with_name("other"))
    assert other["PORTAL_DEMO"] == "0"
    assert "PORTAL_BUSINESS_TODAY" not in other
    assert other["PORTAL_SECRET_KEY"] != first["PORTAL_SECRET_KEY"]


def test_a_server_is_left_alone(local_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET_KEY", "a server's own")
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/portal")
    monkeypatch.setenv("BROKER_URL", "redis://elsewhere")
    assert command.prepare(["migrate"]) is None
    assert "PORTAL_LOCAL" not in os.environ
    assert not local_environment.exists()
