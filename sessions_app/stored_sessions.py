"""Verbs on sessions that need no manager: all there is to them is in the database."""

from collections.abc import Callable
from typing import Any

from sessions_app import event_log, session_rows
from sessions_app.database_threads import DatabaseThreads
from sessions_app.events import Announcement, LifecycleEvent, SessionChanged
from sessions_app.models import Session
from sessions_app.screen import Screen
from sessions_app.screen_state import ScreenState, screen_state
from sessions_app.session_rows import Whereabouts

PIECE = 256 * 1024


class StoredSessions:
    """Reads and changes rows in the threads of `log`, and tells what has changed."""

    def __init__(self, log: DatabaseThreads, announce: Callable[[Announcement], None]) -> None:
        self._log = log
        self._announce = announce

    async def change(self, session_id: str, **changes: Any) -> None:
        """Change `name` (the empty one takes the name away) or `team`."""
        await self._log.run(session_rows.change, session_id, **changes)
        hidden = changes.get("team") is False
        self._announce(SessionChanged(session_id=session_id, hidden=hidden))

    async def forget(self, session_id: str) -> Session:
        """Delete an ended session and its log; raises SessionStillActive. Returns what it was."""
        session = await self._log.run(session_rows.forget, session_id)
        self._announce(
            SessionChanged(
                session_id=session_id,
                forgotten=True,
                owner_id=session.owner_id,
                team=session.team,
            )
        )
        return session

    async def take_out_of_queue(self, session_id: str, *, by: str = "") -> bool:
        """End a session that waits in the queue; False if it does not."""
        who = f" by {by}" if by else ""
        sentence = f"Taken out of the queue{who} before it was started."
        event = await self._log.run(session_rows.take_out_of_queue, session_id, sentence)
        if event is not None:
            self._announce(event)
        return event is not None

    async def screen(self, session_id: str) -> ScreenState:
        """Return the screen that was kept last, brought up to the archived output."""
        return await self._log.run(_screen, session_id)

    async def whereabouts(self, session_id: str) -> Whereabouts:
        """Return where the session is; raises SessionNotFound."""
        return await self._log.run(session_rows.whereabouts, session_id)

    async def event(self, session_id: str, seq: int) -> LifecycleEvent:
        """Return the event with this number, which is in the log."""
        events = await self._log.run(event_log.read_events, session_id, after=seq - 1, limit=1)
        return events[0]


def _screen(session_id: str) -> ScreenState:
    session = session_rows.get(session_id)
    kept = event_log.load_snapshot(session_id)
    base, _ = event_log.output_range(session_id)
    offset = kept.offset if kept else base
    screen = Screen(*((kept.cols, kept.rows) if kept else session_rows.first_size(session)))
    try:
        screen.feed(bytes(kept.data) if kept else b"")
        for at, cols, rows in event_log.resizes_after(session_id, offset):
            offset = _feed(screen, session_id, offset, at)
            screen.resize(cols, rows)
        offset = _feed(screen, session_id, offset, max(offset, session.output_bytes))
        return screen_state(screen, offset)
    finally:
        screen.release()


def _feed(screen: Screen, session_id: str, offset: int, end: int) -> int:
    """Feed the archived output up to `end`, or as far as there is; return how far that was."""
    while offset < end and (
        data := event_log.read_output(session_id, offset, min(PIECE, end - offset))
    ):
        screen.feed(data)
        offset += len(data)
    return offset
