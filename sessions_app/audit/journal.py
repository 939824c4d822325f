"""What is to be recorded, kept in memory until the database has it."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any

from django.conf import settings
from django.db import DataError, Error, IntegrityError
from django.utils import timezone

from sessions_app.audit.actions import Action
from sessions_app.audit.notes import SERVER, Burst, Kind, Note, Piece
from sessions_app.audit.records import AuditRecord, store
from sessions_app.database_threads import DatabaseThreads
from sessions_app.events import LAST, Announcement, LifecycleEvent
from sessions_app.signals import session_event

logger = logging.getLogger(__name__)

# How often it is written: what a crash of the server may lose of single actions.
TICK_SECONDS = 1.0
SWEEP_SECONDS = 3600.0
# Records, and characters of input in them, that wait for the database.
MAX_WAITING = 10_000
MAX_WAITING_INPUT = 32 * 1024 * 1024
# One transaction's records: few, so that nobody waits long for their turn.
BATCH = 500
STOP_ATTEMPTS = 4


class Journal:
    """Takes notes from any thread, and writes them from a thread of its own.

    What a locked database does not take waits here; of too much, the oldest is dropped, and how
    much that was is recorded.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[Note] = deque()
        self._waiting_input = 0
        self._bursts: dict[Kind, Burst] = {}
        self._dropped = 0
        self._swept: float | None = None
        self._database = DatabaseThreads("audit-writer", 1)
        self._stopping = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    # Taking notes, in any thread

    def add(self, note: Note) -> None:
        """Take one record. What is going on in its session is recorded before it."""
        with self._lock:
            if note.session:
                self._close(lambda burst: burst.kind.session == note.session)
            self._put(note)

    def count(self, kind: Kind, piece: Piece, session_name: str = "") -> None:
        """Take one action of a burst."""
        now = self._clock()
        with self._lock:
            burst = self._bursts.get(kind)
            if burst is not None and (burst.is_over(now) or not burst.has_room(piece.content)):
                self._put(self._bursts.pop(kind).to_note())
                burst = None
            if burst is None:
                burst = self._bursts[kind] = Burst(kind, session_name, now)
                if len(self._bursts) > MAX_WAITING:
                    self._put(self._bursts.pop(next(iter(self._bursts))).to_note())
            burst.add(piece, now)

    def _close(self, is_chosen: Callable[[Burst], bool]) -> None:
        for burst in [burst for burst in self._bursts.values() if is_chosen(burst)]:
            del self._bursts[burst.kind]
            self._put(burst.to_note())

    def _put(self, note: Note) -> None:
        self._waiting.append(note)
        self._waiting_input += note.input_size
        self._keep_to_bounds()

    def _keep_to_bounds(self) -> None:
        while len(self._waiting) > MAX_WAITING or self._waiting_input > MAX_WAITING_INPUT:
            self._waiting_input -= self._waiting.popleft().input_size
            self._dropped += 1

    # Writing, in the server's event loop

    def start(self) -> None:
        """Begin to write."""
        # A fresh context: one inherited from a request would die with that request.
        self._writer = asyncio.create_task(self._write(), name="audit-writer", context=Context())
        session_event.connect(self._session_changed)

    async def stop(self) -> None:
        """Write what there is, for a second at most if the database is locked."""
        session_event.disconnect(self._session_changed)
        self._stopping.set()
        if self._writer is not None:
            await self._writer
        for _ in range(STOP_ATTEMPTS):
            if await self._write_out(lambda burst: True):
                break
        else:
            logger.error("%d audit records could not be written", len(self._waiting))
        await asyncio.to_thread(self._database.close)

    def _session_changed(self, event: Announcement, **kwargs: Any) -> None:
        """Record what was typed into a session when it ends."""
        if isinstance(event, LifecycleEvent) and event.type in LAST:
            with self._lock:
                self._close(lambda burst: burst.kind.session == event.session_id)

    async def _write(self) -> None:
        while not self._stopping.is_set():
            await self._sweep()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), TICK_SECONDS)
            now = self._clock()
            await self._write_out(lambda burst, now=now: burst.is_over(now))  # type: ignore[misc]  # the time of this turn

    async def _write_out(self, is_chosen: Callable[[Burst], bool]) -> bool:
        """Write what waits and the chosen bursts; False if the database does not take it now."""
        with self._lock:
            self._close(is_chosen)
        while True:
            batch, dropped = self._take()
            if not batch and not dropped:
                return True
            try:
                await self._database.run_in_background(store, [*_lost(dropped), *batch])
            except Exception as error:
                if self._put_back(batch, error):
                    return False
            else:
                with self._lock:
                    self._dropped -= dropped

    def _take(self) -> tuple[list[Note], int]:
        with self._lock:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._waiting_input -= sum(note.input_size for note in batch)
            return batch, self._dropped

    def _put_back(self, batch: Sequence[Note], error: Exception) -> bool:
        """Keep what could not be written; False if it never can be, and is dropped."""
        hopeless = not isinstance(error, Error) or isinstance(error, DataError | IntegrityError)
        with self._lock:
            if hopeless and batch:
                self._dropped += len(batch)
            else:
                self._waiting.extendleft(reversed(batch))
                self._waiting_input += sum(note.input_size for note in batch)
                self._keep_to_bounds()
        trace = error if hopeless else None
        logger.warning("audit records cannot be written: %s", error, exc_info=trace)
        return not (hopeless and batch)

    async def _sweep(self) -> None:
        """Once an hour, delete what is older than is kept."""
        days: int = settings.HARNESS_AUDIT_DAYS
        now = self._clock()
        if not days or (self._swept is not None and now - self._swept < SWEEP_SECONDS):
            return
        try:
            gone = await self._database.run_in_background(AuditRecord.sweep, days)
        except Error as error:
            logger.warning("old audit records could not be deleted yet: %s", error)
            return
        self._swept = now
        if gone:
            details = {"records": gone, "days": days}
            self.add(Note(timezone.now(), Action.RECORDS_EXPIRED, SERVER, details=details))


def _lost(dropped: int) -> list[Note]:
    if not dropped:
        return []
    details = {"records": dropped}
    return [Note(timezone.now(), Action.RECORDS_DROPPED, SERVER, details=details)]
