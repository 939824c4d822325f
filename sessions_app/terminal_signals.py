"""What a program tells its terminal besides what to draw: titles, bells, notifications, reports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

BELL: Final = "BEL"
KEPT_CODES: Final = frozenset({0, 1, 2, 7, 9, 99, 133, 777, 7501})
"""OSC codes that are reported: title, folder, notification, shell mark, program status."""
LONGEST_BODY: Final = 4096
"""Longer bodies are dropped whole; it is the limit that OSC 7501 sets itself."""

_LONGEST_STRING: Final = LONGEST_BODY + len("99999;")
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
        self._escape_held = False
        self._rung = False
        self._introducer = b""
        self._string = bytearray()

    @property
    def introducer(self) -> bytes:
        """The two bytes that opened the string which the output is inside of, or nothing."""
        return self._introducer

    def feed(self, data: bytes) -> tuple[Signal, ...]:
        """The signals that `data` completes, in order; of its bells only the first."""
        found: list[Signal] = []
        self._rung = False
        data = self._hold_last_escape(data)
        position = 0
        while position < len(data):
            step = self._read_string if self._introducer else self._seek_string
            position = step(data, position, found)
        return tuple(found)

    def _hold_last_escape(self, data: bytes) -> bytes:
        whole = b"\x1b" + data if self._escape_held else data
        self._escape_held = whole.endswith(b"\x1b")
        return whole[:-1] if self._escape_held else whole

    def _seek_string(self, data: bytes, position: int, found: list[Signal]) -> int:
        pattern = _STRING_OPENED if self._rung else _STRING_OPENED_OR_BELL
        mark = pattern.search(data, position)
        if mark is None:
            return len(data)
        if mark.group() == b"\x07":
            self._rung = True
            found.append(Signal(BELL))
        else:
            self._introducer = mark.group()
        return mark.end()

    def _read_string(self, data: bytes, position: int, found: list[Signal]) -> int:
        ended = _OSC_ENDED if self._introducer == b"\x1b]" else _OTHER_STRING_ENDED
        end = ended.search(data, position)
        self._keep(data, position, end.start() if end else len(data))
        if end is None:
            return len(data)
        found.extend(self._leave(aborted=end.group() in _ABORTED))
        return end.start() if end.group() == b"\x1b" else end.end()

    def _keep(self, data: bytes, start: int, stop: int) -> None:
        if self._introducer == b"\x1b]":
            room = _LONGEST_STRING + 1 - len(self._string)
            self._string += data[start : min(stop, start + room)]

    def _leave(self, *, aborted: bool) -> list[Signal]:
        number, _, body = bytes(self._string).partition(b";")
        self._introducer = b""
        self._string.clear()
        # isdigit() on bytes is ASCII only; five digits keep int() cheap
        whole = number.isdigit() and len(number) <= 5 and len(body) <= LONGEST_BODY
        if aborted or not whole or int(number) not in KEPT_CODES:
            return []
        return [Signal(int(number), body)]
