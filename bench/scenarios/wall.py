"""Many programs, each viewer watches all of them."""

from __future__ import annotations

from dataclasses import dataclass

from bench.figures import Measured
from bench.programs.printer import LINE_BYTES
from bench.scenario import HARNESS, SEVERAL, Scenario, Watching
from bench.scenarios.fanout import PATIENCE_SECONDS, add_latency
from bench.servers.base import Server
from bench.starting_gun import StartingGun


@dataclass(frozen=True, kw_only=True)
class Wall(Scenario):
    """How late do lines of many sessions reach viewers of everything, who acknowledge?"""

    name = "wall"
    servers = (*HARNESS, "reference", SEVERAL)

    sessions: int = 50
    viewers: int = 10
    rate: int = 20
    seconds: float = 10.0

    @classmethod
    def smallest(cls) -> Wall:
        """Return three sessions and two viewers."""
        return cls(sessions=3, viewers=2, rate=50, seconds=0.4)

    @property
    def settings(self) -> dict[str, str]:
        """Return enough slots."""
        return {"HARNESS_SLOTS": str(self.sessions)}

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        measured = Measured()
        count = int(self.rate * self.seconds)
        watching = Watching(
            viewers=self.viewers,
            expects="lines",
            amount=count,
            seconds=self.seconds + PATIENCE_SECONDS,
            acknowledges=True,
            everything=True,
        )
        with StartingGun() as gun:
            command = gun.program("lines", count, self.rate)
            sessions = [server.launch(command) for _ in range(self.sessions)]
            gun.wait_until_ready(self.sessions)
            stored = dict.fromkeys(sessions, count * LINE_BYTES)
            seen = watching.watch(server, sessions, gun, measured, stored).report
        add_latency(seen, measured)
        measured.add("messages to each viewer", seen.messages / self.viewers / self.seconds, "/s")
        return measured
