"""A client of the live stream, in the server's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from channels.testing import WebsocketCommunicator

from sessions_app.consumers import SessionConsumer
from sessions_app.transport import SCOPE_KEY
from tests.sessions.direct_connection import DirectConnection


class Client:
    """A live stream as a client sees it; keeps what it has received."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.communicator = communicator
        self.received: list[dict[str, Any]] = []

    async def send(self, message: object) -> None:
        await self.communicator.send_json_to(message)

    async def send_text(self, text: str) -> None:
        await self.communicator.send_to(text_data=text)

    async def receive(self, timeout: float = 30) -> dict[str, Any]:
        message: dict[str, Any] = await self.communicator.receive_json_from(timeout)
        self.received.append(message)
        return message

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not wanted(message := await self.receive()):
            pass
        return message

    async def until_type(self, kind: str) -> dict[str, Any]:
        return await self.until(lambda message: message["type"] == kind)

    async def round_trip(self) -> None:
        """Wait until the server has done what the stream begins with, and all that was asked."""
        await self.send({"type": "ping"})
        await self.until_type("pong")
        self.received.pop()

    async def until_text(self, text: str) -> None:
        await self.until(lambda _: text in self.text())

    async def nothing_follows(self) -> bool:
        return bool(await self.communicator.receive_nothing(0.05))

    def text(self) -> str:
        outputs = [m for m in self.received if m["type"] == "session:output"]
        return "".join(m["data"] for m in outputs if not m.get("replay"))

    def events(self) -> list[str]:
        kinds = [m["type"] for m in self.received if m["type"].startswith("session:")]
        return [kind for kind in kinds if kind not in ("session:output", "session:updated")]

    async def close_code(self) -> int:
        while True:
            message = await self.communicator.receive_output(30)
            if message["type"] == "websocket.close":
                return int(message["code"])


class Streams:
    """Opens live streams."""

    def __init__(self) -> None:
        self._communicators: list[WebsocketCommunicator] = []

    async def open(
        self,
        scope: Mapping[str, Any],
        query: str = "",
        *,
        direct: bool = False,
        waiting: int = 0,
    ) -> Client:
        """Connect with what `scope` adds; `direct` takes ready frames, `waiting` bytes unsent."""
        communicator = WebsocketCommunicator(SessionConsumer.as_asgi(), f"/ws?{query}")
        communicator.scope |= scope
        if direct:
            connection = DirectConnection(communicator)
            connection.waiting = waiting
            communicator.scope[SCOPE_KEY] = connection
        self._communicators.append(communicator)
        await communicator.connect()
        return Client(communicator)

    async def close(self) -> None:
        """Leave those that the server has not cut off."""
        for communicator in self._communicators:
            if not communicator.future.done():
                await communicator.disconnect()


@asynccontextmanager
async def opened_streams() -> AsyncIterator[Streams]:
    """Streams that are closed in the end."""
    streams = Streams()
    yield streams
    await streams.close()


# What opens a live stream, with the query of its address, and waits for the initial state.
Connect = Callable[..., Awaitable[Client]]
