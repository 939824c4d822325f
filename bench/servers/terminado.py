"""terminado, the server of terminals that Jupyter uses, in an environment of its own."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence

from bench.machine import PROJECT
from bench.servers.base import HOST, Server, Stream, inherited_environment
from bench.websocket import Endpoint

FOLDER = PROJECT / "bench"
ENVIRONMENT = FOLDER / ".venv"
REQUIREMENTS = PROJECT / "requirements-bench.txt"


def install() -> None:
    """Install what requirements-bench.txt says unless it is; raises RuntimeError."""
    mark = ENVIRONMENT / "installed"
    wanted = f"{sys.version}\n{REQUIREMENTS.read_text()}"
    if mark.exists() and mark.read_text() == wanted:
        return
    pip = [_python_with_pip(), "-m", "pip", "--python", str(ENVIRONMENT / "bin" / "python")]
    options = ["--no-input", "--disable-pip-version-check", "--quiet", "-r", str(REQUIREMENTS)]
    for command in (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(ENVIRONMENT)],
        [*pip, "install", *options],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"terminado could not be installed.\n{done.stderr[-2000:]}")
    mark.write_text(wanted)


def _python_with_pip() -> str:
    """Return an interpreter that has pip: this one's environment may have been made without."""
    return sys.executable if importlib.util.find_spec("pip") else "python3"


class TerminadoServer(Server):
    """One socket shows one terminal, so viewers of several cannot be compared."""

    kind = "terminado"

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process and wait for nothing."""
        install()
        return subprocess.Popen(
            [str(ENVIRONMENT / "bin" / "python"), str(FOLDER / "terminado_server.py"),
             str(self.port)],
            env=inherited_environment(),
        )  # fmt: skip

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
