"""OSC 7501: what programs say about themselves."""

import base64
from typing import Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.waiting import Report, Resumed, Waiting
from sessions_app.waiting.program_status import NAME, ProgramStatus, parse


class Signal(NamedTuple):
    code: int | Literal["BEL"]
    body: bytes


def encoded(text: str) -> bytes:
    return base64.b64encode(text.encode())


def told(status: ProgramStatus, *bodies: bytes) -> list[Report]:
    return status.on_signals([Signal(7501, body) for body in bodies])


def blocked(**keys: str) -> bytes:
    return b":".join(
        [b"state=blocked", *(f"{key}={value}".encode() for key, value in keys.items())]
    )


@pytest.mark.parametrize(
    ("kind", "wait_type"),
    [("permission", "permission"), ("question", "prompt"), ("auth", "prompt"), ("odd", "unknown")],
)
def test_blocked_is_waiting_for_what_its_kind_says(kind: str, wait_type: str) -> None:
    body = blocked(kind=kind) + b":title=" + encoded("Run rm?") + b":msg=" + encoded("rm -r x")
    [report] = told(ProgramStatus(), body)
    assert isinstance(report, Waiting)
    assert report.wait_type == wait_type
    assert report.trigger == f"OSC 7501 state=blocked kind={kind}"
    assert (report.prompt_intent, report.prompt_context) == ("Run rm?", "rm -r x")
    assert report.source == NAME


@pytest.mark.parametrize("state", [b"working", b"idle", b"done", b"error", b"clear"])
def test_whatever_follows_blocked_resumes(state: bytes) -> None:
    status = ProgramStatus()
    told(status, blocked())
    assert told(status, b"state=" + state) == [Resumed(source=NAME)]
    assert told(status, b"state=" + state) == []


@pytest.mark.parametrize("state", [b"working", b"idle", b"done", b"error", b"clear"])
def test_no_other_state_is_waiting(state: bytes) -> None:
    assert told(ProgramStatus(), b"state=" + state) == []


def test_the_same_report_again_says_nothing_new_and_another_one_does() -> None:
    status = ProgramStatus()
    assert len(told(status, blocked(kind="auth"))) == 1
    assert told(status, blocked(kind="auth")) == []
    assert len(told(status, blocked(kind="question"))) == 1


def test_a_program_is_blocked_while_one_of_its_parts_is() -> None:
    status = ProgramStatus()
    told(status, blocked(id="a", kind="auth"), blocked(id="b", kind="question"))
    [report] = told(status, b"state=working:id=b")
    assert isinstance(report, Waiting)
    assert report.trigger.endswith("kind=auth")
    assert told(status, b"state=working:id=a") == [Resumed(source=NAME)]


def test_clear_removes_what_lies_below_and_nothing_beside() -> None:
    status = ProgramStatus()
    told(status, blocked(id="a/b"), blocked(id="ab", kind="auth"))
    [report] = told(status, b"state=working:id=x", blocked(id="a/c"))
    assert isinstance(report, Waiting)
    [report] = told(status, b"state=clear:id=a")
    assert isinstance(report, Waiting)
    assert report.trigger.endswith("kind=auth")
    assert told(status, b"state=clear") == [Resumed(source=NAME)]


def test_a_shell_prompt_ends_the_reports_of_the_program() -> None:
    status = ProgramStatus()
    told(status, blocked())
    assert status.on_signals([Signal(133, b"A")]) == [Resumed(source=NAME)]


def test_only_the_newest_256_records_are_kept() -> None:
    status = ProgramStatus()
    told(status, blocked(id="first"))
    told(status, *(f"state=working:id=n{number}".encode() for number in range(255)))
    assert told(status, b"state=working:id=n254") == []
    assert told(status, b"state=working:id=n255") == [Resumed(source=NAME)]


@pytest.mark.parametrize(
    "body",
    [
        b"?",
        b"",
        b"state=other",
        b"kind=auth",
        b"state=blocked:title=a",
        b"state=blocked:title=" + base64.b64encode(b"\xff\xfe"),
        b"state=blocked:title=" + encoded("x" * 193),
        b"state=blocked:msg=" + encoded("x" * 2050),
        b"state=blocked:pad=" + b"x" * 4096,
    ],
)
def test_what_is_not_a_report_says_nothing(body: bytes) -> None:
    assert told(ProgramStatus(), body) == []


def test_malformed_pairs_are_left_out_of_a_report() -> None:
    [report] = told(ProgramStatus(), blocked(kind="auth") + b":title=%%%:KEY=1:nothing:=x")
    assert isinstance(report, Waiting)
    assert (report.wait_type, report.prompt_intent) == ("prompt", None)


def test_texts_at_their_limits_are_taken() -> None:
    body = blocked() + b":title=" + encoded("x" * 192) + b":msg=" + encoded("y" * 2048)
    assert len(told(ProgramStatus(), body)) == 1


def test_control_and_direction_changing_characters_are_stripped() -> None:
    hostile = "a\x1b[31m\u202eb\u2066\u200b\x07\x85\nc"
    [report] = told(ProgramStatus(), blocked() + b":title=" + encoded(hostile))
    assert isinstance(report, Waiting)
    assert report.prompt_intent == "a[31mbc"


def test_signals_of_another_kind_and_the_screen_say_nothing() -> None:
    status = ProgramStatus()
    assert status.on_signals([Signal(0, blocked()), Signal("BEL", b"")]) == []
    assert status.on_screen(["state=blocked"]) == []


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(body: bytes) -> None:
    parse(body)
    parse(b"state=blocked:" + body)
