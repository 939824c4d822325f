"""What a session is waiting for, out of everything that its sources say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from sessions_app.waiting.checkpoint_box import CheckpointBox
from sessions_app.waiting.program_status import ProgramStatus
from sessions_app.waiting.reports import Checkpoint, Report, Resumed, Wait
from sessions_app.waiting.sources import Signal, Source

EXPLICIT: Final = "explicit"
TYPED: Final = "input"
_CERTAIN: Final = 1.0

_TERMINAL_REPORTS: Final = re.compile(
    rb"(?:"
    rb"\x1b\[[IO]"  # focus in and out
    rb"|\x1b\[<[\d;]+[Mm]|\x1b\[M[\x20-\xff]{3}|\x1b\[\d+;\d+;\d+M"  # mouse: SGR, X10, urxvt
    rb"|\x1b\[\??\d+;\d+(?:;\d+)?R|\x1b\[\??[\d;]*n"  # cursor position, status
    rb"|\x1b\[[?>=][\d;]*c|\x1b\[\??[\d;]+\$y"  # device attributes, modes
    rb"|\x1b\[\?\d+u|\x1b\[\d+(?:;\d+)+t"  # keyboard protocol, sizes
    rb"|\x1b[\]P][^\x07\x1b]*(?:\x07|\x1b\\)"  # colours, versions, settings
    rb")*",
    re.DOTALL,
)


class WaitingTracker:
    """One session's. Every method returns the reports that are news, in order.

    - Input that was typed ends any waiting; what a terminal answers by itself is not typed.
    - `Resumed` from a source ends only what that source raised.
    - A report equal to the current one is no news, and a less confident one does not replace it.
    - Sources report changes, so an answered box is raised again only if it is printed again.
    """

    def __init__(self, sources: Iterable[Source] | None = None) -> None:
        usual = (ProgramStatus(), CheckpointBox())
        self._sources: list[Source] = list(usual if sources is None else sources)
        self._current: Wait | None = None

    @property
    def current(self) -> Wait | None:
        """What the session waits at, None while it does not wait."""
        return self._current

    def signals(self, signals: Sequence[Signal]) -> list[Report]:
        if not signals:
            return []
        return self._news(r for source in self._sources for r in source.on_signals(signals))

    def screen(self, lines: Sequence[str]) -> list[Report]:
        return self._news(r for source in self._sources for r in source.on_screen(lines))

    def explicit(self, checkpoint: dict[str, object]) -> list[Report]:
        """A checkpoint that was posted, surer than anything that is read off the terminal."""
        report = Checkpoint(checkpoint=checkpoint, source=EXPLICIT, confidence=_CERTAIN)
        return self._news([report])

    def typed(self, data: bytes) -> list[Report]:
        """`data` went to the program, from a person or from a terminal that answers a query."""
        if self._current is None or _TERMINAL_REPORTS.fullmatch(data):
            return []
        self._current = None
        return [Resumed(source=TYPED)]

    def restore(self, current: Wait | None) -> None:
        """Goes on from what was current before a restart; no news."""
        self._current = current

    def prime(self, lines: Sequence[str]) -> None:
        """What these lines show is old: after a restart or a resize."""
        for source in self._sources:
            source.on_screen(lines)

    def _news(self, reports: Iterable[Report]) -> list[Report]:
        return [report for report in reports if self._changes(report)]

    def _changes(self, report: Report) -> bool:
        if isinstance(report, Resumed):
            return self._end(report)
        weaker = self._current is not None and report.confidence < self._current.confidence
        if weaker or report == self._current:
            return False
        self._current = report
        return True

    def _end(self, report: Resumed) -> bool:
        raised = self._current is not None and self._current.source == report.source
        if raised:
            self._current = None
        return raised
