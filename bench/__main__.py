"""`python -m bench SCENARIO`: measure, and print a table.

`all` measures every scenario, `growth` the points of the growth curves.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import document, growth, machine
from bench.document import Document
from bench.runs import DEFAULT_SERVERS, RUNS, How, measure, say
from bench.scenario import EVERY_SERVER, Scenario, flag
from bench.scenarios import SCENARIOS
from bench.servers import KINDS

ALL, GROWTH = "all", "growth"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 1 if anything was incomplete or out of order."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check(parser, options)
    if options.list and options.scenario != GROWTH:
        print(_listing())
        return 0
    scenarios = chosen(options.scenario, _given(options), options.only or [*growth.CURVES])
    how = How(options.server or _default_servers(options.scenario), options.runs, options.profile)
    results = Document(options.json, _kept(options))
    missing = [
        each for each in scenarios if not results.has(each.command, how.servers_of(each), how.runs)
    ]
    if options.scenario == GROWTH:
        say(_announcement(missing, how))
    if options.list:
        print("\n".join(scenario.command for scenario in missing))
        return 0
    _measure_all(missing, how, results)
    return int(any(map(document.faults_of, results.of(each.command for each in scenarios))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures this project's server beside others.",
        epilog="--list tells what each scenario asks, and its parameters; growth --list tells "
        "the points of the growth curves, and how long they take.",
    )
    parser.add_argument("scenario", nargs="?", choices=[*SCENARIOS, ALL, GROWTH])
    parser.add_argument("--list", action="store_true", help="tell what there is to measure")
    parser.add_argument(
        "--server", action="append", choices=[*KINDS],
        help="what to measure, several times for several (default: daphne and the reference; "
        "for growth all of them)",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, default=RUNS, help=f"default {RUNS}")
    parser.add_argument(
        "--only", action="append", choices=[*growth.CURVES], metavar="CURVE",
        help=f"of growth: {', '.join(growth.CURVES)}; several times for several",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write everything there too, after each scenario"
    )
    parser.add_argument(
        "--resume", action="store_true", help="keep what that FILE has, and measure the rest"
    )
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="write flame graphs of the servers there"
    )
    parameters = parser.add_argument_group("parameters of scenarios")
    for name, default in _parameters().items():
        if isinstance(default, bool):
            parameters.add_argument(flag(name), action="store_true", default=None)
        else:
            parameters.add_argument(flag(name), type=type(default))
    return parser


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.scenario is None and not options.list:
        parser.error("name a scenario, or `all`; --list tells which there are")
    if options.only and options.scenario != GROWTH:
        parser.error("--only chooses curves of `growth`")
    if options.resume and options.json is None:
        parser.error("--resume needs the --json FILE to go on with")


def _kept(options: argparse.Namespace) -> list[document.Entry]:
    if options.resume and options.json.exists():
        return document.read(options.json)
    return []


def _default_servers(name: str) -> tuple[str, ...]:
    return EVERY_SERVER if name == GROWTH else DEFAULT_SERVERS


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
        parameters = " ".join(f"{flag(field.name)} {field.default}" for field in fields)
        lines += [f"{name:10} {question}", f"{'':10} {', '.join(scenario.servers)}; {parameters}"]
    return "\n".join(lines)


def chosen(name: str, given: dict[str, Any], curves: Sequence[str] = ()) -> list[Scenario]:
    """Return what to measure: the variants, or points of `curves`, with these parameters instead.

    Raises SystemExit for a parameter that the scenario does not have.
    """
    return list(
        dict.fromkeys(
            dataclasses.replace(scenario, **_fitting(scenario, given, strict=name in SCENARIOS))
            for scenario in _defined(name, curves)
        )
    )


def _defined(name: str, curves: Sequence[str]) -> list[Scenario]:
    if name == GROWTH:
        return growth.points_of(curves)
    kinds = SCENARIOS.values() if name == ALL else [SCENARIOS[name]]
    return [variant for kind in kinds for variant in kind.variants()]


def _fitting(scenario: Scenario, given: dict[str, Any], *, strict: bool) -> dict[str, Any]:
    """Return the parameters that the scenario has; refuse others if `strict`."""
    known = {field.name for field in dataclasses.fields(scenario)}
    if strict and (unknown := given.keys() - known):
        flags = ", ".join(map(flag, sorted(unknown)))
        raise SystemExit(f"The scenario {scenario.name} has no {flags}.")
    return {key: value for key, value in given.items() if key in known}


def _announcement(scenarios: Sequence[Scenario], how: How) -> str:
    runs = {each: how.runs * len(how.servers_of(each)) for each in scenarios}
    seconds = sum(growth.expected_seconds(each) * times for each, times in runs.items())
    minutes = math.ceil(seconds / 60)
    return f"{len(runs)} scenarios, {sum(runs.values())} runs of a server: about {minutes} min"


def _measure_all(scenarios: Sequence[Scenario], how: How, results: Document) -> None:
    facts, begun = machine.facts(), time.monotonic()
    for number, scenario in enumerate(scenarios, start=1):
        results.add(measure(scenario, how) | {"machine": facts})
        minutes = (time.monotonic() - begun) / 60
        say(f"{number} of {len(scenarios)} scenarios measured after {minutes:.0f} min")


if __name__ == "__main__":
    sys.exit(main())
