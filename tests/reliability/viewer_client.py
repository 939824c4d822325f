"""A reference client of the live stream: whatever happens to the server, it goes on where it was.

It checks what it is sent as strictly as it can: output by offset, events by `seq`, nothing missing
and nothing twice. Programs under it print valid UTF-8, so that text and bytes are the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import dataclass, field
from typing import Any

import orjson
import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.real_server import RealServer

ENDS = ("session:completed", "session:failed")
ACKNOWLEDGE_EVERY = 64 * 1024
RECONNECT_SECONDS = (0.02, 0.1)


def connected(server: RealServer, query: str = "", **options: Any) -> connect:
    """A websocket with the API token; keep-alive is off, for tests that stop reading."""
    return connect(
        f"ws://127.0.0.1:{server.port}/ws?{query}",
        additional_headers={"Authorization": f"Bearer {server.token}"},
        max_size=None,
        compression=None,
        **{"ping_interval": None, "open_timeout": 30, **options},
    )


@dataclass
class Watched:
    """How far the client is in one session, and whatever was wrong on the way there."""

    seq: int = 0
    offset: int = 0
    epoch: str | None = None
    acknowledged: int = 0
    resets: int = 0
    ended: bool = False
    faults: list[str] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)

    def cursor(self) -> dict[str, Any]:
        """As the server wants it."""
        epoch = {} if self.epoch is None else {"epoch": self.epoch}
        return {"seq": self.seq, "offset": self.offset, **epoch}

    def take(self, message: dict[str, Any]) -> None:
        """One message about this session."""
        kind = message["type"]
        if kind == "session:reset":
            self.resets += 1
        elif message.get("replay"):
            self.offset = message["nextOffset"]
        elif kind == "session:output":
            self._take_output(message)
        elif "seq" in message:
            self._take_event(message)

    def _take_output(self, message: dict[str, Any]) -> None:
        data = message["data"].encode()
        if message["offset"] != self.offset:
            self.faults.append(f"output at {message['offset']} instead of {self.offset}")
        if len(data) != message["nextOffset"] - message["offset"]:
            self.faults.append(f"the piece at {message['offset']} is {len(data)} bytes long")
        self.digest.update(data)
        self.offset = message["nextOffset"]

    def _take_event(self, message: dict[str, Any]) -> None:
        if message["seq"] != self.seq + 1:
            self.faults.append(f"event {message['seq']} after {self.seq}")
        if message["offset"] > self.offset:
            self.faults.append(f"event at {message['offset']} before output from {self.offset}")
        self.seq = message["seq"]
        self.ended = self.ended or message["type"] in ENDS


class ViewerClient:
    """Watches these sessions from their first byte to their end, through any number of crashes."""

    def __init__(self, server: RealServer, sessions: list[str], *, acknowledges: bool) -> None:
        self.watched = {session_id: Watched() for session_id in sessions}
        self.stalled: dict[str, str | None] = dict.fromkeys(sessions)
        self.close_codes: list[int | None] = []
        self.connections = 0
        self._server = server
        self._acknowledges = acknowledges

    @property
    def received(self) -> int:
        """All output so far, in bytes."""
        return sum(watched.offset for watched in self.watched.values())

    @property
    def faults(self) -> list[str]:
        """All that was wrong."""
        return [fault for watched in self.watched.values() for fault in watched.faults]

    @property
    def resets(self) -> int:
        """How often the server could not go on where the client was."""
        return sum(watched.resets for watched in self.watched.values())

    async def run(self) -> None:
        """Connect, and connect again, until every session has ended."""
        while not self._all_ended():
            try:
                async with connected(self._server, "subscribe=none") as socket:
                    self.connections += 1
                    await self._stay(socket)
            except websockets.ConnectionClosed as closed:
                self.close_codes.append(closed.rcvd.code if closed.rcvd else None)
            except (OSError, websockets.WebSocketException):
                pass  # nobody listens at the moment
            await asyncio.sleep(random.uniform(*RECONNECT_SECONDS))  # noqa: S311

    def _all_ended(self) -> bool:
        return all(watched.ended for watched in self.watched.values())

    async def _stay(self, socket: ClientConnection) -> None:
        first = orjson.loads(await socket.recv())
        for session in first["sessions"]:
            if session["id"] in self.watched:
                self.watched[session["id"]].epoch = session["epoch"]
        cursors = {session_id: known.cursor() for session_id, known in self.watched.items()}
        subscribe = {"type": "subscribe", "sessions": list(cursors), "cursors": cursors}
        await socket.send(orjson.dumps(subscribe).decode())
        while not self._all_ended():
            message = orjson.loads(await socket.recv())
            if message["type"] == "session:updated":
                self.stalled[message["session"]["id"]] = message["session"]["stalled"]
            session_id = message.get("sessionId")
            if session_id in self.watched:
                self.watched[session_id].take(message)
                await self._acknowledge(socket, session_id)

    async def _acknowledge(self, socket: ClientConnection, session_id: str) -> None:
        watched = self.watched[session_id]
        if self._acknowledges and watched.offset - watched.acknowledged >= ACKNOWLEDGE_EVERY:
            watched.acknowledged = watched.offset
            message = {"type": "ack", "sessionId": session_id, "offset": watched.offset}
            await socket.send(orjson.dumps(message).decode())
