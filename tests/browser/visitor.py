"""Somebody at a browser: opens pages, fills in forms, and looks at each page as a reviewer of accessibility would."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client

from ecosystem.models import OutboxMessage
from tests.web.sign_in import sign_in

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page, Response

    from ecosystem.models import User

# The rules of WCAG 2.1 AA, for the pages and the theme of the admin alike.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
# Colours are the same in both languages, and the slowest to judge.
BUT_COLOURS = RULES | {"rules": {"color-contrast": {"enabled": False}}}
SCROLLS_SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@dataclass
class Visitor:
    """One browser window; ``seen`` are the pages looked at, ``wrong`` is what the browser complained about."""

    context: BrowserContext
    page: Page
    address: str
    output: Path
    rules: dict[str, Any] | None
    seen: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @classmethod
    def arrive(
        cls, context: BrowserContext, address: str, output: Path, *, rules: dict[str, Any] | None = RULES
    ) -> Visitor:
        """Open a window that may talk to the portal and to nobody else; without rules axe is not asked."""
        visitor = cls(context, context.new_page(), address, output, rules)
        context.route(lambda url: not url.startswith((address, "data:", "blob:")), visitor._refuse)
        visitor.page.on("pageerror", lambda error: visitor.wrong.append(str(error)))
        visitor.page.on(
            "console",
            lambda message: visitor.wrong.append(message.text) if "Content Security" in message.text else None,
        )
        return visitor

    def _refuse(self, route: Any) -> None:
        self.wrong.append(f"asked another host: {route.request.url}")
        route.abort()

    def be(self, user: User) -> Visitor:
        """Take the session of a signed-in user, second factor shown."""
        client = sign_in(Client(), user)
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        self.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": self.address}])
        return self

    def open(self, path: str) -> Response:
        """Go to a page of the portal; it must be there."""
        response = self.page.goto(path if path.startswith("http") else self.address + path)
        assert response is not None
        assert response.status == 200, f"{path}: {response.status}"
        return response

    def look(self, name: str, *, foreign: str = "") -> None:
        """Judge the page: accessible, within the window, no complaint of the browser; keep a picture of it.

        ``foreign`` selects what a library draws and the portal cannot change: it is not judged by axe.
        """
        self.page.wait_for_load_state()
        picture = self.output / f"{len(self.seen) + 1:02d}-{name}.png"
        self.page.screenshot(path=picture, full_page=True)
        self.seen.append(name)
        if self.rules is not None:
            found = Axe().run(self.page, context={"exclude": [foreign]} if foreign else None, options=self.rules)
            faults = [
                f"{fault['id']}: {node['html'][:200]}"
                for fault in found.response["violations"]
                for node in fault["nodes"]
            ]
            assert not faults, f"{name}: " + "\n".join(faults)
        assert not self.page.evaluate(SCROLLS_SIDEWAYS), f"{name} is wider than the window"
        assert not self.wrong, f"{name}: {self.wrong}"

    def follow(self, selector: str) -> None:
        """Follow the first link that matches."""
        self.page.locator(selector).first.click()
        self.page.wait_for_load_state()

    def fill(self, **values: str) -> None:
        """Fill in fields by their names; choices by their values."""
        for name, value in values.items():
            control = self.page.locator(f"main [name={name}], #main [name={name}]").first
            if control.evaluate("element => element.tagName") == "SELECT":
                control.select_option(value)
            else:
                control.fill(value)

    def send(self, button: str = ".btn-primary, .portal-button-main") -> None:
        """Press the form's main button and wait for the answer."""
        with self.page.expect_navigation():
            self.page.locator(button).first.click()

    def text(self) -> str:
        """Return what the page says."""
        return self.page.locator("body").inner_text()


def mail_to(address: str, pattern: str) -> str:
    """Return what the pattern finds in the newest mail to somebody, as they would read it."""
    for _ in range(50):
        mail = OutboxMessage.objects.filter(recipient=address).order_by("-pk").first()
        if mail is not None and (found := re.search(pattern, f"{mail.subject}\n{mail.body}")):
            return found.group(1)
        time.sleep(0.1)
    raise AssertionError(f"no mail to {address} with {pattern}")
