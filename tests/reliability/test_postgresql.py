"""PostgreSQL goes away and comes back, and ends connections: nobody needs to start us anew."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.engines import Postgres, Redis
from tests.real_server import PROJECT, RealServer, running
from tests.reliability.programs import Printer
from tests.waiting_for import until

CAT = {"command": "cat", "workingDir": "/tmp"}
# No request is answered later than this, whatever the database does.
ANSWER_SECONDS = 25.0


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The URL of a database with this version's tables."""
    with postgres.database(postgres.migrated) as url:
        yield url


@pytest.fixture
def server(
    database: str, redis_server: Redis, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[RealServer]:
    """A server on PostgreSQL and Redis; under Daphne, if the test does not say otherwise."""
    engines = {"DATABASE_URL": database, "REDIS_URL": redis_server.url}
    with running(tmp_path / "state", getattr(request, "param", "daphne"), **engines) as server:
        yield server


def asked(database: str, statement: str) -> Any:
    """The only value that a statement finds."""
    with psycopg.connect(database, autocommit=True) as connection:
        (value,) = connection.execute(statement.encode()).fetchone() or (None,)
        return value


OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.mark.parametrize("server", ["uvicorn"], indirect=True)
def test_a_server_under_uvicorn_stops_although_postgresql_does_not_answer(
    server: RealServer, postgres: Postgres, printer: Callable[..., Printer]
) -> None:
    one = printer("program")
    session_id = server.launch(*one.argv)
    until(lambda: server.session(session_id)["outputBytes"] > 10_000, timeout=10)
    with postgres.paused():
        assert server.stop() == 0
    server.start()
    one.stop()
    until(lambda: server.session(session_id)["endedAt"], timeout=20)
    assert server.output(session_id) == one.printed()


def test_while_postgresql_is_away_that_is_said_and_afterwards_all_is_well_again(
    server: RealServer, postgres: Postgres, printer: Callable[..., Printer]
) -> None:
    one = printer("program")
    session_id = server.launch(*one.argv)
    until(lambda: server.session(session_id)["outputBytes"] > 10_000, timeout=10)

    postgres.stop()
    try:
        health = until(lambda: not_well(server), timeout=10)
        assert "127.0.0.1" not in health["reason"]
        assert str(postgres.port) not in health["reason"]
        for method, body in (("GET", None), ("POST", CAT)):
            begun = time.monotonic()
            answer = server.answer(method, "/api/sessions", body)
            assert time.monotonic() - begun < ANSWER_SECONDS
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json()["code"] == "database"
        printed = len(one.printed())
        until(lambda: len(one.printed()) > printed + 10_000, timeout=10)
    finally:
        postgres.start()

    until(server.is_healthy, timeout=10)
    assert server.answer("POST", "/api/sessions", CAT).status == 201
    one.stop()
    until(lambda: server.session(session_id)["endedAt"], timeout=20)
    assert server.output(session_id) == one.printed()


def not_well(server: RealServer) -> dict[str, Any]:
    """What /health says is wrong, nothing if all is well."""
    answer = server.answer("GET", "/health")
    found: dict[str, Any] = answer.json() if answer.status == 503 else {}
    return found


def test_connections_that_postgresql_ends_fail_nobody_who_comes_later(
    server: RealServer, database: str
) -> None:
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda _: server.request("GET", "/api/sessions"), range(32)))
    session_id = server.request("POST", "/api/sessions", CAT)["id"]
    assert asked(database, f"SELECT count(pg_terminate_backend(pid)) {OTHERS}") > 2

    with ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda _: server.answer("GET", "/api/sessions"), range(32))
        assert {answer.status for answer in answers} == {200}
    assert server.answer("POST", "/api/sessions", CAT).status == 201
    typed = {"data": "hello\r"}
    assert server.answer("POST", f"/api/sessions/{session_id}/input", typed).status == 202


def test_several_that_begin_on_an_empty_database_prepare_it_once(
    postgres: Postgres, tmp_path: Path
) -> None:
    with postgres.database() as url, ThreadPoolExecutor(3) as machines:
        ended = list(machines.map(lambda name: prepared(url, tmp_path / name), "abc"))
        assert [each.returncode for each in ended] == [0, 0, 0], [each.stderr for each in ended]
        assert asked(url, "SELECT count(*) FROM auth_user") == 1


def prepared(url: str, state: Path) -> subprocess.CompletedProcess[str]:
    """What bin/run does before it starts the server."""
    return subprocess.run(
        [sys.executable, "manage.py", "prepare", "--link-only"],
        cwd=PROJECT,
        env={"HOME": str(state.parent), "HARNESS_STATE_DIR": str(state), "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_database_that_is_not_there_is_said_in_a_sentence(
    postgres: Postgres, tmp_path: Path
) -> None:
    ended = prepared(postgres.databases.url(f"none_{secrets.token_hex(4)}"), tmp_path / "state")
    assert ended.returncode == 1
    assert "Does PostgreSQL run, and is DATABASE_URL right?" in ended.stderr
    assert "Traceback" not in ended.stderr
