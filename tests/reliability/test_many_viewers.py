"""Everybody reconnects at once, as after a restart; and leaves."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from tests.real_server import RealServer, running
from tests.reliability.viewer_client import connected

MB = 1024 * 1024
# Two hundred take four to six seconds of two processors; others may need those at the same time.
LIVE_SECONDS = 25
STORMS = 4
# A socket costs twice as much while it is open, and the allocator keeps a few megabytes at will.
LEFT_BEHIND = 20 * 1024  # bytes per socket


async def come_and_see(server: RealServer, session_id: str, count: int) -> float:
    """Open that many sockets at once; the time until all of them have seen live output."""
    async with AsyncExitStack() as stack:
        live = asyncio.Semaphore(0)

        async def come() -> None:
            socket = await stack.enter_async_context(connected(server))
            async for text in socket:
                message = orjson.loads(text)
                if message["type"] == "session:output" and message.get("replay"):
                    live.release()
                if message["type"] == "session:output" and "42" in message["data"]:
                    return

        since = time.monotonic()
        viewers = [asyncio.create_task(come()) for _ in range(count)]
        for _ in range(count):
            await asyncio.wait_for(live.acquire(), LIVE_SECONDS)
        body = {"data": "42\r"}
        path = f"/api/sessions/{session_id}/input"
        await asyncio.to_thread(server.request, "POST", path, body)
        await asyncio.wait_for(asyncio.gather(*viewers), LIVE_SECONDS)
        return time.monotonic() - since


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_all_are_live_soon_when_they_come_at_once_and_leave_nothing_behind(
    tmp_path: Path, kind: str, count: int
) -> None:
    with running(tmp_path / "state", kind) as server:
        session_id = await asyncio.to_thread(server.launch, "cat")
        times, memory = [], [server.memory() / MB]
        for _ in range(STORMS):
            times.append(await come_and_see(server, session_id, count))
            memory.append(server.memory() / MB)
        figures = f"{kind}: {count} live after {times} s, memory {memory} MB"
        print(figures)  # noqa: T201  # shown by pytest -rP
        assert max(times) < LIVE_SECONDS, figures
        # Now and then a storm brings working memory, and keeps it; each time is only what leaks.
        added = [after - before for before, after in pairwise(memory)]
        assert min(added) < LEFT_BEHIND * count / MB, figures
