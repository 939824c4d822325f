"""What a run measures, and what is said about several runs: median, spread, ratio."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

MEGABYTE = 1e6
SOUND = "complete and in order"


@dataclass(frozen=True)
class Figure:
    """One measured number and its unit."""

    value: float
    unit: str


@dataclass
class Measured:
    """What one run has measured, and what was wrong in it.

    `costs` are the figures that every scenario has; they stand last in the table. `faults` are
    sentences; a run without any was complete, in order and as expected.
    """

    results: dict[str, Figure] = field(default_factory=dict)
    costs: dict[str, Figure] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, Figure]:
        """Return all of them, in the order of the table."""
        return self.results | self.costs

    def add(self, name: str, value: float, unit: str) -> None:
        """Add a figure that answers the scenario's question."""
        self.results[name] = Figure(value, unit)

    def add_cost(self, name: str, value: float, unit: str) -> None:
        """Add what it took."""
        self.costs[name] = Figure(value, unit)

    def expect(self, holds: bool, fault: str) -> None:
        """Note the fault unless this holds."""
        if not holds:
            self.faults.append(fault)

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in the file."""
        figures = {name: [each.value, each.unit] for name, each in self.figures.items()}
        return {"figures": figures, "faults": self.faults}

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> Self:
        """Return what `to_json` was made of; which figures are costs is not kept."""
        figures = {name: Figure(*figure) for name, figure in shown["figures"].items()}
        return cls(results=figures, faults=list(shown["faults"]))


@dataclass(frozen=True)
class Spread:
    """One figure over all runs."""

    median: float
    least: float
    most: float
    unit: str

    @classmethod
    def of(cls, figures: Sequence[Figure]) -> Spread:
        """Summarise the same figure of several runs."""
        values = [figure.value for figure in figures]
        return cls(statistics.median(values), min(values), max(values), figures[0].unit)

    def __str__(self) -> str:
        return f"{_short(self.median)} ({_short(self.least)} to {_short(self.most)}) {self.unit}"

    def to_json(self, reference: Spread | None) -> dict[str, Any]:
        """Return it as it stands in the file."""
        shown = {"median": self.median, "least": self.least, "most": self.most, "unit": self.unit}
        ratio = self.ratio_to(reference)
        return shown if ratio is None else {**shown, "ratioToReference": ratio}

    def ratio_to(self, reference: Spread | None) -> float | None:
        """Return how many times the reference's median this is; None where that says nothing."""
        return self.median / reference.median if reference and reference.median else None


def _short(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


class Comparison:
    """All runs of one scenario, by server."""

    def __init__(self, reference: str = "reference") -> None:
        self.runs: dict[str, list[Measured]] = {}
        self._reference = reference

    @classmethod
    def from_json(cls, servers: Mapping[str, Any]) -> Self:
        """Return what `to_json` was made of."""
        comparison = cls()
        for server, shown in servers.items():
            for run in shown["runs"]:
                comparison.add(server, Measured.from_json(run))
        return comparison

    def add(self, server: str, measured: Measured) -> None:
        """Add a run."""
        self.runs.setdefault(server, []).append(measured)

    @property
    def faults(self) -> list[str]:
        """Return what was wrong with any run."""
        return [
            f"{server}: {fault}"
            for server, runs in self.runs.items()
            for run in runs
            for fault in run.faults
        ]

    def spreads(self, server: str) -> dict[str, Spread]:
        """Return each figure of a server over its runs."""
        runs = self.runs.get(server, [])
        names = dict.fromkeys(name for run in runs for name in run.figures)
        return {
            name: Spread.of([run.figures[name] for run in runs if name in run.figures])
            for name in names
        }

    def to_json(self) -> dict[str, Any]:
        """Return runs and summaries as they stand in the file."""
        reference = self.spreads(self._reference)
        return {
            server: {
                "summary": {
                    name: spread.to_json(None if server == self._reference else reference.get(name))
                    for name, spread in self.spreads(server).items()
                },
                "runs": [run.to_json() for run in runs],
            }
            for server, runs in self.runs.items()
        }

    @property
    def names(self) -> list[str]:
        """Return all figures that any server has, in the order of the table."""
        return list(dict.fromkeys(name for each in self.runs for name in self.spreads(each)))

    def table(self) -> str:
        """Return a table in Markdown: a row per figure, a column per server."""
        rows = [[name, *(self.cell(server, name) for server in self.runs)] for name in self.names]
        sound = [self.soundness(server) for server in self.runs]
        return markdown(["", *self.runs], [*rows, [SOUND, *sound]])

    def cell(self, server: str, name: str) -> str:
        """Return a figure with its spread and its ratio to the reference; "" if there is none."""
        spread = self.spreads(server).get(name)
        if spread is None:
            return ""
        reference = self.spreads(self._reference).get(name)
        ratio = None if server == self._reference else spread.ratio_to(reference)
        return f"{spread}" if ratio is None else f"{spread}, x {ratio:.2f}"

    def is_sound(self, server: str) -> bool:
        """Tell whether nothing was wrong in any run."""
        return not any(run.faults for run in self.runs.get(server, []))

    def soundness(self, server: str) -> str:
        """Return in how many runs nothing was wrong."""
        runs = self.runs[server]
        return f"{sum(not run.faults for run in runs)} of {len(runs)} runs"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned table."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )


class Histogram:
    """Latencies in buckets of a tenth of a millisecond."""

    BUCKET_NS = 100_000

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: dict[int, int] = dict(counts or {})

    def merge(self, other: Mapping[int, int]) -> None:
        """Add the counts of another one."""
        for bucket, count in other.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    def percentile(self, percent: float) -> float:
        """Return milliseconds, the upper end of the bucket; 0 if nothing was counted."""
        wanted = sum(self.counts.values()) * percent / 100
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return (bucket + 1) * self.BUCKET_NS / 1e6
        return 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of these values; 0 if there are none."""
    if not values:
        return 0.0
    rank = max(0, -(-len(values) * percent // 100) - 1)
    return sorted(values)[int(rank)]
