"""GET wait: what has happened already answers at once."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.event_log import append_event
from sessions_app.events import EventType, Status
from sessions_app.models import Session
from tests.cast import make_ended, make_session, store_output


@pytest.fixture
def session(db: None) -> Session:
    """A session that runs and has written ten bytes."""
    session = make_session()
    store_output(session, b"0123456789")
    return session


def note(session: Session, kind: EventType, **fields: Any) -> int:
    return append_event(str(session.pk), kind, offset=10, fields=fields).seq


def look(api: Client, session: Session, **query: str | int) -> Any:
    """What happened, None for nothing, without waiting for it."""
    answer = api.get(f"/api/sessions/{session.pk}/wait", {"timeout": 0, **query})
    assert answer.status_code in (200, 204), answer.content
    return answer.json() if answer.status_code == 200 else None


def test_nothing_has_happened_in_a_session_that_just_runs(api: Client, session: Session) -> None:
    assert look(api, session) is None
    assert look(api, session, **{"for": "ended,waiting,output"}) is None


def test_the_first_event_after_the_one_known_answers(api: Client, session: Session) -> None:
    first = note(session, EventType.WAITING, waitType="menu")
    note(session, EventType.RESUMED)
    second = note(session, EventType.CHECKPOINT, checkpoint={"type": "decision"})
    found = look(api, session, after=0)
    assert (found["reason"], found["event"]["seq"]) == ("waiting", first)
    assert found["event"]["waitType"] == "menu"
    assert found["session"]["status"] == "waiting_checkpoint"
    assert look(api, session, after=first)["event"]["seq"] == second
    assert look(api, session, after=second) is None


def test_only_what_is_waited_for_answers(api: Client, session: Session) -> None:
    note(session, EventType.WAITING, waitType="menu")
    assert look(api, session, after=0, **{"for": "ended"}) is None
    assert look(api, session, after=0, **{"for": "ended,output"}) is None


def test_without_a_number_it_counts_that_the_session_waits_now(
    api: Client, session: Session
) -> None:
    seq = note(session, EventType.WAITING, waitType="menu")
    note(session, EventType.RESIZED, cols=90, rows=30)
    assert look(api, session)["event"]["seq"] == seq


def test_without_a_number_a_wait_that_is_over_does_not_count(api: Client, session: Session) -> None:
    note(session, EventType.WAITING, waitType="menu")
    note(session, EventType.RESUMED)
    assert look(api, session) is None


def test_output_after_the_offset_answers_and_says_how_far_it_reaches(
    api: Client, session: Session
) -> None:
    found = look(api, session, offset=9, **{"for": "output"})
    assert (found["reason"], found["event"], found["offset"]) == ("output", None, 10)
    assert look(api, session, offset=10, **{"for": "output"}) is None


def test_an_event_goes_before_output(api: Client, session: Session) -> None:
    note(session, EventType.WAITING, waitType="menu")
    assert look(api, session, offset=0, **{"for": "output,waiting"})["reason"] == "waiting"


def test_the_end_answers_with_its_event(api: Client, session: Session) -> None:
    seq = note(session, EventType.FAILED, error="The program exited with code 3.")
    for query in ({}, {"after": 0}, {"for": "ended"}):
        found = look(api, session, **query)
        assert (found["reason"], found["event"]["seq"], found["offset"]) == ("ended", seq, 10)
        assert found["event"]["error"] == "The program exited with code 3."


@pytest.mark.parametrize("kind", ["waiting", "output", "waiting,output"])
def test_a_session_that_has_ended_answers_whatever_is_waited_for(
    api: Client, session: Session, kind: str
) -> None:
    seq = note(session, EventType.COMPLETED, exitCode=0)
    assert look(api, session, after=seq, **{"for": kind})["reason"] == "ended"


def test_output_that_is_wanted_comes_before_the_end_that_is_not(
    api: Client, session: Session
) -> None:
    note(session, EventType.COMPLETED, exitCode=0)
    assert look(api, session, offset=0, **{"for": "output"})["reason"] == "output"


def test_a_row_that_ended_without_an_event_answers_too(api: Client, db: None) -> None:
    found = look(api, make_ended(status=Status.FAILED))
    assert (found["reason"], found["event"]) == ("ended", None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("for", "ended,"),
        ("for", "started"),
        ("after", "-1"),
        ("after", str(2**63)),
        ("offset", "x"),
        ("timeout", "-1"),
        ("timeout", "61"),
        ("timeout", "nan"),
        ("timeout", "inf"),
    ],
)
def test_what_makes_no_sense_is_refused(
    api: Client, session: Session, field: str, value: str
) -> None:
    answer = api.get(f"/api/sessions/{session.pk}/wait", {field: value})
    assert (answer.status_code, answer.json()["fields"].keys()) == (400, {field})


def test_errors_are_those_of_the_other_verbs(api: Client, session: Session, alice: User) -> None:
    unknown = api.get(f"/api/sessions/{session.epoch}/wait")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not-found")
    posted = api.post(f"/api/sessions/{session.pk}/wait")
    assert (posted.status_code, posted.json()["code"]) == (405, "method-not-allowed")
    unready = api.get(f"/api/sessions/{session.pk}/wait")
    assert (unready.status_code, unready["Retry-After"]) == (503, "5")
    assert api.options(f"/api/sessions/{session.pk}/wait").status_code == 200
