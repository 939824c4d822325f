"""Dump, wipe, restore, everything there: by the commands of docs/deployment.md, word for word."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

from tests.deployment.files import tried
from tests.engines import Postgres, postgresql_programs
from tests.real_server import PROJECT, RealServer
from tests.waiting_for import until

# docker compose exec -T SERVICE COMMAND, and docker compose run --rm SERVICE COMMAND
DOCKER = """#!/bin/sh
case $2 in
    exec) shift 4; exec "$@" ;;
    run) shift 4; exec $MANAGE "$@" ;;
    *) exit 2 ;;
esac
"""


class Engine(Protocol):
    """A database engine; `name` is how the page calls it."""

    name: str

    def set_up(self, server: RealServer) -> None:
        """Let the server, which does not run yet, use it."""

    def environment(self, server: RealServer) -> dict[str, str]:
        """Return the variables that the page's commands use."""

    def wipe(self, server: RealServer) -> None:
        """Lose everything."""

    def is_sound(self, server: RealServer) -> bool:
        """Tell whether the engine finds nothing wrong."""


class Sqlite:
    """The database in the state folder."""

    name = "SQLite"

    def set_up(self, server: RealServer) -> None:
        """It has one already."""

    def environment(self, server: RealServer) -> dict[str, str]:
        """Return the variables that the page's commands use."""
        return {"HARNESS_STATE_DIR": str(server.state)}

    def wipe(self, server: RealServer) -> None:
        """Lose the whole folder."""
        shutil.rmtree(server.state)

    def is_sound(self, server: RealServer) -> bool:
        """Tell whether the engine finds nothing wrong."""
        with closing(sqlite3.connect(server.state / "harness.sqlite3")) as database:
            return database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


class Postgresql:
    """A database of its own, and the key in a variable, as where there are several processes.

    It is called as the page calls it, and so is the role, who is the engine's administrator here.
    """

    name = "PostgreSQL"

    def __init__(self, engine: Postgres) -> None:
        self._engine = engine
        self._database = "harness"

    def set_up(self, server: RealServer) -> None:
        """Make the database."""
        url = self._engine.databases.create(self._database, self._engine.migrated)
        server.environment |= {"DATABASE_URL": url, "HARNESS_SECRET_KEY": secrets.token_hex(32)}
        server.renew_token()

    def environment(self, server: RealServer) -> dict[str, str]:
        """Return the variables that the page's commands use."""
        url = urlsplit(server.environment["DATABASE_URL"])
        assert url.username == "harness"
        return {
            "PATH": f"{postgresql_programs()}:{os.environ['PATH']}",
            "PGHOST": str(url.hostname),
            "PGPORT": str(url.port),
            "PGUSER": url.username,
            "PGPASSWORD": str(url.password),
        }

    def remove(self) -> None:
        """Lose the database; others may take its name."""
        self._engine.databases.drop(self._database)

    def wipe(self, server: RealServer) -> None:
        """Lose the database and the state folder; there is an empty database afterwards."""
        self._engine.databases.drop(self._database)
        self._engine.databases.create(self._database)
        shutil.rmtree(server.state)
        server.state.mkdir(mode=0o700)

    def is_sound(self, server: RealServer) -> bool:
        """Tell whether the tables are those of this version."""
        server.manage("migrate", "--check")
        return True


class Compose(Postgresql):
    """The same; whoever is in the container of PostgreSQL runs its programs directly."""

    name = "PostgreSQL with Compose"

    def __init__(self, engine: Postgres, folder: Path) -> None:
        super().__init__(engine)
        self._programs = folder

    def environment(self, server: RealServer) -> dict[str, str]:
        """Return the variables of the containers."""
        docker = self._programs / "docker"
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        environment = super().environment(server)
        path = f"{self._programs}:{environment['PATH']}"
        manage = f"{sys.executable} {PROJECT / 'manage.py'}"
        return {**server.environment, **environment, "PATH": path, "MANAGE": manage}


