"""Somebody who comes when much has been printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import MEGABYTE, Measured, percentile
from bench.machine import wait_for
from bench.scenario import HARNESS, Scenario, Usage
from bench.scenarios.screens import come_late
from bench.servers.base import Server
from bench.servers.harness import HarnessServer
from bench.starting_gun import StartingGun

SCREEN_SECONDS = 30.0
STORE_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class LateViewer(Scenario):
    """How long from connecting until the right screen, whatever the history?

    The reference and terminado have nothing to show to those who come late.
    """

    name = "late"
    servers = HARNESS

    megabytes: float = 10.0
    visits: int = 20

    @classmethod
    def variants(cls) -> Sequence[LateViewer]:
        """Return a short and a long history."""
        return [cls(megabytes=10.0), cls(megabytes=200.0)]

    @classmethod
    def smallest(cls) -> LateViewer:
        """Return a history of more than a screen."""
        return cls(megabytes=0.1, visits=2)

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        assert isinstance(server, HarnessServer)
        measured = Measured()
        size = int(self.megabytes * MEGABYTE)
        with StartingGun() as gun:
            session = server.launch(gun.program("history", size))
            gun.wait_until_ready(1)
            gun.fire()
            stored = {session: size // 100 * 100}
            wait_for(lambda: server.settled(stored), "the history is stored", STORE_SECONDS)
            usage = Usage(server)
            times = [self._visit(server, session, size, measured) for _ in range(self.visits)]
            usage.add_to(measured)
        measured.add("right screen, p50", percentile(times, 50), "ms")
        measured.add("right screen, longest", percentile(times, 100), "ms")
        return measured

    def _visit(self, server: HarnessServer, session: str, size: int, measured: Measured) -> float:
        seconds, faults = come_late(server, [session], size, SCREEN_SECONDS)
        measured.faults += faults
        return seconds * 1000
