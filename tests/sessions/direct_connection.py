"""A connection that takes ready frames, as a server's does, for streams without a server."""

import struct

from channels.testing import WebsocketCommunicator


class DirectConnection:
    """Gives a communicator what is written; `waiting` is how much it says is unsent."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.waiting = 0
        self._communicator = communicator

    def unsent(self) -> int:
        return self.waiting

    def abort(self) -> None:
        raise AssertionError("no test cuts a stream")

    def read(self, *, on: bool) -> None:
        raise AssertionError("no test asks for more while so much is unsent")

    def write(self, wire: bytes) -> None:
        message = {"type": "websocket.send", "text": payload(wire).decode()}
        self._communicator.output_queue.put_nowait(message)


def payload(wire: bytes) -> bytes:
    """Take a server's text frame apart (RFC 6455, section 5.2)."""
    kind, length = wire[0], wire[1]
    assert kind == 0x81
    form = {126: ">H", 127: ">Q"}.get(length)
    begin = 2 + (struct.calcsize(form) if form else 0)
    if form:
        (length,) = struct.unpack(form, wire[2:begin])
    assert len(wire) == begin + length
    return wire[begin:]
