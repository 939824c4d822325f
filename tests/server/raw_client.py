"""A client that says whatever it likes, byte by byte."""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import time
from typing import Any


class RawClient:
    """One TCP connection to a server on this machine."""

    def __init__(
        self, port: int, *, source: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.socket = socket.create_connection(
            ("127.0.0.1", port), timeout=10, source_address=(source, 0)
        )
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.port = port

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def ask(self, path: str = "/", *headers: str, method: str = "GET", body: bytes = b"") -> None:
        """Send a request, whole as far as it is given."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers, "", ""]
        self.send("\r\n".join(lines).encode("latin-1") + body)

    def answer(self) -> tuple[int, dict[str, str], Any]:
        """Read one answer with a length: its status, headers in lower case, JSON."""
        head = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = self._read(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, json.loads(body)

    def status(self) -> int:
        """Read one answer; its status."""
        return self.answer()[0]

    def upgrade(self, path: str, *headers: str) -> None:
        """Become a live stream."""
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        version = "Sec-WebSocket-Version: 13"
        self.ask(path, "Upgrade: websocket", "Connection: Upgrade", key, version, *headers)
        assert self.read_until(b"\r\n\r\n").split()[1] == b"101"

    def say(self, text: bytes) -> None:
        """Send a message of at most 64 KiB."""
        long = len(text) > 125
        length = struct.pack("!BH", 254, len(text)) if long else bytes([128 | len(text)])
        self.send(b"\x81" + length + b"\0\0\0\0" + text)

    def heard(self) -> tuple[int, bytes]:
        """Read one frame; its kind and what it carries."""
        kind, length = self._read(2)
        if length > 125:
            size = 2 if length == 126 else 8
            length = int.from_bytes(self._read(size))
        return kind & 15, self._read(length)

    def is_open(self) -> bool:
        """Whether the server has neither closed the connection nor sent anything."""
        return not select.select([self.socket], [], [], 0)[0]

    def drip_until_cut(self, data: bytes = b"x", *, every: float = 0.05) -> float:
        """Send a byte from time to time; after how many seconds the server cut the connection."""
        since = time.monotonic()
        while time.monotonic() - since < 10:
            try:
                self.socket.sendall(data)
            except OSError:
                return time.monotonic() - since
            if select.select([self.socket], [], [], every)[0] and not self._receive():
                return time.monotonic() - since
        raise AssertionError("not cut within 10 s")

    def drip(self, data: bytes) -> bool:
        """Send a little more of whatever it is, unless the server has ended the connection."""
        if not self.is_open():
            return False
        try:
            self.socket.send(data)
        except OSError:
            return False
        return True

    def send_for(self, seconds: float) -> None:
        """Send as much as the server takes; raises OSError when it takes no more."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.socket.send(b"x" * 65536)

    def ends_within(self, seconds: float) -> bool:
        """Whether the server ends the connection, whatever it says before."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0] and not self._receive():
                return True
        return False

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except OSError:
            return b""

    def read_until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            data += self.socket.recv(1) or self._ended()
        return data

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.socket.recv(size - len(data)) or self._ended()
        return data

    def _ended(self) -> bytes:
        raise AssertionError("the server ended the connection in the middle of an answer")
