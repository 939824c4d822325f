"""Somebody else holds the database's lock: a backup, a shell, a slow disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.locked_database import locked_server
from tests.real_server import Answer, RealServer
from tests.reliability.programs import Printer
from tests.reliability.viewer_client import ViewerClient
from tests.waiting_for import auntil, until

CAT = {"command": "cat", "workingDir": "/tmp"}
# The longest silence of a live view that a person would not call a stop.
SILENCE_SECONDS = 1.0
# So long a lock is waited for where somebody waits for the answer.
BUSY_SECONDS = 10
# The event of a resize is waited for half a second at most.
PROMPT_SECONDS = 3.0
ANSWER_SECONDS = BUSY_SECONDS + 2.5


@asynccontextmanager
async def locked(server: RealServer, seconds: float) -> AsyncIterator[None]:
    """Keep everybody else from writing for so long."""
    with locked_server(server):
        yield
        await asyncio.sleep(seconds)


async def longest_silence(viewer: ViewerClient, over: asyncio.Event) -> float:
    """How long nothing new came at most, until `over`."""
    longest, known, since = 0.0, viewer.received, time.monotonic()
    while not over.is_set():
        await asyncio.sleep(0.02)
        if viewer.received > known:
            known, since = viewer.received, time.monotonic()
        longest = max(longest, time.monotonic() - since)
    return longest


async def start(server: RealServer) -> tuple[Answer, float]:
    """Start a session; the answer, and how long it took."""
    since = time.monotonic()
    answer = await asyncio.to_thread(server.answer, "POST", "/api/sessions", CAT, None, 60)
    return answer, time.monotonic() - since


async def seconds_to_resize(server: RealServer, session_id: str) -> float:
    """How long a resize takes to be answered with 200; no token of the caller is fresh."""
    since = time.monotonic()
    size = {"cols": 97, "rows": 41}
    path = f"/api/sessions/{session_id}/resize"
    answer = await asyncio.to_thread(server.answer, "POST", path, size)
    assert answer.status == 200, answer.body
    return time.monotonic() - since


async def was_resized(server: RealServer, session_id: str) -> bool:
    session = await asyncio.to_thread(server.session, session_id)
    return (session["cols"], session["rows"]) == (97, 41)


def forget_that_the_token_was_used(server: RealServer) -> None:
    """So that the next request has something to write down."""
    server.rows("UPDATE sessions_app_apitoken SET last_used_at = NULL")


async def is_archived(server: RealServer, session_id: str, size: int) -> bool:
    session = await asyncio.to_thread(server.session, session_id)
    return bool(session["outputBytes"] >= size)


@pytest.mark.parametrize(
    ("seconds", "status"), [(4, 201), (12, 503), pytest.param(30, 503, marks=pytest.mark.long)]
)
async def test_a_locked_database_delays_starts_and_nothing_else(
    daphne: RealServer, printer: Callable[..., Printer], seconds: float, status: int
) -> None:
    one = printer("program")
    session_id = await asyncio.to_thread(daphne.launch, *one.argv)
    viewer = ViewerClient(daphne, [session_id], acknowledges=True)
    watching = asyncio.create_task(viewer.run())
    await auntil(lambda: viewer.received > 100_000, timeout=10)

    over = asyncio.Event()
    listening = asyncio.create_task(longest_silence(viewer, over))
    await asyncio.to_thread(forget_that_the_token_was_used, daphne)
    async with locked(daphne, seconds):
        assert await seconds_to_resize(daphne, session_id) < PROMPT_SECONDS
        starting = asyncio.create_task(start(daphne))
    answer, duration = await starting
    over.set()
    assert await listening < SILENCE_SECONDS
    assert min(seconds, BUSY_SECONDS) - 0.5 < duration < ANSWER_SECONDS
    assert answer.status == status, (duration, answer.body)
    if status == 503:
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["error"]

    await auntil(lambda: was_resized(daphne, session_id), timeout=15)
    seen = viewer.received
    await auntil(lambda: is_archived(daphne, session_id, seen), timeout=15)
    one.stop()
    await asyncio.wait_for(watching, 30)
    assert (viewer.faults, viewer.resets) == ([], 0)
    printed = one.printed()
    assert await asyncio.to_thread(daphne.output, session_id) == printed
    assert viewer.received == len(printed)
    await asyncio.to_thread(until, daphne.is_healthy, 15)
    answer, _ = await start(daphne)
    assert answer.status == 201
