"""PersistentSessionManager: starts, adopts, steers and ends the sessions of this machine.

One per state folder. It lives in the server's event loop; code in threads reaches it through
`call_manager`. It is the only writer of the log, and tells what it wrote by the signal
`session_event`, after the commit.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, TypeVar
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from sessions_app import audit, event_log, hosts, log_ids, metrics, program, recovery, session_rows
from sessions_app.callers import Caller
from sessions_app.events import (
    MAX_SIZE,
    MIN_SIZE,
    LifecycleEvent,
    SessionChanged,
    iso,
)
from sessions_app.exceptions import (
    HostNameTaken,
    InvalidRequest,
    ManagerUnavailable,
    NeedsRedis,
    SessionError,
    SessionNotRunning,
)
from sessions_app.folders import directories_under
from sessions_app.holders import Holders, ProcessHolders
from sessions_app.host_state import BEAT_SECONDS
from sessions_app.hosts import Beat, Presence
from sessions_app.launch import LaunchRequest, check_launch
from sessions_app.live_session import LiveSession
from sessions_app.models import Session
from sessions_app.rights import Right
from sessions_app.screen import Screen
from sessions_app.screen_state import ScreenState, screen_state
from sessions_app.session_row import SessionRow
from sessions_app.session_rows import Place
from sessions_app.session_runs import SessionRuns
from sessions_app.session_verbs import SessionVerbs
from sessions_app.start_limits import StartLimits
from sessions_app.state_lock import folder_id, lock_state_folder
from sessions_app.stored_sessions import StoredSessions

logger = logging.getLogger(__name__)

CALL_SECONDS = 20.0
RETRY_SECONDS = 0.5
MAX_GRACE_SECONDS = 60.0
RETENTION_SECONDS = 3600.0
RECOVER_SECONDS = 10.0
# While a start that a crash cut off may still turn out to have succeeded.
RECOVER_UNDECIDED_SECONDS = 1.0
# Output that another process gets in one answer.
MOST_AT_ONCE = 256 * 1024

T = TypeVar("T")


class PersistentSessionManager:
    """The one that commands programs. All verbs are coroutines of the server's event loop."""

    def __init__(self, holders: Holders | None = None) -> None:
        self.host: str = settings.HARNESS_HOST_NAME
        self.slots: int = settings.HARNESS_SLOTS
        self.incarnation = uuid4().hex
        self.started_at: str | None = None
        self.recovery = recovery.Report()
        self.loop: asyncio.AbstractEventLoop | None = None
        self._place = Place(host=self.host, slots=self.slots, labels=settings.HARNESS_LABELS)
        self._runs = SessionRuns(self._place, holders or ProcessHolders(), type(self))
        self._stored = StoredSessions(self._runs.log, self._runs.announce)
        self._typing: set[asyncio.Task[None]] = set()
        self._launching: dict[str, asyncio.Task[None]] = {}
        self._recovering = asyncio.Lock()
        self._undecided = False
        self._lock: int | None = None
        self._limits = StartLimits(
            sessions=settings.HARNESS_USER_SESSIONS, per_minute=settings.HARNESS_STARTS_PER_MINUTE
        )

    # Life cycle

    async def start(self) -> None:
        """Take the state folder, adopt what runs, and begin to serve.

        Raises StateFolderInUse when another server works on the same folder, HostNameTaken when
        another machine has this one's name, and NeedsRedis when there are others at all and nothing
        carries messages to them.
        """
        self.loop = asyncio.get_running_loop()
        self._lock = lock_state_folder(settings.HARNESS_STATE_DIR)
        event_log.sessions_folder().mkdir(mode=0o700, exist_ok=True)
        await self._runs.log.run(self._enter, folder_id(settings.HARNESS_STATE_DIR))
        # The first screen takes 80 ms, in which the library reads its own declarations.
        await asyncio.to_thread(Screen, MAX_SIZE, MIN_SIZE)
        self.recovery = await recovery.recover(self._runs, self._runs.log)
        self._undecided = bool(self.recovery.undecided)
        self._runs.begin()
        self._runs.own(self._beat(), "beat")
        self._runs.own(self._recover_again(), "recover")
        if days := settings.HARNESS_RETENTION_DAYS:
            self._runs.own(self._keep_to_retention(days), "retention")
        self.started_at = iso(timezone.now())
        logger.info("manager of %s started: %s", self.host, self.recovery.summary())

    async def stop(self) -> None:
        """Let go of everything; the programs go on without us."""
        for task in list(self._typing):
            task.cancel()
        with suppress(*session_rows.DatabaseTrouble):  # then it will be missed soon enough
            await self._runs.log.run_in_background(hosts.leave, self.host, self.incarnation)
        await self._runs.stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _enter(self, folder: str) -> None:
        presence = Presence(
            name=self.host,
            folder=folder,
            incarnation=self.incarnation,
            slots=self.slots,
            version=settings.VERSION,
            labels=settings.HARNESS_LABELS,
        )
        others = [] if settings.REDIS_URL else hosts.others(presence)
        if others:
            raise NeedsRedis(
                f"The host {others[0]} works on the same database, and without REDIS_URL neither "
                "can hear of the other's sessions. Set it to the same Redis on all machines."
            )
        hosts.enter(presence)

    async def _beat(self) -> None:
        """Say every two seconds that this host is there, and look whether there is work."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            load = os.getloadavg()[0] / (os.cpu_count() or 1)
            news = Beat(load=load, problem=self._problem(), stats=metrics.stats())
            try:
                await self._runs.log.run_in_background(
                    hosts.beat, self.host, self.incarnation, news
                )
            except HostNameTaken as error:
                logger.error("%s", error)
            except session_rows.DatabaseTrouble as error:
                logger.warning("the host could not be kept fresh: %s", error)
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

    async def recover(self) -> recovery.Report:
        """Look again for what nobody follows, and return what became of it."""
        async with self._recovering:
            report = await recovery.recover(self._runs, self._runs.log)
        if report:
            logger.warning("recovered: %s", report.summary())
        self._undecided = bool(report.undecided)
        if report or not self.recovery:
            self.recovery = report
        return report

    async def _recover_again(self) -> None:
        while True:
            await asyncio.sleep(RECOVER_UNDECIDED_SECONDS if self._undecided else RECOVER_SECONDS)
            try:
                await self.recover()
            except (*session_rows.DatabaseTrouble, OSError) as error:
                logger.warning("recovery was put off: %s", error)

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

    Raises what the verb raises, and ManagerUnavailable when it takes longer than 20 s.
    """
    verbs = get_manager()
    if verbs.loop is None:
        raise ManagerUnavailable("The session manager is not running yet; try again in a moment.")
    future = asyncio.run_coroutine_threadsafe(verb(verbs), verbs.loop)
    try:
        return future.result(CALL_SECONDS)
    except TimeoutError as error:
        future.cancel()
        raise ManagerUnavailable("The session manager does not answer; try again.") from error
