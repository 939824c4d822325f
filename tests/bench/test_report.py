"""`python -m bench.report`: what was measured, written into the documentation."""

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import environment, report, sections
from bench.growth import CURVES
from bench.scenario import Scenario
from bench.scenarios import SCENARIOS
from bench.scenarios.bulk import BulkWithDeafViewer
from bench.scenarios.echo import Echo
from bench.scenarios.fanout import Fanout
from tests.bench.measurements import entry, run, thrice, write

PROJECT = Path(__file__).resolve().parents[2]
BEFORE, BETWEEN, AFTER = "# By hand: 1 < 2\n\n", "\nWhat limits it, by hand.\n\n", "\nThe end.\n"
PLACES = ("fanout", "echo", "bulk-deaf", "late", "list", "growth: history")


@dataclass(frozen=True)
class Page:
    """A page with places for some scenarios, and text around them."""

    folder: Path

    @property
    def path(self) -> Path:
        """Return the page."""
        return self.folder / "performance.md"

    @property
    def text(self) -> str:
        """Return what it says."""
        return self.path.read_text(encoding="utf-8")

    def row(self, name: str) -> list[str]:
        """Return the cells of the only row of this name."""
        (row,) = re.findall(rf"^\| {re.escape(name)} .*\|$", self.text, re.MULTILINE)
        return [cell.strip() for cell in row.strip("|").split("|")][1:]

    def report(self, *files: Path) -> None:
        """Write what these files have into it."""
        arguments = [*map(str, files), "--page", str(self.path)]
        assert report.main([*arguments, "--pictures", str(self.folder / "pictures")]) == 0


