"""Who is connected to a holder is told from who was, though descriptors have the same numbers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_app.holder.clients import NAME, Client, Clients
from sessions_app.holder.frames import encode
from sessions_app.holder.loop import Loop

HELLO, NEWS = encode(b"H", b"hello"), encode(b"N", b"news")


class Holder:
    """The clients of a holder that does nothing; `seen` are those from whom a frame came."""

    def __init__(self) -> None:
        self.seen: list[Client] = []
        self.loop = Loop()
        self.clients = Clients(self.loop, lambda: HELLO, lambda: 0, self.handle)

    def handle(self, client: Client, kind: bytes, payload: bytes) -> None:
        self.seen.append(client)

    def turn(self, many: int) -> None:
        """Let the loop go round until so many clients are connected, and once more."""
        while len(self.clients) != many:
            self.loop._run_ready()
        self.loop.call_in(0, "turn", lambda: None)
        self.loop._run_ready()


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Holder]:
    monkeypatch.chdir(tmp_path)
    holder = Holder()
    yield holder
    holder.clients.stop_listening()
    for client in list(holder.clients._clients.values()):
        holder.clients._drop(client)


def connected(holder: Holder) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(5)
    connection.connect(NAME)
    holder.turn(1)
    assert connection.recv(1000) == HELLO
    return connection


def test_an_answer_for_somebody_who_has_left_does_not_cut_off_who_came_since(
    holder: Holder,
) -> None:
    first = connected(holder)
    first.sendall(encode(b"Q", b"question"))
    while not holder.seen:
        holder.loop._run_ready()
    (gone,) = holder.seen
    first.close()
    holder.turn(0)
    second = connected(holder)
    (here,) = holder.clients._clients.values()
    assert here.descriptor == gone.descriptor

    holder.clients.send(gone, NEWS)
    holder.clients._drop(gone)

    holder.clients.broadcast(NEWS)
    assert second.recv(1000) == NEWS
    second.sendall(encode(b"Q", b"another"))
    while len(holder.seen) < 2:
        holder.loop._run_ready()
    assert holder.seen[1] is here
    second.close()
