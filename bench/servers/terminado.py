"""terminado, the server of terminals that Jupyter uses."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from bench import environment
from bench.machine import PROJECT
from bench.servers.base import HOST, Server, Stream, inherited_environment
from bench.websocket import Endpoint

SERVER = PROJECT / "bench" / "terminado_server.py"


class TerminadoServer(Server):
    """One socket shows one terminal, so viewers of several cannot be compared."""

    kind = "terminado"

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process and wait for nothing."""
        environment.install()
        return subprocess.Popen(
            [environment.PYTHON, SERVER, str(self.port)], env=inherited_environment()
        )

    def launch(self, argv: list[str]) -> str:
        """Start a program; its output names no session, so neither does this."""
        self.request("POST", "/terminals", {"command": argv})
        return ""

    def stream(self, sessions: Sequence[str], *, everything: bool = False) -> Stream:
        """Return how to watch the terminal that was started last."""
        if everything or len(sessions) != 1:
            raise ValueError("terminado shows one terminal to a socket")
        return Stream(Endpoint(HOST, self.port, "/terminals/last"), [], "setup", 1)

    def typing(self, session: str, text: str) -> str:
        """Return the message that types."""
        return json.dumps(["stdin", text])
