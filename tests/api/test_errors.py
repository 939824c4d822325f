"""Whatever goes wrong is answered as {"error": sentence, "code": slug}, never with a 500."""

import uuid
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIRequest
from django.db import DataError, InterfaceError, InternalError, OperationalError
from django.test import Client

from sessions_app import exceptions
from sessions_app.api.views import InputView
from sessions_app.credentials import ApiToken
from sessions_app.models import Session
from tests.cast import make_session, scripted
from tests.fake_manager import FakeManager


def assert_is_error(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code
    assert body["error"].strip()
    assert body.keys() <= {"error", "code", "fields"}
    return body


def post(api: Client, body: bytes, content_type: str = "application/json") -> Any:
    return api.generic("POST", f"/api/sessions/{make_session().pk}/input", body, content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b'{"data": "\\ud800"}',
        b'{"data": "\xff"}',
        b'{"data": NaN}',
        b"[" * 100_000,
        b"\0",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_malformed_json_is_400(api: Client, fake_manager: FakeManager, body: bytes) -> None:
    assert_is_error(post(api, body), 400, "malformed")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"', b"true"])
def test_json_that_is_no_object_is_400(api: Client, fake_manager: FakeManager, body: bytes) -> None:
    assert_is_error(post(api, body), 400, "invalid")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "\u00fc",
    ],
)
def test_a_body_of_another_type_is_415(
    api: Client, fake_manager: FakeManager, content_type: str
) -> None:
    body = assert_is_error(post(api, b"a=1", content_type), 415, "unsupported-media-type")
    assert "application/json" in body["error"]


def test_a_body_that_is_too_large_is_413(api: Client, fake_manager: FakeManager) -> None:
    assert_is_error(post(api, b'{"data": "' + b"x" * 3 * 1024 * 1024), 413, "too-large")


def post_chunked(user: User, session: Session, body: bytes) -> Any:
    """Post a body whose length is not announced, as an ASGI server passes it on."""
    headers = {
        b"authorization": f"Bearer {ApiToken.issue(user, 'test')}".encode(),
        b"content-type": b"application/json",
        b"transfer-encoding": b"chunked",
    }
    scope = {"method": "POST", "path": "/", "query_string": b"", "headers": list(headers.items())}
    answer = InputView.as_view()(ASGIRequest(scope, BytesIO(body)), session_id=session.pk)
    return answer.render()


def test_a_body_of_unknown_length_is_read_and_bounded(
    alice: User, fake_manager: FakeManager
) -> None:
    session = make_session()
    assert post_chunked(alice, session, b'{"data": "ls"}').status_code == 202
    answer = post_chunked(alice, session, b'{"data": "' + b"x" * 3 * 1024 * 1024)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path", ["", "nothing", "sessions/", "sessions/7", "sessions/%00", "\u00e9"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_an_address_that_is_none_is_404(api: Client, path: str, method: str) -> None:
    assert_is_error(api.generic(method, f"/api/{path}"), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/api/sessions"), ("PUT", "/api/projects"), ("TRACE", "/api/directories")],
)
def test_a_method_that_is_not_offered_is_405(api: Client, method: str, path: str) -> None:
    answer = api.generic(method, path)
    assert_is_error(answer, 405, "method-not-allowed")
    assert "GET" in answer["Allow"]


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "a/b/c", "\u00fc"])
@pytest.mark.parametrize("path", ["/api/sessions", "/api/schema"])
def test_an_answer_of_another_type_is_406(api: Client, path: str, accept: str) -> None:
    assert_is_error(api.get(path, headers={"Accept": accept}), 406, "not-acceptable")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/input"),
        ("POST", "/resize"),
        ("POST", "/end"),
        ("POST", "/checkpoint"),
        ("GET", "/output"),
        ("GET", "/events"),
        ("GET", "/screen"),
    ],
)
def test_an_unknown_session_is_404(
    api: Client, fake_manager: FakeManager, method: str, path: str
) -> None:
    answer = api.generic(method, f"/api/sessions/{uuid.uuid4()}{path}")
    assert_is_error(answer, 404, "not-found")


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        (exceptions.SessionNotFound("Gone."), 404, "not-found"),
        (exceptions.SessionNotRunning("It has ended."), 409, "not-running"),
        (exceptions.InvalidTransition("It has changed."), 409, "invalid-transition"),
        (exceptions.InputQueueFull("It does not read."), 429, "input-full"),
        (exceptions.ManagerUnavailable("Try again."), 503, "manager-unavailable"),
        (OperationalError("database is locked"), 503, "database"),
        (InterfaceError("the connection is closed"), 503, "database"),
        (InternalError("cannot execute UPDATE in a read-only transaction"), 503, "database"),
        (DataError("integer out of range"), 400, "malformed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_manager_refuses_is_translated(
    api: Client, fake_manager: FakeManager, trouble: Exception, status: int, code: str
) -> None:
    fake_manager.trouble = trouble
    answer = post(api, b'{"data": "x"}')
    assert_is_error(answer, status, code)
    assert ("Retry-After" in answer) == (status in (429, 503))


def test_a_process_without_a_manager_answers_503(api: Client) -> None:
    answer = api.generic("POST", f"/api/sessions/{make_session().pk}/end")
    assert_is_error(answer, 503, "manager-unavailable")
    assert int(answer["Retry-After"]) > 0


def test_a_host_that_is_not_ours_is_refused(api: Client) -> None:
    assert_is_error(api.get("/api/sessions", headers={"Host": "evil.example"}), 400, "malformed")


def test_a_fault_of_ours_tells_nothing(
    alice: User, monkeypatch: pytest.MonkeyPatch, fake_manager: FakeManager
) -> None:
    fake_manager.trouble = RuntimeError("the secret reason")
    client = scripted(alice)
    client.raise_request_exception = False
    answer = post(client, b'{"data": "x"}')
    assert "secret" not in str(assert_is_error(answer, 500, "server-error"))


def test_pages_outside_the_api_keep_their_own_errors(alice: User) -> None:
    client = scripted(alice)
    client.force_login(alice)
    answer = client.get("/nothing-here")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_answers_are_kept_by_no_cache(api: Client) -> None:
    assert api.get("/api/sessions")["Cache-Control"] == "no-store"
