"""The disk of the state folder is full, and then it is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from tests.real_server import RealServer, running
from tests.reliability.programs import Printer
from tests.reliability.test_locked_database import forget_that_the_token_was_used
from tests.reliability.viewer_client import ViewerClient
from tests.small_disk import full, small_disk
from tests.waiting_for import auntil


async def says_that_output_waits(server: RealServer) -> bool:
    answer = await asyncio.to_thread(server.answer, "GET", "/health")
    return answer.status == 503 and "space left on device" in answer.json()["reason"]


def stands_still(one: Printer) -> Callable[[], bool]:
    """Tells whether the program has printed nothing for a second."""
    known, since = -1, 0.0

    def tell() -> bool:
        nonlocal known, since
        if len(one.printed()) != known:
            known, since = len(one.printed()), time.monotonic()
        return time.monotonic() - since > 1

    return tell


async def test_a_full_disk_makes_programs_wait_and_loses_nothing(
    tmp_path: Path, printer: Callable[..., Printer]
) -> None:
    one = printer("program")
    with small_disk(tmp_path) as disk, running(disk / "state") as server:
        session_id = await asyncio.to_thread(server.launch, *one.argv)
        viewer = ViewerClient(server, [session_id], acknowledges=True)
        watching = asyncio.create_task(viewer.run())
        await auntil(lambda: viewer.received > 200_000, timeout=10)
        await asyncio.to_thread(forget_that_the_token_was_used, server)
        with full(disk):
            await auntil(lambda: says_that_output_waits(server), timeout=15)
            session = await asyncio.to_thread(server.session, session_id)
            assert session["status"] == "running"
            assert session["stalled"] == "No space left on device"
            await auntil(lambda: viewer.stalled[session_id] is not None, timeout=5)
            # Nobody keeps what the disk refuses: the program stops once the terminal is full.
            await auntil(stands_still(one), timeout=5)
            waiting = len(one.printed())

        await auntil(lambda: len(one.printed()) > waiting + 200_000, timeout=15)
        await auntil(server.is_healthy, timeout=10)
        await auntil(lambda: viewer.stalled[session_id] is None, timeout=5)
        one.stop()
        await asyncio.wait_for(watching, 20)
        assert (viewer.faults, viewer.resets) == ([], 0)
        printed = one.printed()
        assert await asyncio.to_thread(server.output, session_id) == printed
        assert viewer.received == len(printed)
