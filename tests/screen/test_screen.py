"""What the server reads off a session's screen, and what that costs at most."""

import resource
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sessions_app.screen import Cursor, Screen
from tests.screen.reference import RECORDINGS, shown

ESCAPES = st.sampled_from(
    [b"\x1b", b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b_", b"\x1b7", b"\x1b8", b"\x1bc", b"\x1b[!p",
     b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?47h", b"\x1b[2;3r", b"\x1b[?6h", b"\x1b[4h",
     b"\x1b[5 q", b"\x1b[c", b"\x1b[6n", b"\x1b[?6n", b"\x07", b"\r\n", "漢".encode(), b";1049h"]
)  # fmt: skip
OUTPUT = st.lists(ESCAPES | st.binary(max_size=12), max_size=40).map(b"".join)


def pieces(output: bytes, size: int) -> list[bytes]:
    return [output[start : start + size] for start in range(0, len(output), size)]


def megabytes_in_use() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_shows_what_xterm_shows(recording: Path) -> None:
    output = recording.read_bytes()
    screen = Screen(100, 30)
    for piece in pieces(output, 777):
        screen.feed(piece)
    [reference] = shown([(100, 30, [output])])
    x, y, visible = reference["cursor"]
    assert screen.text() == reference["lines"]
    assert screen.cursor() == Cursor(min(x, 99), y, visible)
    assert screen.alternate == reference["alternate"]
    assert screen.scrollback_text(1000) == reference["scrollback"]
    assert screen.title == reference["title"]
    assert screen.bracketed_paste == reference["modes"]["bracketedPasteMode"]


def test_text_has_exactly_as_many_lines_as_rows() -> None:
    screen = Screen(10, 4)
    assert screen.text() == ["", "", "", ""]
    screen.feed(b"\r\n\r\nhere   ")
    assert screen.text() == ["", "", "here", ""]
    screen.resize(10, 2)
    assert len(screen.text()) == 2


def test_scrollback_is_what_scrolled_off_newest_last() -> None:
    screen = Screen(10, 2)
    screen.feed(b"one\r\ntwo\r\n\r\nfour\r\nfive")
    assert screen.scrollback_text(2) == ["two", ""]
    assert screen.scrollback_text(10) == ["one", "two", ""]
    assert screen.scrollback_text(0) == []


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (10, 2), (300, 80)])
def test_exactly_as_many_lines_of_scrollback_are_kept_as_asked_for(size: tuple[int, int]) -> None:
    screen = Screen(*size, scrollback_lines=500)
    for number in range(6000):
        screen.feed(b"\r\n%d" % number)
        if number > 1000 and number % 97 == 0:
            kept = screen.scrollback_text(100_000)
            assert len(kept) == 500
            assert kept[-1] == str(number - size[1])


def test_a_snapshot_holds_no_more_scrollback_than_was_asked_for() -> None:
    screen = Screen(80, 24, scrollback_lines=100)
    screen.feed(b"line\r\n" * 1000)
    restored = Screen(80, 24)
    restored.feed(screen.snapshot())
    assert restored.scrollback_text(1000) == ["line"] * 100


def test_the_alternate_screen_has_no_scrollback() -> None:
    screen = Screen(10, 2)
    screen.feed(b"one\r\ntwo\r\nthree\x1b[?1049h")
    assert screen.scrollback_text(10) == []


@given(output=OUTPUT, size=st.integers(1, 30))
@settings(max_examples=150, deadline=None)
def test_any_bytes_cut_anywhere_are_taken_and_come_to_the_same(output: bytes, size: int) -> None:
    whole, cut = Screen(20, 6), Screen(20, 6)
    whole.feed(output)
    replies = b"".join(cut.feed(piece).replies for piece in pieces(output, size))
    assert cut.text() == whole.text()
    assert cut.cursor() == whole.cursor()
    assert replies == Screen(20, 6).feed(output).replies
    assert len(cut.text()) == 6


@given(output=OUTPUT, sizes=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20)), max_size=3))
@example(output=" \U00040000".encode(), sizes=[])
@example(output="! \u0488".encode(), sizes=[])
@example(output=b"\x1b]" + b"\0" * 30 + b"!", sizes=[(1, 1)])
@example(output=b";1049h  \t", sizes=[(3, 1)])
@example(output=b"\x1b[2;3r      \n              !\r\n", sizes=[])
@example(output=b"\t   \n         \x1b[?1049h!\x1b8\xe6\xbc\xa2", sizes=[])
@example(output=b"\x1b[2;3r \x1b[?6h;1049h  \t\x1b[?1049h\x1b[?1049l;1049h\n", sizes=[])
@settings(max_examples=150, deadline=None)
def test_any_snapshot_can_be_fed_to_a_new_screen(
    output: bytes, sizes: list[tuple[int, int]]
) -> None:
    screen = Screen(20, 6)
    for size in [(20, 6), *sizes]:
        screen.resize(*size)
        screen.feed(output)
        restored = Screen(*size)
        restored.feed(screen.snapshot())
        assert restored.text() == screen.text()
        assert restored.alternate == screen.alternate


@pytest.mark.parametrize(
    "opened",
    [b"\x1b]0;", b"\x1b]52;c;", b"\x1b]7501;", b"\x1bP+q", b"\x1b_G", b"\x1b^", b"\x1b[1;"],
)
def test_a_sequence_that_never_ends_does_not_grow_memory(opened: bytes) -> None:
    screen = Screen(80, 24)
    screen.feed(opened)
    piece = b"1;" * (1 << 17)
    for _ in range(40):  # the emulator keeps up to 8 MiB of some strings
        screen.feed(piece)
    before = megabytes_in_use()
    for _ in range(80):
        screen.feed(piece)
    assert megabytes_in_use() - before < 4
    assert len(screen.snapshot()) < 1 << 17


def test_output_full_of_screen_switches_stays_cheap_to_feed() -> None:
    screen = Screen(80, 24)
    screen.feed(b"text\r\n" * 2000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    screen.feed(b"x\x1b[?1049h\x1b7\x1b[?1049l" * 5000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 2
