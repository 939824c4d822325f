"""One program, many viewers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import Histogram, Measured
from bench.plan import Report
from bench.programs.printer import LINE_BYTES
from bench.scenario import EVERY_SERVER, SEVERAL, Scenario, Watching
from bench.servers.base import Server
from bench.starting_gun import StartingGun

# On top of the time in which the lines are due.
PATIENCE_SECONDS = 30.0


def add_latency(report: Report, measured: Measured) -> None:
    """Add how late lines came, from when they were due."""
    latency = Histogram(report.latency)
    for name, percent in (("p50", 50), ("p99", 99), ("latest", 100)):
        measured.add(name, latency.percentile(percent), "ms")


@dataclass(frozen=True, kw_only=True)
class Fanout(Scenario):
    """How late do lines of 100 bytes, printed at a steady rate, reach N viewers?"""

    name = "fanout"
    servers = (*EVERY_SERVER, SEVERAL)

    viewers: int = 100
    rate: int = 1000
    seconds: float = 10.0
    acknowledge: bool = False
    generators: int = 1

    @classmethod
    def variants(cls) -> Sequence[Fanout]:
        """Return the growth curve's points."""
        return [cls(viewers=viewers) for viewers in (1, 10, 100, 1000)]

    @classmethod
    def smallest(cls) -> Fanout:
        """Return half a second with three viewers in two processes."""
        return cls(viewers=3, seconds=0.5, acknowledge=True, generators=2)

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        measured = Measured()
        count = int(self.rate * self.seconds)
        watching = Watching(
            viewers=self.viewers,
            expects="lines",
            amount=count,
            seconds=self.seconds + PATIENCE_SECONDS,
            acknowledges=self.acknowledge,
            generators=self.generators,
        )
        with StartingGun() as gun:
            session = server.launch(gun.program("lines", count, self.rate))
            gun.wait_until_ready(1)
            stored = {session: count * LINE_BYTES}
            seen = watching.watch(server, [session], gun, measured, stored).report
        add_latency(seen, measured)
        measured.add("messages to each viewer", seen.messages / self.viewers / self.seconds, "/s")
        return measured
