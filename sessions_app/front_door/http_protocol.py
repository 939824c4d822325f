"""One client's connection: bounds on what it sends and on the time that it takes for that.

Twisted reads the head of a request, then its body, and only then hands it to Daphne. This looks
over Twisted's shoulder (twisted.web.http.HTTPChannel) at each of these steps.
"""

from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.web.http import HTTPChannel

from sessions_app.front_door.answers import (
    BAD_REQUEST,
    HEAD_TOO_LARGE,
    TOO_MANY_CONNECTIONS,
    Refusal,
    too_large,
)
from sessions_app.front_door.connections import Connection, Connections, Phase
from sessions_app.front_door.limits import Limits
from sessions_app.front_door.websocket_protocol import CallLater, WebSocketProtocol

ROOT_PATH = b"daphne-root-path"


class Request(WebRequest):
    """A request whose body is counted while it arrives."""

    channel: "Channel"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Forms are Django's affair; Twisted would parse them a second time.
        super().__init__(*args, **kwargs, parsePOSTFormSubmission=False)
        self.body_left = 0

    def has_credential(self) -> bool:
        """Tell whether the client claims to be somebody; whether it is, the application asks."""
        names = (b"Cookie", b"Authorization")
        return any(self.requestHeaders.hasHeader(name) for name in names)

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body, if it still fits."""
        self.body_left -= len(data)
        if self.body_left < 0:
            self.channel.refuse_body(self)
        else:
            super().handleContentChunk(data)

    def process(self) -> Any:
        """Answer the request, or let a live stream take over its connection."""
        channel, transport = self.channel, self.transport
        # Under TLS, the transport is a protocol itself, around the one that speaks HTTP.
        place = "wrappedProtocol" if channel.isSecure() else "protocol"
        processed = super().process()
        stream = getattr(transport, place, None)
        if isinstance(stream, WebSocketProtocol):
            stream.gone = channel.gone
            channel.becomes_a_stream()
        return processed


class Channel(HTTPChannel):
    """Twisted's parser for one connection, within the limits."""

    requestFactory = Request
    transport: Any
    connection: Connection

    def __init__(self, limits: Limits, connections: Connections, call_later: CallLater) -> None:
        super().__init__()
        self._limits = limits
        self._connections = connections
        self._call_later = call_later
        self._deadline: TimerHandle | None = None
        self._refused = False
        self.maxHeaders = limits.header_lines
        self.totalHeadersSize = limits.head_bytes
        self.MAX_LENGTH = limits.head_line_bytes

    # How far it is

    def connectionMade(self) -> None:
        """Wait for the first head."""
        super().connectionMade()
        self._enter(Phase.HEAD, self._limits.head_seconds, self.cut)

    def dataReceived(self, data: bytes) -> None:
        """Parse what arrived; the first byte after an answer begins the next head."""
        if self._refused:
            return
        super().dataReceived(data)
        if self.connection.phase is Phase.IDLE and (self._buffer or self.requests):
            self._enter(Phase.HEAD, self._limits.head_seconds, self.cut)

    def allHeadersReceived(self) -> None:
        """Judge the body by what the head says of it, before Twisted asks the client for it."""
        request, size = self.requests[-1], self.length
        request.body_left = self._limits.body_limit(has_credential=request.has_credential())
        if size is not None and size > request.body_left:
            self.refuse_body(request)
            return
        seconds = self._limits.body_deadline(request.body_left if size is None else size)
        self._enter(Phase.BODY, seconds, self.cut)
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        """Hand the request over, unless it was refused meanwhile."""
        if not self._refused:
            self._enter(Phase.BUSY)
            super().allContentReceived()

    def requestDone(self, request: Request) -> None:
        """Wait for the next request, which may have arrived already, or end."""
        if self.persistent:
            self._enter(Phase.IDLE, self._limits.idle_seconds, self._close)
        else:
            self._enter(Phase.CLOSING, self._limits.flush_seconds, self.cut)
        super().requestDone(request)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Count it no longer."""
        self.gone()
        super().connectionLost(reason)

    def becomes_a_stream(self) -> None:
        """Note that nobody waits for an answer any more."""
        self._enter(Phase.STREAM)

    def gone(self) -> None:
        """Count the connection no longer; also called for the live stream that it has become."""
        self._stop_clock()
        self._connections.forget(self.connection)

    # What is too much

    def lineReceived(self, line: bytes) -> None:
        """Take a line of the head."""
        if self._refused:
            return
        if self._receivedHeaderSize + len(line) > self.totalHeadersSize:
            self.refuse(HEAD_TOO_LARGE)
            return
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line that is too long."""
        self.refuse(HEAD_TOO_LARGE)

    def headerReceived(self, line: bytes) -> bool:
        """Take a header; False if the request ends with it."""
        if self._receivedHeaderCount >= self.maxHeaders:
            self.refuse(HEAD_TOO_LARGE)
            return False
        if line[: len(ROOT_PATH)].lower() == ROOT_PATH:
            return True  # dropped: Daphne would believe it, or stumble over it
        try:
            taken: bool = super().headerReceived(line)
        except ValueError:  # a length of more digits than Python reads
            self.refuse(BAD_REQUEST)
            return False
        return taken

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(BAD_REQUEST)

    def refuse_body(self, request: Request) -> None:
        """Refuse a request because of its body."""
        self.refuse(too_large(self._limits, has_credential=request.has_credential()))

    def refuse(self, refusal: Refusal) -> None:
        """Answer and close. What still arrives is dropped unread, so that the answer is read."""
        if self._refused:
            return
        self._refused = True
        self.clearLineBuffer()
        self._enter(Phase.CLOSING, self._limits.linger_seconds, self.cut)
        say_last(self.transport, refusal)

    # The end

    def cut(self) -> None:
        """End the connection at once."""
        self.gone()
        self.transport.abortConnection()

    def _close(self) -> None:
        """End the connection once its last answer is sent."""
        self._enter(Phase.CLOSING, self._limits.flush_seconds, self.cut)
        self.loseConnection()

    def _enter(
        self, phase: Phase, seconds: float = 0, then: Callable[[], None] | None = None
    ) -> None:
        """Note how far it is, and what happens if it is still there after so many seconds."""
        self._connections.enter(self.connection, phase)
        self._stop_clock()
        if then is not None:
            self._deadline = self._call_later(seconds, then)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def say_last(transport: Any, refusal: Refusal) -> None:
    """Answer, and say that nothing follows; TLS cannot say so and go on listening."""
    transport.write(refusal.to_bytes())
    if not ISSLTransport.providedBy(transport):
        transport.loseWriteConnection()


