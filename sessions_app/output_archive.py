"""Copies output from a session's spool into the database, in compressed segments.

Everything here is synchronous and belongs into the thread that writes the log.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

import zstandard
from django.db import transaction
from django.utils import timezone

from sessions_app.event_log import SEGMENT_SIZE, Mark, session_folder, unpack
from sessions_app.events import whole_characters
from sessions_app.holder import spool
from sessions_app.holder.spool import OutputGone, SpoolReader
from sessions_app.models import OutputSegment, Session

# One go: who writes an event waits for it, also when a database that was away for hours is back.
GO_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Due:
    """Output that is to be archived: up to `upto`, which came when `marks` say.

    Of the archive about `quota` bytes are kept. `archived` is how far it goes as far as is known.
    """

    session_id: str
    upto: int
    marks: Sequence[Mark]
    quota: int
    archived: int = 0


def archive(due: Due) -> int:
    """Archive the next of it, and drop what need not be kept; return how far the archive goes."""
    archived = archive_output(due.session_id, due.upto, due.marks)
    if archived > due.quota:
        drop_beyond_quota(due.session_id, archived, due.quota)
    if archived // spool.SEGMENT_SIZE > due.archived // spool.SEGMENT_SIZE:
        drop_archived_spool(due.session_id, archived)
    return archived


def archive_output(session_id: str, upto: int, marks: Sequence[Mark]) -> int:
    """Copy the spool's next output, up to offset `upto`, into the archive; return where that ends.

    That is GO_BYTES at most, and nothing where the spool has nothing more. Idempotent: it goes on
    where the database ends, and tops up the last segment while that is not full, so a quiet program
    does not leave a row per second.
    """
    last = _last_segment(session_id)
    archived = last.end if last else 0
    start, data = _read_next(SpoolReader(session_folder(session_id)), archived, upto)
    if not data:
        return archived
    end = start + len(data)
    with transaction.atomic():
        if start > archived:
            # More came than the quota holds before it could be archived: a log has no holes, so
            # what is older goes as well.
            OutputSegment.objects.filter(session_id=session_id).delete()
            last = None
        _store(session_id, start, data, marks, last)
        Session.objects.filter(pk=session_id).update(
            output_bytes=end, last_activity_at=timezone.now()
        )
    return end


def _read_next(reader: SpoolReader, offset: int, upto: int) -> tuple[int, bytes]:
    """Return what follows `offset`, and where that begins: after a gap if the spool has one."""
    while True:
        try:
            data = reader.read(offset, max(0, min(GO_BYTES, upto - offset)))
        except FileNotFoundError:  # somebody removed the folder: there is nothing more
            return offset, b""
        except OutputGone as gone:
            offset = gone.base
        else:
            break
    if offset + len(data) < upto:
        # Others see how far it goes, and a crash may leave it there: no character is cut.
        data = data[: whole_characters(data) or len(data)]
    return offset, data


def drop_beyond_quota(session_id: str, archived: int, quota: int) -> None:
    """Forget the archive's oldest segments, so that about `quota` bytes are left."""
    OutputSegment.objects.filter(session_id=session_id, end__lte=archived - quota).delete()


def drop_archived_spool(session_id: str, archived: int) -> None:
    """Remove the spool's older files, which the archive has whole."""
    with suppress(FileNotFoundError):
        SpoolReader(session_folder(session_id)).discard_before(archived)


def _last_segment(session_id: str) -> OutputSegment | None:
    return OutputSegment.objects.filter(session_id=session_id).order_by("-start").first()


def _store(
    session_id: str, start: int, data: bytes, marks: Sequence[Mark], last: OutputSegment | None
) -> None:
    """Write the bytes after `last` as segments; the first top it up if it has room."""
    if last is not None and last.end - last.start < SEGMENT_SIZE:
        room = SEGMENT_SIZE - (last.end - last.start)
        _fill(last, unpack(last) + data[:room], marks)
        last.save(update_fields=["end", "data", "timeline"])
        start, data = start + room, data[room:]
    segments = []
    for cut in range(0, len(data), SEGMENT_SIZE):
        segment = OutputSegment(session_id=session_id, start=start + cut)
        _fill(segment, data[cut : cut + SEGMENT_SIZE], marks)
        segments.append(segment)
    OutputSegment.objects.bulk_create(segments)


_offset_of = attrgetter("offset")


def _fill(segment: OutputSegment, data: bytes, marks: Sequence[Mark]) -> None:
    """Give a segment its content: `data` as a whole, and of the marks those that are new."""
    known = segment.end if segment.end is not None else segment.start
    segment.end = segment.start + len(data)
    segment.data = zstandard.compress(data)
    first, end = (bisect_right(marks, at, key=_offset_of) for at in (known, segment.end))
    new = marks[first:end]
    if segment.recorded_at is None:
        segment.recorded_at = new[0].moment if new else timezone.now()
    segment.timeline = [*segment.timeline, *_timeline(segment.recorded_at, new)]


def _timeline(recorded_at: datetime, marks: Iterable[Mark]) -> list[list[int]]:
    """Return the marks as milliseconds after `recorded_at`."""
    return [
        [int((mark.moment - recorded_at).total_seconds() * 1000), mark.offset] for mark in marks
    ]
