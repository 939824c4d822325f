"""Copies output from the spools into the database, about once a second, in one thread."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import Error

from sessions_app import event_log
from sessions_app.database_errors import told
from sessions_app.database_threads import DatabaseThreads
from sessions_app.event_log import Mark
from sessions_app.output_archive import Due, archive

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.5
# Sessions that are archived in one go; who has an event to write waits for one such go.
AT_ONCE = 8
# When output came, for each session; some minutes of a program that prints all the time.
MOST_MARKS = 20_000
# After a restart at most this much output is fed to the screen again.
SNAPSHOT_EVERY_BYTES = 1024 * 1024

KeepScreen = Callable[[], tuple[int, int, int, bytes]]


@dataclass
class _Pending:
    """What is not in the database yet: output up to the last mark, and the screen.

    `begin` is where the first output was that this knows of, whatever is archived before that.
    """

    keep_screen: KeepScreen
    begin: int = 0
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

    def mark(
        self,
        session_id: str,
        moment: datetime,
        offset: int,
        keep_screen: KeepScreen,
        begin: int = 0,
    ) -> None:
        """Note that the session's output, from `begin` on, reached `offset` at this moment."""
        pending = self._pending.get(session_id)
        if pending is None:
            pending = self._pending[session_id] = _Pending(keep_screen, begin)
        if len(pending.marks) >= MOST_MARKS:
            # The database is away: when each piece came is told less exactly, to keep memory small.
            del pending.marks[1:-1:2]
        pending.marks.append(Mark(moment, offset))

    def backlog(self) -> tuple[datetime | None, int]:
        """Return when the oldest output came that the database lacks, and how much that is.

        None and 0 where it lacks nothing. Safe in any thread.
        """
        oldest, size = [], 0
        for pending in list(self._pending.values()):
            first, last = pending.marks[:1], pending.marks[-1:]
            if first and last:
                oldest.append(first[0].moment)
                size += max(0, last[0].offset - max(pending.archived, pending.begin))
        return min(oldest, default=None), size

    async def run(self) -> None:
        """Archive for ever; a database that is locked or full is tried again."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.flush_all()
            except Exception as error:
                logger.exception("output could not be archived, trying again")
                self.error = _reason(error)

    async def flush_all(self) -> None:
        """Archive what there is."""
        waiting = [key for key, pending in self._pending.items() if pending.marks]
        for first in range(0, len(waiting), AT_ONCE):
            async with self._busy:
                # Some may have been finished while this waited for its turn.
                several = [key for key in waiting[first : first + AT_ONCE] if key in self._pending]
                await self._archive(several)

    async def flush(self, session_id: str) -> None:
        """Archive what there is of one session, now; what fails is tried again later."""
        async with self._busy:
            if session_id in self._pending:
                await self._archive([session_id])

    async def finish(self, session_id: str, upto: int, keep_screen: KeepScreen) -> None:
        """Archive all of a session that has ended; returns only when the database has it."""
        self.mark(session_id, datetime.now().astimezone(), upto, keep_screen, begin=upto)
        while not await self._finish(session_id):
            await asyncio.sleep(EVERY_SECONDS)

    async def _finish(self, session_id: str) -> bool:
        async with self._busy:
            done = await self._archive([session_id]) and await self._keep_screen(session_id)
            if done:
                del self._pending[session_id]
            return done

    async def _archive(self, session_ids: Sequence[str]) -> bool:
        """Archive these sessions in one go; False if that could not be done for all of them."""
        due = [self._due(key) for key in session_ids]
        outcomes: list[int | Exception] = []
        try:
            await self.log.run_in_background(_archive_each, due, outcomes)
        except Error as error:
            outcomes += [error] * (len(due) - len(outcomes))
        for each, archived in zip(due, outcomes, strict=True):
            if isinstance(archived, int):
                self._archived(each, archived)
        failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        self._note_outcome(failures)
        for session_id in session_ids:
            pending = self._pending[session_id]
            if pending.archived - pending.snapshot_at >= SNAPSHOT_EVERY_BYTES:
                await self._keep_screen(session_id)
        return not failures

    def _due(self, session_id: str) -> Due:
        pending = self._pending[session_id]
        marks = list(pending.marks)
        upto = marks[-1].offset if marks else pending.archived
        quota = settings.HARNESS_OUTPUT_QUOTA
        return Due(session_id, upto, marks, quota, archived=pending.archived)

    def _archived(self, due: Due, archived: int) -> None:
        pending = self._pending[due.session_id]
        pending.archived = archived
        pending.marks = [mark for mark in pending.marks if mark.offset > due.upto]

    async def _keep_screen(self, session_id: str) -> bool:
        """Keep the screen as it is now; False if the database does not take it."""
        pending = self._pending[session_id]
        offset, cols, rows, data = pending.keep_screen()
        try:
            await self.log.run_in_background(
                event_log.save_snapshot, session_id, offset, cols, rows, data
            )
        except Error as error:
            self._note_outcome([error])
            return False
        pending.snapshot_at = offset
        return True

    def _note_outcome(self, failures: Sequence[Exception]) -> None:
        if failures and self.error is None:
            logger.warning("output cannot be archived, trying again: %s", failures[0])
        self.error = _reason(failures[0]) if failures else None


def _reason(failure: Exception) -> str:
    why = told(failure) if isinstance(failure, Error) else str(failure)
    return f"Output cannot be archived: {why}"


def _archive_each(due: Sequence[Due], outcomes: list[int | Exception]) -> None:
    """Archive them one after the other; each has its outcome, and a database in trouble ends it."""
    for each in due:
        try:
            outcomes.append(archive(each))
        except OSError as error:  # this session's spool
            outcomes.append(error)
