"""Where the database or Redis does not answer, whatever is begun ends with a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.real_server import PROJECT, RealServer

# Nothing listens on port 1.
DATABASE = {"DATABASE_URL": "postgresql://harness:secret-word@127.0.0.1:1/harness"}
REDIS = {"REDIS_URL": "redis://:secret-word@127.0.0.1:1/0"}


def begun(server: RealServer, command: str, **environment: str) -> tuple[int, str]:
    """The exit status of a command that ends by itself, and what it said."""
    if command == "runmanager":  # it asks for a Redis, and looks for it last
        environment = {**REDIS, **environment}
    argv = server.command() if command == "uvicorn" else [sys.executable, "manage.py", command]
    done = subprocess.run(
        argv,
        cwd=PROJECT,
        env={**server.environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stderr
    return done.returncode, done.stderr


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> RealServer:
    """One that nobody has started."""
    kind = "uvicorn" if "uvicorn" in request.node.name else "daphne"
    return RealServer(tmp_path, kind)


@pytest.mark.parametrize(
    "command", ["serve", "uvicorn", "runmanager", "migrate", "loginlink", "metricstoken"]
)
def test_a_database_that_does_not_answer_is_named(server: RealServer, command: str) -> None:
    status, said = begun(server, command, **DATABASE)
    assert status != 0
    assert "The database harness cannot be used: connection failed" in said
    assert "Does PostgreSQL run, and is DATABASE_URL right?" in said


@pytest.mark.parametrize("command", ["serve", "uvicorn", "runmanager"])
def test_a_redis_that_does_not_answer_is_named(server: RealServer, command: str) -> None:
    status, said = begun(server, command, **REDIS)
    assert status != 0
    assert "Redis cannot be used: Error 111 connecting to 127.0.0.1:1." in said
    assert "Does it run, and is REDIS_URL right?" in said


@pytest.mark.parametrize("command", ["serve", "runmanager", "loginlink"])
def test_a_database_that_nobody_has_prepared_is_said_to_be_so(
    server: RealServer, tmp_path: Path, command: str
) -> None:
    empty = {"DATABASE_URL": "", "HARNESS_STATE_DIR": str(tmp_path / "empty")}
    status, said = begun(server, command, **empty)
    assert status != 0
    assert "no such table" in said
    assert "Does `manage.py migrate` have to prepare it for this version?" in said
