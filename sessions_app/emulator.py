"""libghostty-vt, driven through `pyghostty`, with what the project needs of it and types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pyghostty import Terminal, UnknownSequence, ffi, lib
from pyghostty.core import check, init_sized

from sessions_app.blank_cells import blanks_drawn

FOREGROUND: Final = (0xD4, 0xD4, 0xD4)
BACKGROUND: Final = (0x1E, 0x1E, 0x1E)
_SCROLLBACK_BYTES: Final = 16 << 20
_PAGE_BYTES: Final = 400_000
_BYTES_PER_CELL: Final = 8
_LONGEST_UNFINISHED: Final = 1 << 16
_LONGEST_QUERY: Final = 64
_TERMINATORS: Final = {"bel": b"\x07", "st": b"\x1b\\"}

_MODE: Final = re.compile(rb"\x1b\[(\??)(\d+)([hl])")
_MARGINS: Final = re.compile(rb"\x1b\[(\d+);(\d+)r")
_TAB_STOPS: Final = re.compile(rb"\x1b\[3g(?:\x1b\[\d+G\x1bH)*")
_CURSOR: Final = re.compile(rb"\x1b\[(\d+);(\d+)H(.*)\Z", re.DOTALL)

_SEQUENCE: Final = re.compile(rb"\x1b(?:\[[^@-~]*[@-~]|\][^\x1b]*\x1b\\|[ -/]+[0-~])|[\x0e\x0f]")

_STATE_PARTS: Final = ("modes", "scrolling_region", "tabstops", "keyboard")
_SCREEN_PARTS: Final = ("cursor", "style", "hyperlink", "protection", "charsets")


@dataclass(frozen=True)
class Pen:
    """The cursor: row and column from 1, and the sequences for its style, link and charsets.

    These begin with the last cell's character when the cursor waits to wrap.
    """

    row: int
    column: int
    manner: bytes

    def placed(self, *, above: int = 0) -> bytes:
        """Moves the cursor; `above` rows do not count, as in origin mode."""
        return b"\x1b[%d;%dH" % (self.row - above, self.column) + self.manner

    def saved(self) -> bytes:
        """Saves it as the cursor to come back to. The cell under it may have changed since."""
        sequences = b"".join(_SEQUENCE.findall(self.manner))
        return b"\x1b[%d;%dH%b\x1b7" % (self.row, self.column, sequences)


@dataclass(frozen=True)
class State:
    """Everything but the cells. Modes and tab stops are those that differ from a fresh terminal's.

    A mode is (`b"?"` or nothing, its number, `b"h"` or `b"l"`); margins are the first and last
    row of the scroll region from 1, or nothing when it is the whole screen.
    """

    modes: tuple[tuple[bytes, bytes, bytes], ...]
    tab_stops: bytes
    margins: tuple[int, int] | None
    pen: Pen


class Emulator:
    """One terminal. Replies go to `on_reply` while the query is being read, in their order.

    `on_query` gets each complete OSC that the library does not know: its content without
    introducer and terminator, at most 64 bytes of it, and its terminator.
    """

    def __init__(
        self,
        cols: int,
        rows: int,
        scrollback_lines: int,
        on_reply: Callable[[bytes], None],
        on_query: Callable[[bytes, bytes], None],
    ) -> None:
        self._terminal = Terminal(cols, rows, scrollback_lines, FOREGROUND, BACKGROUND)
        self._handle: Any = self._terminal._t[0]
        # the library's own limit is 10,000 bytes
        self._set("SCROLLBACK_MAX_BYTES", "size_t*", _SCROLLBACK_BYTES)
        self._scrollback_lines = scrollback_lines
        self._keep_scrollback(cols)
        self._set("CONTINUATION_MAX_BYTES", "size_t*", _LONGEST_UNFINISHED)
        # nobody sees pictures or asks for what was copied: no memory for them
        self._set("KITTY_IMAGE_STORAGE_LIMIT", "uint64_t*", 0)
        self._set("APC_MAX_BYTES", "size_t*", _LONGEST_QUERY)
        self._set("CLIPBOARD_WRITE_MAX_BYTES", "size_t*", _LONGEST_QUERY)
        self._terminal.on_reply(on_reply)

        def on_unknown(sequence: UnknownSequence) -> None:
            if sequence.kind == "osc":
                on_query(sequence.content, _TERMINATORS[sequence.terminator])

        self._terminal.on_unknown_sequence(on_unknown, max_bytes=_LONGEST_QUERY)

    def _set(self, option: str, kind: str, value: int) -> None:
        key = getattr(lib, f"GHOSTTY_TERMINAL_OPT_{option}")
        check(lib.ghostty_terminal_set(self._handle, key, ffi.new(kind, value)), option)

    def _keep_scrollback(self, cols: int) -> None:
        """The library drops whole pages of lines: with one more, what is left is enough."""
        page = _PAGE_BYTES // (_BYTES_PER_CELL * (cols + 1))
        self._set("SCROLLBACK_MAX_LINES", "size_t*", self._scrollback_lines + page)

    def release(self) -> None:
        """Report nothing any more, so that the memory is free once nobody refers to this.

        The library's callbacks refer to the terminal and it to them; the most part of a megabyte
        would wait for the garbage collector, which sees a handful of small objects.
        """
        self._terminal.on_reply(None)
        self._terminal.on_unknown_sequence(None)

    def write(self, data: bytes) -> None:
        if data:
            self._terminal.feed(data)

    def resize(self, cols: int, rows: int) -> None:
        self._terminal.resize(cols, rows)
        self._keep_scrollback(cols)

    @property
    def size(self) -> tuple[int, int]:
        cols, rows = self._terminal.size
        return cols, rows

    @property
    def alternate(self) -> bool:
        shown = self._terminal.get("active_screen", "GhosttyTerminalScreen")
        return bool(shown == lib.GHOSTTY_TERMINAL_SCREEN_ALTERNATE)

    @property
    def cursor(self) -> tuple[int, int]:
        """Column and row from 0."""
        x, y = self._terminal.cursor
        return x, y

    @property
    def pending_wrap(self) -> bool:
        """Whether the cursor stands on the last column only because that was just filled."""
        return bool(self._terminal.get("cursor_pending_wrap", "bool"))

    def last_cell(self) -> tuple[str, int]:
        """The character before the cursor, without what combines with it, and its column from 1."""
        x, y = self.cursor
        x = max(x - (not self.pending_wrap), 0)
        if self._cell(x, y, "WIDE", "GhosttyCellWide") == lib.GHOSTTY_CELL_WIDE_SPACER_TAIL:
            x -= 1
        return chr(self._cell(x, y, "CODEPOINT", "uint32_t")), x + 1

    def _cell(self, x: int, y: int, fact: str, kind: str) -> Any:
        cell, value = ffi.new("GhosttyCell*"), ffi.new(f"{kind}*")
        check(lib.ghostty_grid_ref_cell(self._terminal.ref(x, y), cell), "cell")
        check(lib.ghostty_cell_get(cell[0], getattr(lib, f"GHOSTTY_CELL_DATA_{fact}"), value), fact)
        return value[0]

    @property
    def title(self) -> str:
        title = self._terminal.get("title", "GhosttyString")
        return bytes(ffi.buffer(title.ptr, title.len)).decode(errors="replace") if title.len else ""

    def private_mode(self, number: int) -> bool:
        return bool(self._terminal.mode(number))

    @property
    def scrollback_rows(self) -> int:
        """How many lines there are above the visible ones, of those that are to be kept."""
        return min(self._rows_above(), self._scrollback_lines)

    def _rows_above(self) -> int:
        return int(self._terminal.get("scrollback_rows", "size_t"))

    def lines(self, first: int, count: int) -> list[str]:
        """`count` lines of plain text, the oldest of the scrollback being line 0."""
        selection = self._rows_selected(first, count)
        found = [line.rstrip() for line in self._terminal._format_sel(selection).split("\n")]
        return found + [""] * (count - len(found))

    def _rows_selected(self, first: int, count: int) -> Any:
        top = self._rows_above() - self.scrollback_rows + first
        return self._selection((0, top), (self.size[0] - 1, top + count - 1), "screen")

    def cells(self) -> bytes:
        """Output that draws scrollback and screen from the top left of a fresh terminal.

        Lines that were wrapped are left to wrap again, so that a viewer may wrap them anew.
        """
        rows = self.scrollback_rows + self.size[1]
        everything = self._rows_selected(0, rows)
        content, row_by_row = self._format(everything, unwrap=True), self._format(everything)
        if content != row_by_row and not self._is_drawn_by(content, everything):
            content = row_by_row
        # the formatter leaves out blank rows at the bottom: without them the screen would slip
        drawn_rows = row_by_row.count(b"\r\n") + 1
        slack = b"\x1b[0m" + b"\r\n" * (rows - drawn_rows)
        return content + slack + blanks_drawn(self._handle)

    def _is_drawn_by(self, content: bytes, everything: Any) -> bool:
        """Whether `content` wraps as it is wrapped here.

        It does not where a wrapped row is blank, or has cells that the program jumped over.
        """
        cols, rows = self.size
        other = Emulator(cols, rows, self._scrollback_lines, _ignore, _ignore)
        other.write(content)
        drawn = other._terminal._format_sel(other._rows_selected(0, other.scrollback_rows + rows))
        other.release()
        return bool(drawn.rstrip() == self._terminal._format_sel(everything).rstrip())

    def state(self) -> State:
        origin = self._selection((0, 0), (0, 0), "active")
        described = self._format(origin, described=True)
        pen = _CURSOR.search(described)
        if pen is None:
            raise ValueError("the emulator did not say where its cursor is")
        before = described[: pen.start()]
        margins, tabs = _MARGINS.search(before), _TAB_STOPS.search(before)
        return State(
            modes=tuple(match.groups() for match in _MODE.finditer(before)),  # type: ignore[misc]
            tab_stops=tabs.group() if tabs and tabs.group() != self._default_tab_stops() else b"",
            margins=(int(margins[1]), int(margins[2])) if margins else None,
            pen=Pen(int(pen[1]), int(pen[2]), pen[3]),
        )

    def _default_tab_stops(self) -> bytes:
        columns = range(9, self.size[0] + 1, 8)
        return b"\x1b[3g" + b"".join(b"\x1b[%dG\x1bH" % column for column in columns)

    def unfinished(self) -> bytes | None:
        """The sequence or character that the output ends inside of; None if longer than 64 KiB."""
        buffer = ffi.new("uint8_t[]", _LONGEST_UNFINISHED)
        length = ffi.new("size_t*")
        failed = lib.ghostty_terminal_continuation_buf(self._handle, buffer, len(buffer), length)
        return None if failed else bytes(ffi.buffer(buffer, length[0]))

    def _selection(self, start: tuple[int, int], end: tuple[int, int], counted: str) -> Any:
        selection = init_sized("GhosttySelection")
        selection.start = self._terminal.ref(*start, counted)[0]
        selection.end = self._terminal.ref(*end, counted)[0]
        return selection

    def _format(self, selection: Any, *, unwrap: bool = False, described: bool = False) -> bytes:
        options = init_sized("GhosttyFormatterTerminalOptions")
        options.emit, options.trim = lib.GHOSTTY_FORMATTER_FORMAT_VT, True
        options.unwrap, options.selection = unwrap, selection
        for part in _STATE_PARTS if described else ():
            setattr(options.extra, part, True)
        for part in _SCREEN_PARTS if described else ():
            setattr(options.extra.screen, part, True)
        formatter = ffi.new("GhosttyFormatter*")
        made = lib.ghostty_formatter_terminal_new(ffi.NULL, formatter, self._handle, options[0])
        check(made, "formatter")
        try:
            return _formatted(formatter[0])
        finally:
            lib.ghostty_formatter_free(formatter[0])


def _ignore(*_: bytes) -> None:
    """What a terminal that only measures has to say."""


def _formatted(formatter: Any) -> bytes:
    text, length = ffi.new("uint8_t**"), ffi.new("size_t*")
    check(lib.ghostty_formatter_format_alloc(formatter, ffi.NULL, text, length), "format")
    try:
        return bytes(ffi.buffer(text[0], length[0]))
    finally:
        lib.ghostty_free(ffi.NULL, text[0], length[0])
