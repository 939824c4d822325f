"""What a real server writes to its log, and the ids by which its answers can be found in it."""

from __future__ import annotations

import json
import re
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from django.core.exceptions import ImproperlyConfigured

from harness_site import env
from tests.real_server import Answer, RealServer, running
from tests.waiting_for import until

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [\w.]+: .*")


def log_of(server: RealServer) -> list[str]:
    return (server.state / "server.log").read_text(encoding="utf-8").splitlines()


def request_id(answer: Answer) -> str:
    """The id in an answer, of which servers spell the header differently."""
    (found,) = [value for name, value in answer.headers.items() if name.lower() == "x-request-id"]
    return found


def fail_to_start(server: RealServer, **headers: str) -> tuple[str, str]:
    """Ask for a session whose folder cannot be made; its id, and that of the request."""
    folder = server.state / "sessions"
    shutil.rmtree(folder)
    folder.touch()
    try:
        body = {"command": ["true"], "workingDir": "/tmp"}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = server.answer("POST", "/api/sessions", body, headers=names)
    finally:
        folder.unlink()
        folder.mkdir(mode=0o700)
    assert answer.json()["status"] == "failed"
    return answer.json()["id"], request_id(answer)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealServer]:
    with running(tmp_path_factory.mktemp("logged") / "state", request.param) as server:
        yield server


@pytest.fixture
def json_server(tmp_path: Path) -> Iterator[RealServer]:
    told = {"HARNESS_LOG_FORMAT": "json", "HARNESS_HOST_NAME": "build-1"}
    with running(tmp_path / "state", **told) as server:
        yield server


def test_the_log_is_lines_by_default_with_ids_where_there_are_any(server: RealServer) -> None:
    session_id, name = fail_to_start(server)
    (line,) = [line for line in log_of(server) if f"{session_id} could not be started" in line]
    assert line.endswith(f" [session={session_id} request={name}]")
    (started,) = [line for line in log_of(server) if "manager of" in line]
    assert started.endswith(" stray folders")
    assert all(LINE.fullmatch(line) for line in log_of(server))


def test_the_log_is_objects_if_that_is_set(json_server: RealServer) -> None:
    session_id, name = fail_to_start(json_server)
    records: list[dict[str, Any]] = [json.loads(line) for line in log_of(json_server)]
    assert {record["host"] for record in records} == {"build-1"}
    assert all(record["time"].endswith("Z") for record in records)
    (failed,) = [each for each in records if "could not be started" in each["message"]]
    assert (failed["session"], failed["request"]) == (session_id, name)
    assert (failed["level"], failed["logger"]) == ("WARNING", "sessions_app.session_runs")


def test_what_clients_send_cannot_forge_a_line(server: RealServer) -> None:
    forged = "2026-01-31 12:00:00,000 INFO sessions_app.audit: nothing happened"
    for end in ("\n", "\r", "\u2028", "\x85"):
        path = urllib.parse.quote(f"/api/nowhere{end}{forged}")
        assert server.answer("GET", path).status == 404
    lines = log_of(server)
    assert any("nowhere" in line for line in lines)
    assert not any(line.startswith("2026-01-31 12:00:00,000") for line in lines)


def test_every_answer_names_its_request(server: RealServer) -> None:
    asked = ["/health", "/api/sessions", "/api/nowhere", "/api/schema", "/metrics"]
    names = [request_id(server.answer("GET", path)) for path in asked]
    refused = server.answer("GET", "/health", headers={"Host": "elsewhere.example"})
    assert refused.status == 421
    assert len({*names, request_id(refused)}) == len(asked) + 1


async def test_a_live_stream_is_named_when_it_is_opened(server: RealServer) -> None:
    address = f"ws://127.0.0.1:{server.port}/ws"
    headers = {"Authorization": f"Bearer {server.token}"}
    async with websockets.connect(address, additional_headers=headers) as socket:
        assert socket.response is not None
        assert re.fullmatch("[0-9a-f]{16}", socket.response.headers["X-Request-Id"])


def test_only_a_trusted_proxy_names_requests(server: RealServer, tmp_path: Path) -> None:
    told = {"X-Request-Id": "from-outside"}
    assert request_id(server.answer("GET", "/health", headers=told)) != "from-outside"
    with running(tmp_path / "other", HARNESS_TRUSTED_PROXIES="127.0.0.1") as trusting:
        assert request_id(trusting.answer("GET", "/health", headers=told)) == "from-outside"
        session_id, _ = fail_to_start(trusting, X_Request_Id="from-the-proxy")
        until(lambda: f"[session={session_id} request=from-the-proxy]" in log_of(trusting)[-1])


def test_a_format_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    formats = ("line", "json")
    monkeypatch.delenv("HARNESS_LOG_FORMAT", raising=False)
    assert env.choice("HARNESS_LOG_FORMAT", "line", known=formats) == "line"
    monkeypatch.setenv("HARNESS_LOG_FORMAT", " json ")
    assert env.choice("HARNESS_LOG_FORMAT", "line", known=formats) == "json"
    monkeypatch.setenv("HARNESS_LOG_FORMAT", "xml")
    sentence = "HARNESS_LOG_FORMAT must be one of line, json, not 'xml'."
    with pytest.raises(ImproperlyConfigured, match=sentence):
        env.choice("HARNESS_LOG_FORMAT", "line", known=formats)
