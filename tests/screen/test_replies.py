"""What programs are answered: the words of xterm.js, in the order of their questions."""

import pytest

from sessions_app.screen import Screen
from tests.screen.reference import shown

QUERIES = [
    b"\x1b[c", b"\x1b[>c", b"\x1b[=c", b"\x1b[5n", b"ab\r\n\x1b[6n", b"ab\r\n\x1b[?6n",
    b"\x1b[?15n",
    b"\x1bP$qr\x1b\\", b"\x1bP$q q\x1b\\", b"\x1bP$qm\x1b\\", b"\x1b[?u", b"\x1b[18t", b"\x1b[14t",
    b"\x1b[21t", b"\x05", b"\x1bP+q544e\x1b\\", b"\x1b[?996n", b"\x1b[x", b"\x1b]52;c;?\x07",
    b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", b"\x1b[?2048h",
]  # fmt: skip
MODES = [1, 2, 4, 6, 7, 8, 9, 12, 20, 25, 45, 47, 66, 67, 69, 1000, 1002, 1003, 1004, 1005, 1006,
         1007, 1015, 1016, 1035, 1047, 1048, 1049, 2004, 2026, 2027, 2031, 2048, 9001]  # fmt: skip


def answered(output: bytes) -> bytes:
    return Screen(20, 6).feed(output).replies


def test_queries_are_answered_as_xterm_answers_them() -> None:
    queries = QUERIES + [b"\x1b[?%d$p" % mode for mode in MODES]
    queries += [b"\x1b[%d$p" % mode for mode in (1, 2, 4, 12, 20)]
    queries += [b"\x1b[?%dh\x1b[?%d$p" % (mode, mode) for mode in (1, 25, 1000, 1004, 1006, 2004)]
    answers = shown((20, 6, [query]) for query in queries)
    for query, answer in zip(queries, answers, strict=True):
        assert answered(query) == answer["replies"].encode(), query


def test_an_answer_comes_once_even_if_the_query_was_cut() -> None:
    screen = Screen(20, 6)
    replies = [screen.feed(bytes([byte])).replies for byte in b"\x1b[?6n\x1b[c"]
    assert b"".join(replies) == b"\x1b[?1;1R\x1b[?1;2c"


@pytest.mark.parametrize("end", [b"\x07", b"\x1b\\"])
def test_colours_are_answered_with_st(end: bytes) -> None:
    query = b"\x1b]10;?" + end + b"\x1b]11;?" + end
    assert answered(query) == b"\x1b]10;rgb:d4d4/d4d4/d4d4\x1b\\\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\"


def test_the_version_is_that_of_the_viewers() -> None:
    assert answered(b"\x1b[>q") == b"\x1bP>|xterm.js(6.0.0)\x1b\\"


def test_the_program_status_query_is_answered_by_itself_before_what_was_asked_later() -> None:
    assert answered(b"\x1b]7501;?\x1b\\\x1b[c") == b"\x1b]7501;?\x1b\\\x1b[?1;2c"
    assert answered(b"\x1b]7501;?\x07") == b"\x1b]7501;?\x07"
    assert answered(b"\x1b]7501;state=working\x07") == b""
