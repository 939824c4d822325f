"""The OpenAPI document is valid, complete and true."""

from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no type information
import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connections
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sessions_app import long_poll
from sessions_app.api import wait
from sessions_app.credentials import ApiToken
from sessions_app.event_log import append_event
from sessions_app.events import EventType
from sessions_app.models import Session
from tests.cast import make_ended, make_session, store_output
from tests.fake_manager import FakeManager

GENERATOR: Any = SchemaGenerator
DOCUMENT: dict[str, Any] = GENERATOR().get_schema(request=None, public=True)


def test_the_document_is_valid_without_a_warning(tmp_path: Any) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "api.yaml"))


def test_the_document_is_read_as_json_and_as_yaml(api: Client) -> None:
    assert api.get("/api/schema?format=json").json()["info"]["title"] == "Session harness"
    assert b"openapi: 3" in api.get("/api/schema").content


def test_every_verb_says_what_it_does_and_how_it_fails() -> None:
    verbs = [verb for path in DOCUMENT["paths"].values() for verb in path.values()]
    assert len(verbs) == 23
    for verb in verbs:
        assert verb["summary"]
        assert {"400", "401", "503"} <= verb["responses"].keys()


def assert_matches(answer: Any, path: str, method: str = "get") -> None:
    """Check an answer against what the document says about it, and that it adds nothing."""
    documented = DOCUMENT["paths"][path][method]["responses"][str(answer.status_code)]
    schema = documented["content"]["application/json"]["schema"]
    components = {"schemas": {n: _closed(s) for n, s in DOCUMENT["components"]["schemas"].items()}}
    validator = jsonschema.Draft202012Validator({**schema, "components": components})
    validator.validate(answer.json())


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Rewrite OpenAPI 3.0's `nullable` for JSON schema, and refuse what is not documented."""
    open_ended = schema.get("properties", {}).keys() == {
        "type",
        "timestamp",
        "sessionId",
        "seq",
        "offset",
    }
    properties = {name: _nullable(inner) for name, inner in schema.get("properties", {}).items()}
    closed = {**schema, "properties": properties} if properties else schema
    return closed if open_ended or not properties else {**closed, "additionalProperties": False}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]} if schema.get("nullable") else schema


def test_answers_are_what_the_document_says(api: Client, fake_manager: FakeManager) -> None:
    session, ended = make_session(name="one"), make_ended()
    store_output(ended, b"text\r\n")
    append_event(str(session.pk), EventType.RESIZED, offset=0, fields={"cols": 1, "rows": 1})
    one = f"/api/sessions/{session.pk}"
    assert_matches(api.get("/api/sessions"), "/api/sessions")
    assert_matches(api.get(one), "/api/sessions/{session_id}")
    assert_matches(api.get(f"{one}/events"), "/api/sessions/{session_id}/events")
    assert_matches(api.get(f"{one}/screen"), "/api/sessions/{session_id}/screen")
    assert_matches(api.get(f"{one}/output"), "/api/sessions/{session_id}/output")
    waited = api.get(f"/api/sessions/{ended.pk}/wait?for=output&offset=0")
    assert_matches(waited, "/api/sessions/{session_id}/wait")
    assert_matches(api.get("/api/projects"), "/api/projects")
    assert_matches(api.get("/api/directories"), "/api/directories")
    assert_matches(api.get("/api/sessions?limit=0"), "/api/sessions")
    started = api.post("/api/sessions", {"command": "sh", "queue": True}, "application/json")
    assert_matches(started, "/api/sessions", "post")
    size = {"cols": 2, "rows": 2}
    resized = api.post(f"{one}/resize", size, "application/json")
    assert_matches(resized, "/api/sessions/{session_id}/resize", "post")


@pytest.fixture
def _nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time that a request waits pass at once."""

    async def nothing(*_: Any) -> None:
        """Return what waiting in vain returns."""

    monkeypatch.setattr(wait, "get_fan_out", lambda: None)
    monkeypatch.setattr(connections, "close_all", lambda: None)
    monkeypatch.setattr(long_poll, "wait", nothing)


@pytest.fixture
def target(alice: User, fake_manager: FakeManager, _nothing_happens: None) -> Iterator[str]:
    """Return the id of a session that is alice's and shown to the team."""
    session = make_session(slot=40, team=True)
    store_output(session, b"some output\r\n" * 100)
    # The end of a request would close the connection that holds the test's transaction.
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield str(session.pk)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)
    assert Session.objects.filter(pk=session.pk).exists()


SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
OPERATIONS: list[Any] = list(SCHEMA.get_all_operations())
CASES: st.SearchStrategy[Any] = st.one_of(
    [
        operation.ok().as_strategy(generation_mode=mode)
        for operation in OPERATIONS
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    ]
)


def fuzzed(session_id: str, headers: dict[str, str], examples: int) -> list[tuple[str, int]]:
    """Send whatever the document allows and forbids; return methods and statuses."""
    application = get_wsgi_application()
    outcomes: list[tuple[str, int]] = []

    @settings(
        max_examples=examples,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=CASES, stray=st.integers(0, 4))
    def fuzz(case: Any, stray: int) -> None:
        if stray and "session_id" in case.path_parameters:
            case.path_parameters["session_id"] = session_id
        answer = case.call(app=application, headers=headers)
        assert answer.status_code < 500, (case.as_curl_command(), answer.content)
        if answer.status_code >= 400:
            assert {"error", "code"} <= answer.json().keys(), case.as_curl_command()
        outcomes.append((case.method, answer.status_code))

    fuzz()
    return outcomes


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {ApiToken.issue(user, 'fuzz')}"}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")
@pytest.mark.parametrize("role", ["alice", "carol"])
def test_no_request_makes_the_server_fail(
    target: str, role: str, request: pytest.FixtureRequest
) -> None:
    outcomes = fuzzed(target, bearer(request.getfixturevalue(role)), 250)
    assert {200, 201, 400, 404} <= {status for _, status in outcomes}


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume asynchronous")
@pytest.mark.parametrize("role", ["bob", "vera"])
def test_no_request_of_who_may_only_look_changes_anything(
    target: str, role: str, request: pytest.FixtureRequest, fake_manager: FakeManager
) -> None:
    """Bob may start sessions of his own, and steer none that is somebody else's."""
    outcomes = fuzzed(target, bearer(request.getfixturevalue(role)), 200)
    assert fake_manager.calls == []
    assert fake_manager.launched == [] or role == "bob"
    assert {200, 403} <= {status for _, status in outcomes}


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer hrn_unknown"}, {"Cookie": "x=y"}]
)
def test_no_request_without_a_login_is_answered_with_anything_but_401(
    target: str, headers: dict[str, str], fake_manager: FakeManager
) -> None:
    outcomes = fuzzed(target, headers, 100)
    # What is not a request at all may be refused before anybody asks who it is from.
    assert {status for _, status in outcomes} <= {400, 401, 404, 405}
    assert sum(status == 401 for _, status in outcomes) > len(outcomes) / 2
    assert fake_manager.calls == []
    assert fake_manager.launched == []
