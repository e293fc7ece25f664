"""Every test run has a throw-away PostgreSQL and Valkey of its own, unless the environment names existing ones."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import pytest

from ecosystem.local.places import Places
from ecosystem.local.stack import Stack, join

# Set before Django reads its settings; workers of pytest-xdist inherit it and share the services.
if "PORTAL_TEST_FOLDER" not in os.environ:
    folder = Path(tempfile.mkdtemp(prefix="portal-test-"))
    folder.chmod(0o711)  # the servers' user walks through it when the tests run as root
    os.environ["PORTAL_TEST_FOLDER"] = str(folder)
PLACES = Places.of(Path(os.environ["PORTAL_TEST_FOLDER"]))
os.environ["DJANGO_SETTINGS_MODULE"] = "ecosystem.settings"
os.environ["PORTAL_LOCAL"] = "1"
os.environ["PORTAL_SECRET_KEY"] = "tests-only-" + "0123456789abcdef" * 4
os.environ["PORTAL_VAR"] = str(PLACES.var)
for name in ("PORTAL_DEBUG", "PORTAL_DEMO", "PORTAL_BUSINESS_TODAY", "PORTAL_HOSTS", "PORTAL_ORIGINS", "PORTAL_HTTPS"):
    os.environ.pop(name, None)
EMBEDDED = os.environ.get("DATABASE_URL") is None or os.environ["DATABASE_URL"] == PLACES.database_url
os.environ.setdefault("DATABASE_URL", PLACES.database_url)
os.environ.setdefault("BROKER_URL", PLACES.broker_url)
django.setup()


@pytest.fixture(scope="session")
def servers() -> Iterator[Stack | None]:
    """Start the throw-away servers; None when the environment names existing ones for both."""
    if not EMBEDDED and os.environ["BROKER_URL"] != PLACES.broker_url:
        yield None
        return
    stack = join(PLACES.var, throw_away=True)
    yield stack
    stack.leave(wait_seconds=0 if "PYTEST_XDIST_WORKER" in os.environ else 20)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: Stack | None, django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Have the servers up before the test database is made."""


@pytest.fixture
def broker(servers: Stack | None) -> str:
    """Return the address of a broker that is up and empty."""
    import kombu

    url = os.environ["BROKER_URL"]
    with kombu.Connection(url, connect_timeout=5) as connection:
        for queue in ("recalc", "ingest", "outbound"):
            connection.SimpleQueue(queue).clear()
    return url


def pytest_unconfigure() -> None:
    """Remove the folder of a run that never started a server."""
    if "PYTEST_XDIST_WORKER" not in os.environ and PLACES.var.is_dir() and not any(PLACES.var.iterdir()):
        PLACES.var.rmdir()
