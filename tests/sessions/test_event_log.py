"""The log: events without gaps, output by offset, whatever way it was archived."""

import secrets
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app import event_log, output_archive
from sessions_app.event_log import SEGMENT_SIZE, Mark
from sessions_app.events import EventType, Status
from sessions_app.exceptions import InvalidTransition
from sessions_app.launch import MAX_FOLDER
from sessions_app.models import OutputSegment, Session, SessionEvent
from tests.sessions.kept import spool_of

pytestmark = pytest.mark.django_db


def make_session(**details: object) -> Session:
    session = Session(
        **{"host": "here", "working_dir": "/tmp", "cols": 80, "rows": 24, "slot": 1, **details}
    )
    session.set_command(["cat"])
    session.save()
    return session


def append(session: Session, kind: EventType) -> int:
    return event_log.append_event(str(session.pk), kind, offset=0, fields={}).seq


def test_events_are_numbered_from_one_without_gaps() -> None:
    session = make_session()
    kinds = [EventType.STARTED, EventType.RESIZED, EventType.RESIZED, EventType.COMPLETED]
    assert [append(session, kind) for kind in kinds] == [1, 2, 3, 4]


@pytest.mark.parametrize("kind", [EventType.RESIZED, EventType.RESUMED, EventType.COMPLETED])
def test_an_event_that_the_state_does_not_allow_leaves_no_trace(kind: EventType) -> None:
    session = make_session()
    with pytest.raises(InvalidTransition):
        append(session, kind)
    session.refresh_from_db()
    assert (session.last_seq, session.status) == (0, Status.IDLE)
    assert not SessionEvent.objects.exists()


def test_what_is_tried_again_is_appended_once_and_happened_when_it_was_tried_first() -> None:
    session, attempt = make_session(), event_log.Attempt()
    moment = attempt.at
    append(session, EventType.STARTED)
    events = [
        event_log.append_event(
            str(session.pk), EventType.WAITING, offset=3, fields={"n": 1}, attempt=attempt
        )
        for _ in range(3)
    ]
    assert [(event.seq, event.timestamp) for event in events] == [(2, moment)] * 3
    another = event_log.append_event(str(session.pk), EventType.WAITING, offset=3, fields={"n": 1})
    assert another.seq == 3


def test_the_longest_folder_that_is_allowed_can_be_stored() -> None:
    # What looks like nothing else is not made shorter by the database.
    folder = "/" + secrets.token_hex(MAX_FOLDER)[: MAX_FOLDER - 1]
    session = make_session(working_dir=folder)
    assert Session.objects.get(working_dir=folder) == session


def test_texts_of_programs_may_hold_what_no_database_stores() -> None:
    session = make_session()
    append(session, EventType.STARTED)
    odd = {"title": "a\0b", "list": ["\ud800", {"c\0": None}], "number": 1.5}
    changes = {"error": "e\0", "waiting": odd}
    event = event_log.append_event(
        str(session.pk), EventType.WAITING, offset=0, fields=odd, changes=changes
    )
    stored = {"title": "a␀b", "list": ["\\ud800", {"c␀": None}], "number": 1.5}
    assert event.fields == stored
    assert event_log.read_events(str(session.pk), after=1, limit=1) == [event]
    session.refresh_from_db()
    assert (session.error, session.waiting) == ("e␀", stored)


def test_a_session_ends_once() -> None:
    session = make_session()
    append(session, EventType.STARTED)
    append(session, EventType.COMPLETED)
    with pytest.raises(InvalidTransition):
        append(session, EventType.FAILED)


def test_two_active_sessions_cannot_hold_one_slot() -> None:
    make_session()
    with pytest.raises(IntegrityError), transaction.atomic():
        make_session()


def test_an_ended_session_keeps_the_slot_it_had() -> None:
    session = make_session()
    append(session, EventType.STARTED)
    append(session, EventType.COMPLETED)
    make_session()
    session.refresh_from_db()
    assert session.slot == 1


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=3 * SEGMENT_SIZE), min_size=1, max_size=6),
    offset=st.integers(0, 12 * SEGMENT_SIZE),
    limit=st.integers(1, 4 * SEGMENT_SIZE),
    archived=st.integers(0, 6),
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_output_reads_the_same_however_much_of_it_is_archived(
    state_folder: Path, pieces: list[bytes], offset: int, limit: int, archived: int
) -> None:
    with transaction.atomic():
        session = make_session(slot=None)
        spool, whole = spool_of(session), b"".join(pieces)
        for number, piece in enumerate(pieces):
            spool.append(piece)
            if number < archived:
                upto = spool.size
                marks = [Mark(timezone.now(), upto)]
                assert output_archive.archive_output(str(session.pk), upto, marks) == upto
        offset = min(offset, len(whole))
        assert event_log.read_output(str(session.pk), offset, limit) == whole[offset:][:limit]
        assert event_log.output_range(str(session.pk)) == (0, len(whole))


