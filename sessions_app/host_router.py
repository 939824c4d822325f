"""The verbs of sessions that run anywhere: here, or on another host whose manager is asked."""

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from typing import Any

from django.utils import timezone

from sessions_app.audit import Actor
from sessions_app.events import LifecycleEvent, iso
from sessions_app.exceptions import (
    HostDraining,
    HostSilent,
    ManagerUnavailable,
    NoFreeSlot,
    SessionError,
    SessionNotRunning,
)
from sessions_app.host_calls import HostCalls, Verb, wake_all
from sessions_app.host_directory import HostDirectory
from sessions_app.host_state import HostState, candidates
from sessions_app.input_order import InputOrder
from sessions_app.launch import LaunchRequest
from sessions_app.models import Session
from sessions_app.recovery import Report
from sessions_app.screen_state import ScreenState
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.stored_sessions import StoredSessions

logger = logging.getLogger(__name__)

# Sessions whose hosts are remembered: a session never moves once it has one.
PLACES_KEPT = 10_000


class HostRouter:
    """Finds the host of a session and has its manager do it. Belongs to one event loop.

    `local` is this process's own manager, None in a process that only serves the web; `stored` are
    the verbs that need no manager, because all there is to them is in the database.
    """

    def __init__(
        self,
        local: PersistentSessionManager | None,
        stored: StoredSessions,
        directory: HostDirectory,
        calls: HostCalls,
        layer: Any,
    ) -> None:
        self.local = local
        self.directory = directory
        self.started_at: str | None = iso(timezone.now())
        self.loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        self._stored = stored
        self._calls = calls
        self._layer = layer
        self._places: OrderedDict[str, str] = OrderedDict()
        self._input_order = InputOrder()

    # Where

    def _is_here(self, host: str) -> bool:
        return self.local is not None and host == self.local.host

    def _known_place_of(self, session_id: str) -> str | None:
        """Return the host of a session, None if that is to be looked up."""
        if self.local is not None and self.local.follows(session_id):
            return self.local.host
        return self._places.get(session_id)

    async def _place_of(self, session_id: str) -> str:
        """Return the host of a session that runs there; raises SessionNotRunning."""
        host = self._known_place_of(session_id)
        if host is None:
            where = await self._stored.whereabouts(session_id)
            if not where.is_active:
                raise SessionNotRunning("The session has ended; start it again to go on.")
            if not where.has_slot:
                raise SessionNotRunning("The session has not been started yet; wait for its slot.")
            host = self._places[session_id] = where.host
            if len(self._places) > PLACES_KEPT:
                self._places.popitem(last=False)
        return host

    async def _ask(self, session_id: str, host: str, verb: str, **details: Any) -> Any:
        """Have the session's host do something about it; raises as HostCalls.ask does.

        Raises SessionNotRunning where the host is silent, and the session has ended meanwhile.
        """
        try:
            return await self._calls.ask(host, verb, session_id=session_id, **details)
        except HostSilent:
            self._places.pop(session_id, None)
            await self._place_of(session_id)
            raise

    # Placement

    async def create(self, request: LaunchRequest) -> str:
        """Start a session on the emptiest host that fits, or queue it when asked to."""
        found = await self._candidates(request.host, request.labels)
        refusals: list[SessionError] = []
        for host in _with_room_first(found):
            try:
                return await self._create_on(host, request)
            except (NoFreeSlot, HostDraining) as error:
                refusals.append(error)  # it has filled up, or drains, since it was looked at
        if len(found) > 1 and all(isinstance(refusal, NoFreeSlot) for refusal in refusals):
            slots = sum(host.slots for host in found)
            sentence = f"All {slots} slots of {len(found)} hosts are taken. "
            raise NoFreeSlot(f"{sentence}End a session, or queue this one to start later.")
        raise refusals[0]

    async def _candidates(self, name: str, labels: Collection[str] = ()) -> Sequence[HostState]:
        """Return the hosts that something new may run on; raises as `candidates` does.

        What is known may be a second old, which is too old to refuse anybody: a host that was
        opened a moment ago is open.
        """
        try:
            return candidates(await self._hosts(), name, labels)
        except SessionError:
            await self.directory.refresh()
            return candidates(await self._hosts(), name, labels)

    async def _hosts(self) -> list[HostState]:
        # Whatever the database has not heard of it: this process knows that its own is there.
        return [
            replace(host, silent_seconds=0.0, stopped=False) if self._is_here(host.name) else host
            for host in await self.directory.hosts()
        ]

    async def _create_on(self, host: HostState, request: LaunchRequest) -> str:
        if self.local is not None and self._is_here(host.name):
            session_id = await self.local.create(request)
        else:
            # Repeated with its key it starts nothing new, so it is safe to ask twice.
            session_id = await self._calls.ask(
                host.name,
                "create",
                repeatable=request.idempotency_key is not None,
                request=asdict(request),
            )
        self.directory.taken(host.name)
        if request.queue:
            await wake_all(self._layer)
        return str(session_id)

    # The verbs of one session

    async def write(self, session_id: str, data: bytes, *, patience: float | None = None) -> None:
        """Type raw bytes; returns when the terminal has taken them, or after `patience` seconds."""
        await self._type(session_id, "write", data=data, patience=patience)

    async def type_text(
        self, session_id: str, text: str, *, submit: bool, patience: float | None = None
    ) -> None:
        """Type text as a person would."""
        await self._type(session_id, "type_text", text=text, submit=submit, patience=patience)

    async def _type(self, session_id: str, verb: str, **details: Any) -> None:
        if self.local is not None and self.local.follows(session_id):
            await getattr(self.local, verb)(session_id, **details)
            return

        async def ask(received: Callable[[], None]) -> None:
            # Where it is, is looked up in turn as well: no answer may overtake another one.
            host = await self._place_of(session_id)
            if self.local is not None and self._is_here(host):
                received()
                await getattr(self.local, verb)(session_id, **details)
                return
            await self._ask(session_id, host, verb, received=received, **details)

        await self._input_order.send(session_id, ask)

    async def resize(self, session_id: str, cols: int, rows: int) -> None:
        """Give the terminal another size."""
        host = await self._place_of(session_id)
        if self.local is not None and self._is_here(host):
            await self.local.resize(session_id, cols, rows)
            return
        await self._ask(session_id, host, "resize", repeatable=True, cols=cols, rows=rows)

    async def end(self, session_id: str, *, grace: float = 5.0, by: str = "") -> None:
        """Ask the program to end and kill it after `grace` seconds; take it out of the queue."""
        may_be_queued = self._known_place_of(session_id) is None
        if may_be_queued and await self._stored.take_out_of_queue(session_id, by=by):
            return
        host = await self._place_of(session_id)
        if self.local is not None and self._is_here(host):
            await self.local.end(session_id, grace=grace, by=by)
            return
        await self._ask(session_id, host, "end", repeatable=True, grace=grace, by=by)

    async def report_checkpoint(
        self, session_id: str, checkpoint: dict[str, Any]
    ) -> LifecycleEvent:
        """Note a checkpoint that the program itself declared."""
        host = await self._place_of(session_id)
        if self.local is not None and self._is_here(host):
            return await self.local.report_checkpoint(session_id, checkpoint)
        seq = await self._ask(session_id, host, "report_checkpoint", checkpoint=checkpoint)
        return await self._stored.event(session_id, int(seq))

    async def screen(self, session_id: str) -> ScreenState:
        """Return the screen as it stands now, or as it stood when the session ended."""
        try:
            host = await self._place_of(session_id)
            if self.local is not None and self._is_here(host):
                return await self.local.screen(session_id)
            return ScreenState(**await self._ask(session_id, host, "screen", repeatable=True))
        except SessionNotRunning:
            return await self._stored.screen(session_id)

    async def last_screen(self, session_id: str) -> ScreenState:
        """Return the newest screen that can be had, if need be an older one from the log."""
        try:
            return await self.screen(session_id)
        except ManagerUnavailable:
            return await self._stored.screen(session_id)

    async def change(self, session_id: str, **changes: Any) -> None:
        """Change `name` or `team`."""
        await self._stored.change(session_id, **changes)

    async def forget(self, session_id: str) -> Session:
        """Delete an ended session and its log; return what it was."""
        self._places.pop(session_id, None)
        return await self._stored.forget(session_id)

    # Output

    async def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        """Return up to which offset the output of those that run was taken in, as far as known."""
        by_host: dict[str, list[str]] = defaultdict(list)
        for session_id in session_ids:
            try:
                by_host[await self._place_of(session_id)].append(session_id)
            except SessionError:
                continue
        asked = [self._heads_of(host, ids) for host, ids in by_host.items()]
        return {key: head for part in await asyncio.gather(*asked) for key, head in part.items()}

    async def _heads_of(self, host: str, session_ids: list[str]) -> dict[str, int]:
        if self.local is not None and self._is_here(host):
            return await self.local.heads(session_ids)
        try:
            heads: dict[str, int] = await self._calls.ask(
                host, "heads", repeatable=True, session_ids=session_ids
            )
        except ManagerUnavailable:
            return {}  # what is in the database will do until the host is back
        return heads

    async def read_output(self, session_id: str, offset: int, limit: int) -> bytes:
        """Return output that the log of this process does not have yet, b"" where there is none."""
        try:
            host = await self._place_of(session_id)
            if self._is_here(host):
                return b""
            data: bytes = await self._ask(
                session_id, host, "read_output", repeatable=True, offset=offset, limit=limit
            )
        except (ManagerUnavailable, SessionNotRunning):
            return b""
        return data

    async def bring_up_to_date(self, session_id: str) -> None:
        """Have all output so far in the log that everybody reads, as far as that can be done."""
        try:
            host = await self._place_of(session_id)
            if not self._is_here(host):
                await self._ask(session_id, host, "bring_up_to_date", repeatable=True)
        except (ManagerUnavailable, SessionNotRunning):
            return

    async def folders(self, path: str, host: str = "") -> list[str]:
        """Return folders of a host whose paths begin so; without a name of one with room."""
        found = (await self._candidates(host))[0].name
        if self.local is not None and self._is_here(found):
            return await self.local.folders(path)
        folders: list[str] = await self._calls.ask(found, "folders", repeatable=True, path=path)
        return folders

    # This process

    async def recover(self) -> Report:
        """Look again for what nobody follows on this machine."""
        if self.local is None:
            raise ManagerUnavailable("This server runs no sessions itself; ask at their host.")
        return await self.local.recover()

    def health(self) -> dict[str, Any]:
        """Return what /health and the admin show."""
        if self.local is not None:
            return self.local.health()
        return {
            "started": self.started_at,
            "host": None,
            "archive": None,
            "stalled": {},
            "recovery": Report().to_wire(),
        }

    def stalled(self, session_id: str) -> str | None:
        """Say why a session's output stands still, "" that it does not, None if not known here."""
        return self.local.stalled(session_id) if self.local is not None else None


def _with_room_first(hosts: Sequence[HostState]) -> list[HostState]:
    """Put hosts that seem full last: what is known of them may be a second old."""
    return sorted(hosts, key=lambda host: host.free == 0)


def verbs_of(manager: PersistentSessionManager) -> dict[str, Verb]:
    """Return what other processes may ask this manager to do, as plain data goes in and out."""

    async def create(request: dict[str, Any]) -> str:
        asked_by = Actor(**request.pop("asked_by"))
        return await manager.create(LaunchRequest(**request, asked_by=asked_by))

    async def screen(session_id: str) -> dict[str, Any]:
        return asdict(await manager.screen(session_id))

    async def report_checkpoint(session_id: str, checkpoint: dict[str, Any]) -> int:
        return (await manager.report_checkpoint(session_id, checkpoint)).seq

    return {
        "create": create,
        "write": manager.write,
        "type_text": manager.type_text,
        "resize": manager.resize,
        "end": manager.end,
        "report_checkpoint": report_checkpoint,
        "screen": screen,
        "heads": manager.heads,
        "read_output": manager.read_spool,
        "folders": manager.folders,
        "bring_up_to_date": manager.bring_up_to_date,
    }
