"""The sessions of this machine that run: launched or adopted, followed, and closed in the log.

What can be asked of the manager is in `sessions_app.session_manager`; this is how it comes about.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from django.utils import timezone

from sessions_app import event_log, log_ids, program, session_rows
from sessions_app.archiver import Archiver
from sessions_app.database_threads import DatabaseThreads
from sessions_app.events import Announcement, EventType, SessionChanged
from sessions_app.exceptions import HolderUnresponsive, InvalidTransition, SessionNotRunning
from sessions_app.holder_client import LaunchFailed, read_exit_record, read_identity
from sessions_app.holders import Holders
from sessions_app.live_session import LiveSession
from sessions_app.metrics import counts, follow
from sessions_app.models import Session
from sessions_app.screen import Screen
from sessions_app.session_rows import Place
from sessions_app.signals import announce

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5

T = TypeVar("T")


class SessionRuns:
    """Owns every task of the manager and every LiveSession. Belongs to one event loop.

    `live` are the sessions whose programs are followed, by id.
    """

    def __init__(self, place: Place, holders: Holders, sender: type) -> None:
        self.place = place
        self.log = DatabaseThreads("log-writer", 1)
        self.archiver = Archiver(self.log)
        self.live: dict[str, LiveSession] = {}
        self._holders = holders
        self._sender = sender
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: set[str] = set()
        self._slot_freed = asyncio.Event()

    def begin(self) -> None:
        """Archive, start what is queued, and be told of in the metrics, from now on."""
        follow(self)
        self.own(self.archiver.run(), "archiver")
        self.own(self._fill_slots(), "fill-slots")
        self.look_into_queue()

    def look_into_queue(self) -> None:
        """Start what is queued, if there is room for it."""
        self._slot_freed.set()

    @property
    def slots(self) -> int:
        """Return how many programs may run at once."""
        return self.place.slots

    @property
    def host(self) -> str:
        """Return this machine's name."""
        return self.place.host

    async def stop(self) -> None:
        """Let go of everything; the programs go on without us."""
        follow(None)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.archiver.flush_all()
        for live in list(self.live.values()):
            await live.close()
        self.live.clear()
        await asyncio.to_thread(self.log.close)

    def own(
        self, work: Coroutine[Any, Any, None], name: str, ids: log_ids.Ids = log_ids.NONE
    ) -> asyncio.Task[None]:
        """Do the work in a task that ends with the manager; what goes wrong in it is logged.

        `ids` is what the log says it is about.
        """
        context = log_ids.fresh_context(ids)
        task = asyncio.create_task(work, name=name, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._disown, context=context)
        return task

    def _disown(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("task %s failed", task.get_name(), exc_info=error)

    def is_followed(self, session_id: str) -> bool:
        """Tell whether the session is being started or followed already."""
        return session_id in self.live or session_id in self._starting

    def expect(self, session_id: str) -> None:
        """Note that a row is about to be started: recovery must not take it for a cut-off start."""
        self._starting.add(session_id)

    # Starting

    async def _fill_slots(self) -> None:
        """Start queued sessions whenever a slot is free."""
        while True:
            await self._slot_freed.wait()
            self._slot_freed.clear()
            while session := await self._retry(session_rows.claim, self.place):
                self.expect(str(session.pk))
                # Its start tells the slot, but not the host that has taken it.
                self.announce(SessionChanged(session_id=str(session.pk)))
                try:
                    await self.launch(session)
                except Exception:  # recovery finds out what became of it; the next ones wait
                    logger.exception("session %s could not be started", session.pk)

    async def launch(self, session: Session) -> None:
        """Start the program of a row that holds a slot."""
        session_id = str(session.pk)
        self.expect(session_id)
        try:
            with log_ids.about(session=session_id):
                await self._launch_program(session)
        finally:
            self._starting.discard(session_id)

    async def _launch_program(self, session: Session) -> None:
        session_id = str(session.pk)
        try:
            identity = await self._holders.launch(
                event_log.session_folder(session_id),
                program.holder_spec(session),
                program.environment_of(session),
            )
        except LaunchFailed as error:
            logger.warning("session %s could not be started: %s", session_id, error)
            counts.start_failures += 1
            # A row that holds a slot without a program would be a lie.
            await self.fail(session_id, f"The program could not be started: {error}")
            self._drop_folder(session_id)
            return
        live = self._new_live(session, Screen(session.cols, session.rows), head=0)
        try:
            await live.connect(self._holders)
        except HolderUnresponsive:
            logger.warning("the holder of session %s does not answer yet", session_id)
            return  # recovery goes on with it
        await self._take_over(session, live, identity.child.pid)

    def _new_live(self, session: Session, screen: Screen, *, head: int) -> LiveSession:
        return LiveSession(str(session.pk), screen, self.archiver, self.announce, head=head)

    async def adopt(self, session: Session) -> bool:
        """Go on with a session that was started before, where its log ends.

        If its holder is gone, what it left behind is archived, the session is closed, and the
        answer is False.
        """
        session_id = str(session.pk)
        kept = await self.log.run(event_log.load_snapshot, session_id)
        begin = kept.offset if kept else 0
        head = max(session.output_bytes, begin)
        started = await self.log.run(session_rows.first_size, session)
        cols, rows = (kept.cols, kept.rows) if kept else started
        live = self._new_live(session, Screen(cols, rows), head=head)
        live.stalled = session.stalled or None
        try:
            await live.connect(self._holders)
            if kept:
                live.screen.feed(bytes(kept.data))
            data = await self.log.run(event_log.read_output, session_id, begin, head - begin)
            resizes = await self.log.run(event_log.resizes_after, session_id, begin)
            noted = await self.log.run(event_log.last_event_offset, session_id)
            live.restore(data, resizes, session_rows.current_wait(session), noted)
            identity = read_identity(event_log.session_folder(session_id))
        except BaseException:
            await live.close()
            raise
        await self._take_over(session, live, identity.child.pid if identity else None)
        with suppress(SessionNotRunning):  # it may have ended meanwhile
            await live.reconcile_size()
        return live.has_holder

    async def _take_over(self, session: Session, live: LiveSession, pid: int | None) -> None:
        """Follow the session to its end, after saying that it runs if nobody has yet."""
        self.live[live.session_id] = live
        try:
            if not session.is_alive:
                event = await self._retry(
                    session_rows.mark_started, session, pid, event_log.Attempt()
                )
                counts.starts += 1
                self.announce(event)
        except BaseException:
            await self._let_go(live)
            raise
        ids = log_ids.Ids(session=live.session_id)
        self.own(self._follow(live), f"follow-{live.session_id}", ids)

    async def _let_go(self, live: LiveSession) -> None:
        self.live.pop(live.session_id, None)
        await live.close()

    # Ending

    async def _follow(self, live: LiveSession) -> None:
        """Stay with a session to its end, then close its log."""
        try:
            await live.follow()
            record = live.exit or read_exit_record(event_log.session_folder(live.session_id))
            await self.archiver.finish(live.session_id, live.head, live.keep_screen)
            kind, fields, changes = session_rows.how_it_ended(record, live.ended_by)
            await self._end_with(live.session_id, kind, live.head, fields, changes)
        finally:
            # Whatever went wrong, recovery finds the session again where its log ends.
            await self._let_go(live)
        self._drop_folder(live.session_id)
        self.look_into_queue()

    async def fail(self, session_id: str, sentence: str) -> None:
        """Close the log of a session without a program, with the reason, and free its slot."""
        await self._end_with(
            session_id, EventType.FAILED, 0, {"error": sentence}, {"error": sentence}
        )
        self.look_into_queue()

    async def _end_with(
        self,
        session_id: str,
        kind: EventType,
        offset: int,
        fields: dict[str, Any],
        changes: dict[str, Any],
    ) -> None:
        tidied: dict[str, Any] = {"waiting": None, "stalled": "", "environment": {}}
        changes = {**changes, **tidied, "ended_at": timezone.now()}
        try:
            event = await self._retry(
                event_log.append_event,
                session_id,
                kind,
                offset=offset,
                fields=fields,
                changes=changes,
                attempt=event_log.Attempt(),
            )
        except InvalidTransition:
            return  # its end is in the log already
        counts.ended(failed=kind is EventType.FAILED)
        self.announce(event)

    async def _retry(self, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Do what must be written, however long the database is locked or down."""
        while True:
            try:
                return await self.log.run_in_background(call, *args, **kwargs)
            except session_rows.DatabaseTrouble as error:
                logger.warning("the log cannot be written, trying again: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    def _drop_folder(self, session_id: str) -> None:
        shutil.rmtree(event_log.session_folder(session_id), ignore_errors=True)

    def announce(self, event: Announcement) -> None:
        """Tell the world what is in the log by now."""
        announce(self._sender, event)
