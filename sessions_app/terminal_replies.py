"""The words in which the terminal answers a program: those of xterm.js 6, whichever emulator runs.

The browsers that show a session are xterm.js, so what a program learns from a reply has to be
true of them. Taken from what @xterm/headless 6.0.0 answers to the same queries.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

XTVERSION: Final = b"\x1bP>|xterm.js(6.0.0)\x1b\\"
_PRIMARY_ATTRIBUTES: Final = b"\x1b[?1;2c"
_SECONDARY_ATTRIBUTES: Final = b"\x1b[>0;276;0c"

_TRUE_PRIVATE_MODES: Final = frozenset(
    (1, 6, 7, 9, 12, 25, 45, 47, 66, 1000, 1002, 1003, 1004, 1006, 1016, 1047, 1049, 2004, 2026)
)
_FIXED_PRIVATE_MODES: Final = {8: 3, 67: 4, 1005: 4, 1015: 4, 1048: 1}
_TRUE_ANSI_MODES: Final = frozenset((4, 20))
_FIXED_ANSI_MODES: Final = {2: 4, 12: 3}
_NOT_RECOGNISED: Final = 0

_Reply = re.Match[bytes]


def _as_it_is(reply: _Reply) -> bytes:
    return reply.group()


def _with_string_terminator(reply: _Reply) -> bytes:
    return reply[1] + b"\x1b\\"


def _mode(reply: _Reply) -> bytes:
    """DECRPM: the emulator's value where xterm.js knows the mode too."""
    private, number, value = reply[1], int(reply[2]), int(reply[3])
    fixed = _FIXED_PRIVATE_MODES if private else _FIXED_ANSI_MODES
    true = _TRUE_PRIVATE_MODES if private else _TRUE_ANSI_MODES
    value = fixed.get(number, value if number in true else _NOT_RECOGNISED)
    return b"\x1b[%b%d;%d$y" % (private, number, value)


_TRANSLATIONS: Final[tuple[tuple[re.Pattern[bytes], Callable[[_Reply], bytes]], ...]] = (
    (re.compile(rb"\x1b\[\??\d+;\d+R|\x1b\[0n"), _as_it_is),
    (re.compile(rb"\x1b\[\?[\d;]+c"), lambda _: _PRIMARY_ATTRIBUTES),
    (re.compile(rb"\x1b\[>[\d;]+c"), lambda _: _SECONDARY_ATTRIBUTES),
    (re.compile(rb"\x1b\[(\??)(\d+);(\d)\$y"), _mode),
    (
        re.compile(rb"(\x1b\](?:4;\d+|1[012]);rgb:[\da-f/]+)(?:\x07|\x1b\\)"),
        _with_string_terminator,
    ),
    (re.compile(rb"\x1bP[01]\$r[^\x1b]*\x1b\\"), _as_it_is),
    (re.compile(rb"\x1bP>\|[^\x1b]*\x1b\\"), lambda _: XTVERSION),
)


def in_xterm_words(reply: bytes) -> bytes:
    """One reply of the emulator as xterm.js would give it; nothing where it keeps silent."""
    for pattern, translate in _TRANSLATIONS:
        if match := pattern.fullmatch(reply):
            return translate(match)
    return b""
