"""What a program tells its terminal besides what to draw: titles, bells, notifications, reports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

BELL: Final = "BEL"
KEPT_CODES: Final = frozenset({0, 1, 2, 7, 9, 99, 133, 777, 7501})
"""OSC codes that are reported: titles, working folder, notifications, shell marks, program status."""
LONGEST_BODY: Final = 4096
"""Longer bodies are dropped whole; it is the limit that OSC 7501 sets itself."""

_LONGEST_STRING: Final = LONGEST_BODY + len("7501;")
_STRING_OPENED: Final = re.compile(rb"\x1b[\]PX^_]")
_STRING_OPENED_OR_BELL: Final = re.compile(rb"\x1b[\]PX^_]|\x07")
_OSC_ENDED: Final = re.compile(rb"[\x07\x1b\x18\x1a]")
_OTHER_STRING_ENDED: Final = re.compile(rb"[\x1b\x18\x1a]")
_ABORTED: Final = (b"\x18", b"\x1a")


@dataclass(frozen=True)
class Signal:
    """One OSC (its number and the bytes after the first semicolon) or the bell (an empty body)."""

    code: int | Literal["BEL"]
    body: bytes = b""


class SignalScanner:
    """Finds the signals in raw output, however it is cut; holds at most one body of 4096 bytes.

    Strings begin and end where xterm.js lets them: an OSC with BEL or ESC, the others (DCS, SOS,
    PM, APC) with ESC, all of them aborted by CAN and SUB.
    """

    def __init__(self) -> None:
        self._escaped = False
        self._inside: bytes = b""
        self._string = bytearray()

    @property
    def introducer(self) -> bytes:
        """The two bytes that opened the string the output is in the middle of, or nothing."""
        return self._inside

    def feed(self, data: bytes) -> tuple[Signal, ...]:
        """The signals that `data` completes, in order; of its bells only the first."""
        found: list[Signal] = []
        data = self._with_held_escape(data)
        position = 0
        while position < len(data):
            step = self._read_string if self._inside else self._seek_string
            position = step(data, position, found)
        return tuple(found)

    def _with_held_escape(self, data: bytes) -> bytes:
        whole = b"\x1b" + data if self._escaped else data
        self._escaped = whole.endswith(b"\x1b")
        return whole[:-1] if self._escaped else whole

    def _seek_string(self, data: bytes, position: int, found: list[Signal]) -> int:
        rung = any(signal.code == BELL for signal in found[-1:])
        mark = (_STRING_OPENED if rung else _STRING_OPENED_OR_BELL).search(data, position)
        if mark is None:
            return len(data)
        if mark.group() == b"\x07":
            found.append(Signal(BELL))
        else:
            self._inside = mark.group()
        return mark.end()

    def _read_string(self, data: bytes, position: int, found: list[Signal]) -> int:
        ends = _OSC_ENDED if self._inside == b"\x1b]" else _OTHER_STRING_ENDED
        end = ends.search(data, position)
        self._keep(data, position, end.start() if end else len(data))
        if end is None:
            return len(data)
        if end.group() not in _ABORTED:
            self._report(found)
        self._leave()
        return end.start() if end.group() == b"\x1b" else end.end()
