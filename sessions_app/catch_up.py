"""What a viewer is sent that the tail does not have: what is in the log, and the screen."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import Error
from django.utils import timezone

from sessions_app import event_log
from sessions_app.cursor import Cursor, Missing
from sessions_app.database_threads import DatabaseThreads
from sessions_app.events import OutputEvent, ServerMessage, iso, output_head, whole_characters
from sessions_app.live_frames import Frame
from sessions_app.screen_state import ScreenState
from sessions_app.session_verbs import get_manager
from sessions_app.transport import Outlet

# Of the output of a session, in one message.
CATCH_UP_BYTES = 256 * 1024
EVENTS_AT_ONCE = 100
# While a host does not answer, the archive may have got what it was asked for.
LOOK_AGAIN_SECONDS = 0.5


class CatchUp:
    """Of one live stream; `is_current` tells whether the client still wants a cursor's session.

    What is asked of the database raises its errors.
    """

    def __init__(
        self, log: DatabaseThreads, outlet: Outlet, is_current: Callable[[Cursor], bool]
    ) -> None:
        self._log = log
        self._outlet = outlet
        self._is_current = is_current

    async def fetch(self, cursor: Cursor, missing: Missing) -> bool:
        """Get what the tail does not have; False when there is nothing."""
        match missing:
            case Missing.EVENTS:
                return await self._fetch_events(cursor)
            case Missing.OUTPUT:
                return await self._send_output(cursor)
            case _:
                await self.reset(cursor)
                return True

    async def reset(self, cursor: Cursor) -> None:
        """Tell the client that the stream does not go on where it was, and draw the screen."""
        state = await get_manager().last_screen(cursor.session_id)
        if cursor.output:
            await self._tell_shown(cursor, state)
        await self._send_json(
            {
                "type": ServerMessage.RESET,
                "sessionId": cursor.session_id,
                "seq": cursor.seq,
                "offset": state.offset,
            }
        )
        if cursor.output:
            await self._draw(cursor, state)
        else:
            cursor.jump(state.offset)

    async def draw(self, cursor: Cursor) -> None:
        """Draw the screen; the stream goes on from there."""
        state = await get_manager().last_screen(cursor.session_id)
        await self._tell_shown(cursor, state)
        await self._draw(cursor, state)

    async def _tell_shown(self, cursor: Cursor, state: ScreenState) -> None:
        """Send the events that led to the screen, before it is drawn.

        After it nobody is to take up an older size. An event that lies beyond it follows it, also
        one that the session's row knows already: a screen lags behind a loud program.
        """
        cursor.seq, last = await self._log.run(
            event_log.events_before_screen,
            cursor.session_id,
            cursor.seq,
            offset=state.offset,
            cols=state.cols,
            rows=state.rows,
        )
        while cursor.seq < last:
            limit = min(EVENTS_AT_ONCE, last - cursor.seq)
            for event in await self._log.run(
                event_log.read_events, cursor.session_id, after=cursor.seq, limit=limit
            ):
                await self._send_json(event.to_wire())
                cursor.seq = event.seq

    async def _draw(self, cursor: Cursor, state: ScreenState) -> None:
        cursor.jump(state.offset)
        await self._send_json(
            {
                **output_head(cursor.session_id, iso(timezone.now()), 0, state.offset),
                "data": state.ansi.decode("utf-8", "replace"),
                "replay": True,
                "cols": state.cols,
                "rows": state.rows,
            }
        )

    async def _fetch_events(self, cursor: Cursor) -> bool:
        events = await self._log.run(
            event_log.read_events, cursor.session_id, after=cursor.seq, limit=EVENTS_AT_ONCE
        )
        cursor.take_events(events)
        return bool(events)

    async def _send_output(self, cursor: Cursor) -> bool:
        """Send output of the log, in a larger piece, up to the next event."""
        session_id, offset = cursor.session_id, cursor.offset
        data = await self._read(session_id, offset, cursor.output_end() - offset)
        if not self._is_current(cursor):
            return False
        if not data:
            return await self._skip_what_is_gone(cursor)
        data = data[: whole_characters(data) or len(data)]
        output = OutputEvent(
            session_id=session_id, offset=offset, data=data, timestamp=timezone.now()
        )
        cursor.offset = output.next_offset
        await self._send_json(output.to_wire())
        return True

    async def _read(self, session_id: str, offset: int, size: int) -> bytes:
        """Return what the log has from there on; b"" where neither it nor another host has it."""
        most = min(CATCH_UP_BYTES, size)
        trouble: Error | None = None
        try:
            data = await self._log.run(event_log.read_output, session_id, offset, most)
        except Error as error:
            data, trouble = b"", error
        if not data:  # another host may have what the archive does not have yet
            data = await self._from_host(session_id, offset, most)
        if not data and trouble is not None:
            raise trouble
        return data

    async def _from_host(self, session_id: str, offset: int, most: int) -> bytes:
        """Return what the session's host has, or the archive by the time that the host answers.

        A host that nobody can reach is waited for ten times as long as the archive takes.
        """
        asking = asyncio.ensure_future(get_manager().read_output(session_id, offset, most))
        try:
            while not (await asyncio.wait([asking], timeout=LOOK_AGAIN_SECONDS))[0]:
                with suppress(Error):
                    if data := await self._log.run(event_log.read_output, session_id, offset, most):
                        return data
            return asking.result()
        finally:
            asking.cancel()

    async def _skip_what_is_gone(self, cursor: Cursor) -> bool:
        base, _ = await self._log.run(event_log.output_range, cursor.session_id)
        if base <= cursor.offset:
            return False
        await self.reset(cursor)
        return True

    async def _send_json(self, message: dict[str, Any]) -> None:
        await self._outlet.send(Frame.of(message))
