"""The terminal screen that the server keeps per session, behind a small interface.

The browsers show the same bytes with xterm.js, so replies and snapshots are made for xterm.js 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sessions_app.emulator import Emulator, State
from sessions_app.last_printed import last_printed
from sessions_app.screen_marks import Mark, held_back, marks
from sessions_app.terminal_replies import in_xterm_words
from sessions_app.terminal_signals import Signal, SignalScanner

__all__ = ["Cursor", "Fed", "Screen", "Signal"]

# A cell takes 8 bytes, and the emulator keeps up to 400 kB more than it is asked for: with 120
# columns a session takes 0.5 to 0.9 MB. Older output is in the log.
SCROLLBACK_LINES: Final = 500

_NOT_RESTORED: Final = frozenset(
    (b"?", number)
    # origin mode and alternate screen have their own places; xterm.js has no side margins;
    # synchronized output would freeze a viewer until its end arrives
    for number in (b"3", b"6", b"40", b"47", b"69", b"1047", b"1048", b"1049", b"2026")
)
_BLINKING: Final = (b"?", b"12")
_ORIGIN: Final = (b"?", b"6", b"h")
_IN_PLACE: Final = {(b"", b"4", b"h"), (b"?", b"7", b"l")}
"""Modes in which a character cannot be printed over itself: insert, and no automatic wrap."""
_LINE_DRAWING: Final = b"\x1b(0"
_PLAIN_PEN: Final = b"\x1b[0m\x1b(B\x1b)B\x0f\x1b]8;;\x1b\\"
_SAVE_CURSOR: Final = b"\x1b7"
_SOFT_RESET: Final = (
    b"\x1b[4l\x1b[?1;6;45;1004;2004;2026l\x1b[?7;25h\x1b>\x1b[0 q\x1b[r" + _PLAIN_PEN + _SAVE_CURSOR
)
"""What xterm.js does for DECSTR, which the emulator leaves out; the cursor goes home for it."""
_LONGEST_TAIL: Final = 64


@dataclass(frozen=True)
class Fed:
    """What feeding brought about: bytes for the program to read, and what it signalled."""

    replies: bytes
    signals: tuple[Signal, ...]


@dataclass(frozen=True)
class Cursor:
    """Column and row from 0; a cursor that waits to wrap stands on the last column."""

    x: int
    y: int
    visible: bool


@dataclass(frozen=True)
class _Hidden:
    """The primary screen as it was when the alternate one covered it."""

    size: tuple[int, int]
    drawn: bytes


class _Replies:
    """Collects replies while the emulator reads, so that they keep the order of the queries."""

    def __init__(self) -> None:
        self.pending = bytearray()

    def add(self, reply: bytes) -> None:
        self.pending += in_xterm_words(reply)

    def add_program_status(self, query: bytes, terminator: bytes) -> None:
        """A terminal that understands OSC 7501 answers its query with the query."""
        if query == b"7501;?":
            self.pending += b"\x1b]7501;?" + terminator

    def take(self) -> bytes:
        replies = bytes(self.pending)
        self.pending.clear()
        return replies


class Screen:
    """One session's terminal. To be used from one thread at a time: it does no locking.

    `scrollback_lines` lines are kept above the visible ones, as far as 16 MiB hold them.
    """

    def __init__(self, cols: int, rows: int, *, scrollback_lines: int = SCROLLBACK_LINES) -> None:
        self._replies = _Replies()
        self._emulator = Emulator(
            cols, rows, scrollback_lines, self._replies.add, self._replies.add_program_status
        )
        self._scanner = SignalScanner()
        self._held = b""
        self._tail = b""
        self._forget()

    def _forget(self) -> None:
        self._saved: dict[bool, State | None] = {False: None, True: None}
        self._hidden = _Hidden(self._emulator.size, b"")
        self._entered_by = b"1049"
        self._shape = b""

    def feed(self, data: bytes) -> Fed:
        """Takes output as it comes; it may be cut anywhere, inside a character too."""
        output, self._held = held_back(self._held + data)
        position = 0
        for mark in marks(output):
            stop = mark.end() if mark.lastgroup == "ask" else mark.start()
            self._emulator.write(output[position:stop])
            position = stop
            self._note(mark)
        self._emulator.write(output[position:])
        self._tail = (self._tail + output[-_LONGEST_TAIL:])[-_LONGEST_TAIL:]
        return Fed(self._replies.take(), self._scanner.feed(data))

    def resize(self, cols: int, rows: int) -> None:
        """Lines of the primary screen are wrapped anew, those of the alternate one are cut."""
        self._emulator.resize(cols, rows)
        self._replies.take()  # xterm.js does not report its size unasked

    @property
    def cols(self) -> int:
        """How many cells a line has."""
        return self._emulator.size[0]

    @property
    def rows(self) -> int:
        """How many lines are visible."""
        return self._emulator.size[1]

    def text(self) -> list[str]:
        """The visible lines, exactly as many as there are rows, without trailing blanks."""
        return self._emulator.lines(self._emulator.scrollback_rows, self._emulator.size[1])

    def scrollback_text(self, lines: int) -> list[str]:
        """The last `lines` lines above the visible ones, or as many as there are."""
        total = self._emulator.scrollback_rows
        count = min(lines, total)
        return self._emulator.lines(total - count, count) if count > 0 else []

    def cursor(self) -> Cursor:
        return Cursor(*self._emulator.cursor, visible=self._emulator.private_mode(25))

    @property
    def title(self) -> str:
        """As the program set it: untrusted text."""
        return self._emulator.title

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown, the one that full-screen programs use."""
        return self._emulator.alternate

    @property
    def bracketed_paste(self) -> bool:
        """Whether the program asked for pasted text to be marked as such (mode 2004)."""
        return self._emulator.private_mode(2004)

    def release(self) -> None:
        """Answer and signal nothing any more: what is not fed needs not stay in memory for long."""
        self._emulator.release()

    def snapshot(self) -> bytes:
        """Output that recreates this state in a fresh terminal of the same size.

        Live output may be appended, even where this one ends inside a sequence or a character.
        Synchronized output (mode 2026) is not recreated.
        """
        state = self._emulator.state()
        title = b"\x1b]2;%b\x1b\\" % self.title.encode() if self.title else b""
        cells = self._hidden_drawn() + self._shown_drawn()
        rest = self._modes_set(state) + self._cursor_set(state) + self._unfinished()
        return title + cells + rest

    def _hidden_drawn(self) -> bytes:
        if not self.alternate:
            return b""
        if self._hidden.size != self._emulator.size:
            self._hidden = self._hidden_fitted()
        return self._hidden.drawn + b"\x1b[?%bh" % self._entered_by + _PLAIN_PEN + b"\x1b[H"

    def _hidden_fitted(self) -> _Hidden:
        """The hidden screen after the resizes since it was covered."""
        size = self._emulator.size
        primary = Screen(*self._hidden.size)
        primary.feed(self._hidden.drawn)
        primary.resize(*size)
        primary.release()
        return _Hidden(size, primary._drawn_with_cursor())

    def _drawn_with_cursor(self) -> bytes:
        return self._shown_drawn() + self._emulator.state().pen.placed()

    def _shown_drawn(self) -> bytes:
        saved = self._saved[self.alternate]
        drawn = self._emulator.cells()
        return drawn + saved.pen.saved() + _PLAIN_PEN if saved else drawn

    def _modes_set(self, state: State) -> bytes:
        """Tab stops, margins, modes and cursor; in this order, for margins home the cursor."""
        # a shape that blinks shows as mode 12 too
        left_out = _NOT_RESTORED | {_BLINKING} if self._shape else _NOT_RESTORED
        kept = [mode for mode in state.modes if mode[:2] not in left_out]
        parts = [state.tab_stops]
        parts += [b"\x1b[%d;%dr" % state.margins] if state.margins else []
        parts += [b"\x1b[%b%b%b" % mode for mode in kept]
        parts += [b"\x1b[%b q" % self._shape] if self._shape else []
        return b"".join(parts)

    def _cursor_set(self, state: State) -> bytes:
        if _ORIGIN not in state.modes:
            return state.pen.placed() + self._printed_again(state, above=0)
        above = state.margins[0] - 1 if state.margins else 0
        return b"\x1b[?6h" + state.pen.placed(above=above) + self._printed_again(state, above=above)

    def _printed_again(self, state: State, *, above: int) -> bytes:
        """The character that the output ends with, if it ends with one, where it stands already.

        Live output may repeat it or combine with it, which no viewer does after a sequence.
        """
        unfinished = self._emulator.unfinished()
        if unfinished is None or not self._tail.endswith(unfinished) or _IN_PLACE & {*state.modes}:
            return b""
        character = last_printed(self._tail[: len(self._tail) - len(unfinished)])
        shown, column = self._emulator.last_cell()
        # line drawing shows an ASCII character as another one
        drawn = _LINE_DRAWING in state.pen.manner and character.isascii() and not shown.isascii()
        if not character or not (character[0] == shown or drawn):
            return b""
        return b"\x1b[%d;%dH" % (state.pen.row - above, column) + character.encode()

    def _unfinished(self) -> bytes:
        unfinished = self._emulator.unfinished()
        if unfinished is None:
            # too long to repeat; one of a number that nobody knows swallows the rest as well
            unfinished = self._scanner.introducer + b"99999;"
        return unfinished + self._held

    def _note(self, mark: Mark) -> None:
        match mark.lastgroup:
            case "save":
                self._saved[self.alternate] = self._emulator.state()
            case "enter" if not self.alternate:
                self._cover(mark["enter"])
            case "reset":
                self._forget()
            case "soften":
                self._reset_softly()
            case "shape":
                self._shape = mark["shape"]
            case "ask":
                self._replies.add(
                    b"\x1b[?%d;%dR" % tuple(n + 1 for n in self._emulator.cursor[::-1])
                )

    def _reset_softly(self) -> None:
        pen = self._emulator.state().pen
        self._saved[self.alternate] = None
        self._shape = b""
        self._emulator.write(_SOFT_RESET + b"\x1b[%d;%dH" % (pen.row, pen.column))

    def _cover(self, entered_by: bytes) -> None:
        self._hidden = _Hidden(self._emulator.size, self._drawn_with_cursor())
        self._entered_by = entered_by
