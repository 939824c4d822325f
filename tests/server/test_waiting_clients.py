"""Many clients that wait at once: the server answers others as before, and forgets who leaves."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.real_server import DATABASE_URL, ON_POSTGRESQL, RealServer
from tests.server.test_server import running
from tests.waiting_for import until

MANY = 100


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealServer]:
    yield from running(tmp_path, request.param)


def waiting(server: RealServer, session_id: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    client.sendall(
        f"GET /api/sessions/{session_id}/wait?for=ended&timeout=60 HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{server.port}\r\nConnection: close\r\n"
        f"Authorization: Bearer {server.token}\r\n\r\n".encode()
    )
    return client


def answer(client: socket.socket) -> bytes:
    with client, client.makefile("rb") as answer:
        return answer.read()


def open_databases(process: psutil.Process) -> int:
    if ON_POSTGRESQL:
        port = urlsplit(DATABASE_URL).port
        connections = process.net_connections("tcp")
        return sum(bool(each.raddr) and each.raddr.port == port for each in connections)
    # SQLite keeps descriptors of the database itself for the next connection, but not of its log.
    return sum(file.path.endswith("-wal") for file in process.open_files())


def test_a_hundred_wait_and_others_do_not_notice_and_nothing_is_left_of_those_who_leave(
    server: RealServer,
) -> None:
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    body = {"command": "cat", "workingDir": "/tmp"}
    session_id = server.request("POST", "/api/sessions", body)["id"]
    threads = process.num_threads()
    clients = [waiting(server, session_id) for _ in range(MANY)]
    until(lambda: process.num_threads() >= threads + MANY, timeout=20)
    until(lambda: open_databases(process) < 10, timeout=20)

    times = []
    for _ in range(20):
        begun = time.perf_counter()
        server.session(session_id)
        times.append(time.perf_counter() - begun)
    assert sorted(times)[10] < 0.1

    for client in clients[MANY // 2 :]:
        client.close()
    until(lambda: process.num_threads() < threads + MANY // 2 + 10, timeout=20)

    server.request("POST", f"/api/sessions/{session_id}/end", {"grace": 0})
    answers = [answer(client) for client in clients[: MANY // 2]]
    bodies = [json.loads(answer.partition(b"\r\n\r\n")[2]) for answer in answers]
    assert {body["reason"] for body in bodies} == {"ended"}
    assert {body["event"]["seq"] for body in bodies} == {2}
    until(lambda: process.num_threads() < threads + 10, timeout=20)
