"""What the screen that the server keeps costs, alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from bench.figures import MEGABYTE, Measured
from bench.machine import PROJECT
from bench.scenario import Scenario
from bench.servers.base import COLS, ROWS, Server
from sessions_app.screen import Screen

PIECE = 16 * 1024
SCREENS = 20
SNAPSHOTS = 20
RECORDINGS = PROJECT / "tests" / "recordings"
PLAIN = b"".join(
    b"%06d the quick brown fox jumps over the lazy dog again\r\n" % n for n in range(9999)
)
COLOURED = b"".join(
    b"\x1b[38;5;%dm%04d\x1b[0m \x1b[1;48;2;%d;9;9mword\x1b[0m\r\n" % (n % 256, n, n % 256)
    for n in range(9999)
)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return what the work takes of the processor."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


@dataclass(frozen=True, kw_only=True)
class ScreenCost(Scenario):
    """What does the server's screen cost: feeding, a snapshot, memory?

    Plain and coloured lines, and what real programs printed.
    """

    name = "screen"
    servers = ("none",)

    megabytes: float = 1.0
    recordings: str = "*"

    @classmethod
    def smallest(cls) -> ScreenCost:
        """Return one recording."""
        return cls(megabytes=0.01, recordings="vim")

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        measured = Measured()
        for name, output in self._outputs():
            self._feed(name, output, measured)
        measured.add("memory, history full", self._memory(), "MB")
        return measured

    def _outputs(self) -> Iterator[tuple[str, bytes]]:
        yield "plain lines", PLAIN
        yield "coloured words", COLOURED
        for path in sorted(RECORDINGS.glob(f"{self.recordings}.raw")):
            yield path.stem, path.read_bytes()

    def _feed(self, name: str, output: bytes, measured: Measured) -> None:
        whole = output * max(1, int(self.megabytes * MEGABYTE) // len(output))
        pieces = [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]
        screen = Screen(COLS, ROWS)
        took = cpu_seconds(lambda: [screen.feed(piece) for piece in pieces])
        measured.add(f"{name}: feeding", len(whole) / MEGABYTE / took, "MB/s")
        snapshots = cpu_seconds(lambda: [screen.snapshot() for _ in range(SNAPSHOTS)])
        measured.add(f"{name}: snapshot", snapshots / SNAPSHOTS * 1000, "ms")
        measured.expect(bool(screen.snapshot()), f"{name}: an empty snapshot")

    def _memory(self) -> float:
        before = psutil.Process().memory_info().rss
        screens = [Screen(COLS, ROWS) for _ in range(SCREENS)]
        for screen in screens:
            screen.feed(PLAIN)
        return float(psutil.Process().memory_info().rss - before) / MEGABYTE / len(screens)
