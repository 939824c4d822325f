"""One program of this machine while it runs: its holder, its screen, what it waits for.

A LiveSession follows the spool of its holder. Every byte passes here once, in order: it is fed to
the screen, told to the world as output, and marked for the archive. Nothing is kept in memory; who
needs old output reads it from the log.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from django.utils import timezone

from sessions_app import event_log, session_rows
from sessions_app.archiver import Archiver
from sessions_app.event_teller import Announce, EventTeller, Fact, resized
from sessions_app.events import (
    LifecycleEvent,
    OutputEvent,
    SessionChanged,
    whole_characters,
)
from sessions_app.exceptions import (
    HolderUnresponsive,
    InputQueueFull,
    SessionNotRunning,
)
from sessions_app.holder.spool import OutputGone
from sessions_app.holder_client import (
    ExitRecord,
    HolderGone,
    is_alive,
    read_exit_record,
    read_identity,
    send_signal,
)
from sessions_app.holders import Holder, Holders
from sessions_app.metrics import counts
from sessions_app.screen import Screen
from sessions_app.spool_follower import SpoolFollower
from sessions_app.waiting.reports import Wait
from sessions_app.waiting_watch import WaitingWatch

logger = logging.getLogger(__name__)

# The first byte after silence goes out at once; a stream is merged to about 90 pieces a second.
MERGE_SECONDS = 0.011
PIECE = 64 * 1024
# Turns of the event loop between two full pieces, in which the first is forwarded, sent to the
# viewers, and written by their connections as far as the kernel did not take it at once. With one
# turn, 100 viewers fall behind at once and read the log 10 times as slowly; with 8, they do not.
TURNS = 8
# A database that is locked holds up neither the live view nor who resizes for longer than this.
TELL_SIZE_SECONDS = 0.5
# A database that is locked or down is asked again this often.
RETRY_SECONDS = 0.5
# A holder whose program has ended already makes its socket anew within milliseconds.
CONNECT_PAUSES_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)

_TOLD = asyncio.Event()
_TOLD.set()

T = TypeVar("T")


@dataclass
class _SizeChange:
    """The terminal's size from `offset` on; `told` once the world knows."""

    offset: int
    cols: int
    rows: int
    told: asyncio.Event


