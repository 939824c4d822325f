"""The file that measurements are kept in: JSON, an entry for each scenario.

An entry has the scenario's `name`, `parameters` and `command`, the `machine` it was measured on and
when (bench.machine), and for each of the `servers` a `summary` and the `runs` (bench.figures).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


def read(path: Path) -> list[Entry]:
    """Return the entries of a file; raises SystemExit with advice if it is none of the bench's."""
    try:
        entries: list[Entry] = json.loads(path.read_text(encoding="utf-8"))["scenarios"]
        if all({"command", "machine", "name", "parameters", "servers"} <= {*e} for e in entries):
            return entries
    except (ValueError, KeyError, TypeError):
        pass
    raise SystemExit(f"{path} is not what this bench writes with --json; measure again.")


def faults_of(entry: Entry) -> list[str]:
    """Return what was wrong with any run."""
    return [
        f"{server}: {fault}"
        for server, each in entry["servers"].items()
        for run in each["runs"]
        for fault in run["faults"]
    ]


class Document:
    """What has been measured so far; written anew with each entry, if there is a file at all."""

    def __init__(self, path: Path | None, entries: Iterable[Entry] = ()) -> None:
        self._path = path
        self._entries = {entry["command"]: entry for entry in entries}

    @property
    def entries(self) -> list[Entry]:
        """Return all of them."""
        return list(self._entries.values())

    def add(self, entry: Entry) -> None:
        """Add an entry, in place of one of the same command."""
        self._entries[entry["command"]] = entry
        if self._path is None:
            return
        # Whoever interrupts this loses the new entry and not all of them.
        half_written = self._path.with_name(self._path.name + ".new")
        half_written.write_text(json.dumps({"scenarios": self.entries}, indent=1) + "\n")
        half_written.replace(self._path)

    def of(self, commands: Iterable[str]) -> list[Entry]:
        """Return the entries of these commands."""
        return [self._entries[each] for each in commands if each in self._entries]

    def has(self, command: str, servers: Iterable[str], runs: int) -> bool:
        """Tell whether the command was measured with all of these servers, so often at least."""
        measured = self._entries.get(command, {"servers": {}})["servers"]
        return all(len(measured.get(each, {"runs": ()})["runs"]) >= runs for each in servers)
