"""PersistentSessionManager: starts, adopts, steers and ends the sessions of this machine.

One per state folder. It lives in the server's event loop; code in threads reaches it through
`session_verbs.call_manager`. It is the only writer of the log, and tells what it wrote by the
signal `session_event`, after the commit.
"""

import asyncio
import logging
import os
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.utils import timezone

from sessions_app import audit, event_log, log_ids, program, session_rows
from sessions_app.events import (
    MAX_SIZE,
    MIN_SIZE,
    LifecycleEvent,
    SessionChanged,
    iso,
)
from sessions_app.exceptions import (
    InvalidRequest,
    SessionError,
    SessionNotRunning,
)
from sessions_app.folders import directories_under
from sessions_app.holders import Holders, ProcessHolders
from sessions_app.host_presence import HostPresence
from sessions_app.host_state import BEAT_SECONDS
from sessions_app.launch import LaunchRequest, check_launch
from sessions_app.live_session import LiveSession
from sessions_app.models import Session
from sessions_app.recovery import Recoverer, Report
from sessions_app.screen import Screen
from sessions_app.screen_state import ScreenState, screen_state
from sessions_app.session_rows import Place
from sessions_app.session_runs import SessionRuns
from sessions_app.start_limits import StartLimits
from sessions_app.state_lock import folder_id, lock_state_folder
from sessions_app.stored_sessions import StoredSessions

logger = logging.getLogger(__name__)

MAX_GRACE_SECONDS = 60.0
RETENTION_SECONDS = 3600.0
# Output that another process gets in one answer.
MOST_AT_ONCE = 256 * 1024


