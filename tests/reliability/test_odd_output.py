"""Output that no program should print, and sizes that no hand can drag."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from websockets.asyncio.client import ClientConnection

from tests.real_server import RealServer
from tests.reliability.programs import python
from tests.reliability.viewer_client import ENDS, connected
from tests.waiting_for import auntil, until

# It takes a tenth of that; a machine with other work to do keeps everybody waiting now and then.
HEALTH_SECONDS = 3.0
# Making the terminal raw throws away what was typed before.
_READY = "ready"
_RAW = (
    f"import os, random, sys, tty\ntty.setraw(1); os.write(1, b'{_READY}'); sys.stdin.readline()\n"
)
# Each prints what its expression says; the test evaluates the same expression.
ODD = {
    "a line of ten million characters": "b'x' * 10_000_000",
    "NUL bytes": "b'\\0' * 100_000 + b'a\\0b' * 100_000",
    "bytes that are not UTF-8": "random.Random(7).randbytes(1_000_000)",
    "every kind of broken character": (
        "b'\\xc3\\xe4\\xb8\\xf0\\x9f\\x99\\xff\\xfe\\x80\\xed\\xa0\\x80\\xc0\\xaf' * 20_000"
    ),
}
_WRITE = "data = {data}\nwhile data: data = data[os.write(1, data):]\n"
_CUT = (
    "data = ('a\\u00e9\\u4e2d\\U0001f642' * 3_000).encode(); chance = random.Random(3)\n"
    "while data:\n"
    "    size = os.write(1, data[:chance.randint(1, 5)]); data = data[size:]\n"
)


@contextmanager
def healthy_throughout(server: RealServer) -> Iterator[None]:
    """Ask after the server's health all the while; no answer may take HEALTH_SECONDS."""
    over, slowest = threading.Event(), [0.0]

    def ask() -> None:
        while not over.is_set():
            since = time.monotonic()
            healthy = server.is_healthy()
            slowest.append(time.monotonic() - since if healthy else float("inf"))
            over.wait(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        over.set()
        asking.join()
    assert max(slowest) < HEALTH_SECONDS


async def start_and_watch(server: RealServer, code: str) -> tuple[str, list[str]]:
    """Run the code, with a viewer from the first byte on; the session and what was seen."""
    session_id = await asyncio.to_thread(server.launch, *python(_RAW + code))
    pieces: list[str] = []
    offset, kind = 0, ""
    async with connected(server, "subscribe=none") as viewer:
        await viewer.recv()
        cursors = {session_id: {"seq": 0, "offset": 0}}
        await send(viewer, type="subscribe", sessions=[session_id], cursors=cursors)
        while kind not in ENDS:
            message = orjson.loads(await asyncio.wait_for(viewer.recv(), 30))
            kind = message["type"]
            if kind == "session:output":
                assert message["offset"] == offset
                offset = message["nextOffset"]
                pieces.append(message["data"])
                if offset == len(_READY):
                    await send(viewer, type="input", sessionId=session_id, data="\n", id=1)
    return session_id, pieces


async def send(viewer: ClientConnection, **message: object) -> None:
    await viewer.send(orjson.dumps(message).decode())


@pytest.mark.parametrize("kind", ODD)
async def test_odd_output_is_stored_exactly_and_stops_nobody(daphne: RealServer, kind: str) -> None:
    expected: bytes = eval(ODD[kind], {"random": __import__("random")})  # noqa: S307  # from above
    with healthy_throughout(daphne):
        session_id, pieces = await start_and_watch(daphne, _WRITE.format(data=ODD[kind]))
    expected = _READY.encode() + expected
    assert await asyncio.to_thread(daphne.output, session_id) == expected
    # How many replacement characters stand for broken bytes depends on where pieces were cut.
    seen, meant = ("".join(pieces), expected.decode("utf-8", "replace"))
    assert seen.replace("\ufffd", "") == meant.replace("\ufffd", "")
    screen = await asyncio.to_thread(daphne.request, "GET", f"/api/sessions/{session_id}/screen")
    assert screen["rows"] == len(screen["lines"])


async def test_characters_that_are_cut_anywhere_arrive_whole(daphne: RealServer) -> None:
    with healthy_throughout(daphne):
        session_id, pieces = await start_and_watch(daphne, _CUT)
    expected = _READY + "aé中🙂" * 3_000
    assert "".join(pieces) == expected
    assert await asyncio.to_thread(daphne.output, session_id) == expected.encode()


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_thousands_of_resizes_as_fast_as_the_socket_takes_them(
    daphne: RealServer, tmp_path: Path, count: int
) -> None:
    """Of those that come faster than they can be made only the newest count."""
    session_id = await asyncio.to_thread(daphne.launch, "cat")
    with healthy_throughout(daphne):
        async with connected(daphne) as viewer:
            for number in range(count):
                size = {"cols": 20 + number % 180, "rows": 5 + number % 60}
                await send(viewer, type="resize", sessionId=session_id, **size)
            await send(viewer, type="resize", sessionId=session_id, cols=81, rows=25, id="last")
            while True:
                message = orjson.loads(await asyncio.wait_for(viewer.recv(), 60))
                assert message["type"] != "error", message
                if message["type"] == "receipt":
                    break
        path = f"/api/sessions/{session_id}/input"
        await asyncio.to_thread(daphne.request, "POST", path, {"data": "still here\r"})
    await auntil(lambda: has_size(daphne, session_id, 81, 25))
    until(lambda: b"still here\r\nstill here" in daphne.output(session_id))
    events = daphne.request("GET", f"/api/sessions/{session_id}/events?limit=1000")
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


async def has_size(server: RealServer, session_id: str, cols: int, rows: int) -> bool:
    session = await asyncio.to_thread(server.session, session_id)
    return (session["cols"], session["rows"]) == (cols, rows)
