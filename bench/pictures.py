"""Growth curves for the documentation: pictures, and the figures in them as tables."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import environment
from bench.figures import markdown
from bench.growth import Curve, Panel
from bench.machine import PROJECT
from bench.result import Result, flags
from bench.runs import RUNS
from bench.scenario import EVERY_SERVER
from bench.targets import asked

DRAWING = PROJECT / "bench" / "drawing.py"


def results_of(curve: Curve, results: Sequence[Result]) -> list[Result]:
    """Return the results that are points of the curve, in their order on it."""
    by_scenario = {asked(each.scenario): each for each in results}
    return [by_scenario[point] for point in curve.points if point in by_scenario]


def described(curve: Curve, results: Sequence[Result]) -> dict[str, Any]:
    """Return the picture as it is drawn: `panels` with `series`, one a server, of `points`.

    A point has its place `x`, the figure's `median`, `least` and `most`, and whether all runs were
    `sound`.
    """
    panels = [
        {
            "title": panel.title,
            "across": panel.across,
            "logarithmic": panel.logarithmic,
            "line": panel.line,
            "series": _series(panel, results),
        }
        for panel in curve.panels
    ]
    return {"title": curve.title, "panels": [panel for panel in panels if panel["series"]]}


def _on(panel: Panel, results: Sequence[Result]) -> tuple[list[Result], list[str]]:
    """Return the results that are points of the panel, and whom any of them is about."""
    found = [result for result in results if asked(result.scenario) in panel.points]
    return found, [each for each in EVERY_SERVER if any(each in one.servers for one in found)]


def _series(panel: Panel, results: Sequence[Result]) -> list[dict[str, Any]]:
    found, servers = _on(panel, results)
    series = [{"name": server, "points": _points(panel, server, found)} for server in servers]
    return [each for each in series if each["points"]]


def _points(panel: Panel, server: str, results: Sequence[Result]) -> list[dict[str, Any]]:
    return [
        {
            "x": panel.place_of(result.scenario),
            "median": spread.median,
            "least": spread.least,
            "most": spread.most,
            "sound": result.comparison.is_sound(server),
        }
        for result in results
        if (spread := result.comparison.spreads(server).get(panel.figure))
    ]


def draw(curve: Curve, results: Sequence[Result], path: Path) -> None:
    """Draw the picture; raises RuntimeError where matplotlib cannot be installed or fails."""
    environment.install()
    path.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [environment.PYTHON, "-I", DRAWING, path],
        input=json.dumps(described(curve, results)),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{path.name} could not be drawn.\n{done.stderr[-2000:]}")


def section(name: str, curve: Curve, results: Sequence[Result], picture: str) -> str:
    """Return the picture, the command that measures it, and its figures in tables."""
    origins = dict.fromkeys(result.origin for result in results)
    widest = max(results, key=lambda result: len(result.servers))
    usual = [each for each in EVERY_SERVER if each in widest.scenario.servers]
    command = f"python -m bench growth --only {name}{flags(widest, usual, RUNS)}"
    tables = [_table(panel, results) for panel in curve.panels]
    return "\n\n".join([
        f"![{curve.title}: {' and '.join(panel.title for panel in curve.panels)}]({picture})",
        f"`{command}`",
        *origins,
        "<details><summary>The figures</summary>",
        *filter(None, tables),
        "</details>",
    ])  # fmt: skip


def _table(panel: Panel, results: Sequence[Result]) -> str:
    found, servers = _on(panel, results)
    rows = [
        [f"{panel.place_of(result.scenario):,g}", *(_cell(result, each, panel) for each in servers)]
        for result in found
    ]
    return f"{panel.title}:\n\n{markdown([panel.across, *servers], rows)}" if rows else ""


def _cell(result: Result, server: str, panel: Panel) -> str:
    if server not in result.servers:
        return ""
    cell = result.comparison.cell(server, panel.figure)
    faulty = not result.comparison.is_sound(server)
    return f"{cell}, **{result.comparison.soundness(server)}**" if faulty else cell
