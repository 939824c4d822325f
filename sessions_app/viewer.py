"""A viewer: a cursor per session on the log, and one task that sends what follows it.

Old output and new output take the same path, so nothing is missing and nothing comes twice. The
viewer is only sent to while its window is open: it pulls, nobody pushes.

What the tail has at hand is sent at once, while the fan-out wakes its viewers; what has to be
fetched first, or to be waited for, is left to the task.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Mapping
from enum import Enum, auto
from typing import Any
from uuid import UUID

from django.db import Error
from django.utils import timezone

from sessions_app import event_log
from sessions_app.callers import Caller
from sessions_app.catch_up import CatchUp
from sessions_app.cursor import Cursor, Missing
from sessions_app.events import ServerMessage
from sessions_app.exceptions import SessionNotFound
from sessions_app.fanout import FanOut
from sessions_app.live_frames import Frame
from sessions_app.models import Session, SessionQuerySet
from sessions_app.positions import Position, can_continue
from sessions_app.rights import Right
from sessions_app.session_verbs import get_manager, to_wire
from sessions_app.transport import Outlet

# Bytes that may wait in the server's own buffers for one client.
UNSENT_BYTES = 512 * 1024
UNSENT_RETRY_SECONDS = 0.01
# Sessions that ended before the viewer's eyes, so that they are not discovered again.
FINISHED_KEPT = 1000
EARLY_KEPT = 1000
# What needs a database that does not answer is tried again after this.
DATABASE_RETRY_SECONDS = 0.5

logger = logging.getLogger(__name__)


class Notice(Enum):
    """Why the client may have to be told of a session's row."""

    LOOK = auto()  # there may be news of it, or it may not be seen any more
    CHANGED = auto()
    HIDDEN = auto()
    FORGOTTEN = auto()


