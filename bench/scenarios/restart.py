"""The server goes and comes again while programs run."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass

from bench.figures import MEGABYTE, Measured
from bench.machine import peak_megabytes, wait_for
from bench.programs.printer import LINE_BYTES
from bench.scenario import HARNESS, Scenario
from bench.scenarios.screens import come_late
from bench.servers.base import Server
from bench.servers.harness import HarnessServer
from bench.starting_gun import StartingGun

SCREENS_SECONDS = 60.0
STORE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Restart(Scenario):
    """How long from the command until all sessions are adopted and their screens right?

    Once after the server was asked to stop, once after it was killed.
    """

    name = "restart"
    servers = HARNESS

    sessions: int = 50
    megabytes: float = 1.0

    @classmethod
    def smallest(cls) -> Restart:
        """Return two sessions with a little output."""
        return cls(sessions=2, megabytes=0.05)

    @property
    def settings(self) -> dict[str, str]:
        """Return enough slots."""
        return {"HARNESS_SLOTS": str(self.sessions)}

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        assert isinstance(server, HarnessServer)
        measured = Measured()
        size = int(self.megabytes * MEGABYTE) // LINE_BYTES * LINE_BYTES
        with StartingGun() as gun:
            command = gun.program("history", size)
            sessions = [server.launch(command) for _ in range(self.sessions)]
            gun.wait_until_ready(self.sessions)
            gun.fire()
            stored = dict.fromkeys(sessions, size)
            wait_for(lambda: server.settled(stored), "the output is stored", STORE_SECONDS)
        holders = sorted(server.holder_pids())
        for what, number in (("stopped", signal.SIGTERM), ("killed", signal.SIGKILL)):
            server.end(number)
            begun = time.monotonic()
            server.start()
            measured.add(f"{what}: answers after", time.monotonic() - begun, "s")
            _, faults = come_late(server, sessions, size, SCREENS_SECONDS)
            measured.add(f"{what}: all screens right after", time.monotonic() - begun, "s")
            measured.faults += faults
            adopted = sorted(server.holder_pids()) == holders and server.running() == set(sessions)
            measured.expect(adopted, f"{what}: not every session was adopted")
        measured.add_cost("server memory, peak", peak_megabytes(server.pid), "MB")
        return measured
