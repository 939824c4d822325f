"""A session manager without programs: it keeps rows as the real one does and notes commands."""

import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.utils import timezone

from sessions_app import event_log, session_rows
from sessions_app.events import EventType, LifecycleEvent, iso
from sessions_app.launch import LaunchRequest, LaunchRules, check_launch
from sessions_app.recovery import Report
from sessions_app.screen_state import ScreenState
from sessions_app.session_rows import Place
from sessions_app.start_limits import StartLimits


class FakeManager:
    """Stands in for the PersistentSessionManager; `trouble`, if set, is what every verb raises."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.launched: list[LaunchRequest] = []
        self.trouble: Exception | None = None
        self.archive_error: str | None = None
        self.stalled_sessions: dict[str, str] = {}
        self.slots = 4
        self.roots = ["/"]
        self.limits = StartLimits()
        self.recovery: dict[str, Any] = {
            "at": "2026-01-01T00:00:00.000Z",
            "adopted": [],
            "ended": [],
            "neverStarted": [],
            "strays": [],
        }
        self.started_at = iso(timezone.now())

    def call(self, verb: Callable[["FakeManager"], Coroutine[Any, Any, Any]]) -> Any:
        """Do what `call_manager` does, in this thread."""

        async def run() -> Any:
            if self.trouble is not None:
                raise self.trouble
            return await verb(self)

        return async_to_sync(run)()

    def stalled(self, session_id: str) -> str | None:
        """Say why a session's output stands still."""
        return self.stalled_sessions.get(session_id)

    def health(self) -> dict[str, Any]:
        """Return what the real one returns."""
        return {
            "started": self.started_at,
            "host": "test-host",
            "archive": self.archive_error,
            "stalled": self.stalled_sessions,
            "recovery": self.recovery,
        }

    async def create(self, request: LaunchRequest) -> str:
        """Store the row."""
        environment = {"PATH": os.defpath, "HOME": str(Path.home())}
        request = check_launch(request, LaunchRules(environment=environment, roots=self.roots))
        self.launched.append(request)
        session, _ = await sync_to_async(session_rows.accept)(
            request, Place(host="test-host", slots=self.slots), self.limits
        )
        return str(session.pk)

    async def write(self, session_id: str, data: bytes, *, patience: float | None = None) -> None:
        """Note it."""
        self.calls.append(("write", session_id, data))

    async def type_text(
        self, session_id: str, text: str, *, submit: bool, patience: float | None = None
    ) -> None:
        """Note it."""
        self.calls.append(("type_text", session_id, text, submit))

    async def resize(self, session_id: str, cols: int, rows: int) -> None:
        """Note it."""
        self.calls.append(("resize", session_id, cols, rows))

    async def end(self, session_id: str, *, grace: float = 5.0, by: str = "") -> None:
        """Note it."""
        self.calls.append(("end", session_id, grace, by))

    async def folders(self, path: str, host: str = "") -> list[str]:
        """There are none."""
        return []

    async def bring_up_to_date(self, session_id: str) -> None:
        """Everything is in the log already."""

    async def recover(self) -> Report:
        """Note it."""
        self.calls.append(("recover",))
        return Report(adopted=["4711"])

    async def change(self, session_id: str, **changes: Any) -> None:
        """Store what changes."""
        await sync_to_async(session_rows.change)(session_id, **changes)

    async def forget(self, session_id: str) -> None:
        """Delete the row."""
        await sync_to_async(session_rows.forget)(session_id)

    async def report_checkpoint(
        self, session_id: str, checkpoint: dict[str, Any]
    ) -> LifecycleEvent:
        """Store the event."""
        return await sync_to_async(event_log.append_event)(
            session_id, EventType.CHECKPOINT, offset=0, fields={"checkpoint": checkpoint}
        )

    async def screen(self, session_id: str) -> ScreenState:
        """Return a small screen."""
        return ScreenState(
            cols=4, rows=2, cursor_x=2, cursor_y=0, lines=["$ ", ""], ansi=b"\xff$ ", offset=2
        )
