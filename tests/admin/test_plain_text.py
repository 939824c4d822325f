"""Raw output as text: no escape sequence and no control character gets through."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.plain_text import plain, plain_text


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (b"plain\ttext\r\n", "plain\ttext\n"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;a title\x07after", "after"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bP1$r0m\x1b\\dcs", "dcs"),
        (b"\x1b(B\x1b=\x1b7keys", "keys"),
        (b"cut\x1b[38;5", "cut"),
        (b"cut\x1b", "cut"),
        ("\u202eabc\u2066".encode(), "abc"),
        (b"\xff\x00\x08", "\ufffd"),
        ("\u00e9\u4e2d".encode(), "\u00e9\u4e2d"),
    ],
)
def test_what_a_terminal_would_obey_is_dropped(output: bytes, text: str) -> None:
    assert plain_text(output) == text


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_no_control_character_is_left(output: bytes) -> None:
    left = {c for c in plain_text(output) if unicodedata.category(c) == "Cc"}
    assert left <= {"\t", "\n"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00\x1b[31mb\u202etxt.exe\u2066\x9b\u200f", "a[31mbtxt.exe"),
        ("one\r\ntwo\tthree", "one two three"),
        ("pay\u00adpal\u200b.\u2060com\ufeff\U000e0041", "paypal.com"),
        ("a\u2028b\u2029c\ufff9d", "abcd"),
        (
            "\u05e9\u05dc\u05d5\u05dd \U0001f469\u200d\U0001f4bb",
            "\u05e9\u05dc\u05d5\u05dd \U0001f469\u200d\U0001f4bb",
        ),
        (None, ""),
    ],
)
def test_a_name_is_shown_in_one_line_without_what_is_unseen(text: object, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_nothing_that_is_shown_turns_the_direction_of_what_follows(text: str) -> None:
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI", "B", "S"}
    assert {unicodedata.bidirectional(c) for c in plain(text)} & turning == set()


def test_hostile_output_takes_no_longer_than_other_output() -> None:
    begin = time.monotonic()
    for piece in (b"\x1b]", b"\x1b[", b"\x1b[;", b"\x1b "):
        plain_text(piece * 100_000)
    assert time.monotonic() - begin < 2
