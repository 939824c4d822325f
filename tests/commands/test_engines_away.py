"""Where the database or Redis does not answer, whatever is begun ends with a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engines import Postgres
from tests.real_server import PROJECT, RealServer

# Nothing listens on port 1.
DATABASE = {"DATABASE_URL": "postgresql://harness:secret-word@127.0.0.1:1/harness"}
UNPREPARED = "Does `manage.py migrate` have to prepare it for this version?"
REDIS = {"REDIS_URL": "redis://:secret-word@127.0.0.1:1/0"}


def begun(server: RealServer, command: str, **environment: str) -> str:
    """What a command said that has ended by itself, in vain."""
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
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stderr
    return done.stderr


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> RealServer:
    """One that nobody has started."""
    kind = "uvicorn" if "uvicorn" in request.node.name else "daphne"
    return RealServer(tmp_path, kind)


@pytest.mark.parametrize(
    "command", ["serve", "uvicorn", "runmanager", "migrate", "loginlink", "metricstoken"]
)
def test_a_database_that_does_not_answer_is_named(server: RealServer, command: str) -> None:
    said = begun(server, command, **DATABASE)
    assert "The database harness cannot be used: connection failed" in said
    assert "Does PostgreSQL run, and is DATABASE_URL right?" in said


@pytest.mark.parametrize("command", ["serve", "uvicorn", "runmanager"])
def test_a_redis_that_does_not_answer_is_named(server: RealServer, command: str) -> None:
    said = begun(server, command, **REDIS)
    assert "Redis cannot be used: Error 111 connecting to 127.0.0.1:1." in said
    assert "Does it run, and is REDIS_URL right?" in said


@pytest.mark.parametrize("command", ["serve", "runmanager", "loginlink"])
def test_a_database_that_nobody_has_prepared_is_said_to_be_so(
    server: RealServer, tmp_path: Path, command: str
) -> None:
    empty = {"DATABASE_URL": "", "HARNESS_STATE_DIR": str(tmp_path / "empty")}
    said = begun(server, command, **empty)
    assert "no such table" in said
    assert UNPREPARED in said


@pytest.mark.parametrize("command", ["serve", "loginlink"])
def test_nor_is_one_of_postgresql_that_nobody_has_prepared_of_any_use(
    server: RealServer, postgres: Postgres, command: str
) -> None:
    with postgres.database() as url:
        said = begun(server, command, DATABASE_URL=url)
    assert "does not exist" in said
    assert UNPREPARED in said
