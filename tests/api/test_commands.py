"""The verbs that command: start, type, resize, rename, end, forget."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from sessions_app.events import Status
from sessions_app.models import Session
from tests.cast import make_ended, make_session
from tests.fake_manager import FakeManager


def send(client: Client, path: str, body: Any, method: str = "POST") -> Any:
    data = json.dumps(body).encode()
    return client.generic(method, f"/api/sessions{path}", data, "application/json")


def test_a_command_line_is_split_as_a_shell_would(
    api: Client, fake_manager: FakeManager, tmp_path: Path
) -> None:
    answer = send(api, "", {"command": "sh -c 'echo hi'", "workingDir": str(tmp_path)})
    assert answer.status_code == 201
    session = answer.json()
    assert session["currentCommand"] == "sh -c 'echo hi'"
    assert (session["owner"], session["cols"], session["rows"]) == ("alice", 120, 32)
    assert answer["Location"] == f"/api/sessions/{session['id']}"
    assert api.get(answer["Location"]).json() == session
    assert fake_manager.launched[0].argv == ["sh", "-c", "echo hi"]


def test_a_list_of_words_is_taken_as_it_is(api: Client, fake_manager: FakeManager) -> None:
    body = {
        "command": ["sh", "-c", "a; b"],
        "name": "Both",
        "cols": 90,
        "rows": 30,
        "env": {"MODE": ""},
    }
    assert send(api, "", body).status_code == 201
    launched = fake_manager.launched[0]
    assert launched.argv == ["sh", "-c", "a; b"]
    assert (launched.name, launched.cols, launched.rows) == ("Both", 90, 30)
    assert launched.environment == {"MODE": ""}


def test_the_folder_is_the_home_unless_one_is_given(api: Client, fake_manager: FakeManager) -> None:
    answer = send(api, "", {"command": "sh"})
    assert answer.json()["workingDir"] == str(Path.home())


def test_without_a_free_slot_a_start_is_refused_or_queued(
    api: Client, fake_manager: FakeManager
) -> None:
    fake_manager.slots = 0
    refused = send(api, "", {"command": "sh"})
    assert (refused.status_code, refused.json()["code"]) == (409, "no-free-slot")
    queued = send(api, "", {"command": "sh", "queue": True})
    assert (queued.status_code, queued.json()["status"]) == (201, "idle")


BAD_STARTS: list[tuple[dict[str, Any], str]] = [
    ({}, "command"),
    ({"command": None}, "command"),
    ({"command": 7}, "command"),
    ({"command": ""}, "command"),
    ({"command": []}, "command"),
    ({"command": ["sh", 1]}, "command"),
    ({"command": "'open"}, "command"),
    ({"command": "no-such-program-anywhere"}, "command"),
    ({"command": "/etc/passwd"}, "command"),
    ({"command": ["sh", "a\0b"]}, "command"),
    ({"command": ["sh", "x" * 1024 * 1024]}, "command"),
    ({"command": "sh", "workingDir": "/no/such/folder"}, "workingDir"),
    ({"command": "sh", "workingDir": "/etc/passwd"}, "workingDir"),
    ({"command": "sh", "workingDir": "relative"}, "workingDir"),
    ({"command": "sh", "workingDir": "/\0"}, "workingDir"),
    ({"command": "sh", "workingDir": "/" + "x" * 4000}, "workingDir"),
    ({"command": "sh", "workingDir": 3}, "workingDir"),
    ({"command": "sh", "cols": 0}, "cols"),
    ({"command": "sh", "cols": True}, "cols"),
    ({"command": "sh", "cols": "80"}, "cols"),
    ({"command": "sh", "rows": 100_000}, "rows"),
    ({"command": "sh", "rows": 10**40}, "rows"),
    ({"command": "sh", "name": "x" * 201}, "name"),
    ({"command": "sh", "name": 5}, "name"),
    ({"command": "sh", "env": ["A=1"]}, "env"),
    ({"command": "sh", "env": {"A": 1}}, "env.A"),
    ({"command": "sh", "env": {"A=B": "1"}}, "env"),
    ({"command": "sh", "env": {"LD_PRELOAD": "x.so"}}, "env"),
    ({"command": "sh", "env": {"A": "\0"}}, "env.A"),
    ({"command": "sh", "queue": "yes"}, "queue"),
]


@pytest.mark.parametrize(("body", "field"), BAD_STARTS, ids=lambda value: str(value)[:50])
def test_what_cannot_be_started_is_named_and_leaves_no_session(
    api: Client, fake_manager: FakeManager, body: dict[str, Any], field: str
) -> None:
    answer = send(api, "", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["fields"].keys() == {field}
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("body", "call"),
    [
        ({"data": "\x03"}, ("write", b"\x03")),
        ({"data": "\0 \u00e9"}, ("write", "\0 \u00e9".encode())),
        ({"text": "make test"}, ("type_text", "make test", True)),
        ({"text": "half a l", "submit": False}, ("type_text", "half a l", False)),
        ({"text": ""}, ("type_text", "", True)),
    ],
)
def test_input_reaches_the_terminal(
    api: Client, fake_manager: FakeManager, body: dict[str, Any], call: tuple[Any, ...]
) -> None:
    session = make_session()
    answer = send(api, f"/{session.pk}/input", body)
    assert answer.status_code == 202
    assert answer.json() == {"success": True, "sessionId": str(session.pk)}
    verb, *rest = call
    assert fake_manager.calls == [(verb, str(session.pk), *rest)]


@pytest.mark.parametrize(
    "body", [{}, {"data": ""}, {"data": 1}, {"text": None}, {"data": "a", "text": "b"}]
)
def test_input_that_is_none_is_refused(
    api: Client, fake_manager: FakeManager, body: dict[str, Any]
) -> None:
    answer = send(api, f"/{make_session().pk}/input", body)
    assert answer.status_code == 400
    assert fake_manager.calls == []


def test_a_resize_answers_with_the_new_size(api: Client, fake_manager: FakeManager) -> None:
    session = make_session()
    answer = send(api, f"/{session.pk}/resize", {"cols": 100, "rows": 40})
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "sessionId": str(session.pk),
        "cols": 100,
        "rows": 40,
    }
    assert fake_manager.calls == [("resize", str(session.pk), 100, 40)]


def test_an_impossible_size_is_refused(api: Client, fake_manager: FakeManager) -> None:
    answer = send(api, f"/{make_session().pk}/resize", {"cols": 0, "rows": 1001})
    assert answer.json()["fields"].keys() == {"cols", "rows"}
    assert fake_manager.calls == []


def test_ending_needs_no_body_and_tells_who_asked(api: Client, fake_manager: FakeManager) -> None:
    session = make_session()
    assert api.generic("POST", f"/api/sessions/{session.pk}/end").status_code == 202
    assert send(api, f"/{session.pk}/end", {"grace": 0.5}).status_code == 202
    key = str(session.pk)
    assert fake_manager.calls == [("end", key, 5.0, "alice"), ("end", key, 0.5, "alice")]


@pytest.mark.parametrize("grace", [-1, 61, "5", True, None])
def test_a_grace_that_makes_no_sense_is_refused(
    api: Client, fake_manager: FakeManager, grace: Any
) -> None:
    answer = send(api, f"/{make_session().pk}/end", {"grace": grace})
    assert answer.json()["fields"].keys() == {"grace"}


def test_a_session_is_renamed(api: Client, fake_manager: FakeManager) -> None:
    path = f"/{make_session(name='old').pk}"
    assert send(api, path, {"name": "new"}, "PATCH").json()["name"] == "new"
    assert send(api, path, {"name": ""}, "PATCH").json()["name"] is None
    assert send(api, path, {}, "PATCH").json()["error"] == "Send name or team."


def test_only_an_ended_session_is_forgotten(api: Client, fake_manager: FakeManager) -> None:
    running, ended = make_session(), make_ended()
    refused = api.delete(f"/api/sessions/{running.pk}")
    assert (refused.status_code, refused.json()["code"]) == (409, "still-active")
    assert api.delete(f"/api/sessions/{ended.pk}").status_code == 204
    assert api.get(f"/api/sessions/{ended.pk}").status_code == 404
    assert Session.objects.get().status == Status.RUNNING


def test_the_screen_is_read_as_text_and_as_what_draws_it(
    api: Client, fake_manager: FakeManager
) -> None:
    answer = api.get(f"/api/sessions/{make_session().pk}/screen")
    assert answer.json() == {
        "cols": 4,
        "rows": 2,
        "cursor": {"x": 2, "y": 0},
        "lines": ["$ ", ""],
        "ansi": "\ufffd$ ",
        "offset": 2,
    }


def start_with_key(api: Client, key: str) -> Any:
    return api.post(
        "/api/sessions",
        json.dumps({"command": "cat"}),
        "application/json",
        headers={"Idempotency-Key": key},
    )


def test_a_repeated_start_is_answered_with_the_first_session(
    api: Client, fake_manager: FakeManager
) -> None:
    first, again = start_with_key(api, "first-try"), start_with_key(api, "first-try")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert start_with_key(api, "another").json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "\x01"])
def test_an_unusable_key_is_refused(api: Client, fake_manager: FakeManager, key: str) -> None:
    assert start_with_key(api, key).status_code == 400
    assert fake_manager.launched == []
