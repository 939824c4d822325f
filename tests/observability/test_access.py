"""Who may read the metrics: the bearer of a token that an administrator made for that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from pytest_django.fixtures import Settings

from sessions_app import scraping
from sessions_app.audit import Action, AuditRecord
from sessions_app.callers import TokenCredential
from sessions_app.credentials import ApiToken
from sessions_app.rights import Right, rights_of
from tests.cast import browsing, make_session, scripted


def reader(user: User, *scopes: Right) -> Client:
    """A client with a token of this user that has these scopes."""
    secret = ApiToken.issue(user, "monitoring", scopes=scopes)
    return Client(headers={"Authorization": f"Bearer {secret}"})


def outcome(client: Client) -> tuple[int, str]:
    answer = client.get("/metrics")
    text = answer["Content-Type"].startswith("text/plain")
    return answer.status_code, "" if text else answer.json()["code"]


def test_a_token_for_metrics_reads_them(carol: User) -> None:
    answer = reader(carol, Right.METRICS).get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "no-store" in answer["Cache-Control"]
    assert b"harness_build_info{" in answer.content


def test_an_administrators_token_reads_them_too(carol: User) -> None:
    assert outcome(reader(carol, Right.ADMIN)) == (200, "")
    assert outcome(scripted(carol)) == (200, "")


@pytest.mark.parametrize("scope", [Right.VIEW, Right.INPUT, Right.START])
def test_an_administrators_token_for_something_else_does_not(carol: User, scope: Right) -> None:
    answer = reader(carol, scope).get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert "may not read metrics" in answer.json()["error"]


def test_others_have_no_such_right_whatever_their_tokens_say(alice: User, vera: User) -> None:
    for somebody in (alice, vera):
        assert Right.METRICS not in rights_of(somebody)
        assert outcome(reader(somebody, Right.METRICS)) == (403, "not-allowed")
        assert outcome(scripted(somebody)) == (403, "not-allowed")


def test_a_token_for_metrics_reads_nothing_else(carol: User) -> None:
    session = make_session(owner=carol, team=True)
    client = reader(carol, Right.METRICS)
    assert client.get("/api/sessions").json() == []
    assert client.get(f"/api/sessions/{session.pk}").status_code == 404
    assert client.get("/api/audit").status_code == 403
    body = {"command": "true", "workingDir": "/tmp"}
    started = client.post("/api/sessions", body, content_type="application/json")
    assert started.status_code == 403


@pytest.mark.parametrize(
    "header",
    [None, "Bearer", "Bearer hrn_unknown", "Bearer two words", "Basic YTpi", "Bearer \u00e9"],
)
def test_without_a_token_that_is_good_nothing_is_told(db: None, header: str | None) -> None:
    client = Client(headers={"Authorization": header} if header else {})
    answer = client.get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json()["error"].endswith(".")
    assert b"harness_" not in answer.content


def test_a_browsers_login_does_not_count(carol: User) -> None:
    assert outcome(browsing(carol)) == (401, "not-authenticated")


def test_a_token_that_has_expired_is_unknown_and_recorded(carol: User) -> None:
    client = reader(carol, Right.METRICS)
    assert outcome(client) == (200, "")
    secret = ApiToken.issue(carol, "monitoring", scopes=[Right.METRICS], life=timedelta(seconds=-1))
    old = Client(headers={"Authorization": f"Bearer {secret}"})
    assert outcome(old) == outcome(client) == (401, "not-authenticated")
    assert AuditRecord.objects.filter(action=Action.TOKEN_EXPIRED).count() == 1


def test_who_asks_without_the_right_is_recorded(alice: User) -> None:
    assert outcome(scripted(alice)) == (403, "not-allowed")
    record = AuditRecord.objects.get(action=Action.REFUSED)
    assert (record.actor_name, record.details["what"]) == ("alice", "GET /metrics")


def test_nothing_can_be_posted(carol: User) -> None:
    answer = reader(carol, Right.METRICS).post("/metrics")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_the_head_is_enough(carol: User) -> None:
    answer = reader(carol, Right.METRICS).head("/metrics")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.3",
        "application/openmetrics-text; version=nonsense",
    ],
)
def test_openmetrics_is_spoken_with_whoever_asks_for_it(carol: User, accept: str) -> None:
    answer = reader(carol, Right.METRICS).get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.content.endswith(b"# EOF\n")


def test_a_scraper_behind_the_proxys_back_is_not_sent_to_tls(
    carol: User, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert outcome(reader(carol, Right.METRICS)) == (200, "")
    assert Client().get("/login").status_code == 301


# While the database is down


def down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the tokens out of reach."""

    def examine(self: TokenCredential) -> None:
        raise OperationalError("the database is down")

    monkeypatch.setattr(TokenCredential, "examine", examine)


def test_who_read_a_moment_ago_reads_on_while_the_database_is_down(
    carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = reader(carol, Right.METRICS)
    assert outcome(client) == (200, "")
    down(monkeypatch)
    assert outcome(client) == (200, "")
    monkeypatch.setattr(scraping, "REMEMBERED_SECONDS", 0.0)
    assert outcome(client) == (503, "database")


def test_nobody_else_does(carol: User, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    never, refused = reader(carol, Right.METRICS), scripted(alice)
    assert outcome(refused) == (403, "not-allowed")
    down(monkeypatch)
    for client in (never, refused):
        answer = client.get("/metrics")
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")


def test_a_token_that_was_withdrawn_before_is_of_no_use_then(
    carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = reader(carol, Right.METRICS)
    assert outcome(client) == (200, "")
    ApiToken.objects.all().delete()
    assert outcome(client) == (401, "not-authenticated")
    down(monkeypatch)
    assert outcome(client) == (503, "database")


def test_who_reads_is_not_remembered_without_bound() -> None:
    for number in range(scraping.MOST_REMEMBERED + 1):
        scraping.readers.let_in(f"token {number}")
    assert not scraping.readers.were_let_in("token 0")
    assert scraping.readers.were_let_in("token 1")