@pytest.mark.parametrize("most", range(4, 12))
def test_wherever_the_archive_ends_for_now_it_ends_with_a_whole_character(
    state_folder: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(output_archive, "GO_BYTES", most)
    session = make_session()
    text = "a🙂éß…".encode() * 5
    spool_of(session).append(text)
    archived = 0
    while archived < len(text):
        further = output_archive.archive_output(str(session.pk), len(text), [])
        session.refresh_from_db()
        assert session.output_bytes == further
        assert archived < further <= archived + most
        assert text[:further].decode("utf-8")
        archived = further
    assert event_log.read_output(str(session.pk), 0, len(text)) == text


def test_archiving_again_changes_nothing(state_folder: Path) -> None:
    session = make_session()
    spool_of(session).append(b"hello")
    for _ in range(3):
        assert output_archive.archive_output(str(session.pk), 5, []) == 5
    segment = OutputSegment.objects.get()
    assert (segment.start, segment.end) == (0, 5)


def test_a_quiet_program_does_not_leave_a_row_per_second(state_folder: Path) -> None:
    session = make_session()
    spool = spool_of(session)
    for second in range(100):
        spool.append(b"tick\r\n")
        output_archive.archive_output(
            str(session.pk), spool.size, [Mark(timezone.now(), spool.size)]
        )
        assert OutputSegment.objects.count() == 1, second
    segment = OutputSegment.objects.get()
    assert [offset for _, offset in segment.timeline] == [6 * n for n in range(1, 101)]


def test_a_kept_screen_replaces_the_older_one() -> None:
    session = make_session()
    event_log.save_snapshot(str(session.pk), 1, 80, 24, b"old")
    event_log.save_snapshot(str(session.pk), 2, 90, 30, b"new")
    kept = event_log.load_snapshot(str(session.pk))
    assert kept is not None
    assert (kept.offset, kept.cols, kept.rows, bytes(kept.data)) == (2, 90, 30, b"new")


def test_forgetting_a_session_takes_its_whole_log_along(state_folder: Path) -> None:
    session = make_session()
    append(session, EventType.STARTED)
    spool_of(session).append(b"hello")
    output_archive.archive_output(str(session.pk), 5, [])
    session.delete()
    assert not SessionEvent.objects.exists()
    assert not OutputSegment.objects.exists()


SIZES = [(80, 24), (90, 30), (100, 40)]


@given(
    resizes=st.lists(st.tuples(st.integers(0, 2), st.sampled_from(SIZES)), max_size=5),
    applied=st.integers(0, 5),
    at=st.integers(0, 8),
    told=st.integers(1, 6),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_after_a_screen_and_what_follows_it_the_client_has_the_terminals_size(
    resizes: list[tuple[int, tuple[int, int]]], applied: int, at: int, told: int
) -> None:
    """The screen shows all resizes before it, and `applied` of those that come right there."""
    with transaction.atomic():
        session = make_session(slot=None)
        append(session, EventType.STARTED)
        offsets = [sum(step for step, _ in resizes[: number + 1]) for number in range(len(resizes))]
        for offset, (_, (cols, rows)) in zip(offsets, resizes, strict=True):
            event_log.append_event(
                str(session.pk),
                EventType.RESIZED,
                offset=offset,
                fields={"cols": cols, "rows": rows},
            )
        shown = sum(offset < at for offset in offsets)
        shown += min(applied, sum(offset == at for offset in offsets))
        size = ([SIZES[0]] + [size for _, size in resizes])[shown]
        told = min(told, 1 + len(resizes))
        after, last = event_log.events_before_screen(
            str(session.pk), told, offset=at, cols=size[0], rows=size[1]
        )
        assert after <= told
        assert after <= last <= 1 + len(resizes)
        for _, later in resizes[last - 1 :]:
            size = later
        assert size == ([SIZES[0]] + [each for _, each in resizes])[-1]
        # What it shows for certain does not come after it.
        assert last >= min(1 + sum(offset < at for offset in offsets), 1 + len(resizes))


def test_the_end_of_a_session_comes_after_its_screen() -> None:
    session = make_session()
    for kind in (EventType.STARTED, EventType.WAITING, EventType.COMPLETED):
        append(session, kind)
    assert event_log.events_before_screen(str(session.pk), 0, offset=5, cols=1, rows=1) == (0, 2)
    assert event_log.events_before_screen(str(session.pk), 3, offset=5, cols=1, rows=1) == (3, 3)
