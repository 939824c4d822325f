"""The live stream at /ws: a thin end of the fan-out for one client."""

import asyncio
import logging
from collections.abc import Collection, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error

from sessions_app import audit, lifecycle, session_lists
from sessions_app.callers import Caller, Credential
from sessions_app.client_messages import (
    Acknowledge,
    BadMessage,
    Input,
    Message,
    Ping,
    Resize,
    Subscribe,
    parse,
)
from sessions_app.events import ACTIVE, PROTOCOL_VERSION, CloseCode, ServerMessage
from sessions_app.exceptions import (
    ManagerUnavailable,
    NotAllowed,
    SessionError,
    SessionNotFound,
)
from sessions_app.fanout import FanOut, get_fan_out
from sessions_app.live_frames import Frame
from sessions_app.models import Session
from sessions_app.rights import Right
from sessions_app.session_verbs import get_manager, to_wire
from sessions_app.transport import SCOPE_KEY, Outlet, Receive, Scope, Send
from sessions_app.viewer import Viewer

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024
# Inputs that wait because their programs do not read; more are refused.
MAX_WAITING_INPUTS = 64
# Bytes that may wait for a client which asks for more: screens of many sessions, but not answers
# without end. For so long it may leave them unread; for so long it may then read why it is cut off.
MAX_UNSENT_BYTES = 2 * 1024 * 1024
TOO_SLOW_SECONDS = 10.0
LEAVE_SECONDS = 1.0
# Ended sessions that the first message names besides all active ones.
RECENT_SESSIONS = 100


