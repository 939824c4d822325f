"""`python -m bench.report FILE...`: writes what was measured into docs/performance.md.

Tables and growth curves go to their places on the page (bench.sections), pictures beside it; what
nothing was measured for stays as it is.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import pictures, result, sections, tables
from bench.growth import BETWEEN, CURVES, Curve
from bench.machine import PROJECT
from bench.result import Result
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS
from bench.targets import asked

PAGE = PROJECT / "docs" / "performance.md"
PICTURES = PROJECT / "docs" / "pictures"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0; raises SystemExit with advice if the files or the page are not as expected."""
    options = _parser().parse_args(arguments)
    page = options.page.read_text(encoding="utf-8")
    results = result.read(options.files)
    if not results:
        raise SystemExit("Nothing was measured in these files.")
    folder = Path(os.path.relpath(options.pictures, options.page.parent))
    curves = _measured_curves(results)
    try:
        for name, content in (_tables(results) | _curves(curves, folder)).items():
            page = sections.written(page, name, content)
            print(f"{options.page}: {name}")
    except ValueError as error:
        raise SystemExit(f"On {options.page} {error}") from error
    for name, points in curves.items():
        pictures.draw(CURVES[name], points, options.pictures / f"{name}.svg")
    options.page.write_text(page, encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.report",
        description="Writes what the bench has measured into the documentation.",
        epilog="Of what was measured several times the newest counts. Places that nothing was "
        "measured for stay as they are, and so do curves of which a point is missing.",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE",
        help="what `python -m bench ... --json FILE` wrote, or a folder of such files",
    )  # fmt: skip
    parser.add_argument("--page", type=Path, default=PAGE, help=f"default {PAGE}")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help=f"default {PICTURES}")
    return parser


def _tables(results: Sequence[Result]) -> dict[str, str]:
    found = {name: _in_order(kind, results) for name, kind in SCENARIOS.items()}
    return {name: tables.section(shown, results) for name, shown in found.items() if shown}


def _in_order(kind: type[Scenario], results: Sequence[Result]) -> list[Result]:
    """Return a scenario's results, the usual variants first; points of curves are shown there."""
    usual = list(kind.variants())

    def place(result: Result) -> int:
        scenario = asked(result.scenario)
        return usual.index(scenario) if scenario in usual else len(usual)

    shown = [each for each in results if asked(each.scenario) not in BETWEEN]
    return sorted((each for each in shown if type(each.scenario) is kind), key=place)


def _measured_curves(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Return the points of each curve of which all were measured."""
    found = {name: pictures.results_of(curve, results) for name, curve in CURVES.items()}
    return {name: points for name, points in found.items() if _is_whole(CURVES[name], points)}


def _is_whole(curve: Curve, points: Sequence[Result]) -> bool:
    return len(points) == len(curve.points)


def _curves(curves: Mapping[str, list[Result]], folder: Path) -> dict[str, str]:
    return {
        f"growth: {name}": pictures.section(name, CURVES[name], points, f"{folder / name}.svg")
        for name, points in curves.items()
    }


if __name__ == "__main__":
    sys.exit(main())
