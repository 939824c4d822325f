"""The log as lines and as JSON: what a record says, and that no message can forge another."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from sessions_app import log_ids
from sessions_app.log_format import JsonLines, Lines

FORMAT = settings.LOGGING["formatters"]["line"]["fmt"]
FORGED = "2026-01-31 12:00:00,000 INFO sessions_app.audit: nothing happened"


def record(message: str, *arguments: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord("sessions_app.x", logging.WARNING, "x.py", 1, message, arguments, None)
    made.__dict__.update(more)
    return made


def failed(error: Exception) -> logging.LogRecord:
    """A record with the traceback of this error."""
    try:
        raise error
    except Exception:
        return record("it failed", exc_info=sys.exc_info())


def line(made: logging.LogRecord) -> str:
    return Lines(FORMAT).format(made)


def read(made: logging.LogRecord) -> dict[str, Any]:
    text = JsonLines("build-1").format(made)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


# Lines


@pytest.mark.parametrize(
    "message", ["plain", "é → 日本", "a\ttab", "50 %", "[session=x]", "\\n is no line feed"]
)
def test_a_line_without_ids_is_what_the_standard_library_writes(message: str) -> None:
    made = record(message)
    assert line(made) == logging.Formatter(FORMAT).format(made)


def test_a_traceback_is_what_the_standard_library_writes() -> None:
    made = failed(ValueError("no such thing"))
    assert line(made) == logging.Formatter(FORMAT).format(made)


def test_a_line_ends_with_the_ids_that_are_known() -> None:
    with log_ids.about(request="r1"):
        assert line(record("hello")).endswith(" WARNING sessions_app.x: hello [request=r1]")
        with log_ids.about(session="s1"):
            assert line(record("hello")).endswith(": hello [session=s1 request=r1]")
        assert line(record("hello")).endswith(": hello [request=r1]")
    assert line(record("hello")).endswith(": hello")


def test_the_ids_stand_before_a_traceback() -> None:
    with log_ids.about(session="s1"):
        first, second, *_ = line(failed(ValueError("x"))).splitlines()
    assert first.endswith("it failed [session=s1]")
    assert second == "Traceback (most recent call last):"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_a_message_cannot_begin_a_line(end: str) -> None:
    text = line(record("no such folder: %s", f"x{end}{FORGED}"))
    assert len(text.splitlines()) == 1
    assert FORGED in text


def test_a_message_cannot_steer_a_terminal() -> None:
    text = line(record("no such folder: %s", "\x1b[2J\x07\x9b1m\x7f\x00"))
    assert text.endswith(r"no such folder: \x1b[2J\x07\x9b1m\x7f\x00")


def test_an_error_cannot_begin_a_record_in_its_traceback() -> None:
    text = line(failed(ValueError(f"x\n{FORGED}\r{FORGED}\x1b[2J")))
    assert f"\n {FORGED}\\r{FORGED}\\x1b[2J" in text
    assert len(re.findall(r"^\d{4}-", text, re.MULTILINE)) == 1


@given(st.text(), st.text())
def test_whatever_is_said_is_one_record(message: str, error: str) -> None:
    text = line(failed(ValueError(f"{error}\n{FORGED}")))
    assert len(re.findall(r"^\d{4}-\d\d-\d\d ", text, re.MULTILINE)) == 1
    assert len(line(record("%s", message)).splitlines()) == 1
    assert read(record("%s", message))["message"] == message


# JSON


def test_a_record_is_an_object_with_its_time_in_utc() -> None:
    moment = datetime(2026, 1, 31, 12, 30, 0, 250_000, tzinfo=UTC)
    assert read(record("%d sessions", 3, created=moment.timestamp())) == {
        "time": "2026-01-31T12:30:00.250Z",
        "level": "WARNING",
        "logger": "sessions_app.x",
        "message": "3 sessions",
        "host": "build-1",
    }


def test_the_ids_are_fields_where_they_are_known() -> None:
    with log_ids.about(session="s1", request="r1"):
        found = read(record("hello"))
    assert (found["session"], found["request"]) == ("s1", "r1")
    assert not {"session", "request"} & set(read(record("hello")))


def test_an_exception_is_a_field_with_its_traceback() -> None:
    found = read(failed(ValueError(f"x\n{FORGED}")))
    assert found["message"] == "it failed"
    assert found["exception"].startswith("Traceback (most recent call last):\n")
    assert found["exception"].endswith(f"ValueError: x\n{FORGED}")


def test_where_it_was_logged_is_a_field_if_that_was_asked_for() -> None:
    assert read(record("hello", stack_info="Stack (most recent call last):"))["stack"]


def test_what_a_library_attaches_is_left_out_and_takes_no_field_of_ours() -> None:
    made = record("Not Found: /x", request=object(), status_code=404, host="forged", time="now")
    assert set(read(made)) == {"time", "level", "logger", "message", "host"}
    assert read(made)["host"] == "build-1"


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028"])
def test_no_message_ends_the_line_of_its_object(end: str) -> None:
    text = JsonLines("build-1").format(record(f'x{end}{{"level": "INFO"}}'))
    assert len(text.splitlines()) == 1
    assert text.isascii()
