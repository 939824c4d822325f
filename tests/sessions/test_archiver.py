"""The archiver: that one session ends is no trouble for the others."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from sessions_app.archiver import Archiver
from sessions_app.database_threads import DatabaseThreads
from tests.waiting_for import auntil


class SlowLog(DatabaseThreads):
    """Stores nothing, and that only when it is let."""

    def __init__(self) -> None:
        super().__init__("slow-log", 1)
        self.asked_about: list[str] = []
        self.may_go_on = asyncio.Event()

    async def run_in_background(self, *call: Any, **named: Any) -> Any:
        """Wait to be let."""
        due = call[1] if isinstance(call[1], list) else []
        self.asked_about += [each.session_id for each in due]
        await self.may_go_on.wait()
        if due:
            call[2].extend(each.upto for each in due)


def screen() -> tuple[int, int, int, bytes]:
    """Return an empty screen."""
    return 0, 80, 24, b""


async def test_archiving_goes_on_when_a_session_is_finished_while_it_waits_its_turn() -> None:
    log = SlowLog()
    archiver = Archiver(log)
    finishing = asyncio.create_task(archiver.finish("a", 10, screen))
    await auntil(lambda: log.asked_about)
    archiver.mark("b", datetime.now(UTC), 10, screen)
    archiving = asyncio.create_task(archiver.flush_all())
    await asyncio.sleep(0)  # it has looked, and waits for the lock that `finish` holds

    log.may_go_on.set()
    await finishing
    await archiving

    assert "b" in log.asked_about
    log.close()
