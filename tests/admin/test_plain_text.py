"""Raw output as text: no escape sequence and no control character gets through."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.plain_text import plain_text


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


def test_hostile_output_takes_no_longer_than_other_output() -> None:
    begin = time.monotonic()
    for piece in (b"\x1b]", b"\x1b[", b"\x1b[;", b"\x1b "):
        plain_text(piece * 100_000)
    assert time.monotonic() - begin < 2
