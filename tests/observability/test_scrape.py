"""A real server is scraped while it works, and what it says of itself is true."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import websockets

from sessions_app.metrics import FIGURES
from tests.observability.scraped import Scrape, scraper_of
from tests.real_server import RealServer, running
from tests.waiting_for import auntil, until


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    folder = tmp_path_factory.mktemp("scraped") / "state"
    with running(folder, request.param, HARNESS_HOST_NAME="build-1") as server:
        yield server


@pytest.fixture(scope="module")
def scrape(server: RealServer) -> Callable[[], Scrape]:
    return scraper_of(server)


def test_output_starts_and_ends_are_counted(
    server: RealServer, scrape: Callable[[], Scrape]
) -> None:
    before = scrape()
    session_id = server.launch("sh", "-c", "printf %01000d 7; exit 3")
    until(lambda: server.session(session_id)["endedAt"] is not None, timeout=10)
    after = scrape()

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert grown("harness_output_bytes_total", host="build-1") == 1000
    assert grown("harness_sessions_started_total", host="build-1") == 1
    assert grown("harness_sessions_ended_total", host="build-1", status="failed") == 1
    assert grown("harness_sessions_ended_total", host="build-1", status="completed") == 0


def test_what_runs_is_told_while_it_runs(server: RealServer, scrape: Callable[[], Scrape]) -> None:
    session_id = server.launch("cat")
    until(lambda: scrape().value("harness_sessions", status="running") == 1)
    found = scrape()
    assert found.value("harness_sessions_followed", host="build-1") == 1
    assert found.value("harness_slots", host="build-1") == 4
    server.request("POST", f"/api/sessions/{session_id}/end", {"grace": 0})
    until(lambda: scrape().value("harness_sessions", status="running") == 0)
    assert scrape().value("harness_sessions_followed") == 0


async def test_live_streams_and_what_they_are_sent_are_counted(
    server: RealServer, scrape: Callable[[], Scrape]
) -> None:
    before = await asyncio.to_thread(scrape)
    headers = {"Authorization": f"Bearer {server.token}"}
    address = f"ws://127.0.0.1:{server.port}/ws"
    async with websockets.connect(address, additional_headers=headers) as socket:
        received = len(await socket.recv())
        during = await asyncio.to_thread(scrape)
        assert during.value("harness_live_streams") == 1
        await socket.send(json.dumps({"type": "ping"}))
        received += len(await socket.recv())
    after = await asyncio.to_thread(scrape)

    def grown(name: str) -> float:
        return after.value(name) - before.value(name)

    assert grown("harness_sent_messages_total") == 2
    # With the heads of two frames.
    assert received < grown("harness_sent_bytes_total") <= received + 20

    async def nobody_watches() -> bool:
        return (await asyncio.to_thread(scrape)).value("harness_live_streams") == 0

    await auntil(nobody_watches)


def test_the_loops_delay_is_looked_at_again_and_again(scrape: Callable[[], Scrape]) -> None:
    name = "harness_loop_delay_seconds_count"
    before = scrape().value(name)
    until(lambda: scrape().value(name) > before)


def test_every_figure_of_the_manager_is_told(scrape: Callable[[], Scrape]) -> None:
    found = scrape()
    for figure in FIGURES:
        assert found.value(figure.name, host="build-1", **figure.labels) >= 0
    assert found.value("harness_build_info", host="build-1", role="all") == 1
    assert found.value("harness_database_up") == 1


def test_a_scraper_needs_its_token(server: RealServer) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "", "Cookie": "harness_session=x"}):
        refused = server.answer("GET", "/metrics", headers=headers)
        assert (refused.status, refused.json()["code"]) == (401, "not-authenticated")
        assert refused.json()["error"].startswith("This needs an API token")


@pytest.mark.sqlite("locks the file")
def test_output_that_cannot_be_archived_is_an_age_and_a_size(tmp_path: Path) -> None:
    with running(tmp_path / "state") as server:
        session_id, scrape = server.launch("cat"), scraper_of(server)
        scrape()
        other = sqlite3.connect(server.state / "harness.sqlite3", isolation_level=None, timeout=20)
        with closing(other):
            other.execute("BEGIN IMMEDIATE")
            server.answer("POST", f"/api/sessions/{session_id}/input", {"data": "x" * 100})
            until(lambda: scrape().value("harness_archive_lag_seconds") > 1.0, timeout=15)
            assert scrape().value("harness_archive_backlog_bytes") >= 100
            other.execute("ROLLBACK")
        until(lambda: scrape().value("harness_archive_lag_seconds") == 0, timeout=15)
        assert scrape().value("harness_archive_backlog_bytes") == 0
