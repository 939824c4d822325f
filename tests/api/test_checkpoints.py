"""POST checkpoint: four shapes, from a user or from the program inside the session."""

from typing import Any

import pytest
from django.test import Client

from sessions_app.credentials import session_token
from sessions_app.events import Status
from sessions_app.models import Session
from tests.cast import make_session
from tests.fake_manager import FakeManager

VERIFY = {
    "type": "human-verify",
    "whatBuilt": "A login page",
    "howToVerify": ["Open /login", "Log in"],
    "resumeSignal": 'Type "approved"',
}
DECISION = {
    "type": "decision",
    "decision": "Which database?",
    "context": "Both would do.",
    "options": [{"id": "a", "name": "SQLite", "pros": "one file", "cons": "one writer"}],
    "resumeSignal": "Select: a",
}
ACTION = {
    "type": "human-action",
    "action": "Log in",
    "instructions": "In a browser",
    "resumeSignal": 'Type "done"',
}
COMPLETION = {
    "type": "completion",
    "workflow": "release",
    "status": "done",
    "summary": "All green",
    "nextCommand": "/next",
    "resumeSignal": "",
}


def report(client: Client, session: Session, body: Any, **headers: str) -> Any:
    return client.post(
        f"/api/sessions/{session.pk}/checkpoint", body, "application/json", headers=headers
    )


@pytest.mark.parametrize("checkpoint", [VERIFY, DECISION, ACTION, COMPLETION])
def test_each_shape_becomes_an_event(
    api: Client, fake_manager: FakeManager, checkpoint: dict[str, Any]
) -> None:
    session = make_session()
    answer = report(api, session, checkpoint)
    assert answer.status_code == 201
    event = answer.json()
    assert (event["type"], event["seq"]) == ("session:checkpoint", 1)
    assert event["checkpoint"] == checkpoint
    session.refresh_from_db()
    assert session.status == Status.WAITING_CHECKPOINT


def test_what_may_be_left_out_is_empty(api: Client, fake_manager: FakeManager) -> None:
    answer = report(api, make_session(), {"type": "human-verify", "whatBuilt": "A page"})
    assert answer.json()["checkpoint"] == {
        "type": "human-verify",
        "whatBuilt": "A page",
        "howToVerify": [],
        "resumeSignal": "",
    }


@pytest.mark.parametrize(
    ("checkpoint", "field"),
    [
        ({}, "type"),
        ({"type": "party"}, "type"),
        ({"type": ["decision"]}, "type"),
        ([VERIFY], "type"),
        ({**VERIFY, "whatBuilt": ""}, "whatBuilt"),
        ({**VERIFY, "whatBuilt": 1}, "whatBuilt"),
        ({**VERIFY, "howToVerify": "look"}, "howToVerify"),
        ({**VERIFY, "howToVerify": ["a", 2]}, "howToVerify.1"),
        ({**VERIFY, "resumeSignal": None}, "resumeSignal"),
        ({**DECISION, "options": []}, "options"),
        ({**DECISION, "options": [{"id": "a"}]}, "options.0.name"),
        ({**DECISION, "options": [7]}, "options.0"),
        ({**DECISION, "context": "x" * 10_001}, "context"),
        ({**ACTION, "action": "a\0b"}, "action"),
        ({"type": "completion"}, "workflow"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_with_a_checkpoint_is_named(
    api: Client, fake_manager: FakeManager, checkpoint: Any, field: str
) -> None:
    answer = report(api, make_session(), checkpoint)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["fields"].keys() == {field}


def token_of(session: Session) -> str:
    return f"Bearer {session_token(str(session.pk), session.epoch)}"


def test_a_program_speaks_for_its_own_session(client: Client, fake_manager: FakeManager) -> None:
    session = make_session()
    assert report(client, session, ACTION, Authorization=token_of(session)).status_code == 201


def test_a_program_does_not_speak_for_another_session(
    client: Client, fake_manager: FakeManager
) -> None:
    mine, other = make_session(slot=1), make_session(slot=2)
    assert report(client, other, ACTION, Authorization=token_of(mine)).status_code == 401
    other.refresh_from_db()
    assert other.status == Status.RUNNING


def test_a_program_does_nothing_else_with_its_token(
    client: Client, fake_manager: FakeManager
) -> None:
    session = make_session()
    answer = client.post(
        f"/api/sessions/{session.pk}/input",
        {"data": "x"},
        "application/json",
        headers={"Authorization": token_of(session)},
    )
    assert answer.status_code == 401
    assert fake_manager.calls == []


def test_nobody_speaks_for_a_session_without_a_token(
    client: Client, fake_manager: FakeManager
) -> None:
    assert report(client, make_session(), ACTION).status_code == 401
