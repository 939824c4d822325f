"""Downloads from a real server: bounded memory however large they are and however slowly read."""

import hashlib
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sessions_app.request_threads import IDLE_THREADS
from tests.real_server import RealServer
from tests.server.test_server import has_ended
from tests.waiting_for import until

MEGABYTE = 1024 * 1024


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealServer]:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    server = RealServer(state, request.param)
    server.environment["HARNESS_OUTPUT_QUOTA"] = str(2048 * MEGABYTE)
    yield server.start()
    server.end_sessions()
    server.stop()


def started(server: RealServer, megabytes: int) -> str:
    """Start a program that prints numbered lines of 100 bytes, and wait for its end."""
    code = f"for n in range({megabytes * 10_000}): print('%098d' % n)"
    body = {"command": [sys.executable, "-c", code], "workingDir": "/tmp"}
    session_id: str = server.request("POST", "/api/sessions", body)["id"]
    until(lambda: has_ended(server, session_id), timeout=600)
    return session_id


def begun(server: RealServer, path: str, headers: str = "Connection: close\r\n") -> socket.socket:
    """Ask for a download and read the headers of the answer only."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    client.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Authorization: Bearer {server.token}\r\nAccept: */*\r\n{headers}\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert head.split()[1] in (b"200", b"206"), head
    return client


def resident(server: RealServer) -> int:
    assert server.process is not None
    return int(psutil.Process(server.process.pid).memory_info().rss)


def drain(client: socket.socket, take: Callable[[bytes], object]) -> None:
    while piece := client.recv(MEGABYTE):
        take(piece)
    client.close()


@pytest.mark.parametrize("path", ["output?format=raw", "recording"])
def test_who_does_not_read_costs_no_memory(server: RealServer, path: str) -> None:
    session_id = started(server, 40)
    before = resident(server)
    client = begun(server, f"/api/sessions/{session_id}/{path}")
    assert server.process is not None
    sent = psutil.Process(server.process.pid)
    # It is stuck once it does not work any more.
    until(lambda: sent.cpu_percent(0.3) < 5, timeout=20)
    assert resident(server) - before < 16 * MEGABYTE
    client.close()


def test_who_goes_away_amid_a_download_leaves_no_thread_behind(server: RealServer) -> None:
    session_id = started(server, 20)
    path = f"/api/sessions/{session_id}/output?format=raw"
    assert server.process is not None
    sent = psutil.Process(server.process.pid)
    before = sent.num_threads()
    clients = [begun(server, path) for _ in range(2 * IDLE_THREADS)]
    until(lambda: sent.num_threads() >= before + IDLE_THREADS, timeout=10)
    for client in clients:
        client.close()
    until(lambda: sent.num_threads() < before + IDLE_THREADS, timeout=10)


def test_where_output_is_given_up_while_it_is_read_the_connection_is_cut(
    server: RealServer,
) -> None:
    session_id = started(server, 20)
    path = f"/api/sessions/{session_id}/output?format=raw"
    client = begun(server, path, "Connection: keep-alive\r\n")
    server.rows("DELETE FROM sessions_app_outputsegment WHERE start > 15000000")
    received = 0
    try:
        while piece := client.recv(MEGABYTE):
            received += len(piece)
    except ConnectionResetError:
        pass
    client.close()
    assert 0 < received < 20_000_000


@pytest.mark.long
def test_a_gigabyte_is_downloaded_by_ranges_and_recorded_in_bounded_memory(
    server: RealServer,
) -> None:
    lines = 10_000_000
    session_id = started(server, lines // 10_000)
    size, half = lines * 100, hashlib.sha256()
    for number in range(lines // 2, lines):
        half.update(b"%098d\r\n" % number)
    before = resident(server)

    got = hashlib.sha256()
    path = f"/api/sessions/{session_id}/output?format=raw"
    drain(begun(server, path, f"Range: bytes={size // 2}-\r\nConnection: close\r\n"), got.update)
    assert got.digest() == half.digest()

    received: list[int] = []
    drain(begun(server, path), lambda piece: received.append(len(piece)))
    assert sum(received) == size

    received.clear()
    path = f"/api/sessions/{session_id}/recording"
    drain(begun(server, path), lambda piece: received.append(len(piece)))
    assert sum(received) > size
    assert resident(server) - before < 32 * MEGABYTE
    assert server.peak_memory() < 250 * MEGABYTE
