"""Much output as fast as possible."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import MEGABYTE, Measured
from bench.programs.printer import LINE_BYTES, bulk_text
from bench.scenario import EVERY_SERVER, Scenario, Watched, Watching
from bench.scenarios.limit import bare_rate
from bench.servers.base import Server
from bench.servers.harness import HarnessServer
from bench.starting_gun import StartingGun

SLOWEST = 1.0  # MB/s; whoever is slower is given up
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Bulk(Scenario):
    """How fast does a program's output, archived and with its screen kept, reach N viewers?

    The program ends right after its last byte. Every byte at every viewer is compared with what it
    printed, and so is what the archive has.
    """

    name = "bulk"
    servers = EVERY_SERVER

    viewers: int = 1
    deaf: int = 0
    megabytes: float = 50.0
    acknowledge: bool = False

    @classmethod
    def variants(cls) -> Sequence[Bulk]:
        """Return the growth curve's points."""
        return [cls(viewers=viewers) for viewers in (1, 10, 100)]

    @classmethod
    def smallest(cls) -> Bulk:
        """Return two viewers and more than a page of output."""
        return cls(viewers=2, megabytes=1.5)

    @property
    def size(self) -> int:
        """Return how many bytes are printed."""
        return int(self.megabytes * MEGABYTE) // LINE_BYTES * LINE_BYTES

    def measure(self, server: Server) -> Measured:
        """Measure once, right after the terminal's own limit."""
        measured = Measured()
        limit, _ = bare_rate(self.size)
        watching = Watching(
            viewers=self.viewers,
            deaf=self.deaf,
            expects="bulk",
            amount=self.size,
            seconds=self.megabytes * max(1, self.viewers / 10) / SLOWEST + PATIENCE_SECONDS,
            acknowledges=self.acknowledge,
        )
        with StartingGun() as gun:
            session = server.launch(gun.program("bulk", self.size))
            gun.wait_until_ready(1)
            seen = watching.watch(server, [session], gun, measured, {session: self.size})
        self._add_rates(seen, limit, measured)
        self._check_archive(server, session, measured)
        return measured

    def _add_rates(self, seen: Watched, limit: float, measured: Measured) -> None:
        report = seen.report
        # Whoever got nothing has last heard something before it began.
        rates = [
            self.size / MEGABYTE / ((end - seen.began) / 1e9) if end > seen.began else 0.0
            for end in report.finished
        ]
        measured.add("to the slowest viewer", min(rates), "MB/s")
        measured.add("to the median viewer", statistics.median(rates), "MB/s")
        measured.add("plain cat of the terminal", limit, "MB/s")
        measured.expect(not report.resets, f"{report.resets} streams were cut short by a screen")

    def _check_archive(self, server: Server, session: str, measured: Measured) -> None:
        if isinstance(server, HarnessServer):
            stored = hashlib.sha256(server.output(session)).digest()
            printed = hashlib.sha256(bulk_text(self.size)).digest()
            measured.expect(stored == printed, "the archive differs from what was printed")


@dataclass(frozen=True, kw_only=True)
class BulkWithDeafViewer(Bulk):
    """The same, with one more viewer that does not read: what does that one cost?"""

    name = "bulk-deaf"

    deaf: int = 1

    @classmethod
    def variants(cls) -> Sequence[BulkWithDeafViewer]:
        """Return the comparison: without and with."""
        return [cls(deaf=0), cls(deaf=1)]

    @classmethod
    def smallest(cls) -> BulkWithDeafViewer:
        """Return one viewer that reads and one that does not."""
        return cls(viewers=1, megabytes=1.5)
