"""What was measured, as the report reads it from the bench's files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import document
from bench.figures import Comparison
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS


@dataclass(frozen=True)
class Result:
    """One scenario, and all of its runs by server."""

    scenario: Scenario
    comparison: Comparison
    machine: dict[str, Any]

    @classmethod
    def of(cls, entry: document.Entry) -> Result:
        """Read an entry; raises SystemExit if there is no such scenario, or no more."""
        try:
            scenario = SCENARIOS[entry["name"]](**entry["parameters"])
        except (KeyError, TypeError) as error:
            raise SystemExit(
                f"`{entry['command']}` is no command of this bench (any more); measure again."
            ) from error
        return cls(scenario, Comparison.from_json(entry["servers"]), entry["machine"])

    @property
    def servers(self) -> list[str]:
        """Return who was measured."""
        return list(self.comparison.runs)

    @property
    def runs(self) -> int:
        """Return how often each was."""
        return max(len(runs) for runs in self.comparison.runs.values())

    @property
    def origin(self) -> str:
        """Return where and when it was measured, a sentence."""
        of = self.machine
        node = f", Node.js {of['node'].removeprefix('v')}" if of["node"] else ""
        return (
            f"Measured on {of['measuredAt'][:10]}, load before {of['loadBefore']:.2f}: "
            f"{of['cores']} cores of {of['processor']}, {of['memoryGigabytes']:g} GB, "
            f"Linux {of['kernel']}, Python {of['python']}{node}."
        )


def read(paths: Iterable[Path]) -> list[Result]:
    """Read files and folders of them; of what was measured several times the newest counts."""
    files = [file for path in paths for file in _files(path)]
    found = [Result.of(entry) for file in files for entry in document.read(file)]
    found.sort(key=lambda result: str(result.machine["measuredAt"]))
    return list({result.scenario: result for result in found if result.servers}.values())


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def flags(result: Result, servers: Sequence[str], runs: int) -> str:
    """Return what to add to a command that would measure these servers so often by itself."""
    chosen = "" if set(result.servers) == set(servers) else _servers(result.servers)
    return chosen + ("" if result.runs == runs else f" --runs {result.runs}")


def _servers(servers: Sequence[str]) -> str:
    return "".join(f" --server {server}" for server in servers)