class PersistentSessionManager:
    """The one that commands programs. All verbs are coroutines of the server's event loop."""

    def __init__(self, holders: Holders | None = None) -> None:
        self.host: str = settings.HARNESS_HOST_NAME
        self.slots: int = settings.HARNESS_SLOTS
        self.started_at: str | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._place = Place(host=self.host, slots=self.slots, labels=settings.HARNESS_LABELS)
        self._runs = SessionRuns(self._place, holders or ProcessHolders(), type(self))
        self._stored = StoredSessions(self._runs.log, self._runs.announce)
        self.presence = HostPresence(self.host, self.slots, settings.HARNESS_LABELS, self._runs.log)
        self._recoverer = Recoverer(self._runs, self._runs.log)
        self._typing: set[asyncio.Task[None]] = set()
        self._launching: dict[str, asyncio.Task[None]] = {}
        self._lock: int | None = None
        self._limits = StartLimits(
            sessions=settings.HARNESS_USER_SESSIONS, per_minute=settings.HARNESS_STARTS_PER_MINUTE
        )

    # Life cycle

    async def start(self) -> None:
        """Take the state folder, adopt what runs, and begin to serve.

        Raises StateFolderInUse when another server works on the same folder, and what
        HostPresence.enter raises.
        """
        self.loop = asyncio.get_running_loop()
        self._lock = lock_state_folder(settings.HARNESS_STATE_DIR)
        event_log.sessions_folder().mkdir(mode=0o700, exist_ok=True)
        await self.presence.enter(folder_id(settings.HARNESS_STATE_DIR))
        # The first screen takes 80 ms, in which the library reads its own declarations.
        await asyncio.to_thread(Screen, MAX_SIZE, MIN_SIZE)
        await self._recoverer.look()
        self._runs.begin()
        self._runs.own(self._beat(), "beat")
        self._runs.own(self._recoverer.recover_again(), "recover")
        if days := settings.HARNESS_RETENTION_DAYS:
            self._runs.own(self._keep_to_retention(days), "retention")
        self.started_at = iso(timezone.now())
        logger.info("manager of %s started: %s", self.host, self.recovery.summary())

    async def stop(self) -> None:
        """Let go of everything; the programs go on without us."""
        for task in list(self._typing):
            task.cancel()
        await self.presence.leave()
        await self._runs.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _beat(self) -> None:
        """Say every two seconds that this host is there, and look whether there is work."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self.presence.beat(self._problem())
            self._runs.look_into_queue()

    def _problem(self) -> str:
        """Return what is wrong on this machine, "" if nothing is."""
        if self._runs.archiver.error:
            return self._runs.archiver.error
        stalled = sorted({live.stalled for live in self._runs.live.values() if live.stalled})
        return f"Output stands still: {', '.join(stalled)}." if stalled else ""

    def look_into_queue(self) -> None:
        """Start what is queued, if there is room for it."""
        self._runs.look_into_queue()

    def health(self) -> dict[str, Any]:
        """Return what /health and the admin show."""
        # Copied first: this is asked from other threads as well.
        live = list(self._runs.live.values())
        return {
            "started": self.started_at,
            "host": self.host,
            "sessions": len(live),
            "slots": self.slots,
            "archive": self._runs.archiver.error,
            "stalled": {one.session_id: one.stalled for one in live if one.stalled},
            "recovery": self.recovery.to_wire(),
        }

    @property
    def recovery(self) -> Report:
        """What the last recovery that did anything has done."""
        return self._recoverer.report

    async def recover(self) -> Report:
        """Look again for what nobody follows, and return what became of it."""
        return await self._recoverer.recover()

    async def forget_older_than(self, days: int) -> list[str]:
        """Delete what ended more than `days` days ago, with its log; return the ids."""
        forgotten = await self._runs.log.run(session_rows.forgettable, days)
        for session_id in forgotten:
            session = await self.forget(session_id)
            audit.note(audit.Action.SESSION_FORGOTTEN, audit.SERVER, session, days=days)
        return forgotten

    async def _keep_to_retention(self, days: int) -> None:
        while True:
            try:
                if forgotten := await self.forget_older_than(days):
                    logger.info("%d sessions forgotten after %d days", len(forgotten), days)
            except (*session_rows.DatabaseTrouble, SessionError) as error:
                logger.warning("old sessions could not be forgotten yet: %s", error)
            await asyncio.sleep(RETENTION_SECONDS)

    def stalled(self, session_id: str) -> str | None:
        """Say why a session's output stands still, "" that it does not; safe in any thread.

        None of a session that is not followed here.
        """
        live = self._runs.live.get(session_id)
        return (live.stalled or "") if live else None

    def live_sessions(self) -> list[str]:
        """Return the ids of the sessions whose programs are followed."""
        return list(self._runs.live)

    def follows(self, session_id: str) -> bool:
        """Tell whether this manager follows the session's program."""
        return session_id in self._runs.live

    def taken_in(self, session_id: str) -> int:
        """Return up to which offset a running session's output was taken in; else 0."""
        live = self._runs.live.get(session_id)
        return live.head if live else 0

    async def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        """Return up to which offset the output of those that run was taken in."""
        return {key: self.taken_in(key) for key in session_ids if self.follows(key)}

    async def read_output(self, session_id: str, offset: int, limit: int) -> bytes:
        """Return nothing: the log of this process reads the spools of this machine itself."""
        return b""

    async def read_spool(self, session_id: str, offset: int, limit: int) -> bytes:
        """Return output that this machine has in a spool and has taken in, for another one."""
        live = self._runs.live.get(session_id)
        if live is None or offset >= live.head:
            return b""
        most = min(limit, live.head - offset, MOST_AT_ONCE)
        return await asyncio.to_thread(event_log.read_spool, session_id, offset, most)

    async def folders(self, path: str, host: str = "") -> list[str]:
        """Return folders of this machine whose paths begin so; it is the only one."""
        return await asyncio.to_thread(directories_under, path, program.launch_rules())

    async def bring_up_to_date(self, session_id: str) -> None:
        """Archive what has been taken in."""
        await self._runs.archiver.flush(session_id)

    def holder_pid(self, session_id: str) -> int:
        """Return the process that keeps the session's terminal; raises KeyError."""
        return self._runs.live[session_id].holder_pid

    # Verbs

    async def create(self, request: LaunchRequest) -> str:
        """Start a session, or queue it when asked to, and return its id.

        Raises InvalidRequest, NoFreeSlot, TooManySessions and TooManyStarts. A repeated request
        (see LaunchRequest) returns what the first one started. A program that cannot be executed
        after all leaves a session that is `failed` and says why.
        """
        request = check_launch(request, program.launch_rules())
        session, is_new = await self._runs.log.run(
            session_rows.accept, request, self._place, self._limits
        )
        session_id = str(session.pk)
        if is_new:
            if session.slot is not None:
                self._runs.expect(session_id)
            _record_start(request, session)
            # Nothing is awaited before this is set: a repeated request waits for the same start.
            self._launching[session_id] = self._runs.own(
                self._begin(session), f"launch-{session_id}", log_ids.current()
            )
        if launching := self._launching.get(session_id):
            # Shielded: whoever asked may go away, the program is started all the same.
            await asyncio.shield(launching)
        return session_id

    async def _begin(self, session: Session) -> None:
        """Tell of a session that was just accepted, and start it if it has a slot."""
        session_id = str(session.pk)
        try:
            self._runs.announce(SessionChanged(session_id=session_id))
            if session.slot is not None:
                await self._runs.launch(session)
        finally:
            self._launching.pop(session_id, None)

    async def write(self, session_id: str, data: bytes, *, patience: float | None = None) -> None:
        """Type raw bytes; returns when the program's terminal has taken them.

        After `patience` seconds it returns all the same: the bytes wait for the program to read.
        """
        live = await self._live_session(session_id)
        typing = asyncio.create_task(live.write(data), name=f"type-{session_id}")
        self._typing.add(typing)
        typing.add_done_callback(self._typed)
        done, _ = await asyncio.wait({typing}, timeout=patience)
        if done:
            typing.result()

    def _typed(self, typing: asyncio.Task[None]) -> None:
        self._typing.discard(typing)
        if not typing.cancelled():
            typing.exception()  # who typed has been told, or did not want to wait for it

    async def type_text(
        self, session_id: str, text: str, *, submit: bool, patience: float | None = None
    ) -> None:
        """Type text as a person would: pasted as one piece where the program asked for that."""
        live = await self._live_session(session_id)
        data = text.replace("\r\n", "\r").replace("\n", "\r").encode()
        if live.screen.bracketed_paste:
            # The end mark inside the text would let the rest of it through as keys.
            data = b"\x1b[200~" + data.replace(b"\x1b", b"") + b"\x1b[201~"
        keys = (data if text else b"") + (b"\r" if submit else b"")
        await self.write(session_id, keys, patience=patience)

    async def resize(self, session_id: str, cols: int, rows: int) -> None:
        """Give the terminal another size, 1 to 1000 each."""
        for name, value in (("cols", cols), ("rows", rows)):
            if not MIN_SIZE <= value <= MAX_SIZE:
                sentence = f"A terminal has from {MIN_SIZE} to {MAX_SIZE} {name}, not {value}."
                raise InvalidRequest(sentence, {name: [sentence]})
        await (await self._live_session(session_id)).resize(cols, rows)

    async def end(self, session_id: str, *, grace: float = 5.0, by: str = "") -> None:
        """Ask the whole process tree to end and kill it after `grace` seconds (0 to 60).

        A queued session is taken out of the queue. `by` is the name of who asked.
        """
        if not 0 <= grace <= MAX_GRACE_SECONDS:
            sentence = f"The grace is from 0 to {MAX_GRACE_SECONDS:.0f} seconds, not {grace}."
            raise InvalidRequest(sentence, {"grace": [sentence]})
        if not self.follows(session_id) and await self._stored.take_out_of_queue(session_id, by=by):
            return
        live = await self._live_session(session_id)
        live.ended_by = by or live.ended_by
        await live.end(grace)

    async def report_checkpoint(
        self, session_id: str, checkpoint: dict[str, Any]
    ) -> LifecycleEvent:
        """Note a checkpoint that the program itself declared; returns its event."""
        return await (await self._live_session(session_id)).report_checkpoint(checkpoint)

    async def screen(self, session_id: str) -> ScreenState:
        """Return the screen as it stands now, or as it stood when the session ended."""
        live = self._runs.live.get(session_id)
        if live is not None:
            return screen_state(live.screen, live.head)
        return await self._stored.screen(session_id)

    async def last_screen(self, session_id: str) -> ScreenState:
        """Return the screen: it can always be had here."""
        return await self.screen(session_id)

    async def change(self, session_id: str, **changes: Any) -> None:
        """Change `name` (the empty one takes the name away) or `team`."""
        await self._stored.change(session_id, **changes)

    async def forget(self, session_id: str) -> Session:
        """Delete an ended session and its log; raises SessionStillActive. Returns what it was."""
        return await self._stored.forget(session_id)

    async def _live_session(self, session_id: str) -> LiveSession:
        live = self._runs.live.get(session_id)
        if live is None:
            session = await self._runs.log.run(session_rows.get, session_id)
            if session.is_active:
                raise SessionNotRunning("The session has not been started yet; wait for its slot.")
            raise SessionNotRunning("The session has ended; start it again to go on.")
        return live


def _record_start(request: LaunchRequest, session: Session) -> None:
    queued = session.slot is None
    action = audit.Action.SESSION_QUEUED if queued else audit.Action.SESSION_STARTED
    command, folder = session.command_line, session.working_dir
    audit.note(action, request.asked_by, session, command=command, folder=folder)
