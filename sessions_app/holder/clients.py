"""The holder's socket and whoever is connected to it.

Nobody connected can slow the holder: every socket is non-blocking, the size of the output is a hint
of which only the newest matters, and a client that does not read its answers is disconnected.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable

from . import frames
from .loop import READ, WRITE, Loop

NAME = "sock"
MAX_CLIENTS = 64
_MAX_UNSENT = 256 << 10
_RECEIVE_SIZE = 64 << 10
_ACCEPT_PAUSE = 1.0  # seconds, after the system had no descriptor left for another client


class Client:
    """One connection. Hints wait while anything else does, and then only the newest is sent."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection = connection
        self.descriptor = connection.fileno()
        self.reader = frames.FrameReader()
        self.unsent = bytearray()
        self.missed_hint = False
        self.deaf = False

    def flush(self) -> None:
        """Raises ConnectionAbortedError when it does not read, OSError when it has left."""
        try:
            while self.unsent:
                del self.unsent[: self.connection.send(self.unsent)]
        except BlockingIOError:
            if len(self.unsent) > _MAX_UNSENT:
                raise ConnectionAbortedError("the client does not read its answers") from None

    def receive(self) -> bytes:
        """b"" at the end of the connection; raises BlockingIOError and other OSErrors."""
        return self.connection.recv(_RECEIVE_SIZE)


class Clients:
    """Everyone who is connected.

    `greet()` gives the first frame of a connection, `size()` the newest hint;
    `handle(client, kind, payload)` is called for each frame that arrives.
    """

    def __init__(
        self,
        loop: Loop,
        greet: Callable[[], bytes],
        size: Callable[[], int],
        handle: Callable[[Client, bytes, bytes], None],
    ) -> None:
        self._loop = loop
        self._greet = greet
        self._size = size
        self._handle = handle
        self._clients: dict[int, Client] = {}
        self._listener = _listen()
        self._watch_listener()

    def __len__(self) -> int:
        return len(self._clients)

    def listen_again(self) -> None:
        """Make the socket's name anew, in case somebody removed it."""
        self.stop_listening()
        self._listener = _listen()
        self._watch_listener()

    def stop_listening(self) -> None:
        self._loop.cancel("accept")
        if self._listener.fileno() >= 0:
            self._loop.unwatch(self._listener.fileno())
            self._listener.close()
            _unlink_socket()

    def send(self, client: Client, frame: bytes) -> None:
        """Never waits; a client that has left meanwhile is ignored."""
        if self._has(client) and not client.deaf:
            client.unsent += frame
            self._flush(client)

    def _has(self, client: Client) -> bool:
        """Whether it is still connected: the number of its descriptor may be another's by now."""
        return self._clients.get(client.descriptor) is client

    def broadcast(self, frame: bytes) -> None:
        for client in list(self._clients.values()):
            self.send(client, frame)

    def broadcast_size(self) -> None:
        frame = self._size_frame()
        for client in list(self._clients.values()):
            if client.unsent:
                client.missed_hint = True
            else:
                self.send(client, frame)

    def _size_frame(self) -> bytes:
        return frames.encode(frames.SIZE, frames.OFFSET.pack(self._size()))

    def _watch_listener(self) -> None:
        self._loop.watch(self._listener.fileno(), READ, self._accept)

    def _accept(self, _events: int) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            self._loop.unwatch(self._listener.fileno())
            self._loop.call_in(_ACCEPT_PAUSE, "accept", self._watch_listener)
            return
        if len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return
        client = Client(connection)
        self._clients[client.descriptor] = client
        self.send(client, self._greet())

    def _ready(self, client: Client, events: int) -> None:
        try:
            if events & WRITE:
                self._flush(client)
            if events & READ:
                self._receive(client)
        except Exception:
            self._drop(client)
            raise

    def _receive(self, client: Client) -> None:
        try:
            data = client.receive()
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        try:
            for kind, payload in client.reader.feed(data):
                self._handle(client, kind, payload)
        except frames.FrameTooLong:
            self._drop(client)

    def _flush(self, client: Client) -> None:
        try:
            client.flush()
            if client.missed_hint and not client.unsent:
                client.missed_hint = False
                client.unsent += self._size_frame()
                client.flush()
        except ConnectionAbortedError:
            self._drop(client)
            return
        except OSError:  # it has left, but what it sent before is still to be read
            client.deaf = True
            client.unsent.clear()
        wanted = READ | WRITE if client.unsent else READ
        self._loop.watch(client.descriptor, wanted, lambda events: self._ready(client, events))

    def _drop(self, client: Client) -> None:
        if self._has(client):
            del self._clients[client.descriptor]
            self._loop.unwatch(client.descriptor)
            client.connection.close()


def _listen() -> socket.socket:
    """Bound by its bare name in the current folder: a whole path may be too long for unix(7)."""
    _unlink_socket()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.bind(NAME)
    os.chmod(NAME, 0o600)
    listener.listen(MAX_CLIENTS)
    return listener


def _unlink_socket() -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(NAME)
