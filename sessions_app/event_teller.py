"""Writes one session's events to the log, in order, and tells the world after the commit."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from django.db import Error

from sessions_app import event_log
from sessions_app.database_threads import DatabaseThreads
from sessions_app.events import Announcement, EventType, LifecycleEvent
from sessions_app.exceptions import InvalidTransition
from sessions_app.waiting.reports import Checkpoint, Report, Resumed, Waiting

logger = logging.getLogger(__name__)

# A database that is locked or down is asked again this often for facts that nobody waits for.
RETRY_SECONDS = 0.5

Announce = Callable[[Announcement], Awaitable[None]]


class EventTeller:
    """One session's. `in_order` is held while an event is written, so that none overtakes another.

    Belongs to one event loop; `log` is the log's writer thread.
    """

    def __init__(self, session_id: str, log: DatabaseThreads, announce: Announce) -> None:
        self.in_order = asyncio.Lock()
        self._session_id = session_id
        self._log = log
        self._announce = announce
        self._noted: asyncio.Queue[tuple[Report, int]] = asyncio.Queue()

    async def append(self, kind: EventType, **details: Any) -> LifecycleEvent:
        """Append an event (see event_log.append_event) and tell it; the caller holds `in_order`."""
        event = await self._log.run(event_log.append_event, self._session_id, kind, **details)
        await self._announce(event)
        return event

    async def append_report(self, report: Report, offset: int) -> LifecycleEvent:
        """Append what a source said when the output had reached `offset`, and tell it."""
        match report:
            case Waiting():
                kind = EventType.WAITING
            case Checkpoint():
                kind = EventType.CHECKPOINT
            case Resumed():
                kind = EventType.RESUMED
        fields = report.to_payload()
        waiting = None if kind is EventType.RESUMED else {"type": str(kind), **fields}
        return await self.append(kind, offset=offset, fields=fields, changes={"waiting": waiting})

    def note(self, reports: Iterable[Report], offset: int) -> None:
        """Queue reports, so that output never waits for the database."""
        for report in reports:
            self._noted.put_nowait((report, offset))

    async def all_told(self) -> None:
        """Wait until nothing that was noted is left; `run` must be running."""
        await self._noted.join()

    async def run(self) -> None:
        """Tell what is noted, for ever."""
        while True:
            report, offset = await self._noted.get()
            try:
                await self._tell(report, offset)
            except Exception:
                logger.exception("session %s: an event could not be told", self._session_id)
            finally:
                self._noted.task_done()

    async def _tell(self, report: Report, offset: int) -> None:
        while True:
            try:
                async with self.in_order:
                    await self.append_report(report, offset)
            except InvalidTransition:
                return  # the program has ended meanwhile: it does not wait any more
            except Error:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
