"""The sequences that a screen has to notice by itself as they pass.

The emulator cannot be asked afterwards for the cursor that was saved, for the primary screen that
the alternate one hides, or for the cursor's shape; and it leaves out two sequences that xterm.js
knows: the soft reset (DECSTR) and the query for the extended cursor position (DECXCPR).
"""

from __future__ import annotations

import re
from typing import Final

Mark = re.Match[bytes]
"""Its `lastgroup` is save, enter, leave, reset, soften, shape or ask."""

_MARK: Final = re.compile(
    rb"\x1b(?:"
    rb"(?P<save>7|\[s|\[\?1048h)"
    rb"|\[\?(?:\d+;)*(?P<enter>1049|1047|47)(?:;\d+)*h"
    rb"|\[\?(?:\d+;)*(?P<leave>1049|1047|47)(?:;\d+)*l"
    rb"|(?P<reset>c)"
    rb"|(?P<soften>\[!p)"
    rb"|\[(?P<shape>\d*) q"
    rb"|(?P<ask>\[\?6n))"
)
_UNFINISHED: Final = re.compile(rb"\x1b(?:\[(?:[!?]?[\d;]{0,24} ?)?)?\Z")
_LONGEST: Final = 32


def held_back(data: bytes) -> tuple[bytes, bytes]:
    """Splits off a last sequence that may yet become a mark: at most 32 bytes."""
    start = data.rfind(b"\x1b", max(0, len(data) - _LONGEST))
    if start < 0 or not _UNFINISHED.match(data, start):
        return data, b""
    return data[:start], data[start:]


def marks(output: bytes) -> list[Mark]:
    """The marks in order, without those that a later one undoes.

    So output that is full of them stays cheap: each that counts costs a look at the emulator.
    """
    kept: list[Mark] = []
    following: str | None = None
    left = False
    for mark in reversed(list(_MARK.finditer(output))):
        kind = mark.lastgroup
        if not (kind == "enter" and left) and not (kind == "save" == following):
            kept.append(mark)
        left = left or kind in ("leave", "reset")
        following = kind
    return kept[::-1]
