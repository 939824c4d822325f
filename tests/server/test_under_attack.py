"""The whole server, as bin/run starts it, while somebody without a login means it no good."""

from __future__ import annotations

import os
import select
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.real_server import RealServer, running
from tests.server.raw_client import RawClient
from tests.waiting_for import until

KIB = 1024
MIB = 1024 * KIB
FLOOD = 500_000_000  # bytes
DRIPPING = 500  # connections


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """One for all of them: nothing here does it harm."""
    with running(tmp_path_factory.mktemp("attacked") / "state") as started:
        started.request("GET", "/api/sessions")
        yield started


def forget_peak_memory(server: RealServer) -> int:
    """Begin to note the most memory anew (proc(5), clear_refs); what there is now."""
    assert server.process is not None
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
    return server.peak_memory()


def flood(client: RawClient, piece: bytes) -> int:
    """Send up to 500 MB until the server says something; how much was taken."""
    sent, left = 0, memoryview(piece)
    client.socket.setblocking(False)
    while sent < FLOOD:
        readable, writable, _ = select.select([client.socket], [client.socket], [], 10)
        if readable or not writable:
            break
        count = client.socket.send(left)
        sent, left = sent + count, left[count:] or memoryview(piece)
    client.socket.settimeout(10)
    return sent


@pytest.mark.parametrize(
    ("header", "piece"),
    [
        (f"Content-Length: {FLOOD}", b"x" * MIB),
        ("Transfer-Encoding: chunked", b"100000\r\n" + b"x" * MIB + b"\r\n"),
    ],
    ids=["length", "chunks"],
)
def test_500_megabytes_without_a_login_are_refused_within_a_second_and_cost_no_memory(
    server: RealServer, header: str, piece: bytes
) -> None:
    client = RawClient(server.port)
    before = forget_peak_memory(server)
    began = time.monotonic()
    client.ask("/api/sessions", header, method="POST")
    flood(client, piece)
    assert client.status() == 413
    duration = time.monotonic() - began
    client.close()
    cost = server.peak_memory() - before
    print(f"refused after {duration * 1000:.1f} ms, at a cost of {cost / MIB:.2f} MiB")  # noqa: T201
    assert duration < 1
    assert cost < 5 * MIB


def test_a_client_that_sends_500_megabytes_without_reading_is_cut_soon(server: RealServer) -> None:
    client = RawClient(server.port)
    before = forget_peak_memory(server)
    client.ask("/api/sessions", f"Content-Length: {100 * FLOOD}", method="POST")
    client.send(b"x" * KIB)
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        client.send_for(10)
    assert server.peak_memory() - before < 5 * MIB
    client.close()


def test_a_message_of_500_megabytes_costs_no_memory(server: RealServer) -> None:
    client = RawClient(server.port)
    client.upgrade("/ws", f"Authorization: Bearer {server.token}")
    before = forget_peak_memory(server)
    client.send(b"\x81\xff" + struct.pack("!Q", FLOOD) + b"mask")
    frames = [client.heard()]
    while frames[-1][0] != 8:
        frames.append(client.heard())
    assert frames[-1][1][:2] == struct.pack("!H", 1009)
    with suppress(OSError):
        flood(client, b"x" * MIB)
    assert server.peak_memory() - before < 5 * MIB
    client.close()


def test_who_asks_without_end_and_reads_nothing_costs_little_memory_and_is_cut_off(
    server: RealServer,
) -> None:
    client = RawClient(server.port)
    client.upgrade("/ws?subscribe=none", f"Authorization: Bearer {server.token}")
    before = forget_peak_memory(server)
    # The answer repeats the id.
    content = b'{"type":"?","id":"' + b"\\u0001" * 10_000 + b'"}'
    message = b"\x81\xfe" + struct.pack("!H", len(content)) + bytes(4) + content
    with pytest.raises(OSError, match=r"reset|Broken pipe|timed out"):
        send_steadily(client, message, seconds=40)
    assert server.peak_memory() - before < 10 * MIB
    client.close()


def send_steadily(client: RawClient, message: bytes, seconds: float) -> None:
    """Send it 200 times a second, less often than a server is in a hurry to answer."""
    began = sent = time.monotonic()
    while sent < began + seconds:
        client.send(message)
        until(lambda sent=sent: time.monotonic() > sent + 0.005)  # type: ignore[misc]
        sent = time.monotonic()


def test_a_token_takes_two_megabytes_and_no_more(server: RealServer) -> None:
    body = {"command": "x" * (2 * MIB - 100)}
    assert server.answer("POST", "/api/sessions", body).json()["code"] != "too-large"
    client = RawClient(server.port)
    bearer = f"Authorization: Bearer {server.token}"
    client.ask("/api/sessions", bearer, f"Content-Length: {2 * MIB + 1}", method="POST")
    assert client.status() == 413
    client.close()


def test_500_connections_that_drip_keep_nobody_out_and_are_cut(server: RealServer) -> None:
    clients = [RawClient(server.port) for _ in range(DRIPPING)]
    began, longest = time.monotonic(), 0.0
    open_ones = clients
    while open_ones:
        assert time.monotonic() - began < 20, f"{len(open_ones)} are still connected"
        open_ones = [client for client in open_ones if client.drip(b"x")]
        since = time.monotonic()
        assert server.request("GET", "/api/sessions") == []
        longest = max(longest, time.monotonic() - since)
        until(lambda since=since: time.monotonic() > since + 0.5)  # type: ignore[misc]
    print(f"the slowest of the answers took {longest * 1000:.0f} ms")  # noqa: T201
    assert longest < 1
    for client in clients:
        client.close()


def test_it_works_in_a_folder_to_which_no_program_writes(server: RealServer) -> None:
    assert server.process is not None
    assert os.readlink(f"/proc/{server.process.pid}/cwd") == "/"


def test_daphne_started_by_hand_serves_without_these_bounds(tmp_path: Path) -> None:
    with running(tmp_path / "state", "daphne by hand") as server:
        assert server.request("GET", "/api/sessions") == []
