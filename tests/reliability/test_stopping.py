"""The server is asked to stop while programs print and people watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.real_server import RealServer, running
from tests.reliability.programs import Printer
from tests.reliability.viewer_client import ViewerClient
from tests.waiting_for import auntil

EXIT_SECONDS = 5
# uvicorn closes sockets itself, before it tells the application: 1012 is "service restart".
CLOSE_CODES = {"daphne": 4503, "uvicorn": 1012}


@pytest.mark.parametrize("kind", CLOSE_CODES)
async def test_a_server_under_load_stops_soon_says_why_and_loses_nothing(
    tmp_path: Path, printer: Callable[..., Printer], kind: str
) -> None:
    with running(tmp_path / "state", kind) as server:
        printers = [printer(f"program-{number}") for number in range(4)]
        ids = [await asyncio.to_thread(server.launch, *one.argv) for one in printers]
        pids = [server.session(session_id)["pid"] for session_id in ids]
        viewers = [ViewerClient(server, ids, acknowledges=number >= 3) for number in range(6)]
        watching = [asyncio.create_task(viewer.run()) for viewer in viewers]
        await auntil(lambda: all(viewer.received > 500_000 for viewer in viewers), timeout=20)

        duration = await asyncio.to_thread(how_long_stopping_takes, server)
        assert duration < EXIT_SECONDS
        # Who comes back while the server is still stopping is told once more.
        await auntil(lambda: all(viewer.close_codes for viewer in viewers))
        codes = [set(viewer.close_codes) for viewer in viewers]
        assert codes[:3] == [{CLOSE_CODES[kind]}] * 3
        # uvicorn does not read first what a client has sent, so the kernel may reset the connection
        # of one that acknowledges before that has seen the code.
        unseen = {None} if kind == "uvicorn" else set()
        assert set().union(*codes[3:]) <= {CLOSE_CODES[kind]} | unseen
        assert all(psutil.pid_exists(pid) for pid in pids)

        await asyncio.to_thread(server.start)
        for one in printers:
            one.stop()
        await asyncio.wait_for(asyncio.gather(*watching), 30)
        assert [(viewer.faults, viewer.resets) for viewer in viewers] == [([], 0)] * 6
        for session_id, one in zip(ids, printers, strict=True):
            assert await asyncio.to_thread(server.output, session_id) == one.printed()


def how_long_stopping_takes(server: RealServer) -> float:
    since = time.monotonic()
    server.stop()
    return time.monotonic() - since
