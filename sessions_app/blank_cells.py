"""The visible cells without text, which libghostty-vt's formatter draws wrong.

It leaves out rows of nothing but background, and gives cells that the program jumped over the
style of the text before them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Final

from pyghostty import ffi, lib
from pyghostty.core import check

_BYTES_PER_CELL: Final = 8
_PLAIN: Final = b"\x1b[0m"


@dataclass(frozen=True)
class _Look:
    """A cell without text has the SGR sequence of its background as `erased`."""

    text: bool
    styled: bool
    erased: bytes


def blanks_drawn(terminal: Any) -> bytes:
    """Output that erases such cells, each run to its own background; leaves a plain pen.

    `terminal` is the library's handle. The cursor is moved.
    """
    drawn: list[bytes] = []
    styled = False
    for row, cells in enumerate(_visible_rows(terminal), start=1):
        column = 1
        for cell, run in groupby(cells):
            length = len(list(run))
            look = _look(cell)
            if look.text:
                styled = look.styled
            elif styled or look.erased != _PLAIN:
                drawn.append(b"%b\x1b[%d;%dH\x1b[%dX" % (look.erased, row, column, length))
            column += length
    return b"".join([*drawn, _PLAIN]) if drawn else b""


@lru_cache(maxsize=4096)
def _look(cell: int) -> _Look:
    part_of_wide = _asked(cell, "WIDE", "GhosttyCellWide") != lib.GHOSTTY_CELL_WIDE_NARROW
    text = bool(_asked(cell, "HAS_TEXT", "bool")) or part_of_wide
    return _Look(text, bool(_asked(cell, "HAS_STYLING", "bool")), _background(cell))


def _background(cell: int) -> bytes:
    match _asked(cell, "CONTENT_TAG", "GhosttyCellContentTag"):
        case lib.GHOSTTY_CELL_CONTENT_BG_COLOR_PALETTE:
            return b"\x1b[0;48;5;%dm" % _asked(cell, "COLOR_PALETTE", "uint8_t")
        case lib.GHOSTTY_CELL_CONTENT_BG_COLOR_RGB:
            rgb = _asked(cell, "COLOR_RGB", "GhosttyColorRgb")
            return b"\x1b[0;48;2;%d;%d;%dm" % (rgb.r, rgb.g, rgb.b)
    return _PLAIN


def _asked(cell: int, fact: str, kind: str) -> Any:
    value = ffi.new(f"{kind}*")
    check(lib.ghostty_cell_get(cell, getattr(lib, f"GHOSTTY_CELL_DATA_{fact}"), value), fact)
    return value[0]


def _visible_rows(terminal: Any) -> Iterator[list[int]]:
    view = ffi.new("GhosttyCellsView*")
    with _rows_iterator(terminal) as rows:
        while lib.ghostty_render_state_row_iterator_next(rows):
            raw = lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS_RAW
            check(lib.ghostty_render_state_row_get(rows, raw, view), "row")
            yield _without_end(bytes(ffi.buffer(view.ptr, view.len * _BYTES_PER_CELL)))


def _without_end(packed: bytes) -> list[int]:
    """The row up to the last cell that is not blank: the formatter is right about the rest."""
    cells = -(-len(packed.rstrip(b"\0")) // _BYTES_PER_CELL)
    return memoryview(packed)[: cells * _BYTES_PER_CELL].cast("Q").tolist()


@contextmanager
def _rows_iterator(terminal: Any) -> Iterator[Any]:
    state, rows = ffi.new("GhosttyRenderState*"), ffi.new("GhosttyRenderStateRowIterator*")
    check(lib.ghostty_render_state_new(ffi.NULL, state), "render state")
    try:
        check(lib.ghostty_render_state_row_iterator_new(ffi.NULL, rows), "row iterator")
        check(lib.ghostty_render_state_update(state[0], terminal), "render state")
        wanted = lib.GHOSTTY_RENDER_STATE_DATA_ROW_ITERATOR
        check(lib.ghostty_render_state_get(state[0], wanted, rows), "row iterator")
        yield rows[0]
    finally:
        if rows[0]:
            lib.ghostty_render_state_row_iterator_free(rows[0])
        lib.ghostty_render_state_free(state[0])
