"""What a scenario is, and how most of them watch programs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Self

from bench import machine
from bench.cpu_meter import CpuMeter
from bench.figures import Measured
from bench.load import Load
from bench.machine import wait_for
from bench.plan import Plan, Report
from bench.servers.base import Server, Stream
from bench.starting_gun import StartingGun

SETTLE_SECONDS = 60.0
HARNESS = ("daphne", "uvicorn")
EVERY_SERVER = (*HARNESS, "reference", "terminado")
# The same as two processes, where what goes between them is of interest.
SEVERAL = "several"


def flag(parameter: str) -> str:
    """Return a parameter's name on the command line."""
    return "--" + parameter.replace("_", "-")


@dataclass(frozen=True, kw_only=True)
class Scenario(ABC):
    """One question about speed, whose parameters are the fields, on the command line too.

    `servers` are the kinds that can be asked. Its docstring's first line is the question.
    """

    name: ClassVar[str]
    servers: ClassVar[tuple[str, ...]]

    @classmethod
    def variants(cls) -> Sequence[Self]:
        """Return what is measured when no parameter is given."""
        return [cls()]

    @classmethod
    @abstractmethod
    def smallest(cls) -> Self:
        """Return the variant that checks correctness in a second or two."""

    @property
    def command(self) -> str:
        """Return the command that measures exactly this."""
        flags = [
            flag(field.name) if value is True else f"{flag(field.name)} {value}"
            for field in fields(self)
            if (value := getattr(self, field.name)) is not False
        ]
        return " ".join(["python -m bench", self.name, *flags])

    @property
    def settings(self) -> dict[str, str]:
        """Return what the harness has to be set up with."""
        return {}

    @abstractmethod
    def measure(self, server: Server) -> Measured:
        """Measure once."""


@dataclass
class Usage:
    """What a server has used since this was made."""

    server: Server

    def __post_init__(self) -> None:
        self._cpu = self.server.cpu_seconds()
        self._holders = CpuMeter(self.server.holder_pids())

    def add_to(self, measured: Measured) -> None:
        """Add CPU time and the memory's peak to the figures.

        Of the holders those count that were there when this was made.
        """
        measured.add_cost("server CPU", self.server.cpu_seconds() - self._cpu, "s")
        if self._holders.pids:
            measured.add_cost("holders' CPU", self._holders.stop(), "s")
        measured.add_cost("server memory, peak", machine.peak_megabytes(self.server.pid), "MB")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What viewers saw; `began` is when the programs began (ns, monotonic clock)."""

    report: Report
    began: int


@dataclass(frozen=True, kw_only=True)
class Watching:
    """Viewers of programs that print what can be checked; see `Plan`."""

    viewers: int
    expects: str
    amount: int
    seconds: float
    deaf: int = 0
    acknowledges: bool = False
    everything: bool = False
    generators: int = 1

    def load(self, server: Server, sessions: Sequence[str]) -> Load:
        """Send the viewers; they are not attached yet."""
        stream = server.stream(sessions, everything=self.everything)
        return Load(self._plan(server, stream, sessions), self.generators)

    def watch(
        self,
        server: Server,
        sessions: Sequence[str],
        gun: StartingGun,
        measured: Measured,
        stored: Mapping[str, int],
    ) -> Watched:
        """Attach, let the programs go, and note costs and faults once all is seen and `stored`."""
        with self.load(server, sessions) as load:
            load.wait_until_attached()
            usage = Usage(server)
            began = gun.fire()
            load.wait_until_done()
            wait_for(lambda: server.settled(stored), "the output is stored", SETTLE_SECONDS)
            usage.add_to(measured)
            report = load.report()
        note(report, measured)
        return Watched(report=report, began=began)

    def _plan(self, server: Server, stream: Stream, sessions: Sequence[str]) -> Plan:
        return Plan(
            host=stream.endpoint.host,
            port=stream.endpoint.port,
            path=stream.endpoint.path,
            headers=stream.endpoint.headers,
            hello=stream.hello,
            attached_kind=stream.attached_kind,
            attached_count=stream.attached_count,
            sessions=sessions,
            expects=self.expects,
            amount=self.amount,
            viewers=self.viewers,
            deaf=self.deaf,
            acknowledges=self.acknowledges and server.tells_offsets,
            seconds=self.seconds,
        )


def note(report: Report, measured: Measured) -> None:
    """Add the load generator's own CPU time, and what was wrong."""
    measured.add_cost("load generator's CPU", report.cpu, "s")
    measured.faults += report.faults
    missing = report.viewers - report.complete
    measured.expect(not missing, f"{missing} of {report.viewers} viewers did not get everything")
