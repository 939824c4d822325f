"""One viewer of the load generator: a connection that is read without waiting, and its judges."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import lru_cache

from bench import websocket, wire
from bench.judges import Judge
from bench.plan import Plan
from bench.wire import Control, Message, Output, Told

# As the pages acknowledge: every so many bytes, or after so long.
ACKNOWLEDGE_BYTES = 32 * 1024
ACKNOWLEDGE_NS = 1_000_000_000
# A server may tell that a program has ended before the last of its output.
AFTER_END_NS = 1_000_000_000

# One buffer for all: to have the kernel fill a new one for each message costs more than to read it.
_RECEIVED = memoryview(bytearray(256 * 1024))
# Viewers that are level receive the same bytes, so reading them once is enough. More than this is
# read anew: to tell whether it is the same costs as much.
CACHED_BYTES = 16 * 1024
_read_again = lru_cache(maxsize=64)(wire.read_stream)


class Acknowledging:
    """How far one session of one viewer has been drawn and acknowledged."""

    __slots__ = ("drawn", "since", "told")

    def __init__(self) -> None:
        self.drawn = self.told = self.since = 0


class Viewer:
    """One connection and its judges."""

    def __init__(self, plan: Plan, make_judge: Callable[[], Judge]) -> None:
        self.connection = websocket.Connection(plan.endpoint)
        for text in plan.hello:
            self.connection.send(text)
        self.connection.socket.setblocking(False)
        self.missing = plan.attached_count
        self.done = False
        self.resets = self.messages = self.text_bytes = self.last = self.finished = 0
        self._attached_kind = plan.attached_kind
        self._judges = {session: make_judge() for session in plan.sessions}
        self._acks = {each: Acknowledging() for each in plan.sessions} if plan.acknowledges else {}
        self._ended: set[str] = set()
        # Of a frame that is not whole yet, and how much of it is missing at least.
        self._pieces: list[bytes] = []
        self._wanted = 0
        # The first message may have come together with the handshake's answer.
        self._take(b"", time.monotonic_ns())

    @property
    def faults(self) -> list[str]:
        """Return what was wrong in any session."""
        return [fault for judge in self._judges.values() for fault in judge.faults]

    @property
    def complete(self) -> bool:
        """Tell whether everything has come, and nothing wrong."""
        return all(judge.complete for judge in self._judges.values()) and not self.faults

    def receive(self) -> None:
        """Take what the kernel has; raises Disconnected."""
        size = self.connection.socket.recv_into(_RECEIVED)
        now = time.monotonic_ns()
        if not size:
            raise websocket.Disconnected
        self._take(_RECEIVED[:size].tobytes(), now)

    def _take(self, data: bytes, now: int) -> None:
        for message in self._messages(data):
            if type(message) is Output:
                self._take_output(message, now)
            elif type(message) is Told:
                self._take_told(message)
            elif type(message) is Control:
                self._take_control(message)
        self.last = now

    def _messages(self, data: bytes) -> tuple[Message, ...]:
        """Return the messages that are whole by now."""
        connection = self.connection
        if self._pieces:
            self._pieces.append(data)
            self._wanted -= len(data)
            if self._wanted > 0:
                return ()
            data = b"".join(self._pieces)
            self._pieces.clear()
        elif connection.rest:
            data, connection.rest = connection.rest + data, b""
        read = _read_again if len(data) < CACHED_BYTES else wire.read_stream
        messages, rest = read(data)
        if rest:
            self._pieces.append(rest)
            self._wanted = websocket.missing(rest)
        return messages

    def _take_output(self, message: Output, now: int) -> None:
        self.messages += 1
        self.text_bytes += len(message.text)
        judge = self._judges.get(message.session)
        if judge is None or message.redraws:
            return
        judge.take(message.text, now)
        if judge.complete and not self.done:
            self.done = all(judge.complete for judge in self._judges.values())
            self.finished = now
        if self._acks:
            self._drawn(message.session, message.end, now)

    def has_nothing_to_come(self) -> bool:
        """Tell whether this viewer has everything, or what it lacks has been given up."""
        if self.done:
            return True
        if time.monotonic_ns() - self.last < AFTER_END_NS:
            return False
        return all(judge.complete or each in self._ended for each, judge in self._judges.items())

    def _take_told(self, message: Told) -> None:
        if message.kind == self._attached_kind:
            self.missing -= 1
        elif message.kind in wire.ENDS:
            self._ended.add(message.session)
        elif message.kind == wire.RESET:
            self.resets += 1

    def _take_control(self, message: Control) -> None:
        if message.opcode == websocket.CLOSE:
            raise websocket.Disconnected(int.from_bytes(message.payload[:2], "big"))
        if message.opcode == websocket.PING:
            self._send(websocket.frame(websocket.PONG, message.payload))

    def _drawn(self, session: str, end: int, now: int) -> None:
        ack = self._acks[session]
        ack.since = ack.since or now
        ack.drawn = end
        if end - ack.told >= ACKNOWLEDGE_BYTES or now - ack.since >= ACKNOWLEDGE_NS:
            self._acknowledge(session, ack)

    def _acknowledge(self, session: str, ack: Acknowledging) -> None:
        ack.told, ack.since = ack.drawn, 0
        text = json.dumps({"type": "ack", "sessionId": session, "offset": ack.drawn})
        self._send(websocket.frame(websocket.TEXT, text.encode()))

    def acknowledge_what_is_drawn(self, now: int) -> None:
        """Acknowledge what went quiet."""
        for session, ack in self._acks.items():
            if ack.since and now - ack.since >= ACKNOWLEDGE_NS:
                self._acknowledge(session, ack)

    def _send(self, data: bytes) -> None:
        # These messages are small; a socket that takes none of them is a fault worth dying of.
        self.connection.socket.sendall(data)
