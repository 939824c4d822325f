"""A cursor moves over events and output in the order in which they happened."""

import orjson
import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.cursor import FAR_BEHIND_BYTES, WINDOW_BYTES, Cursor, Missing
from sessions_app.events import EventType, LifecycleEvent
from sessions_app.fanout import EventFrame, Tail
from sessions_app.live_frames import Frame, Piece
from tests.sessions.test_fan_out import watched_tail


def print_text(tail: Tail, text: str) -> None:
    end = tail.head + len(text)
    tail.add_output(Piece(tail.head, end, "now", text.encode()), tail.head, end)


def happen(tail: Tail, *, last: bool = False) -> None:
    seq = tail.last_seq + 1
    tail.add_event(EventFrame(seq, tail.head, Frame.of({"seq": seq, "offset": tail.head}), last))


def told(cursor: Cursor) -> list[dict[str, object]]:
    """Return everything that is at hand."""
    messages = []
    while isinstance(frame := cursor.following(lambda _: True), Frame):
        messages.append(orjson.loads(frame.text))
    return messages


# "." is an event, anything else a piece of output.
STORIES = st.lists(st.sampled_from([".", "a", "bc", "x" * 50_000]), max_size=30)


@given(STORIES, st.lists(st.booleans(), max_size=30))
def test_every_event_comes_right_after_the_output_before_it(
    story: list[str], looks: list[bool]
) -> None:
    tail = watched_tail()
    cursor = Cursor("s", tail, ready=True)
    received: list[dict[str, object]] = []
    for number, part in enumerate(story):
        if part == ".":
            happen(tail)
        else:
            print_text(tail, part)
        if number < len(looks) and looks[number]:
            received += told(cursor)
    received += told(cursor)
    offset = 0
    for message in received:
        assert message["offset"] == offset
        offset = int(message.get("nextOffset", offset))  # type: ignore[call-overload]  # a number
    text = "".join(str(message.get("data", "")) for message in received)
    assert text == "".join(part for part in story if part != ".")
    seqs = [message["seq"] for message in received if "seq" in message]
    assert seqs == list(range(1, story.count(".") + 1))


def test_what_the_tail_does_not_have_is_said_to_be_missing() -> None:
    tail = watched_tail()
    cursor = Cursor("s", tail)
    tail.lift(10, 0)
    assert cursor.following(lambda _: True) is Missing.OUTPUT
    tail.lift(10, 1)
    assert cursor.following(lambda _: True) is Missing.EVENTS


def test_events_that_were_fetched_are_at_hand_with_the_output_before_them() -> None:
    tail = watched_tail()
    cursor = Cursor("s", tail)
    print_text(tail, "before")
    print_text(tail, "after")
    tail.lift(tail.head, 2)
    event = LifecycleEvent(
        type=EventType.RESUMED, session_id="s", seq=1, offset=6, timestamp=timezone.now()
    )
    cursor.take_events([event])
    assert cursor.output_end() == 6
    assert [m.get("data", m.get("seq")) for m in told(cursor)] == ["before", 1]
    assert cursor.following(lambda _: True) is Missing.EVENTS


def test_output_waits_for_room_and_events_do_not_overtake_it() -> None:
    tail = watched_tail()
    cursor = Cursor("s", tail)
    print_text(tail, "output")
    happen(tail)
    assert cursor.following(lambda _: False) is Missing.NOTHING
    assert len(told(cursor)) == 2


def test_output_waits_for_the_window_of_who_acknowledges() -> None:
    tail = watched_tail()
    cursor = Cursor("s", tail)
    cursor.acknowledge(0)
    for _ in range(8):
        print_text(tail, "x" * 50_000)
        told(cursor)
    assert WINDOW_BYTES <= cursor.offset < WINDOW_BYTES + 50_000
    cursor.acknowledge(cursor.offset)
    told(cursor)
    assert cursor.offset == tail.head


@pytest.mark.parametrize("acknowledges", [True, False])
def test_only_who_acknowledges_and_is_far_behind_gets_the_screen(acknowledges: bool) -> None:
    tail = watched_tail()
    cursor = Cursor("s", tail)
    if acknowledges:
        cursor.acknowledge(0)
    tail.lift(FAR_BEHIND_BYTES + 1, 0)
    expected = Missing.SCREEN if acknowledges else Missing.OUTPUT
    assert cursor.following(lambda _: True) is expected


def test_after_the_last_event_a_cursor_is_over() -> None:
    tail = watched_tail()
    cursor = Cursor("s", tail)
    happen(tail)
    told(cursor)
    assert not cursor.over
    happen(tail, last=True)
    told(cursor)
    assert cursor.over
