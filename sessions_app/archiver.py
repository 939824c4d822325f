"""Copies output from the spools into the database, about once a second, in one thread."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import DataError, Error, IntegrityError

from sessions_app import event_log
from sessions_app.database_errors import told
from sessions_app.database_threads import DatabaseThreads
from sessions_app.event_log import Mark
from sessions_app.output_archive import Due, archive

logger = logging.getLogger(__name__)

EVERY_SECONDS = 0.5
# Sessions of which some is archived in one go; who has an event to write waits for one such go.
AT_ONCE = 8
# When output came, for each session; some minutes of a program that prints all the time.
MOST_MARKS = 20_000
# After a restart at most this much output is fed to the screen again.
SNAPSHOT_EVERY_BYTES = 1024 * 1024
# In place of a session's id: what went wrong with none in particular.
ALL = "all sessions"
# What the database refuses of one session alone; all else that it says is trouble for everybody.
REFUSED = (IntegrityError, DataError)

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
        # By session, and by what could not be written of it: its output, or its screen.
        self._failures: dict[tuple[str, str], Exception] = {}
        self._pending: dict[str, _Pending] = {}
        self._busy = asyncio.Lock()

    @property
    def error(self) -> str | None:
        """Say why output cannot be archived at the moment; None while it can."""
        failures = sorted(self._failures.values(), key=_is_everybodys, reverse=True)
        if not failures:
            return None
        why = told(failures[0]) if isinstance(failures[0], Error) else str(failures[0])
        return f"Output cannot be archived: {why}"

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
                self._failed(ALL, "output", error)
            else:
                self._succeeded(ALL, "output")

    async def flush_all(self) -> None:
        """Archive what there is."""
        await self._flush(list(self._pending))

    async def flush(self, session_id: str) -> None:
        """Archive what there is of one session, now; what fails is tried again later."""
        await self._flush([session_id])

    async def _flush(self, session_ids: Iterable[str]) -> None:
        """Archive what there is of these by now, in as many goes as that takes."""
        goals = {key: self._last_mark(key) for key in session_ids}
        failed = {key for key, _ in self._failures}
        waiting = [key for key, goal in goals.items() if goal >= 0 or key in failed]
        while waiting:
            several, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            async with self._busy:
                # Some may have been finished while this waited for its turn.
                done = await self._archive([key for key in several if key in self._pending])
            waiting += [key for key in done if self._has_marks(key, upto=goals[key])]

    def _last_mark(self, session_id: str) -> int:
        """Return how far there is output that is not archived yet, -1 where there is none."""
        pending = self._pending.get(session_id)
        return pending.marks[-1].offset if pending and pending.marks else -1

    def _has_marks(self, session_id: str, upto: int) -> bool:
        """Tell whether output up to there is not archived yet."""
        pending = self._pending.get(session_id)
        return bool(pending and pending.marks and pending.marks[0].offset <= upto)

    async def finish(self, session_id: str, upto: int, keep_screen: KeepScreen) -> None:
        """Archive all of a session that has ended; returns only when the database has it."""
        self.mark(session_id, datetime.now().astimezone(), upto, keep_screen, begin=upto)
        while not await self._finish(session_id, upto):
            await asyncio.sleep(EVERY_SECONDS)

    async def _finish(self, session_id: str, upto: int) -> bool:
        await self._flush([session_id])
        async with self._busy:
            done = not self._has_marks(session_id, upto) and await self._keep_screen(session_id)
            if done:
                del self._pending[session_id]
            return done

    async def _archive(self, session_ids: Sequence[str]) -> Sequence[str]:
        """Archive some of each of these sessions in one go; return those it could be done for."""
        due = [self._due(key) for key in session_ids]
        outcomes: list[int | Exception] = []
        try:
            await self.log.run_in_background(_archive_each, due, outcomes)
        except Error as error:
            outcomes += [error] * (len(due) - len(outcomes))
        done = []
        for each, archived in zip(due, outcomes, strict=True):
            if isinstance(archived, Exception):
                self._failed(each.session_id, "output", archived)
            else:
                self._archived(each, archived)
                done.append(each.session_id)
        for session_id in session_ids:
            pending = self._pending[session_id]
            if pending.archived - pending.snapshot_at >= SNAPSHOT_EVERY_BYTES:
                await self._keep_screen(session_id)
        return done

    def _due(self, session_id: str) -> Due:
        pending = self._pending[session_id]
        marks = list(pending.marks)
        upto = marks[-1].offset if marks else pending.archived
        quota = settings.HARNESS_OUTPUT_QUOTA
        return Due(session_id, upto, marks, quota, archived=pending.archived)

    def _archived(self, due: Due, archived: int) -> None:
        pending = self._pending[due.session_id]
        # One that does not get further has nothing more to read.
        reached = archived if archived > pending.archived else due.upto
        pending.archived = archived
        pending.marks = [mark for mark in pending.marks if mark.offset > reached]
        self._succeeded(due.session_id, "output")

    async def _keep_screen(self, session_id: str) -> bool:
        """Keep the screen as it is now; False if the database does not take it."""
        pending = self._pending[session_id]
        try:
            offset, cols, rows, data = pending.keep_screen()
            await self.log.run_in_background(
                event_log.save_snapshot, session_id, offset, cols, rows, data
            )
        except Exception as error:  # which keeps no other session from being archived
            self._failed(session_id, "screen", error)
            return False
        pending.snapshot_at = offset
        self._succeeded(session_id, "screen")
        return True

    def _failed(self, session_id: str, what: str, failure: Exception) -> None:
        """Tell what is new of it, once: the same may fail twice a second, and for hours."""
        if _is_everybodys(failure):
            if not any(map(_is_everybodys, self._failures.values())):
                logger.warning("the archive cannot be written, trying again: %s", failure)
        elif repr(failure) != repr(self._failures.get((session_id, what))):
            whose = session_id if session_id == ALL else f"session {session_id}"
            trace = None if isinstance(failure, OSError | Error) else failure
            sentence = "the %s of %s cannot be archived, trying again: %s"
            logger.warning(sentence, what, whose, failure, exc_info=trace)
        self._failures[session_id, what] = failure

    def _succeeded(self, session_id: str, what: str) -> None:
        self._failures.pop((session_id, what), None)


def _is_everybodys(failure: Exception) -> bool:
    """Tell whether the database is in trouble, whosever turn it was."""
    return isinstance(failure, Error) and not isinstance(failure, REFUSED)


def _archive_each(due: Sequence[Due], outcomes: list[int | Exception]) -> None:
    """Archive them one after the other; each has its outcome, and a database in trouble ends it."""
    for each in due:
        try:
            outcomes.append(archive(each))
        except Exception as error:
            if _is_everybodys(error):
                raise
            outcomes.append(error)  # something about this session, its spool mostly
