"""Typing, watching and resizing real programs in real browsers."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import WHERE_IT_RUNS, Visit
from tests.real_server import RealServer
from tests.waiting_for import until

pytestmark = WHERE_IT_RUNS

SHELL = "bash --norc --noprofile"


def test_bash_is_started_on_the_page_and_seen_in_a_second_browser(visit: Visit) -> None:
    first = visit()
    first.press("n")
    first.page.get_by_label("Command", exact=True).fill(SHELL)
    first.press("Enter")
    first.page.wait_for_url("**/sessions/*")
    first.awaits(lambda: any("$" in row or "#" in row for row in first.rows()), "a prompt")
    second = visit()
    second.page.goto(first.page.url)
    second.is_live()
    first.type("echo $((6*7))\n")
    first.sees("42")
    second.sees("42")
    second.type("echo $((7*8))\n")
    first.sees("56")


def test_vim_writes_a_file(visit: Visit, start: Callable[..., str], tmp_path: Path) -> None:
    visitor = visit()
    visitor.open(start("vim --clean notes.txt"))
    visitor.type("ihello from vim")
    visitor.press("Escape")
    visitor.type(":wq\n")
    expect(visitor.page.locator("#end-text")).to_have_text("Exit code 0")
    assert (tmp_path / "notes.txt").read_text() == "hello from vim\n"


def test_a_reload_shows_the_same_screen(visit: Visit, start: Callable[..., str]) -> None:
    visitor = visit()
    visitor.open(start("vim --clean notes.txt"))
    visitor.type("ione\ntwo\nthree")
    visitor.press("Escape")
    # Until vim knows that Escape begins no longer sequence, its last line shows "^[" besides.
    ruler = re.compile(r" +3,5 +All")
    visitor.awaits(lambda: any(map(ruler.fullmatch, visitor.rows())), "the ruler")
    visitor.sees("three")
    before = visitor.rows()
    visitor.page.reload()
    visitor.awaits(lambda: visitor.rows() == before, "the same screen")


def test_looking_resizes_nothing_and_typing_does(
    visit: Visit, start: Callable[..., str], server: RealServer
) -> None:
    session = start(SHELL, cols=100, rows=30)
    visitor = visit()
    visitor.open(session)
    assert visitor.size() == [100, 30]
    assert server.session(session)["cols"] == 100
    visitor.type("clear; stty size\n")
    visitor.awaits(lambda: visitor.size() != [100, 30], "another size")
    columns, rows = visitor.size()
    visitor.sees(f"{rows} {columns}")


def test_a_second_window_sees_the_first_one_s_size_until_it_presses_fit(
    visit: Visit, start: Callable[..., str]
) -> None:
    session = start(SHELL)
    large, small = visit(), visit(viewport={"width": 900, "height": 500})
    large.open(session)
    large.page.locator("#fit").click()
    large.awaits(lambda: large.size() != [120, 32], "the fitting size")
    fitting = large.size()
    small.open(session)
    assert small.size() == fitting
    small.page.locator("#fit").click()
    small.awaits(lambda: small.size() != fitting, "a smaller size")
    until(lambda: large.size() == small.size())


def test_a_paste_of_many_lines_arrives_whole(
    visit: Visit, start: Callable[..., str], tmp_path: Path
) -> None:
    text = "".join(
        f"line {number} of a long paste, ünïcode 🙂 included\n" for number in range(2000)
    )
    (tmp_path / "take.py").write_text(
        "import pathlib, sys\nprint('ready')\npathlib.Path('got').write_text(sys.stdin.read())\n"
    )
    visitor = visit()
    visitor.open(start(f"{sys.executable} take.py"))
    visitor.sees("ready")
    visitor.page.evaluate(
        """text => {
          const data = new DataTransfer();
          data.setData("text/plain", text);
          document.querySelector("#terminal textarea").dispatchEvent(
            new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
        }""",
        text,
    )
    visitor.press("Control+d")
    until(lambda: (tmp_path / "got").exists() and (tmp_path / "got").read_text(), timeout=10)
    assert (tmp_path / "got").read_text() == text


def test_a_program_that_asks_the_terminal_gets_one_answer_from_however_many_viewers(
    visit: Visit, start: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "ask.py").write_text(
        "import os, select, sys, tty\n"
        "tty.setraw(0)\n"
        "os.read(0, 1)\n"
        "os.write(1, b'\\x1b[c\\x1b[6n\\x1b]11;?\\x07')\n"
        "said = b''\n"
        "while select.select([0], [], [], 1)[0]: said += os.read(0, 1000)\n"
        "print('answers', said.count(b'\\x1b'), end='\\r\\n')\n"
        "os.read(0, 1)\n"
    )
    session = start(f"{sys.executable} ask.py", cols=80, rows=24)
    first, second = visit(), visit()
    first.go(f"/sessions/{session}")
    second.go(f"/sessions/{session}")
    first.type("x")
    # Three questions; the colour's answer ends with another escape.
    first.awaits(lambda: any(row.startswith("answers") for row in first.rows()), "the count")
    (count,) = (row for row in first.rows() if row.startswith("answers"))
    assert count in {"answers 3", "answers 4"}


def test_keys_in_the_terminal_go_to_the_program_until_one_leaves_it(
    visit: Visit, start: Callable[..., str]
) -> None:
    visitor = visit()
    visitor.open_without_output(start("cat"))
    visitor.type("n?1\n")
    visitor.sees("n?1")
    dialog = visitor.page.locator("#start-dialog")
    expect(dialog).to_be_hidden()
    visitor.press("Control+Shift+ArrowUp", "n")
    expect(dialog).to_be_visible()


def test_find_counts_what_it_finds(visit: Visit, start: Callable[..., str]) -> None:
    visitor = visit()
    visitor.open(start("bash -c 'seq 1000 1300; read'"))
    visitor.sees("1300")
    visitor.press("Control+Shift+F")
    visitor.type("101")
    count = visitor.page.locator("#find-count")
    expect(count).to_have_text("1 of 11")
    visitor.press("Enter")
    expect(count).to_have_text("2 of 11")
