"""The system's clock jumps; nothing that is measured as an interval may notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest

from tests.real_server import RealServer, running
from tests.reliability.programs import Printer
from tests.reliability.viewer_client import ViewerClient
from tests.waiting_for import auntil

DAY = 24 * 3600
LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/local/lib/faketime/libfaketime.so.1")


def library() -> str:
    """The library that gives one process another wall clock; skips where there is none."""
    found = [str(path) for pattern in LIBRARIES for path in Path("/").glob(pattern[1:])]
    if not found:
        pytest.skip("libfaketime is not installed (Debian: apt-get install faketime)")
    return found[0]


@pytest.fixture
def libfaketime() -> str:
    """Where it is."""
    return library()


class Clock:
    """The wall clock of one server, moved by a file; its monotonic clock stays true."""

    def __init__(self, folder: Path, library: str) -> None:
        self._file = folder / "clock"
        self.set(0)
        self.environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Python waits for its interpreter lock by the monotonic clock; the "fix" breaks that.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def set(self, offset: int) -> None:
        """Let it be so many seconds wrong from now on."""
        temporary = self._file.with_suffix(".new")
        temporary.write_text(f"{offset:+d}\n")
        temporary.replace(self._file)


async def has_jumped(server: RealServer, session_id: str, offset: int) -> bool:
    """Whether what the server notes as the time is so many seconds wrong."""
    session = await asyncio.to_thread(server.session, session_id)
    noted = datetime.fromisoformat(session["lastActivityAt"]).timestamp()
    return abs(noted - time.time() - offset) < 60


def have_received(viewers: list[ViewerClient], wanted: list[int]) -> bool:
    return all(viewer.received > size for viewer, size in zip(viewers, wanted, strict=True))


async def test_a_clock_that_jumps_a_day_forth_and_back_is_noticed_by_nobody(
    tmp_path: Path, libfaketime: str, printer: Callable[..., Printer]
) -> None:
    """A login link and a browser's login live by the wall clock, as their cookies do."""
    clock, one = Clock(tmp_path, libfaketime), printer("program")
    with running(tmp_path / "state", **clock.environment) as server:
        session_id = await asyncio.to_thread(server.launch, *one.argv)
        viewers = [ViewerClient(server, [session_id], acknowledges=flag) for flag in (True, False)]
        watching = [asyncio.create_task(viewer.run()) for viewer in viewers]
        for offset in (DAY, 0, -DAY, 0):
            clock.set(offset)
            # What was archived last says so, and this goes on.
            await auntil(partial(has_jumped, server, session_id, offset), timeout=10)
            wanted = [viewer.received + 50_000 for viewer in viewers]
            await auntil(partial(have_received, viewers, wanted), timeout=5)
            assert await asyncio.to_thread(server.is_healthy)
        one.stop()
        await asyncio.wait_for(asyncio.gather(*watching), 20)
        for viewer in viewers:
            assert (viewer.faults, viewer.resets, viewer.connections) == ([], 0, 1)
        assert await asyncio.to_thread(server.output, session_id) == one.printed()
