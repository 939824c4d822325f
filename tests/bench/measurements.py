"""Measurements as the bench writes them, without measuring."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.figures import Comparison, Measured
from bench.scenario import Scenario

MACHINE = {
    "cores": 2,
    "processor": "Example CPU",
    "memoryGigabytes": 8.0,
    "kernel": "6.1",
    "python": "3.11.7",
    "node": "v20.1.0",
    "loadBefore": 0.25,
    "measuredAt": "2026-01-02T03:04:05Z",
}
UNITS = {"server CPU": "s", "server memory, peak": "MB", "to the slowest viewer": "MB/s"}

Values = Mapping[str, float]


def run(values: Values, *faults: str) -> Measured:
    """Return a run with these figures."""
    measured = Measured(faults=list(faults))
    for name, value in values.items():
        measured.add(name, value, UNITS.get(name, "ms"))
    return measured


def entry(
    scenario: Scenario, servers: Mapping[str, Sequence[Measured]], **machine: Any
) -> dict[str, Any]:
    """Return what stands in the file about this scenario."""
    comparison = Comparison()
    for server, runs in servers.items():
        for each in runs:
            comparison.add(server, each)
    return {
        "command": scenario.command,
        "parameters": dataclasses.asdict(scenario),
        "name": scenario.name,
        "servers": comparison.to_json(),
        "machine": MACHINE | machine,
    }


def thrice(values: Values) -> list[Measured]:
    """Return three runs: with these figures, with twice as much and with half of it."""
    return [run({name: value * by for name, value in values.items()}) for by in (1, 2, 0.5)]


def write(path: Path, *entries: dict[str, Any]) -> Path:
    """Write a file of the bench."""
    path.write_text(json.dumps({"scenarios": entries}), encoding="utf-8")
    return path
