"""`python -m bench.scaling`: the arithmetic, the inputs, and that the page says what comes out."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bench import scaling, scaling_inputs, sections
from bench.scaling_inputs import ASSUMPTION, BUSIEST, INPUTS, LOADS, QUESTION, USUAL, Input
from bench.scaling_model import PARTS, Needs, Part, hosts_until_full
from sessions_app import archiver, fanout, host_state
from sessions_app.front_door.limits import Limits

PROJECT = Path(__file__).resolve().parents[2]
MEASURED = [each for each in INPUTS if each.source.startswith("performance.md")]


# The page


def test_the_page_says_what_the_script_prints() -> None:
    page = scaling.PAGE.read_text(encoding="utf-8")
    written = page
    for name, content in scaling.tables().items():
        written = sections.written(written, name, content)

    assert written == page, "run python -m bench.scaling"


def test_the_script_writes_its_tables_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    places = [sections.place(name) for name in scaling.tables()]
    page.write_text("# By hand\n\n" + "\nBetween.\n\n".join(places), encoding="utf-8")

    assert scaling.main(["--page", str(page)]) == 0

    text = page.read_text(encoding="utf-8")
    assert text.startswith("# By hand\n\n")
    assert text.count("\nBetween.\n") == len(places) - 1
    assert all(content in text for content in scaling.tables().values())


def test_a_page_without_a_place_is_refused_with_the_lines_to_add(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Nothing\n", encoding="utf-8")

    with pytest.raises(SystemExit, match="<!-- begin inputs -->"):
        scaling.main(["--page", str(page)])


def test_every_input_is_on_the_page_with_where_it_is_from_and_assumptions_are_marked() -> None:
    rows = scaling.inputs_table().splitlines()[2:]
    assert len(rows) == len(INPUTS)
    for each in INPUTS:
        (row,) = (row for row in rows if row.startswith(f"| {each.what} "))
        source = row.split("|")[3].strip()
        assert source == ("**assumption**" if each.source == ASSUMPTION else each.source)


# The inputs


def cell(place: str, row: str) -> float:
    """Return the median of Daphne in a table of docs/performance.md."""
    page = (PROJECT / "docs/performance.md").read_text(encoding="utf-8")
    (table,) = re.findall(rf"^`python -m bench {place} .*?`\n\n((?:\|.*\n)+)", page, re.MULTILINE)
    (found,) = re.findall(rf"^\| {re.escape(row)} +\| ([\d,.]+) ", table, re.MULTILINE)
    return float(found.replace(",", ""))


@pytest.mark.parametrize("each", MEASURED, ids=lambda each: each.what)
def test_what_was_measured_is_still_what_the_page_about_performance_says(each: Input) -> None:
    match = re.fullmatch(r"performance\.md, `(.+)`: (.+)", each.source)
    assert match is not None
    # Another machine, or another day, is no reason for other tables.
    assert each.value == pytest.approx(cell(match[1], match[2]), rel=0.35)


def test_what_the_code_says_is_what_goes_in() -> None:
    assert scaling_inputs.BEAT_SECONDS.value == host_state.BEAT_SECONDS
    assert scaling_inputs.ARCHIVE_SECONDS.value == archiver.EVERY_SECONDS
    assert scaling_inputs.COMPARE_SECONDS.value == fanout.POLL_SECONDS
    assert scaling_inputs.MOST_CONNECTIONS.value == Limits().connections


def test_what_was_asked_is_what_goes_in() -> None:
    assert [each.value for each in INPUTS if each.source == QUESTION] == [20, 10_000]
    assert scaling.HOSTS == (10, 100, 1000)


# The arithmetic


def test_hosts_say_that_they_are_there_and_sessions_that_print_are_stored() -> None:
    needs = Needs(100, replace(USUAL, share=0.5, pieces=20))

    assert needs.sessions == 2000
    assert needs.printing == 1000
    assert needs.pieces == 20_000
    # 100 hosts every 2 s, 1,000 sessions every 0.5 s, 2,000 sessions once a minute.
    assert needs.writes == pytest.approx(50 + 2000 + 2000 / 60)


def test_a_session_that_seldom_prints_is_not_stored_more_often_than_it_prints() -> None:
    needs = Needs(100, replace(USUAL, share=0.5, pieces=0.1))

    assert needs.archive_writes == pytest.approx(1000 * 0.1)


def test_a_session_that_everybody_watches_goes_to_every_web_process() -> None:
    needs = Needs(1, replace(USUAL, share=1, pieces=10))
    webs = needs.counted_webs

    # 20 sessions, so many viewers that each is watched at each process.
    assert needs.watched(webs) == pytest.approx(20)
    commands = 10_000 * 0.02 * 3 * 3
    assert needs.redis_in == pytest.approx(20 * 10 + 20 / 60 + commands)
    assert needs.redis_out == pytest.approx(webs * (20 * 10 + 20 / 60) + commands)


def test_with_more_sessions_than_viewers_few_are_watched_at_one_process() -> None:
    needs = Needs(100_000, USUAL)

    # 1,000 viewers of two sessions each, hardly any of which is chosen twice.
    assert needs.watched(10) == pytest.approx(2000, rel=0.01)


def test_no_more_viewers_are_given_to_a_web_process_than_it_has_connections_for() -> None:
    # Without any load nothing but the connections counts: 10,000 viewers at 1,900 each.
    assert Needs(1, replace(USUAL, share=0)).web_processes == 6


def test_a_web_process_is_never_more_than_full() -> None:
    for load in LOADS:
        for hosts in scaling.HOSTS:
            needs = Needs(hosts, load)
            if needs.web_processes is not None:
                assert needs.web_cores(needs.web_processes) <= scaling_inputs.FULL.value
                fewer = needs.web_processes - 1
                is_fewest = needs.web_processes == needs.fewest_webs
                assert is_fewest or needs.web_cores(fewer) > scaling_inputs.FULL.value


def test_where_a_web_process_is_full_without_viewers_no_number_is_enough() -> None:
    needs = Needs(100_000, USUAL)

    assert needs.web_processes is None
    assert "**no number is enough**" in scaling.needs_table(USUAL, [100_000])


def test_a_message_has_what_is_printed_and_what_stands_around_it() -> None:
    overhead = scaling_inputs.MESSAGE_BYTES.value
    assert Needs(1, USUAL).piece_bytes == pytest.approx(100 + overhead)
    lines_in_a_piece = 1000 / BUSIEST.pieces
    assert Needs(1, BUSIEST).piece_bytes == pytest.approx(100 * lines_in_a_piece + overhead)


def test_what_900_viewers_more_have_cost_is_what_a_message_to_one_costs() -> None:
    # From docs/performance.md: 6.37 - 0.93 s for 900 viewers, 83.4 messages/s, 10 s.
    microseconds = scaling_inputs.SEND_SECONDS * 1e6
    assert microseconds == pytest.approx(7.2, rel=0.35)


def test_the_first_number_of_hosts_that_is_too_many_is_found() -> None:
    part = Part("anything", lambda needs: needs.hosts / 321)

    assert hosts_until_full(part, USUAL) == 321
    assert hosts_until_full(Part("nothing", lambda needs: 0.5), USUAL) is None


def test_parts_are_listed_with_what_is_full_first_on_top() -> None:
    rows = scaling.limits_table().splitlines()[2:]
    assert len(rows) == len(PARTS)
    firsts = []
    for row in rows:
        counts = [scaling_cell(text) for text in row.split("|")[2:-1]]
        firsts.append(min(counts))
    assert firsts == sorted(firsts)


def scaling_cell(text: str) -> float:
    """Return the number of hosts in a cell."""
    if text.strip() == "never":
        return math.inf
    return 1 if "any" in text else float(text.replace(",", "").split()[0])


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (20.0, "20"),
        (10_000, "10,000"),
        (0.49, "0.490"),
        (62.1, "62.1"),
        (1 / 60, "0.0167"),
        (math.inf, "**no number is enough**"),
    ],
)
def test_numbers_have_three_digits_that_count(value: float, written: str) -> None:
    assert scaling.number(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(0.05913, "0.059"), (81_988.2, "82,000"), (6, "6"), (98.6, "99")]
)
def test_what_is_calculated_has_two(value: float, written: str) -> None:
    assert scaling.about(value) == written
