"""A screen at one moment, as it is handed to those who look."""

from dataclasses import dataclass

from sessions_app.screen import Screen


@dataclass(frozen=True, kw_only=True)
class ScreenState:
    """A session's screen: `lines` as text, `ansi` draws it, `offset` is the output it includes."""

    cols: int
    rows: int
    cursor_x: int
    cursor_y: int
    lines: list[str]
    ansi: bytes
    offset: int


def screen_state(screen: Screen, offset: int) -> ScreenState:
    """Return the screen as it stands, after the output up to `offset`."""
    cursor = screen.cursor()
    return ScreenState(
        cols=screen.cols,
        rows=screen.rows,
        cursor_x=cursor.x,
        cursor_y=cursor.y,
        lines=screen.text(),
        ansi=screen.snapshot(),
        offset=offset,
    )
