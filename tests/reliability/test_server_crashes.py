"""The server is killed, again and again, while programs print and people watch."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Callable

import pytest

from tests.real_server import RealServer
from tests.reliability.programs import Printer
from tests.reliability.viewer_client import ViewerClient
from tests.waiting_for import auntil

SESSIONS = 4


async def kill_at_some_moment(server: RealServer, viewers: list[ViewerClient], turn: int) -> None:
    """Once everybody has had more since the last crash; every third time while it starts, too."""
    more = [viewer.received + random.randint(1, 300_000) for viewer in viewers]  # noqa: S311
    await auntil(
        lambda: all(viewer.received > wanted for viewer, wanted in zip(viewers, more, strict=True)),
        timeout=30,
    )
    server.kill()
    if turn % 3 == 0:
        server.spawn()
        # A moment that nobody chose, somewhere in the server's start.
        await asyncio.to_thread(time.sleep, random.uniform(0.2, 2.0))  # noqa: S311
        server.kill()
    await asyncio.to_thread(server.start)


@pytest.mark.parametrize("crashes", [4, pytest.param(100, marks=pytest.mark.long)])
async def test_no_byte_is_lost_or_doubled_however_often_the_server_is_killed(
    daphne: RealServer, printer: Callable[..., Printer], crashes: int
) -> None:
    printers = [printer(f"program-{number}") for number in range(SESSIONS)]
    ids = [await asyncio.to_thread(daphne.launch, *one.argv) for one in printers]
    viewers = [ViewerClient(daphne, ids, acknowledges=False)]
    viewers.append(ViewerClient(daphne, ids, acknowledges=True))
    watching = [asyncio.create_task(viewer.run()) for viewer in viewers]
    for turn in range(crashes):
        await kill_at_some_moment(daphne, viewers, turn)
    for one in printers:
        one.stop()
    await asyncio.wait_for(asyncio.gather(*watching), 60)

    for viewer in viewers:
        assert viewer.faults == []
        assert viewer.resets == 0
        assert viewer.connections > crashes
    for session_id, one in zip(ids, printers, strict=True):
        session = await asyncio.to_thread(daphne.session, session_id)
        assert (session["status"], session["exitCode"]) == ("completed", 0)
        printed = one.printed()
        assert await asyncio.to_thread(daphne.output, session_id) == printed
        for viewer in viewers:
            watched = viewer.watched[session_id]
            assert watched.offset == len(printed)
            assert watched.digest.digest() == hashlib.sha256(printed).digest()
