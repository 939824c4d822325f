"""The server as a whole: real Daphne, real uvicorn, killed and started again."""

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import websockets

from tests.real_server import PROJECT, RealServer
from tests.server.raw_client import RawClient
from tests.waiting_for import until


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RealServer]:
    yield from running(tmp_path, request.param)


@pytest.fixture
def daphne(tmp_path: Path) -> Iterator[RealServer]:
    yield from running(tmp_path, "daphne")


def running(folder: Path, kind: str) -> Iterator[RealServer]:
    state = folder / "state"
    state.mkdir(mode=0o700)
    server = RealServer(state, kind).start()
    yield server
    if server.process is None:
        server.start()
    server.end_sessions()
    server.stop()


def connected(server: RealServer, query: str = "") -> Any:
    return websockets.connect(
        f"ws://127.0.0.1:{server.port}/ws?{query}",
        additional_headers={"Authorization": f"Bearer {server.token}"},
        max_size=None,
    )


def has_ended(server: RealServer, session_id: str) -> bool:
    return server.session(session_id)["endedAt"] is not None


def test_the_manager_runs_before_the_first_request(server: RealServer) -> None:
    assert server.request("GET", "/health")["status"] == "ok"


async def test_a_client_of_the_original_harness_gets_initial_state_and_events(
    server: RealServer,
) -> None:
    async with connected(server) as socket:
        first = json.loads(await socket.recv())
        assert first["type"] == "initial-state"
        assert first["sessions"] == []
        body = {"command": "echo hello", "workingDir": "/tmp"}
        session = await asyncio.to_thread(server.request, "POST", "/api/sessions", body)
        received: list[dict[str, Any]] = []
        while not received or received[-1]["type"] != "session:completed":
            received.append(json.loads(await asyncio.wait_for(socket.recv(), 10)))
    events = [m for m in received if m["type"] in ("session:started", "session:output")]
    assert {"type", "timestamp", "sessionId", "slot", "workingDir"} <= set(events[0])
    assert "".join(m["data"] for m in events[1:]) == "hello\r\n"
    listed = await asyncio.to_thread(server.request, "GET", "/api/sessions")
    assert [one["id"] for one in listed] == [session["id"]]


async def test_fifty_megabytes_reach_a_viewer_byte_for_byte_in_little_memory(
    server: RealServer,
) -> None:
    code = "import sys; [sys.stdout.write('%099d\\n' % n) for n in range(500_000)]"
    async with connected(server) as socket:
        await socket.recv()
        body = {"command": [sys.executable, "-c", code], "workingDir": "/tmp"}
        started = asyncio.create_task(
            asyncio.to_thread(server.request, "POST", "/api/sessions", body)
        )
        digest, size, kind = hashlib.sha256(), 0, ""
        while kind != "session:completed":
            message = json.loads(await asyncio.wait_for(socket.recv(), 20))
            kind = message["type"]
            if kind == "session:output" and not message.get("replay"):
                assert message["offset"] == size
                data = message["data"].encode()
                size += len(data)
                digest.update(data)
    expected = hashlib.sha256(b"".join(b"%099d\r\n" % n for n in range(500_000)))
    assert size == 101 * 500_000
    assert digest.digest() == expected.digest()
    assert server.peak_memory() < 200 * 1024 * 1024
    session = await started
    stored = await asyncio.to_thread(server.output, session["id"])
    assert hashlib.sha256(stored).digest() == expected.digest()


def test_a_program_never_notices_that_the_server_was_killed(
    daphne: RealServer, tmp_path: Path
) -> None:
    side = tmp_path / "side"
    code = (
        "import sys,time\n"
        f"side = open({str(side)!r}, 'w')\n"
        "for n in range(3000):\n"
        "    line = 'line %d é\\n' % n\n"
        "    side.write(line); sys.stdout.write(line); sys.stdout.flush()\n"
        "    time.sleep(0.0005)\n"
    )
    body = {"command": [sys.executable, "-c", code], "workingDir": "/tmp"}
    session_id = daphne.request("POST", "/api/sessions", body)["id"]
    for _ in range(3):
        until(lambda: daphne.session(session_id)["outputBytes"] > 0, timeout=10)
        daphne.kill()
        daphne.start()
    until(lambda: has_ended(daphne, session_id), timeout=30)
    session = daphne.session(session_id)
    assert (session["status"], session["exitCode"]) == ("completed", 0)
    assert daphne.output(session_id) == side.read_bytes().replace(b"\n", b"\r\n")


def test_stopping_the_server_leaves_programs_alone_and_says_why_sockets_close(
    server: RealServer,
) -> None:
    session = server.request("POST", "/api/sessions", {"command": "cat", "workingDir": "/tmp"})

    async def watch() -> int | None:
        async with connected(server) as socket:
            await socket.recv()
            stopping = asyncio.create_task(asyncio.to_thread(server.stop))
            await socket.wait_closed()
            await stopping
            code: int | None = socket.close_code
            return code

    # uvicorn closes sockets itself, before it tells the application: 1012 is "service restart".
    assert asyncio.run(watch()) == {"daphne": 4503, "uvicorn": 1012}[server.kind]
    assert psutil.pid_exists(session["pid"])
    server.start()
    assert server.session(session["id"])["status"] == "running"


def test_what_was_asked_before_the_server_was_asked_to_stop_is_done(daphne: RealServer) -> None:
    client = RawClient(daphne.port)
    body = json.dumps({"command": ["true"], "workingDir": "/tmp"}).encode()
    headers = ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    token = f"Authorization: Bearer {daphne.token}"
    client.ask("/api/sessions", token, *headers, method="POST")
    assert daphne.is_healthy()  # by now it has the head as well

    assert daphne.process is not None
    daphne.process.terminate()
    until(lambda: not daphne.is_healthy())
    client.send(body)

    assert client.status() == 201
    client.close()
    assert daphne.process.wait(10) == 0
    daphne.process = None


def test_a_second_server_on_the_same_state_folder_is_refused(daphne: RealServer) -> None:
    other = RealServer(daphne.state)
    done = subprocess.run(
        other.command(),
        cwd=PROJECT,
        env=other.environment,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert f"already works on {daphne.state}" in done.stderr
    assert daphne.is_healthy()


def test_files_of_the_state_folder_are_for_their_owner_alone(daphne: RealServer) -> None:
    daphne.request("POST", "/api/sessions", {"command": "cat", "workingDir": "/tmp"})
    modes = {
        str(path): path.stat().st_mode & 0o077
        for path in [daphne.state, *daphne.state.rglob("*")]
        if path.name != "server.log"
    }
    assert len(modes) > 5
    assert set(modes.values()) == {0}
