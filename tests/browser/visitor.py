"""Somebody in front of a browser."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, expect

from tests.real_server import RealServer
from tests.waiting_for import until

TIMEOUT_SECONDS = 10.0
# Its own 5 s are little while much else is tested on the machine.
expect.set_options(timeout=TIMEOUT_SECONDS * 1000)


class Visitor:
    """A browser of its own with one page, which looks at one server."""

    def __init__(self, page: Page, server: RealServer) -> None:
        self.page = page
        self.server = server
        self.errors: list[str] = []
        page.set_default_timeout(TIMEOUT_SECONDS * 1000)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium itself reports refused requests and sockets; the tests that cause them check
        # what the page says about it.
        if message.type == "error" and not message.text.startswith(
            ("Failed to load resource", "WebSocket connection to")
        ):
            self.errors.append(message.text)

    def log_in(self) -> None:
        """Open a new one-time link."""
        self.page.goto(self.server.manage("loginlink").strip())
        self.page.wait_for_url(self.server.public_url + "/")
        self.is_live()

    def go(self, path: str) -> None:
        """Open a page and wait until it is live."""
        self.page.goto(self.server.public_url + path)
        self.is_live()

    def open(self, session_id: str) -> None:
        """Open a session's page and wait until its terminal is drawn."""
        self.go(f"/sessions/{session_id}")
        until(lambda: any(self.rows()), timeout=TIMEOUT_SECONDS)

    def is_live(self) -> None:
        """Wait until the page says that it is connected."""
        expect(self.page.locator("#connection")).to_have_attribute("data-state", "live")

    def rows(self, place: str = "#terminal") -> list[str]:
        """What the terminal shows, line by line, without trailing blanks."""
        lines = self.page.locator(f"{place} .xterm-rows > div").all_inner_texts()
        return [line.replace("\xa0", " ").rstrip() for line in lines]

    def sees(self, line: str, place: str = "#terminal") -> None:
        """Wait until a line of the terminal is exactly this."""
        self.awaits(lambda: line in self.rows(place), f"the line {line!r}")

    def awaits(self, condition: Any, what: str) -> None:
        """Wait until the condition holds; else tell what the terminal shows."""
        try:
            until(condition, timeout=TIMEOUT_SECONDS)
        except AssertionError:
            raise AssertionError(f"did not see {what}; terminal: {self.rows()}") from None

    def type(self, text: str) -> None:
        """Type on the keyboard, into whatever has the focus."""
        self.page.keyboard.type(text)

    def press(self, *keys: str) -> None:
        """Press keys, named as playwright names them."""
        for key in keys:
            self.page.keyboard.press(key)

    def size(self) -> list[int]:
        """The session's columns and rows as the page shows them."""
        return [int(part) for part in re.findall(r"\d+", self.page.inner_text("#session-size"))]

    def open_without_output(self, session_id: str) -> None:
        """Open the page of a session whose program prints nothing at first."""
        self.go(f"/sessions/{session_id}")
        status = self.page.locator("body")
        expect(status).not_to_have_attribute("data-status", "idle")
