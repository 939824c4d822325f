"""The log's one door: append and read events by `seq`, output by offset.

Everything here is synchronous and belongs into a database thread. Facts are told to the world by
the caller, after the transaction has been committed.

Output that the database does not have yet is read from the session's spool, if this machine has it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import zstandard
from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Min, Q
from django.utils import timezone

from sessions_app.events import LAST, TRANSITIONS, EventType, LifecycleEvent
from sessions_app.exceptions import InvalidTransition
from sessions_app.holder.spool import OutputGone, SpoolReader
from sessions_app.models import OutputSegment, ScreenSnapshot, Session, SessionEvent
from sessions_app.storable import storable

# One row per 64 KiB: small enough to seek in, large enough that rows cost nothing beside the bytes.
SEGMENT_SIZE = 64 * 1024


@dataclass(frozen=True)
class Mark:
    """At `moment` the output reached `offset`."""

    moment: datetime
    offset: int


@dataclass(frozen=True)
class TimedOutput:
    """Raw output from offset `start` on; `marks` say when it came, at least one of them."""

    start: int
    data: bytes
    marks: Sequence[Mark]


@dataclass
class Attempt:
    """What happened at `at`, for who tries to write that until the database has it.

    A database that dies may have committed what it never answered; the event is there then.
    """

    at: datetime = field(default_factory=timezone.now)
    is_repeated: bool = False


def sessions_folder() -> Path:
    """Return the folder of all those folders."""
    folder: Path = settings.HARNESS_STATE_DIR / "sessions"
    return folder


def session_folder(session_id: str) -> Path:
    """Return where this machine keeps what belongs to a session that runs."""
    return sessions_folder() / session_id


def append_event(
    session_id: str,
    kind: EventType,
    *,
    offset: int,
    fields: Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
    attempt: Attempt | None = None,
) -> LifecycleEvent:
    """Append the next event and change the row with it, or neither; once for each `attempt`.

    The session's status must be one in which such an event may happen, else InvalidTransition.
    Texts may hold anything that a program prints.
    """
    attempt = attempt or Attempt()
    if attempt.is_repeated:
        rows = SessionEvent.objects.filter(session_id=session_id, type=kind, timestamp=attempt.at)
        if (written := rows.first()) is not None:
            return written.as_event()
    attempt.is_repeated = True
    rule = TRANSITIONS[kind]
    columns: dict[str, Any] = {"last_seq": F("last_seq") + 1, "last_activity_at": timezone.now()}
    if rule.to is not None:
        columns["status"] = rule.to
    with transaction.atomic():
        allowed = Session.objects.filter(pk=session_id, status__in=rule.allowed)
        if allowed.update(**columns, **storable(dict(changes or {}))) != 1:
            raise InvalidTransition(f"The session's state does not allow {kind}.")
        seq = Session.objects.values_list("last_seq", flat=True).get(pk=session_id)
        row = SessionEvent.objects.create(
            session_id=session_id,
            seq=seq,
            type=kind,
            offset=offset,
            timestamp=attempt.at,
            fields=storable(dict(fields)),
        )
    return row.as_event()


def read_events(
    session_id: str, *, after: int, limit: int, kinds: Collection[EventType] | None = None
) -> list[LifecycleEvent]:
    """Return at most `limit` events with a higher `seq` than `after`, in order.

    Those of the given `kinds` only, if any are given.
    """
    rows = SessionEvent.objects.filter(session_id=session_id, seq__gt=after).order_by("seq")
    if kinds is not None:
        rows = rows.filter(type__in=kinds)
    return [row.as_event() for row in rows[:limit]]


def last_seq_of(session_id: str, kinds: Collection[EventType]) -> int:
    """Return the number of the newest event of these kinds, 0 if there is none."""
    rows = SessionEvent.objects.filter(session_id=session_id, type__in=kinds)
    return rows.order_by("-seq").values_list("seq", flat=True).first() or 0


def last_event_offset(session_id: str) -> int:
    """Return the output offset of the newest event, 0 without one."""
    rows = SessionEvent.objects.filter(session_id=session_id).order_by("-seq")
    return rows.values_list("offset", flat=True).first() or 0


def resizes_after(session_id: str, offset: int) -> list[tuple[int, int, int]]:
    """Return `(offset, cols, rows)` of every change of size at or after the output offset."""
    rows = SessionEvent.objects.filter(
        session_id=session_id, type=EventType.RESIZED, offset__gte=offset
    ).order_by("seq")
    return [(row.offset, row.fields["cols"], row.fields["rows"]) for row in rows]


def events_before_screen(
    session_id: str, told: int, *, offset: int, cols: int, rows: int
) -> tuple[int, int]:
    """Return `(after, last)`: the events that come before a screen of this size at the offset.

    They are those behind `told` that led to the screen, but not the session's end. Where a size up
    to `told` is not the screen's yet, `after` is less than `told`: it has to come after the screen.
    """
    events = SessionEvent.objects.filter(session_id=session_id)
    resizes = events.filter(type=EventType.RESIZED)
    is_shown = Q(offset__lt=offset)
    # At the offset itself the screen may have been looked at before or after the resize.
    is_shown |= Q(offset=offset, type=EventType.RESIZED, fields__cols=cols, fields__rows=rows)
    newest = resizes.order_by("-seq").first()
    if newest is not None and not _is_drawn(newest, offset, (cols, rows)):
        shown = resizes.filter(is_shown).aggregate(Max("seq"))["seq__max"] or 0
        told = min(told, resizes.filter(seq__gt=shown).aggregate(Min("seq"))["seq__min"] - 1)
    since = events.filter(is_shown, seq__gt=told).exclude(type__in=LAST)
    return told, since.aggregate(Max("seq"))["seq__max"] or told


def _is_drawn(resize: SessionEvent, offset: int, size: tuple[int, int]) -> bool:
    """Tell whether a screen of that size at the offset shows the resize."""
    if resize.offset != offset:
        return resize.offset < offset
    return (resize.fields["cols"], resize.fields["rows"]) == size


# Output


def output_range(session_id: str) -> tuple[int, int]:
    """Return the offsets at which the readable output begins and ends."""
    first, last = _archived_range(session_id)
    spool = SpoolReader(session_folder(session_id))
    try:
        base, size = spool.base, spool.size
    except FileNotFoundError:  # dropped, because the archive is complete
        return first, last
    return (first if last > first else base), max(size, last)


def read_output(session_id: str, offset: int, limit: int) -> bytes:
    """Return the raw output from `offset` on, at most `limit` bytes, b"" where it ends.

    What both have is read from the spool, which takes a hundredth of the time.
    """
    if data := read_spool(session_id, offset, limit):
        return data
    parts: list[bytes] = []
    missing = limit
    for segment in _segments_from(session_id, offset, limit):
        if segment.start > offset or missing <= 0:
            break
        part = unpack(segment)[offset - segment.start :][:missing]
        parts.append(part)
        offset += len(part)
        missing -= len(part)
    if missing > 0:
        parts.append(read_spool(session_id, offset, missing))
    return b"".join(parts)


def read_timed_output(session_id: str, offset: int) -> TimedOutput | None:
    """Return output from `offset` on, or from where it goes on after a gap; None at its end.

    At most SEGMENT_SIZE. The last mark may lie before the end of the data: what comes after it
    belongs to the first mark of the following data. What the archive does not have yet counts
    as having come right now.
    """
    rows = OutputSegment.objects.filter(session_id=session_id, start__gt=offset - SEGMENT_SIZE)
    segment = rows.filter(end__gt=offset).order_by("start").first()
    if segment is None:
        data = read_spool(session_id, offset, SEGMENT_SIZE)
        marks = [Mark(timezone.now(), offset + len(data))]
        return TimedOutput(offset, data, marks) if data else None
    begin = max(offset, segment.start)
    marks = [
        Mark(segment.recorded_at + timedelta(milliseconds=after), reached)
        for after, reached in segment.timeline or [[0, segment.end]]
    ]
    return TimedOutput(begin, unpack(segment)[begin - segment.start :], marks)


def save_snapshot(session_id: str, offset: int, cols: int, rows: int, data: bytes) -> None:
    """Keep what draws the screen as it stood at this offset, instead of any older one."""
    ScreenSnapshot.objects.update_or_create(
        session_id=session_id,
        defaults={
            "offset": offset,
            "cols": cols,
            "rows": rows,
            "data": zstandard.compress(data),
        },
    )


def load_snapshot(session_id: str) -> ScreenSnapshot | None:
    """Return the kept screen with its `data` unpacked, or None."""
    snapshot = ScreenSnapshot.objects.filter(session_id=session_id).first()
    if snapshot is not None:
        snapshot.data = zstandard.decompress(bytes(snapshot.data))
    return snapshot


def _archived_range(session_id: str) -> tuple[int, int]:
    rows = OutputSegment.objects.filter(session_id=session_id)
    first = rows.order_by("start").values_list("start", flat=True).first()
    last = rows.order_by("-start").values_list("end", flat=True).first()
    return first or 0, last or 0


def _segments_from(session_id: str, offset: int, limit: int) -> Iterator[OutputSegment]:
    rows = OutputSegment.objects.filter(session_id=session_id, start__gt=offset - SEGMENT_SIZE)
    rows = rows.filter(end__gt=offset, start__lt=offset + limit)
    return rows.order_by("start").iterator(chunk_size=16)


def unpack(segment: OutputSegment) -> bytes:
    """Return a segment's raw output."""
    return zstandard.decompress(bytes(segment.data), max_output_size=SEGMENT_SIZE)


def read_spool(session_id: str, offset: int, limit: int) -> bytes:
    """Return output that this machine has in a spool, b"" where it has none."""
    try:
        return SpoolReader(session_folder(session_id)).read(offset, limit)
    except (OutputGone, FileNotFoundError):
        return b""
