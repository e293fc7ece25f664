"""Prepare the environment of a management command: the local settings and, where it needs them, the services."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from ecosystem.local.locks import FileLock
from ecosystem.local.places import Places
from ecosystem.local.stack import CHECKOUT, Joining, begin

# Commands that read no table; everything else finds the services running.
WITHOUT_DATABASE = frozenset(
    {
        "check",
        "collectstatic",
        "compilemessages",
        "diffsettings",
        "feed_columns",
        "findstatic",
        "help",
        "makemessages",
        "score_table",
        "spectacular",
        "startapp",
        "version",
        "--help",
        "--version",
        "-h",
    }
)
DEMO_TODAY = "2022-06-30"


def var_folder() -> Path:
    """Return the data folder: PORTAL_VAR, or `var` in the checkout."""
    return Path(os.path.abspath(os.environ.get("PORTAL_VAR") or CHECKOUT / "var"))


def needs_services(arguments: Sequence[str]) -> bool:
    """Say whether a command line needs a database or broker that the environment does not name."""
    if os.environ.get("DATABASE_URL") and os.environ.get("BROKER_URL"):
        return False
    if not arguments or arguments[0] in WITHOUT_DATABASE or not {"--help", "-h"}.isdisjoint(arguments):
        return False
    return not (arguments[0] == "makemigrations" and "--check" in arguments)


def is_local(arguments: Sequence[str]) -> bool:
    """Say whether this is the machine's own portal: a server names its secret key, `up` is always local."""
    return arguments[:1] == ["up"] or not os.environ.get("PORTAL_SECRET_KEY")


def prepare(arguments: Sequence[str]) -> Joining | None:
    """Fill the environment of a command and begin to use the embedded services where it needs them."""
    needed = needs_services(arguments)
    var = var_folder()
    if is_local(arguments):
        os.environ["PORTAL_VAR"] = str(var)
        os.environ.setdefault("PORTAL_LOCAL", "1")
        if arguments[:1] == ["up"] or needed or (var / "local.env").is_file():
            os.environ.update({name: value for name, value in local_settings(var).items() if name not in os.environ})
    if not needed:
        return None
    joining = begin(var)
    os.environ.setdefault("DATABASE_URL", joining.places.database_url)
    os.environ.setdefault("BROKER_URL", joining.places.broker_url)
    return joining


def local_settings(var: Path) -> dict[str, str]:
    """Return the settings kept in a data folder; decided once, at its first use.

    A folder that starts with the demo keeps its business day for ever; PORTAL_DEMO=0 at the first use starts an
    empty one.
    """
    path = var / "local.env"
    with FileLock(Places.of(var).run / "settings.lock"):
        if not path.exists():
            demo = os.environ.get("PORTAL_DEMO", "1").strip().lower() in {"1", "true", "yes", "on"}
            lines = [f"PORTAL_SECRET_KEY={secrets.token_urlsafe(50)}", f"PORTAL_DEMO={int(demo)}"]
            if demo:
                lines.append(f"PORTAL_BUSINESS_TODAY={DEMO_TODAY}")
            partial = path.with_suffix(".partial")
            partial.touch(mode=0o600)
            partial.write_text("\n".join(lines) + "\n")
            partial.rename(path)
    pairs = (line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    return dict(pairs)
