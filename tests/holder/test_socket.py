"""Nothing that a client does reaches the program or another client."""

from __future__ import annotations

import os
import signal
import socket
import struct
from pathlib import Path

import pytest

from sessions_app.holder import frames
from sessions_app.holder.clients import MAX_CLIENTS
from sessions_app.holder_client import HolderClient, HolderGone
from tests.waiting_for import auntil

from .conftest import Notes, Running, Start


class Stranger:
    """A client that says what it likes."""

    def __init__(self, folder: Path) -> None:
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(5)
        descriptor = os.open(folder, os.O_RDONLY)
        self.connection.connect(f"/proc/self/fd/{descriptor}/sock")
        os.close(descriptor)
        self.reader = frames.FrameReader()
        self.frames: list[tuple[bytes, bytes]] = []
        assert self.next()[0] == frames.HELLO

    def next(self) -> tuple[bytes, bytes]:
        """The next frame; (b"", b"") if the connection is over."""
        while not self.frames:
            try:
                data = self.connection.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                return b"", b""
            self.frames += self.reader.feed(data)
        return self.frames.pop(0)

    def ask(self, data: bytes) -> tuple[bytes, bytes]:
        self.connection.sendall(data)
        return self.next()


async def still_works(session: Running) -> None:
    await session.client.write(b"still works\n")
    await auntil(lambda: session.output().count(b"still works\r\n") == 2)


async def test_an_unknown_request_is_refused_and_the_connection_stays(start: Start) -> None:
    session = await start("cat")
    stranger = Stranger(session.folder)
    refused = stranger.ask(frames.encode_request(b"?", 7, b"what"))
    assert refused == (frames.REFUSED, struct.pack(">I", 7) + b"unknown-kind")
    assert stranger.ask(frames.encode_request(frames.RESIZE, 8, struct.pack(">HH", 90, 30))) == (
        frames.ACKNOWLEDGED,
        struct.pack(">IQ", 8, 0),
    )
    stranger.connection.close()
    await still_works(session)


@pytest.mark.parametrize(
    "request_",
    [
        frames.encode(frames.INPUT),
        frames.encode(frames.RESIZE, b"\0"),
        frames.encode_request(frames.RESIZE, 1, b"too short"),
        frames.encode_request(frames.RESIZE, 1, struct.pack(">HH", 0, 24)),
        frames.encode_request(frames.RESIZE, 1, struct.pack(">HH", 80, 1001)),
        frames.encode_request(frames.END, 1),
        frames.encode_request(frames.END, 1, struct.pack(">d", -1)),
    ],
)
async def test_a_malformed_request_is_refused(start: Start, request_: bytes) -> None:
    session = await start("cat")
    stranger = Stranger(session.folder)
    kind, payload = stranger.ask(request_)
    assert (kind, payload[4:]) == (frames.REFUSED, b"bad-request")
    stranger.connection.close()
    await still_works(session)


async def test_a_frame_that_is_too_long_ends_only_its_own_connection(start: Start) -> None:
    session = await start("cat")
    stranger = Stranger(session.folder)
    assert stranger.ask(struct.pack(">cI", frames.INPUT, frames.MAX_PAYLOAD + 1)) == (b"", b"")
    stranger.connection.close()
    await still_works(session)


async def test_a_client_that_leaves_in_the_middle_of_a_frame(start: Start) -> None:
    session = await start("cat")
    stranger = Stranger(session.folder)
    stranger.connection.sendall(frames.encode_request(frames.INPUT, 1, b"half a wo")[:-3])
    stranger.connection.close()
    await still_works(session)
    assert b"half" not in session.output()


async def test_a_client_that_leaves_without_waiting_for_its_answer(start: Start) -> None:
    session = await start("sh", "-c", "stty -echo; echo ready; cat")
    await session.prints(b"ready\r\n")
    for _ in range(50):
        stranger = Stranger(session.folder)
        stranger.connection.sendall(frames.encode_request(frames.INPUT, 1, b"a\n") * 10)
        stranger.connection.close()
    await auntil(lambda: session.output() == b"ready\r\n" + b"a\r\n" * 500)


async def test_frames_may_arrive_byte_by_byte(start: Start) -> None:
    session = await start("cat")
    stranger = Stranger(session.folder)
    for byte in frames.encode_request(frames.INPUT, 3, b"slowly\n"):
        stranger.connection.sendall(bytes([byte]))
    await session.prints(b"slowly\r\nslowly")
    stranger.connection.close()


async def test_many_clients_are_served_and_too_many_are_turned_away(start: Start) -> None:
    session = await start("cat")
    strangers = [Stranger(session.folder) for _ in range(MAX_CLIENTS - 1)]
    with pytest.raises(HolderGone):
        await HolderClient.connect(session.folder, Notes())
    await still_works(session)
    for stranger in strangers:
        assert stranger.next()[0] == frames.SIZE
        stranger.connection.close()


async def test_a_socket_that_was_removed_is_made_again_on_request(start: Start) -> None:
    session = await start("cat")
    (session.folder / "sock").unlink()
    with pytest.raises(HolderGone):
        await HolderClient.connect(session.folder, Notes())
    os.kill(session.identity.holder.pid, signal.SIGUSR1)

    async def connected() -> HolderClient | None:
        try:
            return await HolderClient.connect(session.folder, Notes())
        except HolderGone:  # the socket has its name before anybody listens
            return None

    second = await auntil(connected)
    assert second is not None
    await second.write(b"again\n")
    await second.close()
    await still_works(session)


async def test_the_listener_hears_when_the_holder_is_lost(start: Start) -> None:
    session = await start("cat")
    os.kill(session.identity.holder.pid, signal.SIGKILL)
    await auntil(lambda: session.notes.lost)
    with pytest.raises(HolderGone):
        await session.client.write(b"anybody?")


async def test_leaving_is_no_loss_and_the_program_goes_on(start: Start) -> None:
    session = await start("cat")
    await session.client.close()
    assert not session.notes.lost
    await session.connect()
    await still_works(session)
    await session.client.end(0)
    await session.ends()
    assert not session.notes.lost
