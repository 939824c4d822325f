"""What ASGI does not offer: how much is not yet sent, cutting an answer short, and ready frames.

Daphne's `send` never waits and grows instead, and it leaves the client of a failed answer waiting
for the rest. And both servers encode the same message anew for every viewer, in 30 to 80 µs, where
handing a ready frame to the connection takes 7. So the server's own connection is used. It is
found by its shape, not by its type; where none is found, `send` itself is trusted.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Protocol

from sessions_app.live_frames import Frame
from sessions_app.metrics import counts

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_KEY = "harness.connection"


class Connection(Protocol):
    """The connection behind `send`."""

    def unsent(self) -> int:
        """Return how many bytes wait in its buffers."""

    def abort(self) -> None:
        """Cut it at once."""

    def read(self, *, on: bool) -> None:
        """Take in what the client sends, or leave it where it is."""

    def write(self, wire: bytes) -> None:
        """Send a whole websocket frame after all that was sent before; never waits.

        Nothing is sent once the connection is closing.
        """


class TwistedConnection:
    """Daphne's: `send` is `partial(handle_reply, protocol)`.

    A Twisted transport keeps one buffer that is being written and one of what came since
    (twisted.internet.abstract). Under TLS it encrypts what passes through its `write`.
    """

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._transport = transport = protocol.transport
        # A wrapper for TLS shows the attributes of what it wraps as if they were its own.
        is_plain = "socket" in vars(transport) and not getattr(transport, "TLS", False)
        self._socket = transport.socket if is_plain else None

    @classmethod
    def of(cls, send: Any) -> "TwistedConnection | None":
        """Return the connection if it has this shape."""
        protocol = next(iter(send.args), None) if isinstance(send, partial) else None
        transport = getattr(protocol, "transport", None)
        names = ("dataBuffer", "offset", "_tempDataLen", "abortConnection")
        return cls(protocol) if all(hasattr(transport, name) for name in names) else None

    def unsent(self) -> int:
        """Return how many bytes wait in its buffers."""
        transport = self._transport
        waiting: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return waiting

    def abort(self) -> None:
        """Cut it at once."""
        self._transport.abortConnection()

    def read(self, *, on: bool) -> None:
        """Take in what the client sends, or leave it where it is."""
        if on:
            self._transport.resumeProducing()
        else:
            self._transport.pauseProducing()

    def write(self, wire: bytes) -> None:
        """Send a whole websocket frame after all that was sent before; never waits."""
        protocol = self._protocol
        if protocol.state != protocol.STATE_OPEN:
            return
        if protocol.send_queue:  # autobahn holds something back that goes first
            protocol.sendData(wire)
            return
        sent = 0
        # What the kernel takes now, the reactor would send two rounds of its loop later.
        if self._socket is not None and not self.unsent():
            try:
                sent = self._socket.send(wire)
            except OSError:  # full, or broken: then the transport finds out by itself
                sent = 0
        if sent < len(wire):
            self._transport.write(wire[sent:])


class AsyncioConnection:
    """uvicorn's: `send` is a method of the protocol, whose transport is one of asyncio's."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    @classmethod
    def of(cls, send: Any) -> "AsyncioConnection | None":
        """Return the connection if it has this shape; only that of a websocket has."""
        protocol = getattr(send, "__self__", None)
        names = ("handshake_complete", "close_sent", "conn")
        has_shape = all(hasattr(protocol, name) for name in names)
        transport = getattr(protocol, "transport", None)
        return cls(protocol) if has_shape and hasattr(transport, "get_write_buffer_size") else None

    def unsent(self) -> int:
        """Return how many bytes wait in its buffers."""
        waiting: int = self._protocol.transport.get_write_buffer_size()
        return waiting

    def abort(self) -> None:
        """Cut it at once."""
        self._protocol.transport.abort()

    def read(self, *, on: bool) -> None:
        """Take in what the client sends, or leave it where it is."""
        if on:
            self._protocol.transport.resume_reading()
        else:
            self._protocol.transport.pause_reading()

    def write(self, wire: bytes) -> None:
        """Send a whole websocket frame after all that was sent before; never waits."""
        protocol = self._protocol
        # The protocol answers a client's goodbye without saying so elsewhere.
        is_open = protocol.handshake_complete and not protocol.close_sent
        if is_open and protocol.conn.state.name == "OPEN":
            protocol.transport.write(wire)


def connection_of(send: Any) -> Connection | None:
    """Return the connection behind a server's `send`, if it is of a known shape."""
    return TwistedConnection.of(send) or AsyncioConnection.of(send)


def with_connection(application: Application) -> Application:
    """Put the connection, or None, into the scope, before `send` is wrapped."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope[SCOPE_KEY] = connection_of(send)
        await application(scope, receive, send)

    return wrapped


class Outlet:
    """Where the frames of one live stream go."""

    def __init__(self, send: Send, connection: Connection | None) -> None:
        self._send = send
        self._connection = connection
        # Whether `put` works here.
        self.never_waits = connection is not None

    def put(self, frame: Frame) -> bool:
        """Send it without waiting; False where only `send` can."""
        if self._connection is None:
            return False
        self._connection.write(frame.wire)
        counts.sent_messages += 1
        counts.sent_bytes += len(frame.wire)
        return True

    async def send(self, frame: Frame) -> None:
        """Send it, however long that takes."""
        if not self.put(frame):
            await self._send({"type": "websocket.send", "text": frame.text})
            counts.sent_messages += 1
            counts.sent_bytes += len(frame.wire)

    def read(self, *, on: bool) -> None:
        """Take in what the client sends, or leave it where it is, as far as that can be done."""
        if self._connection is not None:
            self._connection.read(on=on)

    def abort(self) -> None:
        """Cut the connection at once, as far as that can be done."""
        if self._connection is not None:
            self._connection.abort()

    def unsent(self) -> int:
        """Return how many bytes wait in the server's own buffers, as far as that can be known."""
        return self._connection.unsent() if self._connection else 0
