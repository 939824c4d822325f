"""What can be asked about sessions, wherever they run.

In a server of its own the session manager answers. Where several processes work together a router
does, which asks the manager of the host that has the session.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Protocol, TypeVar

from sessions_app.callers import Caller
from sessions_app.events import LifecycleEvent
from sessions_app.exceptions import ManagerUnavailable, OutcomeUnknown
from sessions_app.launch import LaunchRequest
from sessions_app.models import Session
from sessions_app.recovery import Report
from sessions_app.rights import Right
from sessions_app.screen_state import ScreenState
from sessions_app.session_row import SessionRow

CALL_SECONDS = 20.0

T = TypeVar("T")


class SessionVerbs(Protocol):
    """Coroutines of the server's event loop; each raises a SessionError that says why not.

    `started_at` is None until they can be used.
    """

    started_at: str | None
    loop: AbstractEventLoop | None

    async def create(self, request: LaunchRequest) -> str:
        """Start a session, or queue it when asked to, and return its id."""

    async def write(self, session_id: str, data: bytes, *, patience: float | None = None) -> None:
        """Type raw bytes; returns when the terminal has taken them, or after `patience` seconds."""

    async def type_text(
        self, session_id: str, text: str, *, submit: bool, patience: float | None = None
    ) -> None:
        """Type text as a person would."""

    async def resize(self, session_id: str, cols: int, rows: int) -> None:
        """Give the terminal another size."""

    async def end(self, session_id: str, *, grace: float = 5.0, by: str = "") -> None:
        """Ask the program to end and kill it after `grace` seconds; take it out of the queue."""

    async def report_checkpoint(
        self, session_id: str, checkpoint: dict[str, Any]
    ) -> LifecycleEvent:
        """Note a checkpoint that the program itself declared."""

    async def screen(self, session_id: str) -> ScreenState:
        """Return the screen as it stands now, or as it stood when the session ended."""

    async def last_screen(self, session_id: str) -> ScreenState:
        """Return the newest screen that can be had, if need be an older one from the log."""

    async def change(self, session_id: str, **changes: Any) -> None:
        """Change `name` or `team`."""

    async def forget(self, session_id: str) -> Session:
        """Delete an ended session and its log; return what it was."""

    async def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        """Return up to which offset the output of those that run was taken in, as far as known."""

    async def read_output(self, session_id: str, offset: int, limit: int) -> bytes:
        """Return output that the log of this process does not have yet, b"" where there is none."""

    async def bring_up_to_date(self, session_id: str) -> None:
        """Have all output so far in the log that everybody reads, as far as that can be done."""

    async def folders(self, path: str, host: str = "") -> list[str]:
        """Return folders of a host whose paths begin so; without a name of one with room."""

    async def recover(self) -> Report:
        """Look again for what nobody follows on this machine."""

    def health(self) -> dict[str, Any]:
        """Return what /health and the admin show."""

    def stalled(self, session_id: str) -> str | None:
        """Say why a session's output stands still, "" that it does not, None if that is not known.

        For any thread.
        """


_verbs: SessionVerbs | None = None


def set_manager(verbs: SessionVerbs | None) -> None:
    """Have these verbs answer for all sessions in this process, or leave it without any."""
    global _verbs  # one per process, set by its life cycle
    _verbs = verbs


def get_manager() -> SessionVerbs:
    """Return what answers for all sessions in this process; raises ManagerUnavailable."""
    if _verbs is None or _verbs.started_at is None:
        raise ManagerUnavailable("The session manager is not running yet; try again in a moment.")
    return _verbs


def to_wire(session: Session | SessionRow, caller: Caller) -> dict[str, Any]:
    """Return a session as this caller reads it: its row, and what only its manager knows.

    `access` is "control" for who may type into it and end it, else "view".
    """
    wire = session.to_wire()
    known = _verbs.stalled(str(session.id)) if _verbs else None
    controls = caller.controls(session.owner_id, Right.INPUT)
    return {
        **wire,
        # What is known here is newer than what another process reads in the row.
        "stalled": wire["stalled"] if known is None else known or None,
        "access": "control" if controls else "view",
    }


def call_manager(verb: Callable[[SessionVerbs], Coroutine[Any, Any, T]]) -> T:
    """Run a verb from a thread and return what it returns.

    Raises what the verb raises, and OutcomeUnknown when it takes longer than 20 s.
    """
    verbs = get_manager()
    if verbs.loop is None:
        raise ManagerUnavailable("The session manager is not running yet; try again in a moment.")
    future = asyncio.run_coroutine_threadsafe(verb(verbs), verbs.loop)
    try:
        return future.result(CALL_SECONDS)
    except TimeoutError as error:
        future.cancel()
        raise OutcomeUnknown(
            "The session manager does not answer. It may do this all the same: look before you try "
            "again."
        ) from error
