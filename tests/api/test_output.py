"""GET output: the last lines as text, or the raw bytes, whole or by ranges, and never at once."""

from typing import Any

import pytest
import zstandard
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from sessions_app import event_log
from sessions_app.api import output
from sessions_app.api.output import RangeNotSatisfiableError, requested_range
from sessions_app.credentials import ApiToken
from sessions_app.models import Session
from tests.cast import make_ended, store_output

BINARY = bytes(range(256)) * 1024


def read_text(api: Client, session: Session, **query: Any) -> dict[str, Any]:
    answer = api.get(f"/api/sessions/{session.pk}/output", query)
    assert answer.status_code == 200, answer.content
    body: dict[str, Any] = answer.json()
    return body


def download(user: User, session: Session, **headers: str) -> tuple[Any, bytes]:
    """Read the raw output as an ASGI server would serve it."""

    token = ApiToken.issue(user, "test")

    async def read() -> tuple[Any, bytes]:
        answer = await AsyncClient().get(
            f"/api/sessions/{session.pk}/output",
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/octet-stream",
                **headers,
            },
        )
        pieces: Any = getattr(answer, "streaming_content", None)
        if pieces is None:
            return answer, answer.content
        return answer, b"".join([piece async for piece in pieces])

    return async_to_sync(read)()


def test_the_last_lines_are_read_as_the_program_wrote_them(api: Client) -> None:
    session = make_ended()
    store_output(session, "one\r\ntwo\r\n\x1b[1mthr\u00e9e\x1b[0m\r\nfo\xffur".encode("latin-1"))
    assert read_text(api, session, lines=2) == {
        "sessionId": str(session.pk),
        "totalLines": 4,
        "requestedLines": 2,
        "outputOffset": 0,
        "output": "\x1b[1mthr\ufffde\x1b[0m\nfo\ufffdur",
    }


def test_a_session_without_output_has_no_lines(api: Client) -> None:
    answer = read_text(api, make_ended())
    assert (answer["totalLines"], answer["requestedLines"], answer["output"]) == (0, 100, "")


def test_all_lines_are_counted_though_only_the_end_is_loaded(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "TAIL", 1000)
    session = make_ended()
    store_output(session, b"0123456789\r\n" * 20_000)
    answer = read_text(api, session, lines=200)
    assert answer["totalLines"] == 20_000
    # Of the first of them only the end lies within what is loaded.
    assert answer["output"].split("\n")[1:] == ["0123456789"] * 83


@pytest.mark.parametrize("lines", ["0", "10001", "x", "-1"])
def test_a_number_of_lines_that_makes_no_sense_is_refused(api: Client, lines: str) -> None:
    answer = api.get(f"/api/sessions/{make_ended().pk}/output", {"lines": lines})
    assert answer.json()["fields"].keys() == {"lines"}


def test_the_raw_output_is_byte_exact_and_comes_in_pieces(alice: User) -> None:
    session = make_ended()
    store_output(session, BINARY)
    answer, body = download(alice, session)
    assert answer.streaming
    assert body == BINARY
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Length"] == str(len(BINARY))
    assert answer["Accept-Ranges"] == "bytes"
    name = f"session-{session.pk}.log"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-70000", 100, 70001),
        ("bytes=262143-", 262143, 262144),
        ("bytes=-10", 262134, 262144),
        ("bytes=-999999999", 0, 262144),
        ("bytes=5-999999999", 5, 262144),
    ],
)
def test_a_range_is_answered_with_that_range(alice: User, asked: str, begin: int, end: int) -> None:
    session = make_ended()
    store_output(session, BINARY)
    answer, body = download(alice, session, Range=asked)
    assert answer.status_code == 206
    assert body == BINARY[begin:end]
    assert answer["Content-Range"] == f"bytes {begin}-{end - 1}/{len(BINARY)}"
    assert answer["Content-Length"] == str(end - begin)


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "\u00fc"])
def test_a_range_that_is_none_is_ignored(alice: User, asked: str) -> None:
    session = make_ended()
    store_output(session, b"all of it")
    answer, body = download(alice, session, Range=asked)
    assert (answer.status_code, body) == (200, b"all of it")


@pytest.mark.parametrize("asked", ["bytes=9-", "bytes=100-200", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(alice: User, asked: str) -> None:
    session = make_ended()
    store_output(session, b"all of it")
    answer, _ = download(alice, session, Range=asked)
    assert answer.status_code == 416
    assert answer["Content-Range"] == "bytes */9"
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["code"] == "range-not-satisfiable"


def test_ranges_are_offsets_of_the_log_when_its_beginning_is_gone() -> None:
    assert requested_range("bytes=0-", 100, 200) == (100, 200)
    assert requested_range("bytes=150-", 100, 200) == (150, 200)
    assert requested_range("bytes=-500", 100, 200) == (100, 200)
    with pytest.raises(RangeNotSatisfiableError):
        requested_range("bytes=0-99", 100, 200)


@pytest.fixture
def trimmed(db: None) -> Session:
    """A session of whose 200 bytes the first 100 are gone."""
    session = make_ended()
    store_output(session, b"0123456789" * 20)
    segment = session.segments.get()
    segment.start, segment.data = 100, zstandard.compress(b"line 1234\n" * 10)
    segment.save()
    return session


def test_a_download_says_where_it_begins_when_the_beginning_is_gone(
    alice: User, trimmed: Session
) -> None:
    answer, body = download(alice, trimmed)
    assert (answer.status_code, body) == (200, b"line 1234\n" * 10)
    assert (answer["X-Output-Offset"], answer["Content-Length"]) == ("100", "100")


def test_a_range_is_cut_to_what_is_left(alice: User, trimmed: Session) -> None:
    answer, body = download(alice, trimmed, Range="bytes=50-109")
    assert (answer.status_code, body) == (206, b"line 1234\n")
    assert answer["Content-Range"] == "bytes 100-109/200"
    assert answer["X-Output-Offset"] == "100"


def test_a_range_that_is_gone_says_what_is_left(alice: User, trimmed: Session) -> None:
    answer, _ = download(alice, trimmed, Range="bytes=0-99")
    assert (answer.status_code, answer["X-Output-Offset"]) == (416, "100")
    assert "from offset 100 up to 200" in answer.json()["error"]


def test_the_last_lines_say_where_what_is_left_begins(api: Client, trimmed: Session) -> None:
    answer = read_text(api, trimmed, lines=1)
    assert (answer["outputOffset"], answer["totalLines"]) == (100, 10)
    assert answer["output"] == "line 1234"


def test_what_goes_from_the_spool_into_the_archive_while_it_is_read_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter([b"", b"text"])
    monkeypatch.setattr(event_log, "read_output", lambda *_: next(answers))
    assert list(output.every_piece("any", 0, 4)) == [b"text"]


def test_the_head_tells_the_size_and_reads_nothing(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_ended()
    store_output(session, b"all of it")
    monkeypatch.setattr(event_log, "read_output", None)
    answer = api.head(f"/api/sessions/{session.pk}/output?format=raw")
    assert (answer.status_code, answer["Content-Length"]) == (200, "9")


def test_an_error_of_a_download_is_json(alice: User) -> None:
    answer, _ = download(alice, Session())
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
