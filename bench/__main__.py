"""`python -m bench SCENARIO`: measure, and print a table.

Servers take turns within a run, so that what else the machine does hits all of them alike.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bench import machine
from bench.figures import Comparison, Measured
from bench.profiling import profiled
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS
from bench.servers import KINDS

DEFAULT_SERVERS = ("daphne", "reference", "none")
RUNS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 if anything was incomplete or out of order."""
    options = _parser().parse_args(arguments)
    if options.list:
        print(_listing())
        return 0
    if options.scenario is None:
        _parser().error("name a scenario, or `all`; --list tells which there are")
    results = [measure(scenario, options) for scenario in chosen(options.scenario, _given(options))]
    if options.json:
        document = {"machine": options.machine, "scenarios": [each for each, _ in results]}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return int(any(faults for _, faults in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures this project's server beside others.",
        epilog="--list tells what each scenario asks, and its parameters.",
    )
    parser.add_argument("scenario", nargs="?", choices=[*SCENARIOS, "all"])
    parser.add_argument("--list", action="store_true", help="tell what there is to measure")
    parser.add_argument(
        "--server", action="append", choices=[*KINDS],
        help="what to measure, several times for several (default: daphne and the reference)",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=RUNS, help=f"default {RUNS}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="write flame graphs of the servers there"
    )
    parser.set_defaults(machine=machine.facts())
    parameters = parser.add_argument_group("parameters of scenarios")
    for name, default in _parameters().items():
        if isinstance(default, bool):
            parameters.add_argument(_flag(name), action="store_true", default=None)
        else:
            parameters.add_argument(_flag(name), type=type(default))
    return parser


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _parameters() -> dict[str, Any]:
    """Return every parameter that any scenario has, with an example of its value."""
    return {
        field.name: field.default
        for scenario in SCENARIOS.values()
        for field in dataclasses.fields(scenario)
    }


def _given(options: argparse.Namespace) -> dict[str, Any]:
    values = {name: getattr(options, name) for name in _parameters()}
    return {name: value for name, value in values.items() if value is not None}


def _listing() -> str:
    lines = []
    for name, scenario in SCENARIOS.items():
        question = (scenario.__doc__ or "").splitlines()[0]
        fields = dataclasses.fields(scenario)
        parameters = " ".join(f"{_flag(field.name)} {field.default}" for field in fields)
        lines += [f"{name:10} {question}", f"{'':10} {', '.join(scenario.servers)}; {parameters}"]
    return "\n".join(lines)


def chosen(name: str, given: dict[str, Any]) -> list[Scenario]:
    """Return what to measure: the variants, with these parameters in place of theirs.

    Raises SystemExit for a parameter that the scenario does not have.
    """
    found: dict[Scenario, None] = {}
    for kind in SCENARIOS.values() if name == "all" else [SCENARIOS[name]]:
        known = {field.name for field in dataclasses.fields(kind)}
        if name != "all" and (unknown := given.keys() - known):
            flags = ", ".join(map(_flag, sorted(unknown)))
            raise SystemExit(f"The scenario {name} has no {flags}.")
        fitting = {key: value for key, value in given.items() if key in known}
        found |= dict.fromkeys(
            dataclasses.replace(variant, **fitting) for variant in kind.variants()
        )
    return list(found)


def measure(scenario: Scenario, options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Measure all runs and print the table; return what goes into the file, and faults."""
    wanted = options.server or DEFAULT_SERVERS
    servers = [kind for kind in wanted if kind in scenario.servers]
    comparison = Comparison()
    command = command_of(scenario)
    print(f"\n## {command}\n", flush=True)
    if not servers:
        print(f"Not measured: only {', '.join(scenario.servers)} can be asked this.")
    for run in range(options.runs):
        for server in servers:
            say(f"{command}: {server}, run {run + 1} of {options.runs}")
            comparison.add(
                server, measure_once(scenario, server, _picture(options, scenario, server, run))
            )
    if servers:
        print(comparison.table())
    for fault in comparison.faults:
        print(f"- {fault}")
    shown = {"command": command, "parameters": dataclasses.asdict(scenario)}
    return {**shown, "name": scenario.name, "servers": comparison.to_json()}, comparison.faults


def _picture(options: argparse.Namespace, scenario: Scenario, server: str, run: int) -> Path | None:
    """Return where the profile of this run goes; only Python is profiled."""
    if options.profile is None or server in ("reference", "none"):
        return None
    folder: Path = options.profile
    folder.mkdir(parents=True, exist_ok=True)
    parameters = [word.strip("-") for word in command_of(scenario).split()[3:]]
    return folder / f"{'-'.join([*parameters, server, str(run + 1)])}.svg"


def command_of(scenario: Scenario) -> str:
    """Return the command that measures exactly this."""
    flags = [
        _flag(field.name) if value is True else f"{_flag(field.name)} {value}"
        for field in dataclasses.fields(scenario)
        if (value := getattr(scenario, field.name)) is not False
    ]
    return " ".join(["python -m bench", scenario.name, *flags])


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


if __name__ == "__main__":
    sys.exit(main())
