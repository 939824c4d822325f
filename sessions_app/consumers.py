"""The live stream at /ws: a thin end of the fan-out for one client."""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import orjson
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error

from sessions_app import lifecycle
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
from sessions_app.events import PROTOCOL_VERSION, CloseCode, ServerMessage
from sessions_app.exceptions import ManagerUnavailable, SessionError, SessionNotFound
from sessions_app.fanout import FanOut, get_fan_out
from sessions_app.models import Session, SessionQuerySet
from sessions_app.session_manager import get_manager, to_wire
from sessions_app.transport import SCOPE_KEY
from sessions_app.viewer import Viewer

logger = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024
# Inputs that wait because their programs do not read; more are refused.
MAX_WAITING_INPUTS = 64
# Ended sessions that the first message names besides all active ones.
RECENT_SESSIONS = 100


class SessionConsumer(AsyncWebsocketConsumer):
    """Joins the group through the process's fan-out, sends the initial state, then streams.

    The scope's `user` has been let in by `sessions_app.websocket_access`.
    """

    # No channel of its own: the fan-out is the process's one receiver of the group.
    channel_layer_alias = "none"

    viewer: Viewer | None = None
    fan_out: FanOut
    _streaming: asyncio.Task[None] | None = None
    _inputs: set[asyncio.Task[None]]

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle one message without the thread hop by which Channels tidies up connections.

        No handler here uses the database in the event loop's thread.
        """
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        """Accept, join, send the initial state and begin to stream."""
        self._inputs = set()
        await self.accept()
        try:
            await lifecycle.ready()
            self.fan_out = get_fan_out()
        except ManagerUnavailable:
            await self.close(CloseCode.SERVER_STOPPING)
            return
        self.viewer = Viewer(
            self.fan_out, self._send_text, self._visible, self.scope.get(SCOPE_KEY)
        )
        self.fan_out.viewers.add(self.viewer)
        lifecycle.consumers.add(self)
        await self._send_initial_state()
        self._streaming = asyncio.create_task(self._stream(), name="stream-to-viewer")
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        if query.get("subscribe") != ["none"]:
            await self.viewer.subscribe(None, {}, True)

    async def disconnect(self, code: int) -> None:
        """Leave the fan-out."""
        lifecycle.consumers.discard(self)
        for task in (*self._inputs, *filter(None, [self._streaming])):
            task.cancel()
        if self.viewer is not None:
            self.fan_out.viewers.discard(self.viewer)
            self.viewer.close()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle one message of the client; what is wrong with it is answered as a message."""
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

    # Messages

    async def _handle(self, message: Message, message_id: str | int | None) -> None:
        if self.viewer is None:
            return
        match message:
            case Ping():
                await self._send_json({"type": ServerMessage.PONG})
            case Acknowledge(session_id=session_id, offset=offset):
                self.viewer.acknowledge(session_id, offset)
            case Subscribe(sessions=sessions, positions=positions, output=output):
                await self.viewer.subscribe(sessions, positions, output)
            case Resize(session_id=session_id, cols=cols, rows=rows):
                await self._check_visible(session_id)
                await get_manager().resize(session_id, cols, rows)
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
        if not self.viewer_knows(message.session_id):
            await self._check_visible(message.session_id)
        await get_manager().write(message.session_id, message.data)
        await self._send_receipt(message_id)

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

    async def _send_initial_state(self) -> None:
        sessions = await self.fan_out.log.run(self._initial_sessions)
        user = self.scope["user"]
        await self._send_json(
            {
                "type": ServerMessage.INITIAL_STATE,
                "sessions": sessions,
                "protocol": PROTOCOL_VERSION,
                "user": user.get_username(),
                "role": "admin" if user.is_superuser else "operator",
            }
        )

    def _initial_sessions(self) -> list[dict[str, Any]]:
        rows = self._visible().select_related("owner").active_first()
        active = self._visible().active().count()
        return [to_wire(row) for row in rows[: active + RECENT_SESSIONS]]

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
        await self._send_text(orjson.dumps(message).decode())

    async def _send_text(self, text: str) -> None:
        await self.base_send({"type": "websocket.send", "text": text})

    # Who may see what

    def _visible(self) -> SessionQuerySet:
        return Session.objects.visible_to(self.scope["user"])

    def viewer_knows(self, session_id: str) -> bool:
        """Tell whether this client watches the session, and so may see it."""
        return self.viewer is not None and self.viewer.watches(session_id)

    async def _check_visible(self, session_id: str) -> None:
        rows = self._visible().filter(pk=session_id)
        if not await self.fan_out.log.run(rows.exists):
            raise SessionNotFound("There is no such session.")
