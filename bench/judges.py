"""Whether a viewer got all of a session's output, in order, and how late.

A judge belongs to one session of one viewer. It is given the output, escaped as JSON, and knows
what the program prints.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from bench.figures import Histogram
from bench.programs import printer
from bench.wire import escaped

LINE_END = b"\\r\\n"
ESCAPED_LINE_BYTES = len(escaped(printer.timed_line(0, 0)))
_LINE = re.compile(rb"@(\d{18}) (\d{8}) [a-z ]*\\r\\n")


class Judge(Protocol):
    """What the load generator asks of one."""

    complete: bool
    faults: list[str]

    def take(self, text: bytes, now: int) -> None:
        """Take the output that came next, at this time (ns)."""


class Arrivals:
    """When which lines came, kept as they come; counting waits until nothing is measured."""

    def __init__(self) -> None:
        self._times = array("q")
        self._dues: list[tuple[int, ...]] = []

    def add(self, now: int, dues: tuple[int, ...]) -> None:
        """Note that lines which were due at these times came now."""
        self._times.append(now)
        self._dues.append(dues)

    def histogram(self) -> Histogram:
        """Count how late they were."""
        counts: dict[int, int] = {}
        for now, dues in zip(self._times, self._dues, strict=True):
            for due in dues:
                bucket = (now - due) // Histogram.BUCKET_NS
                counts[bucket] = counts.get(bucket, 0) + 1
        return Histogram(counts)


@lru_cache(maxsize=256)
def lines_of(text: bytes) -> tuple[int, tuple[int, ...], bytes]:
    """Return the number of the first line, when each was due, and the unfinished line.

    The same for all viewers that are level, hence the cache. Raises ValueError if the lines are
    not numbered one by one, or hold what no program of ours printed.
    """
    whole = text.rfind(LINE_END) + len(LINE_END) if LINE_END in text else 0
    found = _LINE.findall(text, 0, whole)
    if len(found) * ESCAPED_LINE_BYTES != whole:
        raise ValueError("output that was not printed so")
    if not found:
        return 0, (), text
    numbers = [int(number) for _, number in found]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise ValueError("lines out of order")
    return numbers[0], tuple(int(due) for due, _ in found), text[whole:]


class TimedLines:
    """Lines that carry when they were due (printer's `lines`): each once, in order."""

    def __init__(self, count: int, arrivals: Arrivals) -> None:
        self.faults: list[str] = []
        self.complete = False
        self._count = count
        self._arrivals = arrivals
        self._next = 0
        self._rest = b""

    def take(self, text: bytes, now: int) -> None:
        """Check and note the lines that are whole by now."""
        try:
            first, dues, self._rest = lines_of(self._rest + text if self._rest else text)
        except ValueError as error:
            self.faults.append(f"{error}, after line {self._next}")
            self._rest = b""
            return
        if dues:
            if first != self._next:
                self.faults.append(f"line {first} instead of {self._next}")
            self._next = first + len(dues)
            self._arrivals.add(now, dues)
            self.complete = self._next >= self._count


class ExactText:
    """Output that must be byte by byte what the program prints (printer's `bulk`)."""

    def __init__(self, expected: bytes) -> None:
        self.faults: list[str] = []
        self.complete = False
        self._expected = expected
        self._position = 0

    def take(self, text: bytes, now: int) -> None:
        """Compare; a viewer that is wrong once is only told so once."""
        if not self._expected.startswith(text, self._position) and not self.faults:
            self.faults.append(f"other bytes than were printed, after {self._position}")
        self._position += len(text)
        self.complete = self._position >= len(self._expected)


class Anything:
    """Output that nobody checks, of a program that prints for ever."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.complete = True

    def take(self, text: bytes, now: int) -> None:
        """Let it pass."""


def judge_maker(what: str, amount: int, arrivals: Arrivals) -> Callable[[], Judge]:
    """Return what makes a judge for each session: of `lines`, of `bulk` bytes, of anything."""
    if what == "lines":
        return lambda: TimedLines(amount, arrivals)
    if what == "bulk":
        expected = escaped(printer.bulk_text(amount))
        return lambda: ExactText(expected)
    return Anything