class LiveSession:
    """Follows one holder until its program has ended and everything of it is in the log.

    `head` is the offset up to which output has been taken in. Belongs to one event loop.
    """

    def __init__(
        self, session_id: str, screen: Screen, archiver: Archiver, announce: Announce, *, head: int
    ) -> None:
        self.session_id = session_id
        self.screen = screen
        self.head = head
        self.exit: ExitRecord | None = None
        self.stalled: str | None = None
        self.ended_by = ""
        self._holder: Holder | None = None
        self._archiver = archiver
        self._announce = announce
        self._spool = SpoolFollower(event_log.session_folder(session_id))
        self._size = head
        self._news = asyncio.Event()
        self._gone = False
        # The queries in output before this were answered by an earlier server.
        self._answered = 0
        self._size_changes: deque[_SizeChange] = deque()
        self._taking_in = asyncio.Lock()
        self._wanted_size = self._size_of_terminal = (screen.cols, screen.rows)
        self._teller = EventTeller(session_id, archiver.log, announce)
        self._resizing = asyncio.Lock()
        self._errands: set[asyncio.Task[None]] = set()
        self._waiting = WaitingWatch(session_id, screen, self._teller, lambda: self.head)

    # The holder tells (HolderListener)

    def size_changed(self, size: int) -> None:
        """Note that the spool has grown."""
        self._size = max(self._size, size)
        self._news.set()

    def stalled_changed(self, stalled: str | None) -> None:
        """Note why output stands still (the disk is full), or that it goes on."""
        if stalled != self.stalled:
            self.stalled = stalled
            self._announce(SessionChanged(session_id=self.session_id))
            self._run_errand(self._note_stalled(), "note-stalled")

    def exited(self, record: ExitRecord) -> None:
        """Note that the program has ended and how much it wrote."""
        self.exit = record
        self.size_changed(record.size)

    def disconnected(self) -> None:
        """Note that the holder is gone."""
        self._gone = True
        self.size_changed(self._spool_size())

    @property
    def holder_pid(self) -> int:
        """Return the holder's process; only for a session that has one."""
        assert self._holder is not None  # noqa: S101  # the caller asked has_holder
        return self._holder.hello.holder.pid

    # Commands

    async def connect(self, holders: Holders) -> None:
        """Connect to the holder; if that is gone, what it left behind is all there will be.

        Raises HolderUnresponsive when it runs and does not answer.
        """
        folder = event_log.session_folder(self.session_id)
        try:
            self._holder = await self._reach(holders, folder)
        except HolderGone:
            self.exit = await asyncio.to_thread(read_exit_record, folder)
            self.disconnected()
        else:
            hello = self._holder.hello
            self._answered = hello.answered
            self.stalled_changed(hello.stalled)
            self.size_changed(hello.size)

    async def _reach(self, holders: Holders, folder: Path) -> Holder:
        """Connect, asking a holder that runs to make its socket anew if need be."""
        for pause in CONNECT_PAUSES_SECONDS:
            try:
                return await holders.connect(folder, self)
            except HolderGone:
                identity = await asyncio.to_thread(read_identity, folder)
                if identity is None or not is_alive(identity.holder, identity.boot_id):
                    raise
                send_signal(identity.holder, signal.SIGUSR1)
                await asyncio.sleep(pause)
        raise HolderUnresponsive("The process that keeps the terminal does not answer.")

    async def reconcile_size(self) -> None:
        """Write down a size that the terminal was given just before a crash."""
        if self._holder is not None:
            await self.resize(self._holder.hello.cols, self._holder.hello.rows)

    @property
    def has_holder(self) -> bool:
        """Tell whether a holder answered when we connected."""
        return self._holder is not None

    async def write(self, data: bytes) -> None:
        """Type into the terminal; returns when the terminal has taken it.

        Raises SessionNotRunning or InputQueueFull.
        """
        self._waiting.look_now()  # what is typed may be the answer
        await self._to_holder(lambda holder: holder.write(data))
        self._waiting.typed(data)

    async def resize(self, cols: int, rows: int) -> None:
        """Change the size of the terminal; of several changes at once only the newest is made.

        Returns once that is told, or after a moment: what a locked database cannot take yet is
        told later.
        """
        self._wanted_size = (cols, rows)
        async with self._resizing:
            if self._wanted_size != self._size_of_terminal:
                await _telling(await self._change_size(*self._wanted_size))

    async def _change_size(self, cols: int, rows: int) -> Fact:
        # No output is taken in meanwhile: what is drawn for the new size must not be told before
        # the new size is.
        async with self._taking_in:
            offset = await self._to_holder(lambda holder: holder.resize(cols, rows))
            fact = resized(offset, cols, rows)
            self._size_changes.append(_SizeChange(offset, cols, rows, fact.told))
        self._teller.note([fact])
        self._size_of_terminal = (cols, rows)
        self._news.set()
        return fact

    async def end(self, grace: float) -> None:
        """Ask the process tree to end and kill it after `grace` seconds."""
        await self._to_holder(lambda holder: holder.end(grace))

    async def report_checkpoint(self, checkpoint: dict[str, Any]) -> LifecycleEvent:
        """Note a checkpoint that the program declared itself; returns its event."""
        return await self._waiting.declare(checkpoint)

    async def _to_holder(self, verb: Callable[[Holder], Awaitable[T]]) -> T:
        if self._holder is None or self.exit is not None:
            raise SessionNotRunning("The session has ended; nothing can be sent to it.")
        try:
            return await verb(self._holder)
        except HolderGone as error:
            raise SessionNotRunning("The session has ended; nothing can be sent to it.") from error

    async def close(self) -> None:
        """Let go of the holder, which goes on without us."""
        for task in self._errands:
            task.cancel()
        self._waiting.close()
        self._spool.close()
        self.screen.release()
        if self._holder is not None:
            await self._holder.close()

    # Output

    def restore(
        self,
        data: bytes,
        resizes: Iterable[tuple[int, int, int]],
        waiting: Wait | None,
        noted: int,
    ) -> None:
        """Bring the screen to `head` again with output that was taken in before.

        `resizes` are `(offset, cols, rows)` after the offset at which `data` begins; `noted` is the
        offset of the log's last event.
        """
        begin = fed = self.head - len(data)
        steps: list[tuple[int, Callable[[], None]]] = []
        for at, cols, rows in resizes:
            if at <= self.head:
                steps.append((at, partial(self.screen.resize, cols, rows)))
            else:
                self._size_changes.append(_SizeChange(at, cols, rows, _TOLD))
        # What was shown by then is in the log; what came since, nobody may have looked at.
        steps.append((min(max(noted, begin), self.head), self._waiting.prime))
        for at, step in sorted(steps, key=itemgetter(0)):
            self.screen.feed(data[fed - begin : at - begin])
            fed = at
            step()
        self.screen.feed(data[fed - begin :])
        self._size_of_terminal = (self.screen.cols, self.screen.rows)
        self._waiting.restore(waiting, noted)

    async def follow(self) -> None:
        """Take in output until the program has ended and all of it is here."""
        telling = asyncio.create_task(self._teller.run(), name=f"tell-{self.session_id}")
        try:
            await self._take_in_all()
            await self._teller.all_told()
        finally:
            telling.cancel()

    async def _take_in_all(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while await self._take_in():
                await _let_others_go_on()
            await self._apply_size_changes()
            if self._finished():
                return
            await asyncio.sleep(MERGE_SECONDS)

    def _finished(self) -> bool:
        if self.exit is not None:
            return self.head >= min(self.exit.size, self._spool_size())
        return self._gone and self.head >= self._spool_size()

    def _spool_size(self) -> int:
        try:
            return self._spool.size
        except FileNotFoundError:
            return 0

    async def _take_in(self) -> bool:
        """Take in one piece; False when no more can follow it right now."""
        await self._apply_size_changes()
        async with self._taking_in:
            return await self._take_in_piece()

    async def _take_in_piece(self) -> bool:
        if self._size_changes and self._size_changes[0].offset <= self.head:
            return True  # a change came while we stood in line: it is applied first
        edges = [
            self._answered,
            self._waiting.noted,
            *(change.offset for change in self._size_changes),
        ]
        limit = min([PIECE, *(edge - self.head for edge in edges if edge > self.head)])
        try:
            data = self._spool.read(self.head, limit)
        except FileNotFoundError:  # somebody removed the folder: there is nothing more
            return False
        except OutputGone as gone:
            logger.warning("session %s: output up to byte %d is gone", self.session_id, gone.base)
            self.head = gone.base
            return True
        complete = whole_characters(data)
        if not data:
            return False
        if complete == 0:
            # A character stays open: it is waited for, unless nothing can follow any more.
            if not (self.exit or self._gone or len(data) == limit):
                return False
            complete = len(data)
        self._took_in(data[:complete])
        # A shorter piece was the last: what comes meanwhile is merged into the next one.
        # Of a character that is cut off the rest may never come, which the next look finds out.
        return len(data) == limit or complete < len(data)

    def _took_in(self, data: bytes) -> None:
        now = timezone.now()
        event = OutputEvent(session_id=self.session_id, offset=self.head, data=data, timestamp=now)
        fed = self.screen.feed(data)
        self.head = event.next_offset
        counts.output_bytes += len(data)
        self._archiver.mark(self.session_id, now, self.head, self.keep_screen, event.offset)
        if fed.replies and self.head > self._answered:
            self._reply(fed.replies, self.head)
        self._announce(event)
        if fed.signals:
            self._waiting.signals(fed.signals)
        self._waiting.look_soon()

    async def _apply_size_changes(self) -> None:
        while self._size_changes and self._size_changes[0].offset <= self.head:
            change = self._size_changes.popleft()
            self._waiting.look_now()
            self.screen.resize(change.cols, change.rows)
            # A box that another size brings back from above is not printed anew.
            self._waiting.prime()
            await _telling(change)

    def _reply(self, replies: bytes, offset: int) -> None:
        """Answer the program's query; the program may never read it, so nobody waits for that."""

        async def deliver() -> None:
            with suppress(SessionNotRunning, InputQueueFull):
                await self._to_holder(lambda holder: holder.answer(replies, offset))

        self._run_errand(deliver(), "terminal-reply")

    def _run_errand(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do something that nobody waits for, at most until the session is let go of."""
        task = asyncio.create_task(work, name=f"{name}-{self.session_id}")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _note_stalled(self) -> None:
        """Write it where other processes see it, once the database takes it."""
        while True:
            try:
                await self._archiver.log.run_in_background(
                    session_rows.note_stalled, self.session_id, self.stalled or ""
                )
            except session_rows.DatabaseTrouble:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                # Processes that read it too early read it again.
                self._announce(SessionChanged(session_id=self.session_id))
                return

    def keep_screen(self) -> tuple[int, int, int, bytes]:
        """Return `(offset, cols, rows, data)` that draws the screen as it is now."""
        return self.head, self.screen.cols, self.screen.rows, self.screen.snapshot()


async def _let_others_go_on() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def _telling(event: Fact | _SizeChange) -> None:
    """Wait until the world knows, for a moment at most."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.told.wait(), TELL_SIZE_SECONDS)