class Viewer:
    """One live stream."""

    def __init__(self, fan_out: FanOut, outlet: Outlet, caller: Caller) -> None:
        self.caller = caller
        self.everything = False
        self._everything_output = True
        self._fan_out = fan_out
        self._outlet = outlet
        self._cursors: dict[str, Cursor] = {}
        self._catch_up = CatchUp(fan_out.log, outlet, self._is_current)
        self._dirty: dict[str, None] = {}
        self._notices: deque[tuple[str, Notice]] = deque()
        self._wake = asyncio.Event()
        self._subscribing = asyncio.Lock()
        self._since = timezone.now()
        self._finished: dict[str, None] = {}
        self._without_room: set[str] = set()
        # Until the client says what it wants: the active sessions of the list that it has been sent
        # and their last events as of then, and what rows changed since.
        self._introduced: dict[str, int] | None = {}
        self._early: dict[str, Notice] | None = {}

    # The fan-out tells (Watcher)

    def wake(self, session_id: str) -> None:
        """Something follows in this session: send it, or let the task do so."""
        cursor = self._cursors.get(session_id)
        if cursor is not None and not self._send_at_once(cursor):
            self._dirty[session_id] = None
            self._wake.set()

    def unknown_of(self, session_ids: Collection[str]) -> Collection[str]:
        """Return those of the sessions that the client has not been told of."""
        return set(session_ids) - self._cursors.keys() - self._finished.keys()

    def discover(self, session_id: str) -> None:
        """Take in a session that began after the viewer came."""
        if session_id not in self._cursors and session_id not in self._finished:
            self._notice(session_id, Notice.LOOK)

    def changed(self, session_id: str, *, hidden: bool) -> None:
        """Tell the client that the session's row is new or another."""
        if self.everything or session_id in self._cursors:
            self._notice(session_id, Notice.HIDDEN if hidden else Notice.CHANGED)
        elif hidden or session_id not in (self._early or ()):
            self._keep_early(session_id, Notice.HIDDEN if hidden else Notice.CHANGED)

    def sees(self, session_id: str, owner_id: int | None, *, team: bool) -> bool:
        """Tell whether the client may see such a session, or watches it."""
        return session_id in self._cursors or self.caller.sees(
            UUID(session_id), owner_id, team=team
        )

    def forgotten(self, session_id: str) -> None:
        """Tell the client that the session is gone."""
        if session_id in self._cursors or self.everything:
            self._notice(session_id, Notice.FORGOTTEN)
        else:
            self._keep_early(session_id, Notice.FORGOTTEN)

    def _keep_early(self, session_id: str, notice: Notice) -> None:
        if self._early is not None and len(self._early) < EARLY_KEPT:
            self._early[session_id] = notice

    def _notice(self, session_id: str, notice: Notice) -> None:
        if (session_id, notice) not in self._notices:
            self._notices.append((session_id, notice))
            self._wake.set()

    # The client tells

    def introduce(self, sessions: Mapping[str, int]) -> None:
        """Note which active sessions the client knows by now, each with its last event's `seq`."""
        self._introduced = dict(sessions)

    async def subscribe(
        self,
        sessions: list[str] | None,
        positions: dict[str, Position],
        output: bool | set[str],
    ) -> None:
        """Replace what is watched; `sessions` None means everything, now and later.

        That includes what has ended since the client last heard of it: its end is sent. `output` is
        for all or for the named sessions only. Raises SessionNotFound, after which nothing has
        changed.
        """
        async with self._subscribing:
            # Whoever wants everything hears of what begins from now on, not from the answer on.
            self.everything = self.everything or sessions is None
            if sessions is None:
                rows = await self._rows_of_everything(positions)
            else:
                rows = await self._fan_out.log.run(self._rows, sessions)
                if len(rows) < len(set(sessions)):
                    raise SessionNotFound("There is no such session.")
            self.everything = sessions is None
            told = (self._introduced or {}) | {key: each.seq for key, each in self._cursors.items()}
            for session_id in set(self._cursors) - {str(row.pk) for row in rows}:
                self._drop(session_id)
            self._everything_output = output is True
            heads = await self._watch(rows, output)
            for row in rows:
                start = positions.get(str(row.pk)) or self._first_position(row, told)
                await self._begin_if_there(row, start, heads.get(str(row.pk), 0))
            gone = (self._introduced or {}).keys() - self._cursors.keys() - self._finished.keys()
            early = self._early or {}
            if self.everything:
                early |= dict.fromkeys(gone, Notice.FORGOTTEN)
            self._introduced = self._early = None
            for session_id, notice in early.items():
                if notice is Notice.FORGOTTEN:
                    self.forgotten(session_id)
                else:
                    self.changed(session_id, hidden=notice is Notice.HIDDEN)

    def acknowledge(self, session_id: str, offset: int) -> None:
        """Note that the client has drawn the output up to this offset."""
        cursor = self._cursors.get(session_id)
        if cursor is not None:
            cursor.acknowledge(offset)
            self.wake(session_id)

    def watched(self) -> Collection[str]:
        """Return the ids of the sessions that are streamed."""
        return self._cursors.keys()

    def look_at(self, session_id: str) -> None:
        """Find out whether the session may still be seen."""
        self._notice(session_id, Notice.LOOK)

    def close(self) -> None:
        """Let go of all sessions."""
        for session_id in list(self._cursors):
            self._drop(session_id)

    def _is_current(self, cursor: Cursor) -> bool:
        """Tell whether the client has not asked for another stream meanwhile."""
        return self._cursors.get(cursor.session_id) is cursor

    def _rows(self, sessions: Collection[str]) -> list[Session]:
        return list(self._visible().filter(pk__in=sessions))

    async def _rows_of_everything(self, positions: Mapping[str, Position]) -> list[Session]:
        """Return what is active, and of what else the client may not have heard the end."""
        unfinished = {key for key, cursor in self._cursors.items() if not cursor.is_done}
        heard_of = unfinished.union(positions, self._introduced or ())
        return await self._fan_out.log.run(self._active_and, heard_of)

    def _active_and(self, others: Collection[str]) -> list[Session]:
        active = list(self._visible().active())
        return active + self._rows(set(others) - {str(row.pk) for row in active})

    def _visible(self) -> SessionQuerySet:
        return Session.objects.visible_to(self.caller).select_related("owner")

    def _first_position(self, row: Session, told: Mapping[str, int]) -> Position | int:
        """Return where a client without a cursor begins: there, or behind the last event `told`."""
        last = told.get(str(row.pk))
        if self.everything and self._introduced is not None and not last:
            # It had not begun, or was missing in a list of all that was active: it is new.
            return Position(seq=0, offset=0)
        return row.last_seq if last is None else last

    def _drop(self, session_id: str) -> None:
        cursor = self._cursors.pop(session_id, None)
        if cursor is None:
            return
        self._fan_out.unwatch(session_id, self)
        if cursor.is_done:
            self._remember_finished(session_id)

    async def _watch(self, rows: Collection[Session], output: bool | set[str]) -> dict[str, int]:
        """Hear of these sessions from now on; return how far output of those that run goes.

        Watched first and read second: what comes in between is in the tail.
        """
        for session_id in (str(row.pk) for row in rows):
            wanted = output if isinstance(output, bool) else session_id in output
            tail = self._fan_out.watch(session_id, self)
            self._cursors[session_id] = Cursor(session_id, tail, output=wanted)
        await self._fan_out.join(str(row.pk) for row in rows)
        return await get_manager().heads([str(row.pk) for row in rows if row.is_alive])

    async def _begin_if_there(self, row: Session, start: Position | int, head: int) -> None:
        """Show it, or say that it has been forgotten since it was found."""
        try:
            await self._begin(row, start, head)
        except SessionNotFound:
            self.forgotten(str(row.pk))

    async def _begin(self, row: Session, start: Position | int, head: int) -> None:
        """Show a session that is watched, from the client's position or its current screen.

        Without a position `start` is the last event that it has heard of. `head` is how far its
        output was taken in, 0 where nobody knows better than the row.
        """
        session_id = str(row.pk)
        cursor = self._cursors[session_id]
        tail = cursor.tail
        first, last = await self._fan_out.log.run(event_log.output_range, session_id)
        kept = first, max(last, head)
        # Not as far as the spool reaches: that may end inside a character.
        tail.lift(max(row.output_bytes, head), row.last_seq)
        if isinstance(start, int):
            cursor.seq = start
            if cursor.output and row.last_seq:  # what has not begun has no screen
                await self._catch_up.draw(cursor)
        elif can_continue(start, row, kept, tail):
            cursor.seq, cursor.offset = start.seq, start.offset
        else:
            cursor.seq = row.last_seq
            await self._catch_up.reset(cursor)
        cursor.over = not row.is_active and cursor.seq >= row.last_seq
        cursor.ready = True
        self.wake(session_id)

    # Sending

    async def run(self) -> None:
        """Send what follows the cursors, for as long as the client stays."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._notices:
                # After a subscription, not amid it: what that has read may be out of date.
                async with self._subscribing:
                    await self._tell_next_notice()
            while self._dirty:
                round_, self._dirty = self._dirty, {}
                # One frame per session and round: a loud session does not starve the others.
                for session_id in round_:
                    cursor = self._cursors.get(session_id)
                    if cursor is not None and cursor.ready and await self._try_step(cursor):
                        self._dirty[session_id] = None

    async def _try_step(self, cursor: Cursor) -> bool:
        """Do the next step; while the database does not answer, what needs it is put off."""
        try:
            return await self._step(cursor)
        except SessionNotFound:
            self.forgotten(cursor.session_id)
            return False
        except Error as error:
            logger.warning("session %s cannot be read yet: %s", cursor.session_id, error)
            loop = asyncio.get_running_loop()
            loop.call_later(DATABASE_RETRY_SECONDS, self.wake, cursor.session_id)
            return False

    async def _tell_next_notice(self) -> None:
        session_id, notice = self._notices.popleft()
        try:
            await self._tell_notice(session_id, notice)
        except Error as error:
            logger.warning("session %s cannot be looked at yet: %s", session_id, error)
            loop = asyncio.get_running_loop()
            loop.call_later(DATABASE_RETRY_SECONDS, self._notice, session_id, notice)

    async def _tell_notice(self, session_id: str, notice: Notice) -> None:
        rows: list[Session] = []
        if notice is not Notice.FORGOTTEN:
            rows = await self._fan_out.log.run(self._rows, [session_id])
        if not rows and self._was_seen(session_id, notice):
            self._drop(session_id)
            await self._send_json({"type": ServerMessage.FORGOTTEN, "sessionId": session_id})
        for row in rows:
            if notice is not Notice.LOOK:
                session = to_wire(row, self.caller)
                await self._send_json({"type": ServerMessage.UPDATED, "session": session})
            if self.everything and self._is_news(row):
                await self._take_in(row)

    async def _take_in(self, row: Session) -> None:
        """Show a session that is new to the client, from its beginning."""
        session_id = str(row.pk)
        try:
            heads = await self._watch([row], self._everything_output)
            start = Position(seq=0, offset=0)
            await self._begin_if_there(row, start, heads.get(session_id, 0))
        except Error:
            self._drop(session_id)  # else it would not be new when this is tried again
            raise

    def _was_seen(self, session_id: str, notice: Notice) -> bool:
        """Tell whether the client may know a session that it cannot see now."""
        hidden = notice is Notice.HIDDEN and self.caller.may(Right.VIEW)
        return notice is Notice.FORGOTTEN or hidden or session_id in self._cursors

    def _is_news(self, row: Session) -> bool:
        """Tell whether a viewer of everything has yet to be told of this session."""
        session_id = str(row.pk)
        known = session_id in self._cursors or session_id in self._finished
        return not known and (row.is_active or row.created_at >= self._since)

    def _send_at_once(self, cursor: Cursor) -> bool:
        """Send what is at hand; False where the task is at it or has to be."""
        if cursor.busy or not cursor.ready or not self._outlet.never_waits:
            return False
        while isinstance(following := self._following(cursor), Frame):
            self._outlet.put(following)
            if cursor.is_level:
                return True
        return following is Missing.NOTHING

    async def _step(self, cursor: Cursor) -> bool:
        """Send one frame, or fetch what is missing for it; False when there is nothing to do."""
        following = self._following(cursor)
        if following is Missing.NOTHING:
            return False
        cursor.busy = True
        try:
            if isinstance(following, Frame):
                await self._outlet.send(following)
                return True
            return await self._catch_up.fetch(cursor, following)
        finally:
            cursor.busy = False

    def _following(self, cursor: Cursor) -> Frame | Missing:
        following = cursor.following(self._has_room)
        if cursor.is_done and self.everything:
            self._drop(cursor.session_id)  # who watches everything stays for months
        return following

    def _remember_finished(self, session_id: str) -> None:
        """Note that the client has had all of a session, which has ended."""
        self._finished[session_id] = None
        if len(self._finished) > FINISHED_KEPT:
            del self._finished[next(iter(self._finished))]

    def _has_room(self, session_id: str) -> bool:
        if self._outlet.unsent() <= UNSENT_BYTES:
            return True
        if not self._without_room:
            loop = asyncio.get_running_loop()
            loop.call_later(UNSENT_RETRY_SECONDS, self._look_for_room)
        self._without_room.add(session_id)
        return False

    def _look_for_room(self) -> None:
        waiting, self._without_room = self._without_room, set()
        for session_id in waiting:
            self.wake(session_id)

    async def _send_json(self, message: dict[str, Any]) -> None:
        await self._outlet.send(Frame.of(message))
