"""The audit log of a real server: complete after a stop, and without any secret."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.real_server import RealServer, running
from tests.server.test_canaries import Browser
from tests.waiting_for import until

PASSWORD = "canary-password-71c3ab"  # noqa: S105  # of nobody
VARIABLE = "canary-variable-90ee12"
TYPED = "canary-typed-44d8f0"
CLIENT = {"X-Forwarded-For": "203.0.113.7"}

EXPECTED = {
    "login-link-made": 2,  # one of them before the server ran
    "token-made": 1,
    "server-started": 1,
    "session-started": 1,
    "session-typed-into": 2,  # one burst, or two if the machine is slow
    "stream-opened": 1,
    "login-failed": 1,
    "login": 1,
    "session-ended": 1,
    "session-forgotten": 1,
    "server-stopped": 1,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    with running(tmp_path / "state", HARNESS_TRUSTED_PROXIES="127.0.0.1") as server:
        yield server


def records(server: RealServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.manage("audit").splitlines()]


async def type_live(server: RealServer, session_id: str, text: str) -> None:
    """Type by the live stream, key by key."""
    headers = {"Authorization": f"Bearer {server.token}", **CLIENT}
    address = f"ws://127.0.0.1:{server.port}/ws?subscribe=none"
    async with websockets.connect(address, additional_headers=headers) as socket:
        await socket.recv()
        for number, character in enumerate(text):
            message = {"type": "input", "sessionId": session_id, "data": character, "id": number}
            await socket.send(json.dumps(message))
            assert json.loads(await socket.recv())["ok"]


def start(server: RealServer) -> str:
    body = {"command": "cat", "workingDir": "/tmp", "env": {"CANARY": VARIABLE}}
    answer = server.answer("POST", "/api/sessions", body, CLIENT)
    assert answer.status == 201, answer.body
    return str(answer.json()["id"])


def test_a_whole_run_is_recorded_without_its_secrets(server: RealServer) -> None:
    session_id = start(server)
    server.answer("POST", f"/api/sessions/{session_id}/input", {"data": TYPED + "\r"}, CLIENT)
    asyncio.run(type_live(server, session_id, TYPED + "\r"))
    browser = Browser(server)
    browser.send("GET", "/login")
    form = {"csrfmiddlewaretoken": browser.cookie("csrf")}
    assert browser.send("POST", "/login", {**form, "username": "x", "password": PASSWORD}) == 200
    one_time = server.manage("loginlink").strip().partition("#token=")[2]
    form |= {"csrfmiddlewaretoken": browser.cookie("csrf"), "token": one_time}
    assert browser.send("POST", "/login/link", form) == 204
    server.answer("POST", f"/api/sessions/{session_id}/end", {"grace": 0}, CLIENT)
    until(lambda: server.session(session_id)["endedAt"])
    server.answer("DELETE", f"/api/sessions/{session_id}", None, CLIENT)
    server.stop()

    found = records(server)
    assert Counter(record["action"] for record in found) - Counter(EXPECTED) == Counter()
    assert set(EXPECTED) <= {record["action"] for record in found}
    typed = [record for record in found if record["action"] == "session-typed-into"]
    assert sum(record["details"]["bytes"] for record in typed) == 2 * len(TYPED + "\r")
    of_session = [record for record in found if record["session"] == session_id]
    token = f"token token file of {socket.gethostname()}"
    assert {(r["via"], r["address"]) for r in of_session} == {(token, "203.0.113.7")}
    assert {record["sessionName"] for record in of_session} == {"cat"}
    told = json.dumps(found)
    for secret in (PASSWORD, VARIABLE, TYPED, server.token, one_time):
        assert secret not in told


def test_a_crash_costs_no_more_than_the_last_moments(server: RealServer) -> None:
    session_id = start(server)
    until(lambda: any(record["session"] == session_id for record in records(server)), timeout=15)
    server.kill()
    assert [r["action"] for r in records(server) if r["session"] == session_id] == [
        "session-started"
    ]