class Refused(Protocol):
    """A connection for which there is no room: it is told so."""

    transport: Any

    def __init__(self, factory: "Factory") -> None:
        self.factory = factory
        self._deadline: TimerHandle | None = None

    def connectionMade(self) -> None:
        """Answer whatever will be asked; say nothing if too many are being answered so."""
        self.factory.refusals += 1
        if self.factory.refusals > self.factory.limits.refusals:
            self.transport.abortConnection()
            return
        seconds = self.factory.limits.linger_seconds
        self._deadline = self.factory.call_later(seconds, self.transport.abortConnection)
        say_last(self.transport, TOO_MANY_CONNECTIONS)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Make room for another refusal."""
        self.factory.refusals -= 1
        if self._deadline is not None:
            self._deadline.cancel()


class Factory(HTTPFactory):
    """Lets connections in, within the limits."""

    def __init__(
        self, server: Any, limits: Limits, connections: Connections, call_later: CallLater
    ) -> None:
        super().__init__(server)
        self.limits = limits
        self.connections = connections
        self.call_later = call_later
        self.refusals = 0
        # Channels have clocks of their own.
        self.timeOut = None

    def buildProtocol(self, addr: Any) -> Protocol:
        """Return what speaks with the new client."""
        channel = Channel(self.limits, self.connections, self.call_later)
        channel.factory = self
        channel.timeOut = None
        connection = self.connections.admit(addr.host, channel.cut)
        if connection is None:
            return Refused(self)
        channel.connection = connection
        return channel

    def log(self, request: Any) -> None:
        """Keep no access log: addresses carry query strings."""

    def acceptableProtocols(self) -> list[bytes]:
        """HTTP/2 would need bounds of its own."""
        return [b"http/1.1"]