@pytest.fixture
def page(tmp_path: Path) -> Page:
    """Give a page that nothing has been written to."""
    made = Page(tmp_path)
    places = BETWEEN.join(sections.place(name) for name in PLACES)
    made.path.write_text(BEFORE + places + AFTER, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def matplotlib() -> None:
    """Have what draws installed."""
    try:
        environment.install()
    except RuntimeError as refusal:
        pytest.skip(str(refusal))


def history(faulty: Scenario | None = None) -> list[dict[str, object]]:
    """Return all points of a curve; one of them may be faulty."""
    runs = thrice({"p50": 4.0, "right screen, p50": 9.0})
    return [
        entry(point, {"daphne": [*runs, *([run({}, "torn")] if point == faulty else [])]})
        for point in CURVES["history"].points
    ]


def test_a_table_shows_the_median_the_spread_the_ratio_and_what_is_to_be_reached(
    page: Page,
) -> None:
    servers = {"daphne": thrice({"p99": 10.0}), "reference": thrice({"p99": 5.0})}
    page.report(write(page.folder / "a.json", entry(Fanout(viewers=1), servers)))

    assert page.row("p99") == [
        "10.0 (5.00 to 20.0) ms, x 2.00",
        "5.00 (2.50 to 10.0) ms",
        "≤ 20 ms",
    ]


def test_a_target_that_is_not_reached_is_marked_and_a_reached_one_is_not(page: Page) -> None:
    figures = {"p50": 9.0, "p99": 9.0}
    servers = {"daphne": thrice(figures), "reference": thrice(figures)}
    page.report(write(page.folder / "a.json", entry(Fanout(viewers=1), servers)))

    assert "**missed**" in page.row("p50")[0]
    assert "**missed**" not in page.row("p99")[0]
    # What is to be reached is asked of this server.
    assert "**missed**" not in page.row("p50")[1]


def test_a_target_that_is_relative_to_the_reference_is_compared_with_it(page: Page) -> None:
    servers = {
        "daphne": thrice({"server CPU": 5.0}),
        "uvicorn": thrice({"server CPU": 3.0}),
        "reference": thrice({"server CPU": 10.0}),
    }
    page.report(write(page.folder / "a.json", entry(Fanout(viewers=100), servers)))

    daphne, uvicorn, _, target = page.row("server CPU")
    assert target == "≤ x 0.40"
    assert ("**missed**" in daphne, "**missed**" in uvicorn) == (True, False)


@pytest.mark.parametrize(("with_deaf", "missed"), [(107.0, False), (109.0, True)])
def test_a_deaf_viewers_memory_is_compared_with_that_without(
    page: Page, with_deaf: float, missed: bool
) -> None:
    without, beside = (BulkWithDeafViewer(deaf=deaf) for deaf in (0, 1))
    entries = [
        entry(scenario, {"daphne": [run({"server memory, peak": memory})]})
        for scenario, memory in ((without, 100.0), (beside, with_deaf))
    ]
    page.report(write(page.folder / "a.json", *entries))

    assert ("**missed**" in page.text) is missed


def test_other_parameters_have_no_target(page: Page) -> None:
    servers = {"daphne": thrice({"p99": 10.0})}
    page.report(write(page.folder / "a.json", entry(Fanout(viewers=1, rate=50), servers)))

    assert page.row("p99") == ["10.0 (5.00 to 20.0) ms"]


def test_the_command_beside_a_table_says_all_that_is_not_usual(page: Page) -> None:
    servers = {"daphne": [run({"p50": 1.0})], "uvicorn": [run({"p50": 1.0})]}
    page.report(write(page.folder / "a.json", entry(Echo(), servers)))

    command = "python -m bench echo --keys 200 --pause 0.03 --server daphne --server uvicorn"
    assert f"`{command} --runs 1`" in page.text


def test_a_table_says_on_which_machine_and_when_it_was_measured(page: Page) -> None:
    page.report(write(page.folder / "a.json", entry(Echo(), {"daphne": thrice({"p50": 1.0})})))

    assert "Measured on 2026-01-02, load before 0.25: 2 cores of Example CPU" in page.text


def test_a_run_with_a_fault_is_marked_and_its_fault_told(page: Page) -> None:
    runs = [run({"p50": 1.0}), run({"p50": 1.0}, "a line is missing")]
    page.report(write(page.folder / "a.json", entry(Echo(), {"daphne": runs})))

    assert page.row("complete and in order")[0] == "**1 of 2 runs**"
    assert "- daphne: a line is missing" in page.text


def test_text_outside_the_places_is_left_as_it_is(page: Page) -> None:
    def by_hand() -> str:
        return re.sub(r"(?s)(<!-- begin .*? -->\n).*?(<!-- end)", r"\1\2", page.text)

    before = by_hand()
    page.report(write(page.folder / "a.json", entry(Echo(), {"daphne": thrice({"p50": 1.0})})))

    assert by_hand() == before
    assert page.text.startswith(BEFORE)
    assert page.text.endswith(AFTER)


def test_a_place_that_nothing_was_measured_for_keeps_what_it_has(page: Page) -> None:
    servers = {"daphne": thrice({"p50": 1.0})}
    page.report(write(page.folder / "a.json", entry(Echo(), servers)))
    page.report(write(page.folder / "b.json", entry(Fanout(viewers=1), servers)))

    assert "python -m bench echo" in page.text
    assert "python -m bench fanout" in page.text


def test_writing_the_same_again_changes_nothing(page: Page, matplotlib: None) -> None:
    file = write(page.folder / "a.json", *history())
    page.report(file)
    picture = page.folder / "pictures" / "history.svg"
    before = page.text, picture.read_bytes()

    page.report(file)

    assert (page.text, picture.read_bytes()) == before


def test_of_what_was_measured_twice_the_newest_counts_whatever_the_order(page: Page) -> None:
    new = entry(Echo(), {"daphne": thrice({"p50": 1.0})}, measuredAt="2026-01-03T00:00:00Z")
    old = entry(Echo(), {"daphne": thrice({"p50": 2.0})}, measuredAt="2026-01-02T00:00:00Z")
    folder = page.folder / "measured"
    folder.mkdir()
    write(folder / "a.json", new)
    write(folder / "b.json", old)

    page.report(folder)

    assert page.row("p50")[0] == "1.00 (0.50 to 2.00) ms"


def test_a_page_without_a_place_is_refused_with_the_lines_to_add(page: Page) -> None:
    page.path.write_text(BEFORE, encoding="utf-8")
    file = write(page.folder / "a.json", entry(Echo(), {"daphne": thrice({"p50": 1.0})}))

    with pytest.raises(SystemExit, match=r"<!-- begin echo -->\n<!-- end echo -->"):
        page.report(file)

    assert page.text == BEFORE


@pytest.mark.parametrize("content", ["{}", "no JSON", '{"scenarios": [{"name": "echo"}]}'])
def test_another_file_than_the_benchs_is_refused(page: Page, content: str) -> None:
    file = page.folder / "other.json"
    file.write_text(content, encoding="utf-8")

    with pytest.raises(SystemExit, match=r"other\.json is not what this bench writes"):
        page.report(file)


def test_a_curve_is_drawn_with_its_texts_as_text_and_stands_on_the_page(
    page: Page, matplotlib: None
) -> None:
    page.report(write(page.folder / "a.json", *history()))

    picture = ElementTree.parse(page.folder / "pictures" / "history.svg")  # noqa: S314  # our own
    texts = {each.text for each in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"MB of history", "stored sessions", "100,000", "daphne"} <= texts
    assert "](pictures/history.svg)" in page.text
    assert "`python -m bench growth --only history --server daphne`" in page.text
    assert page.row("100,000") == ["4.00 (2.00 to 8.00) ms"]


def test_a_point_with_a_faulty_run_is_hollow_and_marked(page: Page, matplotlib: None) -> None:
    page.report(write(page.folder / "a.json", *history(CURVES["history"].points[-1])))

    assert "Hollow" in (page.folder / "pictures" / "history.svg").read_text(encoding="utf-8")
    assert "**3 of 4 runs**" in page.row("100,000")[0]


def test_a_curve_of_which_a_point_is_missing_is_not_drawn(page: Page) -> None:
    page.report(write(page.folder / "a.json", *history()[1:]))

    assert not (page.folder / "pictures").exists()
    assert "history.svg" not in page.text


def test_points_that_only_curves_need_have_no_table_of_their_own(
    page: Page, matplotlib: None
) -> None:
    page.report(write(page.folder / "a.json", *history()))

    assert "bench late --megabytes 200.0" in page.text
    assert "bench late --megabytes 50.0" not in page.text


def test_the_page_about_performance_has_a_place_for_every_scenario_and_curve() -> None:
    text = (PROJECT / "docs/performance.md").read_text(encoding="utf-8")

    assert sections.places(text) == [*SCENARIOS, *(f"growth: {name}" for name in CURVES)]
