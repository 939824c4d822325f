"""This project's server: set up and started as bin/run does it, or under uvicorn."""

from __future__ import annotations

import atexit
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from uuid import UUID

from bench.machine import PROJECT, wait_for
from bench.servers.base import COLS, HOST, ROWS, Answer, Server, Stream, inherited_environment
from bench.websocket import Endpoint

MANAGE = [sys.executable, "-I", str(PROJECT / "manage.py")]
APPLICATION = "harness_site.asgi:application"
ACTIVE = "/api/sessions?status=idle,running,waiting_checkpoint&limit=1000"
END_SECONDS = 60.0


def environment_of(state: Path, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of every process of this server."""
    return {
        **inherited_environment(),
        "HARNESS_STATE_DIR": str(state),
        "HARNESS_PORT": str(port),
        "HARNESS_ROOTS": "/",
        "HARNESS_STARTS_PER_MINUTE": "0",
        "DJANGO_SETTINGS_MODULE": "harness_site.settings",
        **settings,
    }


@cache
def prepared_state() -> Path:
    """Return a state folder after the first set-up, made once and copied for every server."""
    folder = Path(tempfile.mkdtemp(prefix="bench-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment = environment_of(folder, 1, {})
    for command in (["prepare"], ["loginlink", "--write-token"]):
        subprocess.run(
            [*MANAGE, *command], env=environment, check=True, capture_output=True, timeout=120
        )
    return folder


class HarnessServer(Server):
    """Daphne or uvicorn with the project's application, over a state folder of its own."""

    tells_offsets = True

    def __init__(self, kind: str, settings: Mapping[str, str]) -> None:
        super().__init__()
        self.kind = kind
        self.state = Path(tempfile.mkdtemp(prefix=f"bench-{kind}-"))
        shutil.copytree(prepared_state(), self.state, dirs_exist_ok=True)
        self.environment = environment_of(self.state, self.port, settings)
        self.token = (self.state / "api-token").read_text().strip()
        self.public_url = f"http://harness.localhost:{self.port}"

    # Its life

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process and wait for nothing."""
        with (self.state / "server.log").open("ab") as log:
            return subprocess.Popen(
                self._command(), cwd=PROJECT, env=self.environment, stdout=log, stderr=log
            )

    def _command(self) -> list[str]:
        if self.kind == "daphne":
            return [*MANAGE, "serve"]
        options = ["--host", HOST, "--port", str(self.port), "--log-level", "warning"]
        return [sys.executable, "-m", "uvicorn", *options, "--no-proxy-headers", APPLICATION]

    def answers(self) -> bool:
        """Tell whether it says that it is well."""
        return super().answers() and self.request("GET", "/health").status == 200

    def stop(self) -> None:
        """End the programs and the process, and forget everything."""
        try:
            if self.process is None or self.process.poll() is not None:
                self.start()
            self.end_sessions()
        finally:
            super().stop()
            shutil.rmtree(self.state, ignore_errors=True)

    def discard(self) -> None:
        """End a process that has not come up, and forget everything."""
        super().discard()
        shutil.rmtree(self.state, ignore_errors=True)

    def last_words(self) -> str:
        """Return the end of what it printed."""
        return (self.state / "server.log").read_text()[-1000:]

    def end_sessions(self) -> None:
        """End every session and wait until no program and no holder is left."""
        for session in self.request("GET", ACTIVE).json():
            # One that ends by itself meanwhile is answered with 409.
            self.request("POST", f"/api/sessions/{session['id']}/end", {"grace": 0})
        wait_for(lambda: not self._folders(), "all sessions have ended", END_SECONDS)

    def manage(self, *arguments: str) -> str:
        """Run a management command; return what it printed."""
        return self.run([*MANAGE, *arguments])

    def run(self, command: list[str]) -> str:
        """Run a command in the server's environment; return what it printed."""
        done = subprocess.run(
            command, env=self.environment, cwd=PROJECT, check=True, capture_output=True, text=True
        )
        return done.stdout

    # Its use

    def headers(self) -> dict[str, str]:
        """Return the token that every request carries."""
        return {"Authorization": f"Bearer {self.token}"}

    def launch(self, argv: list[str]) -> str:
        """Start a program; return the session's id."""
        body = {"command": argv, "workingDir": "/tmp", "cols": COLS, "rows": ROWS}  # noqa: S108
        return str(self._successful("POST", "/api/sessions", body).json()["id"])

    def _successful(self, method: str, path: str, body: object = None) -> Answer:
        answer = self.request(method, path, body)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body!r}")
        return answer

    def stream(self, sessions: Sequence[str], *, everything: bool = False) -> Stream:
        """Return how to watch these sessions from their first byte."""
        subscribe = {
            "type": "subscribe",
            "sessions": "*" if everything else list(sessions),
            "cursors": {session: {"seq": 0, "offset": 0} for session in sessions},
        }
        return self._stream(json.dumps(subscribe), "session:started", len(sessions))

    def screens(self, sessions: Sequence[str]) -> Stream:
        """Return how somebody comes who has not seen these sessions: to their screens."""
        subscribe = {"type": "subscribe", "sessions": list(sessions)}
        return self._stream(json.dumps(subscribe), "initial-state", 1)

    def _stream(self, hello: str, attached_kind: str, attached_count: int) -> Stream:
        headers = tuple(f"{name}: {value}" for name, value in self.headers().items())
        endpoint = Endpoint(HOST, self.port, "/ws?subscribe=none", headers)
        return Stream(endpoint, [hello], attached_kind, attached_count)

    def typing(self, session: str, text: str) -> str:
        """Return the message that types."""
        return json.dumps({"type": "input", "sessionId": session, "data": text})

    def settled(self, sizes: Mapping[str, int]) -> bool:
        """Tell whether the archive has so much output of each session.

        Read past the server, in its database: to answer that would be part of what is measured.
        """
        stored = self._stored()
        return all(stored.get(UUID(each).hex, 0) >= size for each, size in sizes.items())

    def _stored(self) -> dict[str, int]:
        """Return how many bytes the archive has of each session."""
        database = (self.state / "harness.sqlite3").as_uri() + "?mode=ro"
        with closing(sqlite3.connect(database, uri=True)) as connection:
            return dict(connection.execute("SELECT id, output_bytes FROM sessions_app_session"))

    def running(self) -> set[str]:
        """Return the sessions whose programs run."""
        found = self._successful("GET", "/api/sessions?status=running&limit=1000").json()
        return {session["id"] for session in found}

    def output(self, session: str) -> bytes:
        """Return the raw output of a session, as it is stored."""
        headers = {**self.headers(), "Accept": "application/octet-stream"}
        return self.request("GET", f"/api/sessions/{session}/output", headers=headers).body

    # What it costs

    def _folders(self) -> list[Path]:
        return list((self.state / "sessions").glob("*"))

    def holder_pids(self) -> list[int]:
        """Return the holders of the sessions that run."""
        pids = []
        for folder in self._folders():
            identity = folder / "identity.json"
            if identity.exists():
                pids.append(int(json.loads(identity.read_text())["holder"]["pid"]))
        return pids
