"""The reference: a minimal Node server of our own (bench/reference/server.js)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.machine import PROJECT
from bench.servers.base import COLS, HOST, ROWS, Server, Stream, inherited_environment
from bench.websocket import Endpoint

FOLDER = PROJECT / "bench" / "reference"
# Where distributions put the headers that node-pty is compiled with; else npm downloads them.
HEADERS = Path("/usr/include/node/node_api.h")


def install() -> None:
    """Install the packages of the reference unless they are; raises RuntimeError with advice."""
    wanted = (FOLDER / "package-lock.json").read_bytes()
    mark = FOLDER / "node_modules" / ".installed"
    if mark.exists() and mark.read_bytes() == wanted:
        return
    environment = dict(os.environ)
    if HEADERS.exists():
        environment.setdefault("npm_config_nodedir", "/usr")
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("The reference needs Node.js 20 or later; install it, with npm.")
    options = ["ci", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(
        [npm, *options], cwd=FOLDER, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(
            "The reference's packages could not be installed; node-pty needs a C++ compiler, make "
            f"and Python.\n{done.stderr[-2000:]}"
        )
    mark.write_bytes(wanted)


class ReferenceServer(Server):
    """Broadcasts every chunk of every session to every socket, and stores nothing."""

    kind = "reference"

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process and wait for nothing."""
        install()
        return subprocess.Popen(
            ["node", str(FOLDER / "server.js"), str(self.port)],  # noqa: S607
            env=inherited_environment(),
        )

    def launch(self, argv: list[str]) -> str:
        """Start a program; return the session's id."""
        body = {"command": argv, "cols": COLS, "rows": ROWS}
        return str(self.request("POST", "/sessions", body).json()["id"])

    def stream(self, sessions: Sequence[str], *, everything: bool = False) -> Stream:
        """Return how to watch; everybody is sent everything."""
        return Stream(Endpoint(HOST, self.port, "/ws"), [], "initial-state", 1)

    def typing(self, session: str, text: str) -> str:
        """Return the message that types."""
        return json.dumps({"type": "input", "sessionId": session, "data": text})
