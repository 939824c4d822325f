"""`python -m bench growth`, and what a measurement that is interrupted keeps."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import __main__ as command
from bench import runs, sections
from bench.figures import Measured
from bench.growth import CURVES, expected_seconds
from bench.report import main as report
from bench.scenario import EVERY_SERVER, Scenario
from bench.scenarios.fanout import Fanout
from tests.bench.measurements import run

Asked = list[tuple[Scenario, str]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Have nothing measured; give what would have been, with which server."""
    found: Asked = []

    def measure_once(scenario: Scenario, kind: str, picture: Path | None = None) -> Measured:
        found.append((scenario, kind))
        return run({"p50": 1.0})

    monkeypatch.setattr(runs, "measure_once", measure_once)
    return found


def interrupt_at(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have somebody press Ctrl+C once this is measured."""
    measure_once = runs.measure_once

    def interrupted(each: Scenario, kind: str, picture: Path | None = None) -> Measured:
        if each == scenario:
            raise KeyboardInterrupt
        return measure_once(each, kind, picture)

    monkeypatch.setattr(runs, "measure_once", interrupted)


def commands_in(file: Path) -> list[str]:
    """Return what a file has measurements of."""
    return [entry["command"] for entry in json.loads(file.read_text())["scenarios"]]


def commands_of(scenarios: Sequence[Scenario]) -> list[str]:
    return [scenario.command for scenario in scenarios]


def test_growth_measures_every_point_three_times_with_every_server_that_can_be_asked(
    asked: Asked,
) -> None:
    assert command.main(["growth"]) == 0

    points = {point for curve in CURVES.values() for point in curve.points}
    asked_by_default = [(point, server) for point in points for server in EVERY_SERVER]
    expected = {(point, server) for point, server in asked_by_default if server in point.servers}
    assert set(asked) == expected
    assert len(asked) == 3 * len(expected)


def test_a_part_of_the_curves_can_be_measured(asked: Asked) -> None:
    command.main(["growth", "--only", "viewers", "--only", "rate", "--runs", "1"])

    wanted = {*CURVES["viewers"].points, *CURVES["rate"].points}
    assert {scenario for scenario, _ in asked} == wanted


def test_the_curves_are_those_of_the_documentation() -> None:
    across = {
        name: [[panel.place_of(point) for point in panel.points] for panel in curve.panels]
        for name, curve in CURVES.items()
    }

    assert across == {
        "viewers": [[1, 10, 100, 300, 1000]] * 2,
        "sessions": [[10, 25, 50, 100]] * 2,
        "rate": [[100, 300, 1000, 3000]] * 2,
        "history": [[1, 10, 50, 200], [1000, 10_000, 100_000]],
    }


def test_the_list_of_points_says_how_long_they_take_and_measures_nothing(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["growth", "--list", "--only", "sessions"]) == 0

    printed = capsys.readouterr()
    assert printed.out.splitlines() == commands_of(CURVES["sessions"].points)
    # Three servers, three runs.
    seconds = 9 * sum(expected_seconds(point) for point in CURVES["sessions"].points)
    assert f"4 scenarios, 36 runs of a server: about {-(-seconds // 60):.0f} min" in printed.err
    assert asked == []


def test_only_is_refused_where_there_are_no_curves() -> None:
    with pytest.raises(SystemExit):
        command.main(["fanout", "--only", "viewers"])


@pytest.mark.parametrize("what", ["growth", "all"])
def test_a_measurement_that_is_interrupted_keeps_what_it_has(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    file = tmp_path / "results.json"
    interrupt_at(Fanout(viewers=100), monkeypatch)

    with pytest.raises(KeyboardInterrupt):
        command.main([what, "--json", str(file)])

    assert commands_in(file) == commands_of([Fanout(viewers=1), Fanout(viewers=10)])


def test_a_measurement_can_be_resumed_and_keeps_what_it_had(asked: Asked, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    command.main(["fanout", "--viewers", "1", "--server", "daphne", "--json", str(file)])
    asked.clear()

    command.main(["fanout", "--server", "daphne", "--json", str(file), "--resume"])

    assert {scenario for scenario, _ in asked} == {*Fanout.variants()} - {Fanout(viewers=1)}
    assert commands_in(file) == commands_of(Fanout.variants())


@pytest.mark.parametrize("more", [["--server", "reference"], ["--runs", "4"]])
def test_what_was_measured_with_fewer_servers_or_runs_is_measured_again(
    asked: Asked, tmp_path: Path, more: list[str]
) -> None:
    file = tmp_path / "results.json"
    options = ["echo", "--server", "daphne", "--json", str(file)]
    command.main(options)
    asked.clear()

    command.main([*options, "--resume", *more])

    assert asked
    assert len(commands_in(file)) == 1


def test_without_resume_everything_is_measured_anew(asked: Asked, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    command.main(["fanout", "--json", str(file)])
    asked.clear()

    command.main(["echo", "--json", str(file)])

    assert len(commands_in(file)) == 1


def test_what_is_kept_still_counts_for_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "measure_once", lambda *_: run({}, "a line is missing"))
    options = ["echo", "--json", str(tmp_path / "results.json")]

    assert command.main(options) == 1
    assert command.main([*options, "--resume"]) == 1


def test_a_point_is_measured_for_real_and_reported(tmp_path: Path) -> None:
    file, page = tmp_path / "growth.json", tmp_path / "page.md"
    page.write_text(sections.place("fanout"), encoding="utf-8")
    point = ["--only", "viewers", "--viewers", "2", "--seconds", "0.2"]

    assert (
        command.main(["growth", *point, "--server", "daphne", "--runs", "1", "--json", str(file)])
        == 0
    )
    assert report([str(file), "--page", str(page), "--pictures", str(tmp_path)]) == 0

    assert "| p99 " in page.read_text(encoding="utf-8")
