"""`python -m bench`: what is measured, and how several runs are summed up."""

from pathlib import Path

import pytest

from bench import __main__ as command
from bench.figures import Comparison, Histogram, Measured, percentile
from bench.scenarios import SCENARIOS
from bench.scenarios.fanout import Fanout
from bench.scenarios.limit import Limit

PROJECT = Path(__file__).resolve().parents[2]


def run_of(value: float, *faults: str) -> Measured:
    """Return a run with one figure."""
    measured = Measured(faults=list(faults))
    measured.add("p50", value, "ms")
    return measured


def test_without_parameters_every_variant_is_measured() -> None:
    assert command.chosen("fanout", {}) == list(Fanout.variants())


def test_a_parameter_takes_the_place_of_the_variants_own() -> None:
    assert command.chosen("fanout", {"viewers": 7}) == [Fanout(viewers=7)]


def test_a_parameter_that_a_scenario_does_not_have_is_refused() -> None:
    with pytest.raises(SystemExit, match="--viewers"):
        command.chosen("echo", {"viewers": 7})


def test_all_scenarios_take_the_parameters_that_they_have() -> None:
    found = command.chosen("all", {"viewers": 7})

    assert {type(scenario) for scenario in found} == set(SCENARIOS.values())
    assert all(getattr(scenario, "viewers", 7) == 7 for scenario in found)


def test_the_list_names_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0

    printed = capsys.readouterr().out
    assert all(f"{name} " in printed for name in SCENARIOS)


def test_the_command_beside_a_table_measures_the_same_again() -> None:
    scenario = Fanout(viewers=3, acknowledge=True)
    words = scenario.command.split()[3:]

    options = command._parser().parse_args(words)

    assert command.chosen("fanout", command._given(options)) == [scenario]


def test_runs_are_summed_up_by_median_and_spread_with_the_ratio_to_the_reference() -> None:
    comparison = Comparison()
    for value in (3.0, 1.0, 2.0):
        comparison.add("daphne", run_of(value))
        comparison.add("reference", run_of(value * 4))

    summary = comparison.to_json()["daphne"]["summary"]["p50"]

    assert summary == {
        "median": 2.0, "least": 1.0, "most": 3.0, "unit": "ms", "ratioToReference": 0.25,
    }  # fmt: skip
    assert "2.00 (1.00 to 3.00) ms, x 0.25" in comparison.table()


def test_a_fault_in_one_run_is_reported_beside_the_figures() -> None:
    comparison = Comparison()
    comparison.add("daphne", run_of(1.0))
    comparison.add("daphne", run_of(1.0, "a line is missing"))

    assert comparison.faults == ["daphne: a line is missing"]
    assert "1 of 2 runs" in comparison.table()


def test_a_run_that_breaks_off_is_a_fault_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks_off(scenario: Limit, server: object) -> Measured:
        raise TimeoutError("the output is stored: not within 60 seconds")

    monkeypatch.setattr(Limit, "measure", breaks_off)

    assert command.main(["limit", "--runs", "2"]) == 1


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    histogram = Histogram()
    histogram.merge({0: 98, 9: 1})
    histogram.merge({99: 1})

    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (
        50,
        99,
        100,
    )
    assert histogram.percentile(50) == pytest.approx(0.1)
    assert histogram.percentile(99) == pytest.approx(1.0)
    assert histogram.percentile(100) == pytest.approx(10.0)


def test_the_page_about_performance_names_every_scenario() -> None:
    page = (PROJECT / "docs/performance.md").read_text(encoding="utf-8")

    assert all(f"python -m bench {name}" in page for name in SCENARIOS)
