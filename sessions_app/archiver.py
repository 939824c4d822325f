"""Copies output from the spools into the database, about once a second, in one thread."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import Error

from sessions_app import event_log
from sessions_app.database_threads import DatabaseThreads
from sessions_app.event_log import Mark

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.5
# After a restart at most this much output is fed to the screen again.
SNAPSHOT_EVERY_BYTES = 1024 * 1024

KeepScreen = Callable[[], tuple[int, int, int, bytes]]


@dataclass
class _Pending:
    """What is not in the database yet: output up to the last mark, and the screen."""

    keep_screen: KeepScreen
    marks: list[Mark] = field(default_factory=list)
    archived: int = 0
    snapshot_at: int = 0


class Archiver:
    """Knows which sessions have output that the database lacks. Belongs to one event loop.

    `log` is the one thread that writes to the log; events go through it too.
    """

    def __init__(self, log: DatabaseThreads) -> None:
        self.log = log
        self.error: str | None = None
        self._pending: dict[str, _Pending] = {}
        self._busy = asyncio.Lock()

    def mark(self, session_id: str, moment: datetime, offset: int, keep_screen: KeepScreen) -> None:
        """Note that the session's output reached `offset` at this moment."""
        pending = self._pending.get(session_id)
        if pending is None:
            pending = self._pending[session_id] = _Pending(keep_screen)
        pending.marks.append(Mark(moment, offset))

    async def run(self) -> None:
        """Archive for ever; a database that is locked or full is tried again."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            for session_id, pending in list(self._pending.items()):
                if pending.marks:
                    await self._try(session_id)

    async def flush_all(self) -> None:
        """Archive what there is, as when the server stops."""
        for session_id, pending in list(self._pending.items()):
            if pending.marks:
                await self._try(session_id)

    async def finish(self, session_id: str, upto: int, keep_screen: KeepScreen) -> None:
        """Archive all of a session that has ended; returns only when the database has it."""
        self.mark(session_id, datetime.now().astimezone(), upto, keep_screen)
        while not await self._try(session_id, final=True):
            await asyncio.sleep(EVERY_SECONDS)
        self._pending.pop(session_id, None)

    async def _try(self, session_id: str, *, final: bool = False) -> bool:
        try:
            await self._archive(session_id, final=final)
        except (Error, OSError) as error:
            if self.error is None:
                logger.warning("output cannot be archived, trying again: %s", error)
            self.error = f"Output cannot be archived: {error}"
            return False
        self.error = None
        return True

    async def _archive(self, session_id: str, *, final: bool) -> None:
        store = self.log.run_in_background
        async with self._busy:
            pending = self._pending.get(session_id)
            if pending is None:  # finished while this waited for its turn
                return
            marks = list(pending.marks)
            if marks:
                upto, quota = marks[-1].offset, settings.HARNESS_OUTPUT_QUOTA
                archived = await store(event_log.archive_output, session_id, upto, marks)
                pending.archived = archived
                del pending.marks[: len(marks)]
                await store(event_log.drop_beyond_quota, session_id, archived, quota)
            if final or pending.archived - pending.snapshot_at >= SNAPSHOT_EVERY_BYTES:
                offset, cols, rows, data = pending.keep_screen()
                await store(event_log.save_snapshot, session_id, offset, cols, rows, data)
                pending.snapshot_at = offset
            await store(event_log.drop_archived_spool, session_id, pending.archived)
