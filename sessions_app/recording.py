"""A session's log as a recording in asciicast v2, the format of asciinema.

https://docs.asciinema.org/manual/asciicast/v2/: one JSON object, then a JSON array per line. Times
are seconds since the session started. Synchronous; belongs into a database thread.
"""

import codecs
import heapq
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

import orjson

from sessions_app import event_log
from sessions_app.events import EventType, LifecycleEvent
from sessions_app.holder.spool import OutputGone
from sessions_app.models import Session

_SIZES = frozenset({EventType.STARTED, EventType.RESIZED})
_MARKERS = frozenset(
    {EventType.WAITING, EventType.CHECKPOINT, EventType.COMPLETED, EventType.FAILED}
)
_PAGE = 200


def recording(session: Session, base: int, head: int) -> Iterator[bytes]:
    """Yield the header, then the output from offset `base` up to `head`, and all events.

    Every item is a whole line. Output (`o`) is text: characters are never split, bytes that are
    not UTF-8 read as U+FFFD. Changes of size (`r`) and markers (`m`, where the session waited
    and how it ended) stand between the very bytes between which they happened. Where the oldest
    output is gone, the recording begins in the size of that moment.
    Raises OutputGone when output is given up before it is its turn.
    """
    events = _Upcoming(session)
    cols, rows = events.size_at(base)
    yield _line(_header(session, cols, rows))
    lines = _Lines(session.started_at or session.created_at)
    for moment, offset, data in _pieces(str(session.pk), base, head):
        done = 0
        for event in events.before(offset + len(data)):
            cut = max(done, event.offset - offset)
            yield from lines.output(moment, data[done:cut])
            yield from lines.event(event)
            done = cut
        yield from lines.output(moment, data[done:])
    yield from lines.rest()
    for event in events.before(None):
        yield from lines.event(event)


class _Upcoming:
    """The changes of size and the markers of a session, by the output offset they stand at.

    A marker's number may come after that of a change of size that stands further on, so the two
    are read apart.
    """

    def __init__(self, session: Session) -> None:
        self._size = session.cols, session.rows
        sizes, markers = (_events(str(session.pk), kinds) for kinds in (_SIZES, _MARKERS))
        self._events = heapq.merge(sizes, markers, key=lambda event: event.offset)
        self._next = next(self._events, None)

    def size_at(self, base: int) -> tuple[int, int]:
        """Return the columns and rows when output reached `base`, and drop what came before."""
        while (event := self._next) and (event.offset < base or event.type is EventType.STARTED):
            if event.type in _SIZES:
                self._size = event.fields["cols"], event.fields["rows"]
            self._next = next(self._events, None)
        return self._size

    def before(self, offset: int | None) -> Iterator[LifecycleEvent]:
        """Take the events that stand before the offset; all that are left for None."""
        while (event := self._next) and (offset is None or event.offset < offset):
            self._next = next(self._events, None)
            yield event


class _Lines:
    """Writes lines whose times never go back, whatever the clock did."""

    def __init__(self, started: datetime) -> None:
        self._started = started
        self._seconds = 0.0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def output(self, moment: datetime, data: bytes, *, final: bool = False) -> Iterator[bytes]:
        """Write what has become whole characters."""
        if text := self._decoder.decode(data, final):
            yield _line([self._at(moment), "o", text])

    def rest(self) -> Iterator[bytes]:
        """Write a last character whose end never came."""
        yield from self.output(self._started, b"", final=True)

    def event(self, event: LifecycleEvent) -> Iterator[bytes]:
        """Write a change of size or a marker."""
        seconds = self._at(event.timestamp)
        if event.type is EventType.RESIZED:
            yield _line([seconds, "r", f"{event.fields['cols']}x{event.fields['rows']}"])
        else:
            yield _line([seconds, "m", _label(event)])

    def _at(self, moment: datetime) -> float:
        seconds = round((moment - self._started).total_seconds(), 3)
        self._seconds = max(self._seconds, seconds)
        return self._seconds


def _line(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def _header(session: Session, cols: int, rows: int) -> dict[str, object]:
    return {
        "version": 2,
        "width": cols,
        "height": rows,
        "timestamp": int((session.started_at or session.created_at).timestamp()),
        "title": str(session),
        "env": {"TERM": "xterm-256color"},
    }


def _label(event: LifecycleEvent) -> str:
    match event.type:
        case EventType.WAITING:
            return f"waiting: {event.fields.get('waitType', 'unknown')}"
        case EventType.CHECKPOINT:
            return f"checkpoint: {event.fields['checkpoint'].get('type', 'unknown')}"
        case EventType.FAILED:
            return f"failed: {event.fields['error']}"
    return str(event.type).removeprefix("session:")


def _events(session_id: str, kinds: Collection[EventType]) -> Iterator[LifecycleEvent]:
    seq = 0
    while page := event_log.read_events(session_id, after=seq, limit=_PAGE, kinds=kinds):
        yield from page
        seq = page[-1].seq


def _pieces(session_id: str, offset: int, head: int) -> Iterator[tuple[datetime, int, bytes]]:
    """Yield `(moment, offset, data)`: the output up to `head`, cut where its times are known.

    A piece that reaches into the next segment has its time there.
    """
    begin, pending, moment = offset, b"", datetime.now(UTC)
    while offset < head:
        read = _timed_output(session_id, offset)
        pending += read.data[: head - offset]
        for mark in read.marks:
            moment, size = mark.moment, max(0, mark.offset - begin)
            yield moment, begin, pending[:size]
            begin, pending = begin + len(pending[:size]), pending[size:]
        offset += len(read.data)
    yield moment, begin, pending


def _timed_output(session_id: str, offset: int) -> event_log.TimedOutput:
    # Twice: what was still in the spool may be in the archive a moment later.
    for _ in range(2):
        if (read := event_log.read_timed_output(session_id, offset)) and read.start == offset:
            return read
    raise OutputGone(event_log.output_range(session_id)[0])
