"""Titles, bells, notifications and reports, found in output however it is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.screen import Screen
from sessions_app.terminal_signals import Signal, SignalScanner

OUTPUT = (
    b"a\x07b\x1b]0;title\x07c\x1b]9;note\x1b\\\x1b[31m\x1b]7501;state=working\x1b\\"
    b"\x1bP$q\x07\x1b\\\x1b]777;notify;a;b\x07\x1b]7;file://h/p\x1b\\\x1b]133;A\x07\x1b]8;;u\x1b\\"
)
SIGNALS = (
    Signal("BEL"), Signal(0, b"title"), Signal(9, b"note"), Signal(7501, b"state=working"),
    Signal(777, b"notify;a;b"), Signal(7, b"file://h/p"), Signal(133, b"A"),
)  # fmt: skip


def scanned(*pieces: bytes) -> tuple[Signal, ...]:
    scanner = SignalScanner()
    return tuple(signal for piece in pieces for signal in scanner.feed(piece))


def test_a_screen_reports_the_signals_of_what_it_is_fed() -> None:
    assert Screen(20, 6).feed(OUTPUT).signals == SIGNALS


@given(st.lists(st.integers(0, len(OUTPUT)), max_size=8).map(sorted))
def test_signals_are_the_same_wherever_the_output_is_cut(cuts: list[int]) -> None:
    edges = [0, *cuts, len(OUTPUT)]
    assert scanned(*(OUTPUT[a:b] for a, b in pairwise(edges))) == SIGNALS


@pytest.mark.parametrize("aborted", [b"\x1b]0;a\x18", b"\x1b]0;a\x1a"])
def test_an_aborted_string_is_no_signal(aborted: bytes) -> None:
    assert scanned(aborted, b"\x1b]2;b\x07") == (Signal(2, b"b"),)


def test_a_body_of_4096_bytes_is_reported_and_a_longer_one_dropped_whole() -> None:
    assert scanned(b"\x1b]0;" + b"x" * 4096 + b"\x07") == (Signal(0, b"x" * 4096),)
    assert scanned(b"\x1b]0;" + b"x" * 4097 + b"\x07") == ()


def test_many_bells_in_one_piece_are_one_signal_and_ring_again_in_the_next() -> None:
    assert scanned(b"\x07" * 1000, b"\x07") == (Signal("BEL"), Signal("BEL"))


def test_a_bell_inside_a_string_is_not_a_bell() -> None:
    assert scanned(b"\x1b_x\x07y\x1b\\") == ()


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_bytes_are_taken(pieces: list[bytes]) -> None:
    assert all(len(signal.body) <= 4096 for signal in scanned(*pieces))
