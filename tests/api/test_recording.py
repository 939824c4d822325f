"""GET recording: asciicast v2 with every byte, at its time and in the size of its moment."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import zstandard
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import transaction
from django.test import AsyncClient, Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app import event_log
from sessions_app.credentials import ApiToken
from sessions_app.events import EventType
from sessions_app.holder.spool import OutputGone, SpoolWriter
from sessions_app.models import OutputSegment, Session, SessionEvent
from sessions_app.recording import recording
from tests.cast import make_ended, make_session

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def store(session: Session, start: int, data: bytes, *marks: tuple[float, int]) -> None:
    """Store a segment; `marks` are seconds after the start and the offset reached by then."""
    first = marks[0][0] if marks else 0
    OutputSegment.objects.create(
        session=session,
        start=start,
        end=start + len(data),
        data=zstandard.compress(data),
        recorded_at=at(first),
        timeline=[[round((seconds - first) * 1000), offset] for seconds, offset in marks],
    )


def note(session: Session, kind: EventType, offset: int, seconds: float, **fields: Any) -> None:
    SessionEvent.objects.create(
        session=session,
        seq=session.events.count() + 1,
        type=kind,
        offset=offset,
        timestamp=at(seconds),
        fields=fields,
    )


@pytest.fixture
def session(db: None) -> Session:
    """A session that began with 80 columns and 24 rows and ended with another size."""
    session = make_ended(name="My build", started_at=START, cols=120, rows=50)
    note(session, EventType.STARTED, 0, 0.01, cols=80, rows=24)
    return session


def recorded(session: Session) -> Iterator[bytes]:
    return recording(session, *event_log.output_range(str(session.pk)))


def lines(session: Session) -> list[Any]:
    return [json.loads(line) for line in recorded(session)]


def events(session: Session) -> list[Any]:
    return lines(session)[1:]


def written(events: Iterable[Any]) -> str:
    return "".join(data for _, kind, data in events if kind == "o")


def test_the_header_has_the_size_at_the_start_and_says_what_it_is(session: Session) -> None:
    assert lines(session)[0] == {
        "version": 2,
        "width": 80,
        "height": 24,
        "timestamp": int(START.timestamp()),
        "title": "My build",
        "env": {"TERM": "xterm-256color"},
    }


def test_output_comes_at_the_times_at_which_it_came(session: Session) -> None:
    store(session, 0, b"one two three", (0.25, 4), (1.5, 8), (61, 13))
    assert events(session) == [[0.25, "o", "one "], [1.5, "o", "two "], [61, "o", "three"]]


def test_a_piece_that_reaches_into_the_next_segment_comes_at_its_time_there(
    session: Session,
) -> None:
    store(session, 0, b"early, la", (1, 7))
    store(session, 9, b"te, last", (3600, 12), (3601, 17))
    assert events(session) == [[1, "o", "early, "], [3600, "o", "late,"], [3601, "o", " last"]]


def test_output_whose_times_were_lost_is_there_all_the_same(session: Session) -> None:
    store(session, 0, b"known", (1, 5))
    store(session, 5, b" unknown")
    store(session, 13, b" rest", (3, 15))
    assert written(events(session)) == "known unknown rest"


def test_time_never_goes_back_when_the_clock_does(session: Session) -> None:
    store(session, 0, b"abcd", (-5, 1), (10, 2), (-3600, 3), (11, 4))
    note(session, EventType.RESIZED, 3, -7200, cols=90, rows=30)
    times = [time for time, _, _ in events(session)]
    assert times == [0, 10, 10, 10, 11]


@settings(
    max_examples=40,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.lists(
        st.sampled_from([b"a", b"\0", *map(str.encode, "é漢🐧"), b"\xff", b"\xe6\xbc"])
    ).map(b"".join),
    cuts=st.lists(st.integers(0, 40)),
    resizes=st.lists(st.integers(0, 40), max_size=3),
)
def test_characters_are_whole_wherever_output_is_cut(
    session: Session, data: bytes, cuts: list[int], resizes: list[int]
) -> None:
    with transaction.atomic():
        inner = sorted({cut for cut in cuts if 0 < cut < len(data)})
        for begin, end in pairwise([0, *inner, len(data)] if data else []):
            store(session, begin, data[begin:end], (begin + 1, end))
        for offset in sorted(min(cut, len(data)) for cut in resizes):
            note(session, EventType.RESIZED, offset, offset, cols=9, rows=9)
        found = events(session)
        transaction.set_rollback(True)
    assert written(found) == data.decode("utf-8", "replace")
    assert sum(kind == "r" for _, kind, _ in found) == len(resizes)


def test_changes_of_size_stand_between_the_very_bytes(session: Session) -> None:
    store(session, 0, b"abcdef", (1, 4), (2, 6))
    note(session, EventType.RESIZED, 0, 0.5, cols=100, rows=30)
    note(session, EventType.RESIZED, 3, 1.2, cols=101, rows=31)
    note(session, EventType.RESIZED, 6, 3, cols=102, rows=32)
    assert events(session) == [
        [0.5, "r", "100x30"],
        [1, "o", "abc"],
        [1.2, "r", "101x31"],
        [1.2, "o", "d"],
        [2, "o", "ef"],
        [3, "r", "102x32"],
    ]


def test_a_late_marker_does_not_hold_up_a_change_of_size(session: Session) -> None:
    store(session, 0, b"abcdef", (1, 6))
    note(session, EventType.WAITING, 5, 1, waitType="menu")
    note(session, EventType.RESIZED, 2, 1, cols=90, rows=30)
    assert [data for _, _, data in events(session)] == ["ab", "90x30", "cde", "waiting: menu", "f"]


def test_waits_and_the_end_are_markers(session: Session) -> None:
    store(session, 0, b"ab", (1, 2))
    note(session, EventType.WAITING, 1, 1, waitType="prompt")
    note(session, EventType.CHECKPOINT, 2, 2, checkpoint={"type": "decision"})
    note(session, EventType.RESUMED, 2, 3)
    note(session, EventType.FAILED, 2, 60, error="The program exited with code 3.")
    assert [event for event in events(session) if event[1] == "m"] == [
        [1, "m", "waiting: prompt"],
        [2, "m", "checkpoint: decision"],
        [60, "m", "failed: The program exited with code 3."],
    ]


def test_more_events_than_one_page_are_all_there(session: Session) -> None:
    for number in range(450):
        note(session, EventType.RESIZED, 0, number, cols=number + 1, rows=9)
    assert [data for _, _, data in events(session)] == [f"{n + 1}x9" for n in range(450)]


def test_without_its_oldest_output_it_begins_with_what_is_left_in_the_size_of_that_moment(
    api: Client, session: Session
) -> None:
    note(session, EventType.RESIZED, 40, 5, cols=90, rows=30)
    note(session, EventType.WAITING, 45, 6, waitType="menu")
    note(session, EventType.RESIZED, 103, 9, cols=91, rows=31)
    store(session, 100, b"the rest", (9, 108))
    header, *found = lines(session)
    assert (header["width"], header["height"]) == (90, 30)
    assert found == [[9, "o", "the"], [9, "r", "91x31"], [9, "o", " rest"]]
    answer = api.head(f"/api/sessions/{session.pk}/recording")
    assert answer["X-Output-Offset"] == "100"


@pytest.fixture
def spool(session: Session) -> Iterator[SpoolWriter]:
    """The spool of a session that runs, whose first five bytes are in the archive."""
    folder = event_log.session_folder(str(session.pk))
    folder.mkdir(parents=True)
    spool = SpoolWriter(str(folder))
    spool.append(b"first then")
    store(session, 0, b"first", (1, 5))
    yield spool
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


def test_of_a_session_that_runs_there_is_what_is_not_in_the_archive_yet(
    session: Session, spool: SpoolWriter
) -> None:
    assert written(events(session)) == "first then"


def test_a_recording_ends_where_the_output_ended_when_it_was_asked_for(
    session: Session, spool: SpoolWriter
) -> None:
    reading = recorded(session)
    begun = [next(reading), next(reading)]
    spool.append(b" never ending")
    assert written(json.loads(line) for line in [*begun[1:], *reading]) == "first then"


def test_output_that_is_given_up_before_its_turn_is_not_passed_over(session: Session) -> None:
    for start in range(0, 30, 10):
        store(session, start, b"0123456789", (start + 1, start + 10))
    reading = recorded(session)
    begun = [next(reading), next(reading)]
    OutputSegment.objects.filter(start=10).delete()
    with pytest.raises(OutputGone):
        begun.extend(reading)
    assert len(begun) == 2


def test_a_session_that_never_ran_has_a_header_alone() -> None:
    assert len(lines(make_session(started_at=None, slot=None))) == 1


def test_it_is_downloaded_as_a_file_of_its_media_type(alice: User, session: Session) -> None:
    store(session, 0, b"text", (1, 4))
    token = ApiToken.issue(alice, "test")

    async def read() -> tuple[Any, bytes]:
        answer = await AsyncClient().get(
            f"/api/sessions/{session.pk}/recording", headers={"Authorization": f"Bearer {token}"}
        )
        stream: Any = answer
        return answer, b"".join([piece async for piece in stream.streaming_content])

    answer, body = async_to_sync(read)()
    assert body == b"".join(recorded(session))
    assert answer["Content-Type"] == "application/x-asciicast"
    assert answer["Content-Disposition"] == 'attachment; filename="My-build.cast"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", 'filename="etc-passwd.cast"'),
        ('a"b\r\nX: y', 'filename="a-b-X-y.cast"'),
        ("gnp.\u202ehs\x1b", 'filename="gnp.-hs.cast"'),
        ("größe", "filename*=utf-8''gr%C3%B6%C3%9Fe.cast"),
        ("...", 'filename="session-{id}.cast"'),
        ("", 'filename="session-{id}.cast"'),
    ],
)
def test_whatever_the_session_is_called_the_file_has_a_name_that_is_one(
    api: Client, name: str, expected: str
) -> None:
    session = make_ended(name=name)
    answer = api.head(f"/api/sessions/{session.pk}/recording")
    assert answer["Content-Disposition"] == f"attachment; {expected.format(id=session.pk)}"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_what_cannot_be_had_is_said_in_json(api: Client, session: Session) -> None:
    unknown = api.get(f"/api/sessions/{session.epoch}/recording")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")
    other = api.get(f"/api/sessions/{session.pk}/recording", headers={"Accept": "text/html"})
    assert (other.status_code, other.json()["code"]) == (406, "not-acceptable")