class SessionConsumer(AsyncWebsocketConsumer):
    """Joins the group through the process's fan-out, sends the initial state, then streams.

    The scope's `caller` has been let in by `sessions_app.websocket_access`; its `credential` is
    examined again before every input and every few seconds.
    """

    # No channel of its own: the fan-out is the process's one receiver of the group.
    channel_layer_alias = "none"

    viewer: Viewer | None = None
    _streaming: asyncio.Task[None] | None = None
    outlet: Outlet
    fan_out: FanOut
    who: audit.Actor
    _inputs: set[asyncio.Task[None]]
    _examining: asyncio.Lock

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle one message without the thread hop by which Channels tidies up connections.

        No handler here uses the database in the event loop's thread.
        """
        await getattr(self, get_handler_name(message))(message)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the client until it leaves, or the server stops waiting for that."""
        self._inputs, self._examining = set(), asyncio.Lock()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()

    async def connect(self) -> None:
        """Accept, join, send the initial state and begin to stream."""
        self.outlet = Outlet(self.base_send, self.scope.get(SCOPE_KEY))
        await self.accept()
        try:
            await lifecycle.ready()
            self.fan_out = get_fan_out()
        except ManagerUnavailable:
            await self.close(CloseCode.SERVER_STOPPING)
            return
        self.viewer = Viewer(self.fan_out, self.outlet, self.scope["caller"])
        self.fan_out.viewers.add(self.viewer)
        lifecycle.consumers.add(self)
        self.who = audit.actor_of(self.caller, audit.address_in(self.scope))
        audit.repeated(audit.Action.STREAM_OPENED, self.who)
        await self._begin(self.viewer)

    async def _begin(self, viewer: Viewer) -> None:
        try:
            await self._send_initial_state(viewer)
        except Error as error:
            await self._come_again_later(error)
            return
        self._streaming = asyncio.create_task(self._stream(), name="stream-to-viewer")
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        if query.get("subscribe") != ["none"]:
            await self._subscribe(viewer, Subscribe(sessions=None, positions={}, output=True))

    async def _subscribe(self, viewer: Viewer, wanted: Subscribe) -> None:
        try:
            await viewer.subscribe(wanted.sessions, wanted.positions, wanted.output)
        except (Error, ManagerUnavailable) as error:
            await self._come_again_later(error)

    async def _come_again_later(self, error: Exception) -> None:
        """Close a stream that could not begin as it should: half of it would be missing."""
        logger.warning("a live stream cannot begin: %s", error)
        await self.close(CloseCode.SERVER_STOPPING)

    def _leave(self) -> None:
        """Let go of the fan-out, and of everything that goes on for the client."""
        lifecycle.consumers.discard(self)
        for task in (*self._inputs, *filter(None, [self._streaming])):
            task.cancel()
        if self.viewer is not None:
            self.fan_out.viewers.discard(self.viewer)
            self.viewer.close()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle one message of the client; what is wrong with it is answered as a message."""
        if self.outlet.unsent() > MAX_UNSENT_BYTES and not await self._reads_in_time():
            return
        if text_data is None:
            await self.close(CloseCode.BAD_MESSAGE)
            return
        if len(text_data) > MAX_MESSAGE_BYTES or len(text_data.encode()) > MAX_MESSAGE_BYTES:
            await self.close(1009)
            return
        try:
            message, message_id = parse(text_data)
        except BadMessage as error:
            await self._send_error(error, error.message_id)
            return
        await self._answer(self._handle(message, message_id), message_id)

    async def _reads_in_time(self) -> bool:
        """Take in nothing more until the client has read; cut it off when that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TOO_SLOW_SECONDS
        self.outlet.read(on=False)
        try:
            while self.outlet.unsent() > MAX_UNSENT_BYTES:
                if loop.time() > deadline:
                    await self.close(CloseCode.TOO_SLOW)
                    loop.call_later(LEAVE_SECONDS, self.outlet.abort)
                    return False
                await asyncio.sleep(0.02)
        finally:
            self.outlet.read(on=True)
        return True

    # Messages

    async def _handle(self, message: Message, message_id: str | int | None) -> None:
        if self.viewer is None:
            return
        match message:
            case Ping():
                await self._send_json({"type": ServerMessage.PONG})
            case Acknowledge(session_id=session_id, offset=offset):
                self.viewer.acknowledge(session_id, offset)
            case Subscribe():
                await self._subscribe(self.viewer, message)
            case Resize(session_id=session_id, cols=cols, rows=rows):
                session = await self._check_rights(session_id)
                await get_manager().resize(session_id, cols, rows)
                audit.resized(self.who, session, cols, rows)
                await self._send_receipt(message_id)
            case Input():
                self._begin_input(message, message_id)

    def _begin_input(self, message: Input, message_id: str | int | None) -> None:
        """Type in a task of its own: a program that does not read holds up nothing else.

        Tasks begin in the order in which they were made, so keys stay in order.
        """
        if len(self._inputs) >= MAX_WAITING_INPUTS:
            raise BadMessage("The program does not read its input; wait before typing more.")
        task = asyncio.create_task(
            self._answer(self._type(message, message_id), message_id), name="input-of-viewer"
        )
        self._inputs.add(task)
        task.add_done_callback(self._inputs.discard)

    async def _type(self, message: Input, message_id: str | int | None) -> None:
        # Whoever came first is through first, however long the question takes.
        async with self._examining:
            session = await self._check_rights(message.session_id)
            typing = asyncio.create_task(get_manager().write(message.session_id, message.data))
        typing.add_done_callback(partial(self._record_typing, session, message.data))
        await typing
        await self._send_receipt(message_id)

    def _record_typing(self, session: Session, data: bytes, typing: asyncio.Task[None]) -> None:
        # What a client does not wait for is typed all the same.
        if typing.cancelled() or typing.exception() is None:
            audit.typed(self.who, session, data)

    async def _answer(self, work: Coroutine[Any, Any, None], message_id: str | int | None) -> None:
        """Do the work; turn what goes wrong into an error message."""
        try:
            await work
        except SessionError as error:
            await self._send_error(error, message_id)
        except Error as error:
            logger.warning("the log cannot be used: %s", error)
            await self._send_error(
                ManagerUnavailable("The log cannot be used at the moment; try again."), message_id
            )

    # Sending

    async def _stream(self) -> None:
        assert self.viewer is not None  # noqa: S101  # set before the task was made
        try:
            await self.viewer.run()
        except ManagerUnavailable:
            await self.close(CloseCode.SERVER_STOPPING)
        except Exception:
            logger.exception("a live stream failed")
            with suppress(Exception):  # the client may be gone already
                await self.close(1011)

    async def _send_initial_state(self, viewer: Viewer) -> None:
        sessions = await self.fan_out.log.run(self._initial_sessions)
        active = (session for session in sessions if session["status"] in ACTIVE)
        viewer.introduce({session["id"]: session["lastSeq"] for session in active})
        await self._send_json(
            {
                "type": ServerMessage.INITIAL_STATE,
                "sessions": sessions,
                "protocol": PROTOCOL_VERSION,
                "user": self.caller.name,
                "role": self.caller.role,
            }
        )

    def _initial_sessions(self) -> list[dict[str, Any]]:
        rows = session_lists.active_and_recent(self.caller, RECENT_SESSIONS)
        return [to_wire(row, self.caller) for row in rows]

    async def _send_receipt(self, message_id: str | int | None) -> None:
        if message_id is not None:
            await self._send_json({"type": ServerMessage.RECEIPT, "id": message_id, "ok": True})

    async def _send_error(self, error: SessionError, message_id: str | int | None) -> None:
        await self._send_json(
            {
                "type": ServerMessage.ERROR,
                "code": error.code,
                "detail": str(error),
                "id": message_id,
            }
        )

    async def _send_json(self, message: dict[str, Any]) -> None:
        await self.outlet.send(Frame.of(message))

    def unsent(self) -> int:
        """Return how many bytes wait in the server's own buffers, as far as that can be known."""
        return self.outlet.unsent()

    # Rights

    @property
    def caller(self) -> Caller:
        """Return who this is."""
        caller: Caller = self.scope["caller"]
        return caller

    @property
    def credential(self) -> Credential:
        """Return by what it was let in."""
        credential: Credential = self.scope["credential"]
        return credential

    def watched(self) -> Collection[str]:
        """Return the ids of the sessions that it shows."""
        return self.viewer.watched() if self.viewer else ()

    def look_at(self, session_id: str) -> None:
        """Find out what may be shown of this session by now."""
        if self.viewer is not None:
            self.viewer.look_at(session_id)

    async def _check_rights(self, session_id: str) -> Session:
        """Return the session if this client may type into it now.

        Raises SessionNotFound and NotAllowed.
        """
        session = await self.fan_out.log.run(self._controlled, session_id)
        if session is None:
            await self.close(CloseCode.LOGIN_ENDED)
            raise NotAllowed("Your login has ended. Log in again to go on.")
        return session

    def _controlled(self, session_id: str) -> Session | None:
        """Return the session, None if the login has ended: asked in one go, for every key."""
        by_now = self.credential.examine()
        if by_now is None or not by_now.still_is(self.caller):
            return None
        return self._check_control(session_id)

    def _check_control(self, session_id: str) -> Session:
        visible = Session.objects.visible_to(self.caller)
        try:
            session = visible.only("owner_id", "name", "command_line").get(pk=session_id)
        except Session.DoesNotExist:
            raise SessionNotFound("There is no such session.") from None
        if not self.caller.controls(session.owner_id, Right.INPUT):
            audit.repeated(audit.Action.REFUSED, self.who, session, what="input")
            raise NotAllowed("You may look at this session, but not type into it.")
        return session