@pytest.fixture(params=["SQLite", "PostgreSQL", "PostgreSQL with Compose"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """One after the other."""
    if request.param == "SQLite":
        yield Sqlite()
        return
    postgres = request.getfixturevalue("postgres")
    is_composed = request.param == Compose.name
    postgresql = Compose(postgres, tmp_path) if is_composed else Postgresql(postgres)
    yield postgresql
    postgresql.remove()


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Iterator[RealServer]:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    server = RealServer(state)
    engine.set_up(server)
    server.start()
    yield server
    if server.process is None:
        server.start()
    server.end_sessions()
    server.stop()


def run(commands: str, **environment: str) -> None:
    """Run commands of the page. Nobody becomes the system's account of PostgreSQL."""
    path = {"PATH": os.environ["PATH"]}
    commands = commands.replace("runuser --user postgres -- ", "env -- ")
    done = subprocess.run(
        ["/bin/sh", "-eu", "-c", commands],
        env=path | environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def start_again_and_again(server: RealServer) -> None:
    """Start it, as systemd does, until it goes on.

    In a backup of a moment ago its host is there, from another state folder, and for some seconds
    another one is not let in under the same name.
    """

    def goes_on() -> bool:
        if server.process is None or server.process.poll() is not None:
            server.spawn()
        return server.is_healthy()

    until(goes_on, timeout=40)


def everything_about(server: RealServer, session: str) -> dict[str, Any]:
    """Return all that can be read of a session that has ended."""
    path = f"/api/sessions/{session}"
    return {
        "row": server.session(session),
        "output": server.output(session),
        "events": server.request("GET", f"{path}/events"),
        "screen": server.request("GET", f"{path}/screen"),
        "recording": server.request_raw("GET", f"{path}/recording"),
    }


def people(server: RealServer) -> Any:
    """Return users, their passwords, roles and tokens as the database has them."""
    kinds = ("auth.user", "auth.group", "sessions_app.apitoken")
    return json.loads(server.manage("dumpdata", *kinds))


def has_ended(server: RealServer, session: str) -> bool:
    """Whether nothing more will happen in it."""
    return server.session(session)["endedAt"] is not None


def test_what_was_backed_up_while_it_ran_is_all_there_after_everything_was_lost(
    server: RealServer, engine: Engine, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    backup.mkdir()
    ended = [
        server.launch("sh", "-c", f"head -c {size} /dev/urandom | base64; exit {code}")
        for size, code in ((300, 0), (3_000_000, 3))
    ]
    until(lambda: all(has_ended(server, each) for each in ended), timeout=20)
    runs = server.launch("sh", "-c", "while echo tick; do sleep 0.01; done")
    until(lambda: server.session(runs)["outputBytes"] > 0, timeout=10)
    before = [everything_about(server, each) for each in ended]
    accounts = people(server)
    commands = engine.environment(server) | {"BACKUP": str(backup)}

    run(tried(f"back up {engine.name}"), **commands)
    printed = server.output(runs)
    later = server.launch("true")
    until(lambda: has_ended(server, later), timeout=10)
    server.end_sessions()
    server.stop()
    engine.wipe(server)
    run(tried(f"restore {engine.name}"), **commands)
    start_again_and_again(server)

    assert engine.is_sound(server)
    assert people(server) == accounts
    assert [everything_about(server, each) for each in ended] == before
    # What ran then, and does not any more, is said to have ended, with what was stored of it.
    until(lambda: has_ended(server, runs), timeout=20)
    found = everything_about(server, runs)
    assert found["row"]["status"] == "failed"
    assert found["row"]["error"]
    assert found["output"]
    assert printed.startswith(found["output"])
    # And what came after the backup is not there.
    assert server.answer("GET", f"/api/sessions/{later}").status == 404
    # It goes on from here.
    again = server.launch("echo", "again")
    until(lambda: has_ended(server, again), timeout=10)
    assert server.output(again) == b"again\r\n"


def test_the_state_folder_that_comes_back_is_for_its_user_alone(tmp_path: Path) -> None:
    engine, state, backup = Sqlite(), tmp_path / "state", tmp_path / "backup"
    for folder in (state, backup):
        folder.mkdir(mode=0o700)
    server = RealServer(state)
    server.manage("check")  # makes the key
    key = (state / "secret-key").read_text()
    commands = engine.environment(server) | {"BACKUP": str(backup)}

    run(tried("back up SQLite"), **commands)
    engine.wipe(server)
    run(tried("restore SQLite"), **commands)

    assert state.stat().st_mode & 0o777 == 0o700
    for name in ("harness.sqlite3", "secret-key"):
        assert (state / name).stat().st_mode & 0o777 == 0o600
    # With another key everybody would have to log in again.
    assert (state / "secret-key").read_text() == key
