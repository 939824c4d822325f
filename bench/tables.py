"""Tables for the documentation: what was measured, beside what is to be reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.figures import SOUND, markdown
from bench.result import Result, flags
from bench.runs import DEFAULT_SERVERS, RUNS
from bench.scenario import HARNESS, Scenario
from bench.targets import Target, asked, targets_of

MISSED = "**missed**"
MOST_FAULTS = 5


def section(results: Sequence[Result], everything: Sequence[Result]) -> str:
    """Return a scenario's results, each under its command.

    `everything` that was measured has what targets are relative to.
    """
    origins = list(dict.fromkeys(result.origin for result in results))
    medians = Medians(everything)
    if len(origins) == 1:
        return "\n\n".join([origins[0], *(_shown(each, medians) for each in results)])
    return "\n\n".join(f"{_shown(each, medians)}\n\n{each.origin}" for each in results)


class Medians:
    """Medians by scenario, server and figure."""

    def __init__(self, results: Sequence[Result]) -> None:
        self._comparisons = {asked(each.scenario): each.comparison for each in results}

    def get(self, scenario: Scenario, server: str, figure: str) -> float | None:
        """Return one; None if it was not measured."""
        comparison = self._comparisons.get(asked(scenario))
        spread = comparison.spreads(server).get(figure) if comparison else None
        return spread.median if spread else None


def _shown(result: Result, medians: Medians) -> str:
    command = result.scenario.command + flags(result, _default_servers(result.scenario), RUNS)
    return "\n\n".join([f"`{command}`", _table(result, medians), *_faults(result)])


def _default_servers(scenario: Scenario) -> list[str]:
    return [server for server in DEFAULT_SERVERS if server in scenario.servers]


def _table(result: Result, medians: Medians) -> str:
    targets = targets_of(result.scenario)
    comparison = result.comparison
    head = ["", *result.servers, *(["to be reached"] if targets else [])]
    rows = [
        [
            name,
            *(_cell(result, server, name, targets.get(name), medians) for server in result.servers),
            *([str(targets.get(name, ""))] if targets else []),
        ]
        for name in comparison.names
    ]
    sound = [_soundness(result, server) for server in result.servers]
    return markdown(head, [*rows, [SOUND, *sound, *(["all runs"] if targets else [])]])


def _cell(result: Result, server: str, name: str, target: Target | None, medians: Medians) -> str:
    cell = result.comparison.cell(server, name)
    median = medians.get(result.scenario, server, name)
    if target is None or median is None or server not in HARNESS:
        return cell
    compared = medians.get(result.scenario, "reference", name)
    if target.more_than:
        compared = medians.get(target.more_than, server, name)
    return f"{cell}, {MISSED}" if target.is_missed_by(median, compared) else cell


def _soundness(result: Result, server: str) -> str:
    soundness = result.comparison.soundness(server)
    return soundness if result.comparison.is_sound(server) else f"**{soundness}**"


def _faults(result: Result) -> list[str]:
    """Return a list of what was wrong, if anything was."""
    faults = Counter(result.comparison.faults)
    lines = [
        f"- {fault}" + (f" ({times} times)" if times > 1 else "") for fault, times in faults.items()
    ]
    more = len(lines) - MOST_FAULTS
    shown = [*lines[:MOST_FAULTS], *([f"- and {more} others"] if more > 0 else [])]
    return ["\n".join(shown)] if shown else []
