"""A real server and a real browser; both talk to this machine only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from ecosystem import waker
from tests.browser.visitor import BUT_COLOURS, RULES, Visitor
from tests.scoring import rows

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.fixtures import Settings
    from pytest_django.live_server_helper import LiveServer

Arrive = Callable[..., Visitor]
LOCALES = {"zh-hans": "zh-CN", "en": "en-GB"}


@pytest.fixture(scope="session")
def browser_type_launch_args(chromium_path: str) -> dict[str, Any]:
    """Use the machine's Chromium; as root it runs without its sandbox."""
    return {"executable_path": chromium_path, "args": ["--no-sandbox"] if os.geteuid() == 0 else []}


@pytest.fixture(scope="session")
def _rows_beside_the_browser() -> Iterator[None]:
    """Let tests read and write rows: the browser's event loop runs in their thread, but nothing of theirs is async."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture(scope="session")
def _no_kept_connections() -> Iterator[None]:
    """Close the connection after each request: one kept by a thread of the server bars dropping the test database."""
    before = connection.settings_dict["CONN_MAX_AGE"]
    connection.settings_dict["CONN_MAX_AGE"] = 0
    yield
    connection.settings_dict["CONN_MAX_AGE"] = before


@pytest.fixture(params=["zh-hans", "en"])
def language(request: pytest.FixtureRequest) -> str:
    """Return the reader's language."""
    return str(request.param)


@pytest.fixture
def portal(
    _rows_beside_the_browser: None, _no_kept_connections: None, live_server: LiveServer, settings: Settings
) -> Iterator[str]:
    """Return the address of the portal on the last day of June 2022; tests work the ledger off as workers would."""
    settings.BUSINESS_TODAY = rows.AS_OF
    settings.PORTAL_URL = live_server.url
    with waker.silence():
        yield live_server.url


@pytest.fixture
def arrive(
    portal: str, browser: Browser, language: str, ci_output: Path, request: pytest.FixtureRequest
) -> Iterator[Arrive]:
    """Return what opens a window: its name for the pictures, then anything a browser context takes."""
    opened: list[Visitor] = []

    def arrive(who: str, **options: Any) -> Visitor:
        journey = request.node.name.partition("[")[0].removeprefix("test_")
        output = ci_output / "browser" / f"{journey}-{language}" / who
        output.mkdir(parents=True, exist_ok=True)
        wanted = {"viewport": {"width": 1360, "height": 900}, "locale": LOCALES[language], **options}
        rules = RULES if language == "zh-hans" else BUT_COLOURS
        # Axe itself is a script: it cannot run where scripts may not.
        scripts = wanted.get("java_script_enabled", True)
        visitor = Visitor.arrive(browser.new_context(**wanted), portal, output, rules=rules if scripts else None)
        opened.append(visitor)
        return visitor

    yield arrive
    for visitor in opened:
        visitor.context.close()
