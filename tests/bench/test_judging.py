"""A viewer that misses something, gets it twice or gets something else is told from one that is
well."""

from datetime import UTC, datetime

import orjson
import pytest

from bench import websocket, wire
from bench.judges import Arrivals, ExactText, TimedLines
from bench.programs import printer
from bench.scenarios.screens import is_right_screen
from bench.wire import Output, Told, escaped
from sessions_app.events import EventType, LifecycleEvent, OutputEvent

NOW = 5_000_000_000
LINES = [escaped(printer.timed_line(number * 1_000_000, number)) for number in range(10)]


def judged(*pieces: bytes) -> TimedLines:
    """Return the judge of ten lines after these pieces."""
    judge = TimedLines(10, Arrivals())
    for piece in pieces:
        judge.take(piece, NOW)
    return judge


def server_frame(payload: bytes) -> bytes:
    """Return what a server sends: a frame without a mask."""
    masked = websocket.frame(websocket.TEXT, payload)
    head = masked[: len(masked) - len(payload) - 4]
    return bytes((head[0], head[1] & 0x7F)) + head[2:] + payload


def output_of(data: bytes) -> bytes:
    """Return a message of output, encoded as the server does it."""
    event = OutputEvent(session_id="a-b", offset=7, data=data, timestamp=datetime.now(UTC))
    return orjson.dumps(event.to_wire())


@pytest.mark.parametrize("cut", range(1, 150, 7))
def test_all_lines_in_order_are_complete_however_they_are_cut(cut: int) -> None:
    text = b"".join(LINES)
    judge = judged(*(text[start : start + cut] for start in range(0, len(text), cut)))

    assert (judge.complete, judge.faults) == (True, [])


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([*LINES[:4], *LINES[5:]], id="missing"),
        pytest.param([*LINES[:4], *LINES[3:]], id="twice"),
        pytest.param([LINES[1], LINES[0], *LINES[2:]], id="swapped"),
        pytest.param([LINES[0] + LINES[2] + LINES[1], *LINES[3:]], id="swapped in one piece"),
        pytest.param([*LINES[:4], b"x" + LINES[4], *LINES[5:]], id="something else"),
    ],
)
def test_lines_are_wrong_when_they_are(pieces: list[bytes]) -> None:
    assert judged(*pieces).faults


def test_without_the_last_line_nothing_is_complete() -> None:
    assert not judged(*LINES[:-1]).complete
    assert not judged(*LINES[:-1], LINES[-1][:-1]).complete


def test_lateness_counts_from_when_a_line_was_due() -> None:
    arrivals = Arrivals()
    judge = TimedLines(2, arrivals)

    judge.take(LINES[0], 30_000_000)
    judge.take(LINES[1], 31_000_000)

    assert arrivals.histogram().percentile(100) == pytest.approx(30.1)


def test_every_byte_of_bulk_output_is_compared() -> None:
    text = escaped(printer.bulk_text(1000))
    right, wrong, short = ExactText(text), ExactText(text), ExactText(text)

    for start in range(0, len(text), 33):
        right.take(text[start : start + 33], NOW)
        wrong.take(text[start : start + 33].replace(b"#0000000005", b"#0000000006"), NOW)
    short.take(text[:-1], NOW)

    assert (right.complete, right.faults) == (True, [])
    assert wrong.faults
    assert not short.complete


def test_output_is_read_as_the_server_writes_it() -> None:
    message = wire.read(output_of(b'one\r\ntwo "quoted"'))

    assert message == Output("a-b", b'one\\r\\ntwo \\"quoted\\"', 7, 24)


def test_a_screen_is_told_from_output() -> None:
    replay = {"replay": True, "cols": 120, "rows": 32}

    message = wire.read(orjson.dumps(orjson.loads(output_of(b"screen")) | replay))

    assert message == Output("a-b", b"screen", 7, 13, redraws=True)


def test_other_events_are_read_as_the_server_writes_them() -> None:
    event = LifecycleEvent(
        type=EventType.COMPLETED, session_id="a-b", seq=2, offset=0, timestamp=datetime.now(UTC)
    )

    assert wire.read(orjson.dumps(event.to_wire())) == Told("session:completed", "a-b")


def test_output_in_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown form"):
        wire.read(b'{"type":"session:output","data":"text"}')


def test_messages_are_found_wherever_what_was_received_is_cut() -> None:
    payloads = [output_of(b"x" * size) for size in (1, 200, 70_000)]
    data = b"".join(map(server_frame, payloads))

    for cut in (1, 2, 3, 150, 300, 400, 500, 5000, len(data) - 1):
        first, rest = wire.read_stream(data[:cut])
        assert 1 <= websocket.missing(rest) <= len(data) - cut
        second, nothing = wire.read_stream(rest + data[cut:])
        assert [*first, *second] == [wire.read(payload) for payload in payloads]
        assert nothing == b""


def test_a_screen_is_right_only_with_the_last_lines_in_order() -> None:
    lines = [printer.bulk_lines(number, 1) for number in range(100)]

    assert is_right_screen(b"".join(lines[-40:]), 10_000)
    assert not is_right_screen(b"".join(lines[-41:-1]), 10_000)
    assert not is_right_screen(b"".join([*lines[-40:-20], *lines[-19:]]), 10_000)
    assert not is_right_screen(b"".join(lines[-5:]), 10_000)
