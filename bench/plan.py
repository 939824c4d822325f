"""What a load generator is told to do, and what it tells afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import websocket
from bench.figures import Histogram


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What viewers do.

    Each says `hello` and is attached once it has been told `attached_kind` so many times. `expects`
    is "lines", "bulk" or "anything", `amount` how many lines or bytes of each of `sessions`.
    `deaf` viewers connect and never read.
    """

    host: str
    port: int
    path: str
    headers: Sequence[str]
    hello: Sequence[str]
    attached_kind: str
    attached_count: int
    sessions: Sequence[str]
    expects: str
    amount: int
    viewers: int
    deaf: int = 0
    acknowledges: bool = False
    seconds: float = 60.0

    @property
    def endpoint(self) -> websocket.Endpoint:
        """Return where to connect."""
        return websocket.Endpoint(self.host, self.port, self.path, tuple(self.headers))


@dataclass
class Report:
    """What a load generator has seen; times in ns by the monotonic clock.

    `finished` has for each viewer when it had everything, or its last message came.
    """

    complete: int = 0
    viewers: int = 0
    resets: int = 0
    messages: int = 0
    text_bytes: int = 0
    cpu: float = 0.0
    finished: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    latency: dict[int, int] = field(default_factory=dict)

    def merge(self, other: Report) -> None:
        """Add what another one has seen."""
        for name in ("complete", "viewers", "resets", "messages", "text_bytes", "cpu"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.finished += other.finished
        self.faults += other.faults
        merged = Histogram(self.latency)
        merged.merge(other.latency)
        self.latency = merged.counts
