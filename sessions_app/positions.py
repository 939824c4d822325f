"""Where a client says that it is in a session's log, and whether the stream can go on there."""

from dataclasses import dataclass

from sessions_app.fanout import Tail
from sessions_app.models import Session


@dataclass(frozen=True, kw_only=True)
class Position:
    """Events up to `seq` and output up to `offset`; `epoch` None means the current log."""

    seq: int
    offset: int
    epoch: str | None = None


def can_continue(position: Position, row: Session, kept: tuple[int, int], tail: Tail) -> bool:
    """Tell whether the log still has everything after the client's position.

    After a crash a client may be ahead of what has been taken in again, never of what is `kept`:
    the offsets at which the readable output begins and ends.
    """
    first, last = kept
    return (
        position.epoch in (None, row.epoch)
        and position.seq <= max(row.last_seq, tail.last_seq)
        and first <= position.offset <= max(last, tail.head)
    )
