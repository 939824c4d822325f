"""Viewers that stop reading cost the server little memory and the others nothing."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.real_server import RealServer, running
from tests.reliability.programs import python
from tests.reliability.viewer_client import ENDS, ViewerClient, connected

MB = 1024 * 1024
READERS = 9
COST = 8 * MB
# All of it, so that even a viewer that did not read for long can have every byte.
KEPT = {"HARNESS_OUTPUT_QUOTA": "2G"}
# One line of the program is 1 KiB on the terminal.
PROGRAM = """
import sys
sys.stdin.readline()
for number in range(int(sys.argv[1]) * 1024):
    sys.stdout.write('%01022d\\n' % number)
"""


def expected(megabytes: int) -> bytes:
    """The digest of what the program prints after the line that starts it."""
    digest = hashlib.sha256(b"\r\n")
    for number in range(megabytes * 1024):
        digest.update(b"%01022d\r\n" % number)
    return digest.digest()


async def stuck(server: RealServer, session_id: str, *, acknowledges: bool) -> ClientConnection:
    """A viewer with a small receive buffer; it may acknowledge once, and reads no more."""
    receiver = socket.socket()
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
    receiver.setblocking(False)
    await asyncio.get_running_loop().sock_connect(receiver, ("127.0.0.1", server.port))
    viewer = await connected(server, "subscribe=none", sock=receiver, max_queue=1)
    await viewer.recv()
    cursors = {session_id: {"seq": 0, "offset": 0}}
    await send(viewer, type="subscribe", sessions=[session_id], cursors=cursors)
    if acknowledges:
        await viewer.recv()
        await send(viewer, type="ack", sessionId=session_id, offset=0)
    return viewer


async def send(viewer: ClientConnection, **message: Any) -> None:
    await viewer.send(orjson.dumps(message).decode())


async def watch(server: RealServer, megabytes: int, stuck_ones: int) -> tuple[int, float]:
    """Print to nine viewers, with some that are stuck; the server's peak memory and the time."""
    session_id = await asyncio.to_thread(server.launch, *python(PROGRAM, str(megabytes)))
    readers = [ViewerClient(server, [session_id], acknowledges=False) for _ in range(READERS)]
    async with AsyncExitStack() as stack:
        idle = []
        for number in range(stuck_ones):
            one = await stuck(server, session_id, acknowledges=number % 2 == 1)
            idle.append(await stack.enter_async_context(one))
        watching = [asyncio.create_task(reader.run()) for reader in readers]
        since = time.monotonic()
        path = f"/api/sessions/{session_id}/input"
        await asyncio.to_thread(server.request, "POST", path, {"data": "\r"})
        await asyncio.wait_for(asyncio.gather(*watching), 20 + megabytes)
        duration, peak = time.monotonic() - since, server.peak_memory()
        for number, one in enumerate(idle):
            await is_brought_up_to_date(
                server, one, session_id, megabytes, acknowledged=number % 2 == 1
            )
    digest, size = expected(megabytes), megabytes * MB + 2
    for reader in readers:
        watched = reader.watched[session_id]
        assert (reader.faults, reader.resets) == ([], 0)
        assert (watched.offset, watched.digest.digest()) == (size, digest)
    return peak, duration


async def is_brought_up_to_date(
    server: RealServer,
    viewer: ClientConnection,
    session_id: str,
    megabytes: int,
    *,
    acknowledged: bool,
) -> None:
    """Once it reads again, it gets every byte, or, if it acknowledges, the screen.

    Whoever answers no ping for half a minute is cut off, and goes on with its cursor.
    """
    digest, seq, size, resets, kind = hashlib.sha256(), 0, 0, 0, ""
    while kind not in ENDS:
        try:
            message = orjson.loads(await asyncio.wait_for(viewer.recv(), 20))
        except websockets.ConnectionClosed:
            viewer = await come_again(server, session_id, {"seq": seq, "offset": size})
            continue
        kind = message["type"]
        seq = message.get("seq", seq)
        resets += kind == "session:reset"
        if kind == "session:output":
            size = message["nextOffset"]
            digest.update(message["data"].encode())
        if acknowledged and kind == "session:output":
            with suppress(websockets.ConnectionClosed):  # the next turn comes again
                await send(viewer, type="ack", sessionId=session_id, offset=size)
    await viewer.close()
    assert size == megabytes * MB + 2
    if acknowledged:
        assert resets == 1
    else:
        assert (resets, digest.digest()) == (0, expected(megabytes))


async def come_again(
    server: RealServer, session_id: str, cursor: dict[str, int]
) -> ClientConnection:
    viewer = await connected(server, "subscribe=none")
    await viewer.recv()
    await send(viewer, type="subscribe", sessions=[session_id], cursors={session_id: cursor})
    return viewer


@pytest.mark.parametrize("megabytes", [16, pytest.param(1024, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_two_stuck_viewers_cost_little_and_delay_nobody(
    tmp_path: Path, kind: str, megabytes: int
) -> None:
    with running(tmp_path / "without", kind, **KEPT) as server:
        usual, usual_time = await watch(server, megabytes, 0)
    with running(tmp_path / "with", kind, **KEPT) as server:
        peak, duration = await watch(server, megabytes, 2)
    figures = f"{kind}: {usual / MB:.1f} MB in {usual_time:.1f} s, "
    figures += f"with two stuck viewers {peak / MB:.1f} MB in {duration:.1f} s"
    print(figures)  # noqa: T201  # shown by pytest -rP
    assert peak - usual <= COST, figures
    # Two equal runs differ by more on a machine that does other things too.
    assert duration < usual_time * 2 + 2, figures
