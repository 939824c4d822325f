"""The home page in a browser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import BrowserContext, Page, sync_playwright

from bench import machine
from bench.figures import Measured
from bench.scenario import HARNESS, Scenario, Usage
from bench.servers.base import Server
from bench.servers.harness import HarnessServer
from bench.starting_gun import StartingGun

CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
LIVE_MS = 30_000.0
# Connected, and something drawn in so many previews. The page shows a line of the printer's text.
IS_LIVE = """(sessions) =>
  document.querySelector("#connection")?.dataset.state === "live" &&
  [...document.querySelectorAll(".preview .xterm-rows")]
    .filter((rows) => rows.textContent.includes("fox")).length >= sessions
  && performance.now()
"""
# Frames in so many milliseconds, and the longest time between two.
COUNT_FRAMES = """(milliseconds) => new Promise((resolve) => {
  const begun = performance.now();
  let frames = 0, longest = 0, last = begun;
  requestAnimationFrame(function frame(now) {
    frames += 1;
    longest = Math.max(longest, now - last);
    last = now;
    if (now - begun < milliseconds) requestAnimationFrame(frame);
    else resolve({ rate: frames / (now - begun) * 1000, longest });
  });
})"""
FIRST_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0"""
LAST_LINES = """() => [...document.querySelectorAll(".preview .xterm-rows")]
  .map((rows) => rows.textContent.match(/@\\d{18} (\\d{8})/g)?.at(-1)?.slice(-8) ?? "")"""


@contextmanager
def browser() -> Iterator[BrowserContext]:
    """Open a Chromium without a window and without anything cached."""
    executable = next((path for path in CHROMIUM if Path(path).exists()), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            with chromium.new_context(viewport={"width": 1280, "height": 800}) as context:
                yield context
        finally:
            chromium.close()


def chromium_pids() -> list[int]:
    """Return the processes of the browser that this process has started."""
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if "chrom" in child.name()]


@dataclass(frozen=True, kw_only=True)
class HomePage(Scenario):
    """How heavy is the home page with live sessions, how soon is it live, and how smooth?"""

    name = "page"
    servers = HARNESS

    sessions: int = 8
    rate: int = 20
    seconds: float = 5.0

    @classmethod
    def smallest(cls) -> HomePage:
        """Return two sessions, watched for a moment."""
        return cls(sessions=2, rate=20, seconds=0.3)

    @property
    def settings(self) -> dict[str, str]:
        """Return the slots that the page shows."""
        return {"HARNESS_SLOTS": str(self.sessions)}

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        assert isinstance(server, HarnessServer)
        measured = Measured()
        with StartingGun() as gun, browser() as context:
            command = gun.program("lines", 1_000_000, self.rate)
            sessions = [server.launch(command) for _ in range(self.sessions)]
            gun.wait_until_ready(self.sessions)
            gun.fire()
            self._log_in(context, server)
            page = context.new_page()
            self._load(page, server, measured)
            self._run(page, server, measured)
        measured.expect(len(sessions) == self.sessions, "sessions are missing")
        return measured

    def _log_in(self, context: BrowserContext, server: HarnessServer) -> None:
        page = context.new_page()
        page.goto(server.manage("loginlink").strip())
        page.wait_for_url(server.public_url + "/")
        page.close()

    def _load(self, page: Page, server: HarnessServer, measured: Measured) -> None:
        """Open the page with nothing in the cache."""
        weighed = Weighed(page)
        page.goto(server.public_url + "/", wait_until="commit")
        live = page.wait_for_function(IS_LIVE, arg=self.sessions, timeout=LIVE_MS).json_value()
        measured.add("compressed", weighed.size / 1000, "kB")
        measured.add("requests", weighed.requests, "")
        measured.add("first paint", page.evaluate(FIRST_PAINT), "ms")
        measured.add("live, all terminals drawn", live, "ms")

    def _run(self, page: Page, server: Server, measured: Measured) -> None:
        """Watch the page while its terminals print."""
        before, chromium = page.evaluate(LAST_LINES), machine.cpu_seconds(chromium_pids())
        usage = Usage(server)
        frames = page.evaluate(COUNT_FRAMES, self.seconds * 1000)
        usage.add_to(measured)
        used = machine.cpu_seconds(chromium_pids()) - chromium
        measured.add("frames", frames["rate"], "/s")
        measured.add("longest frame", frames["longest"], "ms")
        measured.add("Chromium's CPU", used / self.seconds, "cores")
        self._check(before, page.evaluate(LAST_LINES), measured)

    def _check(self, before: Sequence[str], after: Sequence[str], measured: Measured) -> None:
        moving = sum(old < new for old, new in zip(before, after, strict=True))
        measured.expect(moving == self.sessions, f"{moving} of {self.sessions} terminals go on")


class Weighed:
    """What a page takes over the network, as it is sent: compressed, heads included."""

    def __init__(self, page: Page) -> None:
        self.size = 0.0
        self.requests = 0
        session = page.context.new_cdp_session(page)
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})

    def _finished(self, event: dict[str, Any]) -> None:
        self.size += event["encodedDataLength"]
        self.requests += 1
