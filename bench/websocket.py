"""A websocket client of the least that viewers need (RFC 6455): text frames, pings, no extensions.

A thousand viewers share two cores with the server that they measure, so every microsecond counts;
this client splits what it receives and leaves the text as it came.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
HANDSHAKE_SECONDS = 30.0
RECEIVE_BYTES = 64 * 1024
# A key of zeros leaves the payload as it is; no server looks at how random it is.
_KEY = b"\0\0\0\0"


class Disconnected(Exception):
    """The server closed the connection."""


@dataclass(frozen=True)
class Endpoint:
    """Where the live stream is."""

    host: str
    port: int
    path: str
    headers: tuple[str, ...] = ()


def split(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the whole frames in `data` as `(opcode, payload)`, and the bytes after them.

    Raises ValueError for a frame that no server measured here sends: a fragment, or a masked one.
    """
    frames = []
    position, size = 0, len(data)
    while size - position >= 2:
        first, length = data[position], data[position + 1]
        begin = position + 2
        if length == 126:
            begin += 2
            length = int.from_bytes(data[position + 2 : begin], "big")
        elif length == 127:
            begin += 8
            length = int.from_bytes(data[position + 2 : begin], "big")
        elif length > 127:
            raise ValueError("a masked frame from the server")
        if size < begin + length:
            break
        if not first & 0x80 or first == 0x80:
            raise ValueError("a message in fragments")
        frames.append((first & 0x0F, data[begin : begin + length]))
        position = begin + length
    return frames, data[position:]


def missing(begun: bytes) -> int:
    """Return how many bytes at least a frame lacks that has begun so."""
    if len(begun) < 2:
        return 1
    length = begun[1]
    begin = {126: 4, 127: 10}.get(length, 2)
    if len(begun) < begin:
        return 1
    if begin > 2:
        length = int.from_bytes(begun[2:begin], "big")
    return begin + length - len(begun)


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one masked frame."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + _KEY + payload


class Connection:
    """One live stream. `rest` is what was received and is not yet a whole frame."""

    def __init__(self, endpoint: Endpoint) -> None:
        address = (endpoint.host, endpoint.port)
        self.socket = socket.create_connection(address, HANDSHAKE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
        self._shake_hands(endpoint)

    def _shake_hands(self, endpoint: Endpoint) -> None:
        lines = [
            f"GET {endpoint.path} HTTP/1.1",
            f"Host: {endpoint.host}:{endpoint.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            *endpoint.headers,
        ]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._receive()
        head, _, self.rest = answer.partition(b"\r\n\r\n")
        if head.split(b" ", 2)[1] != b"101":
            raise ConnectionError(head.splitlines()[0].decode("latin-1"))

    def _receive(self) -> bytes:
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            raise Disconnected
        return data

    def send(self, text: str) -> None:
        """Send a text message."""
        self.socket.sendall(frame(TEXT, text.encode()))

    def texts(self, seconds: float) -> Iterator[bytes]:
        """Yield the text messages as they come.

        Raises TimeoutError when they do not end in so many seconds, and Disconnected.
        """
        deadline = time.monotonic() + seconds
        while True:
            frames, self.rest = split(self.rest)
            for opcode, payload in frames:
                if opcode == TEXT:
                    yield payload
                elif opcode == PING:
                    self.socket.sendall(frame(PONG, payload))
                elif opcode == CLOSE:
                    raise Disconnected(int.from_bytes(payload[:2], "big"))
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            self.rest += self._receive()

    def close(self) -> None:
        """Leave."""
        self.socket.close()
