"""How long bin/run takes."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from http.client import OK, HTTPConnection
from pathlib import Path

from bench.figures import Measured
from bench.machine import PROJECT, wait_for
from bench.scenario import Scenario
from bench.servers.base import HOST, Server, inherited_environment
from tests.engines import free_port

PATIENCE_SECONDS = 600.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Startup(Scenario):
    """How long from `bin/run` until the server answers, the first time and the second?

    `fresh`: of a copy of the committed project with nothing installed, as after `git clone`.
    """

    name = "startup"
    servers = ("none",)

    fresh: bool = False

    @classmethod
    def smallest(cls) -> Startup:
        """Return what is installed already."""
        return cls()

    def measure(self, server: Server) -> Measured:
        """Measure both with one new state folder."""
        measured = Measured()
        with tempfile.TemporaryDirectory() as folder:
            project = self._clone(Path(folder) / "clone") if self.fresh else PROJECT
            for which in ("first", "second"):
                seconds = start_once(project, Path(folder) / "state")
                measured.add(f"{which} start answers after", seconds, "s")
        return measured

    def _clone(self, folder: Path) -> Path:
        subprocess.run(["git", "clone", "--quiet", PROJECT, folder], check=True)  # noqa: S607
        return folder


def start_once(project: Path, state: Path) -> float:
    """Return the seconds from the command to the first answer; the server is stopped again."""
    port = free_port()
    environment = {**inherited_environment(), "HARNESS_STATE_DIR": str(state)}
    begun = time.monotonic()
    server = subprocess.Popen(
        [project / "bin" / "run"],
        env=environment | {"HARNESS_PORT": str(port)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        if server.poll() is not None:
            raise RuntimeError("bin/run brought up no server; run it by hand to see why")
        return is_well(port)

    try:
        wait_for(answers, "bin/run brings up the server", PATIENCE_SECONDS)
        return time.monotonic() - begun
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(STOP_SECONDS)
        finally:
            server.kill()


def is_well(port: int) -> bool:
    """Tell whether the server says that it is well."""
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == OK
    except OSError:
        return False
    finally:
        connection.close()
