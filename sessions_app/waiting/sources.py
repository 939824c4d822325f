"""What every source of waiting reports is: an edge detector for one kind of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from sessions_app.waiting.reports import Report


class Signal(Protocol):
    """An OSC sequence by its number, or the bell; `body` is what follows the number."""

    @property
    def code(self) -> int | Literal["BEL"]: ...

    @property
    def body(self) -> bytes: ...


class Source(Protocol):
    """Says what is new. What it has said already it does not say again while it still stands."""

    @property
    def name(self) -> str:
        """The `source` of its reports."""

    def on_signals(self, signals: Sequence[Signal]) -> list[Report]:
        """What the signals of one piece of output mean."""

    def on_screen(self, lines: Sequence[str]) -> list[Report]:
        """What the visible lines, as they stand now, mean."""
