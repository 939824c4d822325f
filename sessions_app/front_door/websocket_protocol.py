"""One live stream: bounds on what the client says."""

from asyncio import TimerHandle
from collections.abc import Callable
from typing import Any

from daphne import ws_protocol
from twisted.internet.protocol import connectionDone

from sessions_app.front_door.limits import Limits

# Calls a function after so many seconds of the monotonic clock, as asyncio's loop does. Twisted's
# own timers go by the wall clock.
CallLater = Callable[[float, Callable[[], None]], TimerHandle]

MESSAGE_TOO_BIG = 1009  # RFC 6455, section 7.4.1
# Whoever is cut off earlier may never read the code that says why (autobahn's default is a second,
# in which a busy browser does not always answer).
CLOSE_SECONDS = 10
# How soon it is seen that the application has caught up.
LOOK_SECONDS = 0.05


class WebSocketProtocol(ws_protocol.WebSocketProtocol):
    """Refuses what is too long at its first byte, and reads no faster than is understood."""

    factory: "WebSocketFactory"
    gone: Callable[[], None]  # counts the connection no longer
    _looking: TimerHandle | None = None

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Do what the application says; Daphne would leave out the headers of an acceptance."""
        if message["type"] == "websocket.accept" and message.get("headers"):
            pairs = message["headers"]
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
            # Passed through to autobahn, which takes both.
            self.serverAccept((message.get("subprotocol"), headers))
        else:
            super().handle_reply(message)

    def onMessageFrameBegin(self, length: int) -> None:
        """Add up the announced lengths of a message's frames."""
        super().onMessageFrameBegin(length)
        limit = self.factory.limits.message_bytes
        if self.message_data_total_length > limit and not self.failedByMe:
            # Not dropped: the client is to hear why.
            self.failByDrop = False
            self.closeHandshakeTimeout = self.factory.limits.linger_seconds
            self._fail_connection(MESSAGE_TOO_BIG, f"A message has at most {limit} bytes.")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Pass a message on; none that comes after the goodbye."""
        if self.state == self.STATE_OPEN:
            super().onMessage(payload, isBinary)
            if self._looking is None and self._is_behind():
                self.transport.pauseProducing()
                self._look_later()

    def connectionLost(self, reason: Any = connectionDone) -> None:
        """Count the connection no longer."""
        try:
            super().connectionLost(reason)
        finally:
            if self._looking is not None:
                self._looking.cancel()
            self.gone()

    def _is_behind(self) -> bool:
        waiting: int = self.application_queue.qsize()
        return waiting >= self.factory.limits.waiting_messages

    def _look_later(self) -> None:
        self._looking = self.factory.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if self._is_behind():
            self._look_later()
        else:
            self._looking = None
            self.transport.resumeProducing()


class WebSocketFactory(ws_protocol.WebSocketFactory):
    """Makes the protocols of live streams."""

    protocol = WebSocketProtocol

    def __init__(self, server: Any, limits: Limits, call_later: CallLater) -> None:
        # No name of the server's software in its answers.
        super().__init__(server, server="")
        self.limits = limits
        self.call_later = call_later
        self.setProtocolOptions(
            autoPingTimeout=server.ping_timeout,
            allowNullOrigin=True,
            closeHandshakeTimeout=CLOSE_SECONDS,
            openHandshakeTimeout=server.websocket_handshake_timeout,
            # These would bound what the server sends as well.
            maxMessagePayloadSize=0,
            maxFramePayloadSize=0,
        )
