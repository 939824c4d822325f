"""Measures a scenario: so many runs, the servers in turn.

They take turns so that what else the machine does hits all of them alike.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import Comparison, Measured
from bench.profiling import profiled
from bench.scenario import Scenario
from bench.servers import KINDS

DEFAULT_SERVERS = ("daphne", "reference", "none")
RUNS = 3


@dataclass(frozen=True)
class How:
    """How scenarios are measured: which servers, how often, and where profiles of them go."""

    servers: Sequence[str]
    runs: int
    profiles: Path | None = None

    def servers_of(self, scenario: Scenario) -> list[str]:
        """Return those of the servers that the scenario can be asked of."""
        return [kind for kind in self.servers if kind in scenario.servers]


def measure(scenario: Scenario, how: How) -> dict[str, Any]:
    """Measure all runs and print the table; return what goes into the file."""
    servers = how.servers_of(scenario)
    comparison = Comparison()
    print(f"\n## {scenario.command}\n", flush=True)
    if not servers:
        print(f"Not measured: only {', '.join(scenario.servers)} can be asked this.")
    for run in range(how.runs):
        for server in servers:
            say(f"{scenario.command}: {server}, run {run + 1} of {how.runs}")
            comparison.add(
                server, measure_once(scenario, server, _picture(how, scenario, server, run))
            )
    if servers:
        print(comparison.table())
    for fault in comparison.faults:
        print(f"- {fault}")
    shown = {"command": scenario.command, "parameters": dataclasses.asdict(scenario)}
    return {**shown, "name": scenario.name, "servers": comparison.to_json()}


def _picture(how: How, scenario: Scenario, server: str, run: int) -> Path | None:
    """Return where the profile of this run goes; only Python is profiled."""
    if how.profiles is None or server in ("reference", "none"):
        return None
    how.profiles.mkdir(parents=True, exist_ok=True)
    parameters = [word.strip("-") for word in scenario.command.split()[3:]]
    return how.profiles / f"{'-'.join([*parameters, server, str(run + 1)])}.svg"


def measure_once(scenario: Scenario, kind: str, picture: Path | None = None) -> Measured:
    """Measure with a server of its own, started before and gone afterwards.

    A run that cannot be brought to its end is a fault, not the end of all others.
    """
    try:
        with (
            KINDS[kind](scenario.settings) as server,
            profiled(server.pid, picture) if picture else nullcontext(),
        ):
            return scenario.measure(server)
    except (OSError, RuntimeError) as error:  # time-outs are among them
        return Measured(faults=[f"the run broke off: {error}"])


def say(sentence: str) -> None:
    """Tell on the standard error how far it is."""
    print(sentence, file=sys.stderr, flush=True)
