"""Writes one session's events to the log, in order, and tells the world after the commit."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import Error

from sessions_app import event_log
from sessions_app.database_threads import DatabaseThreads
from sessions_app.event_log import Attempt
from sessions_app.events import Announcement, EventType, LifecycleEvent
from sessions_app.exceptions import InvalidTransition
from sessions_app.waiting.reports import Checkpoint, Report, Resumed, Waiting

logger = logging.getLogger(__name__)

# A database that is locked or down is asked again this often for facts that nobody waits for.
RETRY_SECONDS = 0.5

Announce = Callable[[Announcement], None]


@dataclass(frozen=True)
class Fact:
    """An event to be: `fields` and the row's `changes` go with it (see event_log.append_event).

    `told` is set once the world knows, or once it is clear that nobody needs to.
    """

    kind: EventType
    offset: int
    fields: Mapping[str, Any]
    changes: Mapping[str, Any]
    told: asyncio.Event = field(default_factory=asyncio.Event)
    attempt: Attempt = field(default_factory=Attempt)


def reported(report: Report, offset: int) -> Fact:
    """Return what a source said when the output had reached `offset`."""
    match report:
        case Waiting():
            kind = EventType.WAITING
        case Checkpoint():
            kind = EventType.CHECKPOINT
        case Resumed():
            kind = EventType.RESUMED
    fields = report.to_payload()
    waiting = None if kind is EventType.RESUMED else {"type": str(kind), **fields}
    return Fact(kind, offset, fields, {"waiting": waiting})


def resized(offset: int, cols: int, rows: int) -> Fact:
    """Return that the terminal has this size from `offset` on."""
    size = {"cols": cols, "rows": rows}
    return Fact(EventType.RESIZED, offset, size, size)


class EventTeller:
    """One session's. `in_order` is held while an event is written, so that none overtakes another.

    Belongs to one event loop; `log` is the log's writer thread.
    """

    def __init__(self, session_id: str, log: DatabaseThreads, announce: Announce) -> None:
        self.in_order = asyncio.Lock()
        self._session_id = session_id
        self._log = log
        self._announce = announce
        self._noted: asyncio.Queue[Fact] = asyncio.Queue()

    async def append(self, fact: Fact) -> LifecycleEvent:
        """Append the event and tell it; the caller holds `in_order`."""
        return await self._append(self._log.run, fact)

    async def _append(self, run: Callable[..., Any], fact: Fact) -> LifecycleEvent:
        event: LifecycleEvent = await run(
            event_log.append_event,
            self._session_id,
            fact.kind,
            offset=fact.offset,
            fields=fact.fields,
            changes=fact.changes,
            attempt=fact.attempt,
        )
        self._announce(event)
        return event

    def note(self, facts: Iterable[Fact]) -> None:
        """Queue facts, so that nobody has to wait for the database."""
        for fact in facts:
            self._noted.put_nowait(fact)

    async def all_told(self) -> None:
        """Wait until nothing that was noted is left; `run` must be running."""
        await self._noted.join()

    async def run(self) -> None:
        """Tell what is noted, for ever."""
        while True:
            fact = await self._noted.get()
            try:
                await self._tell(fact)
            except Exception:
                logger.exception("session %s: an event could not be told", self._session_id)
            finally:
                fact.told.set()
                self._noted.task_done()

    async def _tell(self, fact: Fact) -> None:
        while True:
            try:
                async with self.in_order:
                    await self._append(self._log.run_in_background, fact)
            except InvalidTransition:
                return  # the program has ended meanwhile: it does not wait any more
            except Error:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
