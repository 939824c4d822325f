"""Nothing answers without a login, and a login is a token or a cookie with its CSRF token."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.credentials import ApiToken, session_token
from tests.cast import browsing, make_session, scripted
from tests.fake_manager import FakeManager

SESSION = f"/api/sessions/{uuid.uuid4()}"
EVERY_VERB = [
    ("GET", "/api/sessions"),
    ("POST", "/api/sessions"),
    ("GET", SESSION),
    ("PATCH", SESSION),
    ("DELETE", SESSION),
    ("POST", f"{SESSION}/input"),
    ("POST", f"{SESSION}/resize"),
    ("POST", f"{SESSION}/end"),
    ("POST", f"{SESSION}/checkpoint"),
    ("GET", f"{SESSION}/output"),
    ("GET", f"{SESSION}/events"),
    ("GET", f"{SESSION}/screen"),
    ("GET", f"{SESSION}/recording"),
    ("GET", f"{SESSION}/wait"),
    ("GET", "/api/projects"),
    ("GET", "/api/directories"),
    ("GET", "/api/audit"),
    ("GET", "/api/schema"),
    ("GET", "/api/nothing"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "url"), EVERY_VERB)
def test_every_verb_asks_for_a_login(client: Client, method: str, url: str) -> None:
    answer = client.generic(method, url)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json().keys() == {"error", "code"}
    assert answer.json()["code"] == "not-authenticated"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer hrn_unknown",
        "bearer a b",
        "Bearer \u00e9",
        "Bearer " + 600 * "x",
    ],
)
def test_a_token_that_is_none_is_refused(header: str) -> None:
    answer = Client(headers={"Authorization": header}).get("/api/sessions")
    assert answer.status_code == 401


def test_a_withdrawn_token_is_refused(alice: User) -> None:
    client = scripted(alice)
    assert client.get("/api/sessions").status_code == 200
    ApiToken.objects.all().delete()
    assert client.get("/api/sessions").status_code == 401


def test_a_token_ends_with_its_user(alice: User) -> None:
    client = scripted(alice)
    User.objects.update(is_active=False)
    assert client.get("/api/sessions").status_code == 401


def test_a_bad_token_is_refused_even_with_a_good_cookie(alice: User) -> None:
    answer = browsing(alice).get("/api/sessions", headers={"Authorization": "Bearer hrn_wrong"})
    assert answer.status_code == 401


def test_a_browser_reads_with_its_cookie(alice: User) -> None:
    assert browsing(alice).get("/api/sessions").status_code == 200


def test_a_cookie_without_its_csrf_token_changes_nothing(
    alice: User, fake_manager: FakeManager
) -> None:
    session = make_session()
    answer = browsing(alice, csrf=True).post(f"/api/sessions/{session.pk}/end")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert fake_manager.calls == []


def test_a_session_token_reads_nothing(client: Client, fake_manager: FakeManager) -> None:
    session = make_session()
    secret = session_token(str(session.pk), session.epoch)
    answer = client.get(
        f"/api/sessions/{session.pk}", headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.status_code == 401
