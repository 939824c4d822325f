"""A real server process on a free port of the loopback address, with a state folder of its own.

Where `DATABASE_URL` names a PostgreSQL, each state folder has a database there, and where
`REDIS_URL` is set, a key, and with that a part, of its own of that Redis.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from tests.engines import Databases, free_port
from tests.waiting_for import until

PROJECT = Path(__file__).resolve().parent.parent
DATABASE_URL = os.environ.get("DATABASE_URL", "")
# What is in PostgreSQL, and not in files of the state folders.
ON_POSTGRESQL = DATABASE_URL.startswith("postgres")

made: set[str] = set()


def drop_made(before: set[str]) -> None:
    """Drop the databases that were made for state folders since there were these."""
    for name in made - before:
        Databases(DATABASE_URL).drop(name)
        made.discard(name)


def _database_of(state: Path) -> str:
    return f"state_{hashlib.sha256(bytes(state)).hexdigest()[:16]}"


def _make_database(state: Path, template: str = "template1") -> None:
    if ON_POSTGRESQL:
        Databases(DATABASE_URL).create(_database_of(state), template)
        made.add(_database_of(state))


@cache
def _prepared_state() -> Path:
    """A state folder after the first set-up, made once and copied for every server."""
    folder = Path(tempfile.mkdtemp(prefix="harness-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _make_database(folder)
    made.discard(_database_of(folder))  # kept for all that follow
    _manage(_environment(folder, 1), "migrate", "-v0")
    _manage(_environment(folder, 1), "loginlink", "--write-token")
    return folder


def _environment(state: Path, port: int) -> dict[str, str]:
    own = {"DATABASE_URL": Databases(DATABASE_URL).url(_database_of(state))}
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")},
        **(own if ON_POSTGRESQL else {}),
        "HARNESS_STATE_DIR": str(state),
        "HARNESS_PORT": str(port),
        "HARNESS_ROOTS": "/",
        "HARNESS_STARTS_PER_MINUTE": "0",
        "DJANGO_SETTINGS_MODULE": "harness_site.settings",
    }


def _manage(environment: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


@dataclass(frozen=True)
class Answer:
    """What the server answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class RealServer:
    """Daphne or uvicorn with the project's application; `token` is an API token for it.

    Scripts find it at `url`, browsers at `public_url`.
    """

    def __init__(self, state: Path, kind: str = "daphne") -> None:
        self.state = state
        self.kind = kind
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.public_url = f"http://harness.localhost:{self.port}"
        self.environment = _environment(state, self.port)
        self.process: subprocess.Popen[bytes] | None = None
        if not (state / "api-token").exists():
            prepared = _prepared_state()
            every_key_is_its_own = shutil.ignore_patterns("secret-key")
            shutil.copytree(prepared, state, ignore=every_key_is_its_own, dirs_exist_ok=True)
            _make_database(state, _database_of(prepared))
        self.token = (state / "api-token").read_text().strip()

    def manage(self, *arguments: str) -> str:
        """Run a management command and return what it printed."""
        return _manage(self.environment, *arguments)

    def renew_token(self) -> None:
        """Take a new API token, and the first user, of whatever database it is set up with."""
        self.manage("loginlink", "--write-token")
        self.token = (self.state / "api-token").read_text().strip()

    def rows(self, *statements: str) -> list[list[tuple[Any, ...]]]:
        """The rows that statements find in the server's database, all of them at one moment.

        A statement that changes something finds nothing.
        """
        if not ON_POSTGRESQL:
            file = self.state / "harness.sqlite3"
            with closing(sqlite3.connect(file, isolation_level=None, timeout=20)) as database:
                database.execute("BEGIN")
                found = [database.execute(each).fetchall() for each in statements]
                database.execute("COMMIT")
                return found
        with psycopg.connect(self.environment["DATABASE_URL"]) as postgres:
            postgres.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            cursors = [postgres.execute(each.encode()) for each in statements]
            return [cursor.fetchall() if cursor.description else [] for cursor in cursors]

    def command(self) -> list[str]:
        """What starts the server."""
        application = "harness_site.asgi:application"
        if self.kind == "daphne":
            return [sys.executable, "-I", str(PROJECT / "manage.py"), "serve"]
        if self.kind == "daphne by hand":
            options = ["-b", "127.0.0.1", "-p", str(self.port), "--no-server-name"]
            options += ["--websocket_timeout", "-1", "--websocket_connect_timeout", "15"]
            return [sys.executable, "-m", "daphne", *options, application]
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        options += ["--no-proxy-headers"]  # else it believes what any program of this machine says
        return [sys.executable, "-m", "uvicorn", *options, application]

    def start(self) -> RealServer:
        """Start the process and wait until it is healthy."""
        self.spawn()
        until(self.is_healthy, timeout=20)
        return self

    def spawn(self) -> None:
        """Start the process and wait for nothing."""
        with (self.state / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), cwd=PROJECT, env=self.environment, stdout=log, stderr=log
            )

    def is_healthy(self) -> bool:
        """Whether /health answers with 200."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """End the process as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """End the process as an operator would; its exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        process, self.process = self.process, None
        assert process is not None
        process.send_signal(number)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # its log has where each thread was
            process.wait(20)
            sentence = f"It went on for 20 s after signal {number}:\n{self.log()[-4000:]}"
            raise AssertionError(sentence) from None

    def peak_memory(self) -> int:
        """The most memory that the process has had resident, in bytes, as the kernel keeps it."""
        return self._memory("VmHWM:")

    def memory(self) -> int:
        """The memory that the process has resident now, in bytes."""
        return self._memory("VmRSS:")

    def _memory(self, line: str) -> int:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(line)[1].split()[0]) * 1024

    def log(self) -> str:
        """What the server printed."""
        return (self.state / "server.log").read_text()

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Call the API with the token; the JSON of the answer, None if it has no body."""
        data = self.request_raw(method, path, body)
        return json.loads(data) if data else None

    def request_raw(self, method: str, path: str, body: object = None, accept: str = "") -> bytes:
        """Call the API with the token; the body of the answer."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if accept:
            headers["Accept"] = accept
        request = urllib.request.Request(  # noqa: S310  # always http on the loopback address
            self.url + path,
            method=method,
            headers=headers,
            data=None if body is None else json.dumps(body).encode(),
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return bytes(answer.read())

    def answer(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30,
    ) -> Answer:
        """Call the API with the token; what it answers, errors too."""
        given = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310  # always http on the loopback address
            self.url + path,
            method=method,
            headers={**given, **(headers or {})},
            data=None if body is None else json.dumps(body).encode(),
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout) as got:  # noqa: S310
                return Answer(got.status, dict(got.headers), got.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def launch(self, *argv: str, **details: object) -> str:
        """Start a session; its id."""
        body = {"command": list(argv), "workingDir": "/tmp", **details}
        return str(self.request("POST", "/api/sessions", body)["id"])

    def session(self, session_id: str) -> dict[str, Any]:
        """One session as the API shows it."""
        found: dict[str, Any] = self.request("GET", f"/api/sessions/{session_id}")
        return found

    def output(self, session_id: str) -> bytes:
        """The raw output of a session."""
        path = f"/api/sessions/{session_id}/output"
        return self.request_raw("GET", path, accept="application/octet-stream")

    def folders(self) -> list[str]:
        """The ids of the sessions whose programs may still run."""
        return [path.name for path in (self.state / "sessions").glob("*")]

    def end_sessions(self) -> None:
        """End every session, queued ones too, and wait until no program is left."""
        until(self._all_ended, timeout=30)

    def _all_ended(self) -> bool:
        active = "/api/sessions?status=idle,running,waiting_checkpoint&limit=1000"
        for session in self.request("GET", active):
            # One that ends by itself meanwhile is answered with 409.
            self.answer("POST", f"/api/sessions/{session['id']}/end", {"grace": 0})
        return not self.folders()


@contextmanager
def running(folder: Path, kind: str = "daphne", **environment: str) -> Iterator[RealServer]:
    """A server with its state in `folder`; at the end no program of it is left."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = RealServer(folder, kind)
    server.environment |= environment
    if "DATABASE_URL" in environment:
        server.renew_token()
    server.start()
    try:
        yield server
    finally:
        if server.process is None:
            server.start()
        try:
            server.end_sessions()
        finally:
            server.stop()
