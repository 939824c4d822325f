"""Lists and searches, with many stored sessions."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection

from bench.figures import Measured, percentile
from bench.filling import NEEDLE, NEEDLE_EVERY
from bench.scenario import HARNESS, Scenario, Usage
from bench.servers.base import Answer, Server
from bench.servers.harness import HarnessServer

PAGE = 100
CLIENTS = 4

Ask = Callable[[HTTPConnection], Answer]


def filled(server: HarnessServer, count: int) -> dict[str, str]:
    """Store that many sessions; return the headers of a browser that is logged in."""
    printed = server.run([sys.executable, "-m", "bench.filling", str(count)])
    cookie = json.loads(printed)
    host = server.public_url.removeprefix("http://")
    return {"Host": host, "Cookie": f"{cookie['name']}={cookie['value']}"}


def one_by_one(server: Server, ask: Ask, times: int) -> tuple[list[float], Answer]:
    """Ask so often on one connection; return the milliseconds of each, and the last answer."""
    connection = server.connect()
    took = []
    try:
        answer = ask(connection)  # what is loaded on the first one is loaded
        for _ in range(times):
            begun = time.monotonic()
            answer = ask(connection)
            took.append((time.monotonic() - begun) * 1000)
    finally:
        connection.close()
    return took, answer


def requests_per_second(server: Server, ask: Ask, times: int) -> float:
    """Ask so often from each of several clients at once."""
    begun = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda _: one_by_one(server, ask, times), range(CLIENTS)))
    return CLIENTS * (times + 1) / (time.monotonic() - begun)


@dataclass(frozen=True, kw_only=True)
class Listing(Scenario):
    """How long does `GET /api/sessions` take, with many sessions stored?

    The first page, one request at a time, then from four clients at once.
    """

    name = "list"
    servers = HARNESS

    stored: int = 10_000
    requests: int = 200

    @classmethod
    def variants(cls) -> Sequence[Listing]:
        """Return many and very many."""
        return [cls(stored=10_000), cls(stored=100_000)]

    @classmethod
    def smallest(cls) -> Listing:
        """Return more than a page."""
        return cls(stored=150, requests=5)

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        assert isinstance(server, HarnessServer)
        measured = Measured()
        filled(server, self.stored)

        def ask(connection: HTTPConnection) -> Answer:
            return server.request("GET", "/api/sessions", connection=connection)

        usage = Usage(server)
        took, answer = one_by_one(server, ask, self.requests)
        measured.add("p50", percentile(took, 50), "ms")
        measured.add("p99", percentile(took, 99), "ms")
        measured.add("four clients", requests_per_second(server, ask, self.requests), "requests/s")
        usage.add_to(measured)
        self._check(answer, measured)
        return measured

    def _check(self, answer: Answer, measured: Measured) -> None:
        sessions = answer.json()
        made = [session["createdAt"] for session in sessions if session["endedAt"]]
        measured.expect(answer.status == 200, f"answered with {answer.status}")
        measured.expect(len(sessions) == PAGE, f"{len(sessions)} sessions on a page")
        measured.expect(made == sorted(made, reverse=True), "not the newest first")
        measured.expect('rel="next"' in answer.headers.get("Link", ""), "no next page")


@dataclass(frozen=True, kw_only=True)
class Search(Scenario):
    """How long does a search through the history take, as the page and through the API?"""

    name = "search"
    servers = HARNESS

    stored: int = 10_000
    requests: int = 50

    @classmethod
    def smallest(cls) -> Search:
        """Return few sessions, of which one is found."""
        return cls(stored=100, requests=2)

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        assert isinstance(server, HarnessServer)
        measured = Measured()
        browser = filled(server, self.stored)
        hits = -(-self.stored // NEEDLE_EVERY)
        usage = Usage(server)
        self._measure(
            server, f"/history?q={NEEDLE}", browser, "the page, rare word", b"needle ", measured
        )
        self._measure(
            server, "/history?q=session", browser, "the page, common word", b"session ", measured
        )
        answer = self._measure(
            server, f"/api/sessions?search={NEEDLE}", server.headers(), "the API, rare word",
            b"needle", measured,
        )  # fmt: skip
        usage.add_to(measured)
        found = sum(NEEDLE in (session["name"] or "") for session in answer.json())
        measured.expect(found >= min(PAGE, hits), f"{found} of {hits} sessions were found")
        return measured

    def _measure(
        self, server: Server, path: str, headers: dict[str, str], name: str, shows: bytes,
        measured: Measured,
    ) -> Answer:  # fmt: skip
        def ask(connection: HTTPConnection) -> Answer:
            return server.request("GET", path, connection=connection, headers=headers)

        took, answer = one_by_one(server, ask, self.requests)
        measured.add(f"{name}, p50", percentile(took, 50), "ms")
        measured.add(f"{name}, longest", percentile(took, 100), "ms")
        right = answer.status == 200 and shows in answer.body
        measured.expect(right, f"{path}: {answer.status}, or nothing found")
        return answer
