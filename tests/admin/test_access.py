"""Tokens, links and attempts in the administration: seen and withdrawn, never made or changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.credentials import ApiToken, ShareLink, digest
from sessions_app.login_attempts import LoginAttempt
from sessions_app.rights import Right
from tests.cast import browsing, make_session

BASE = "/admin/sessions_app/"


@pytest.fixture
def admin(carol: User) -> Client:
    """Carol in the administration."""
    return browsing(carol)


def test_the_list_of_tokens_says_what_they_allow_and_until_when(admin: Client, alice: User) -> None:
    ApiToken.issue(alice, "ci", scopes=[Right.INPUT], life=timedelta(days=1))
    shown = admin.get(f"{BASE}apitoken/").content.decode()
    assert "input, view" in shown
    assert "field-expires_at" in shown
    assert admin.post(f"{BASE}apitoken/{ApiToken.objects.get().pk}/change/").status_code == 403


def test_links_are_listed_and_withdrawn(admin: Client, alice: User) -> None:
    session = make_session(owner=alice, name="Shared one\u202e")
    link, secret = ShareLink.issue(session.pk, alice.pk, timedelta(hours=1))
    for url in (f"{BASE}sharelink/", f"{BASE}sharelink/{link.pk}/change/"):
        shown = admin.get(url).content.decode()
        assert "Shared one<" in shown
        assert digest(secret) not in shown
    admin.post(f"{BASE}sharelink/{link.pk}/delete/", {"post": "yes"})
    assert ShareLink.find(secret) is None


def test_attempts_to_log_in_are_looked_at_and_stay(admin: Client, db: None) -> None:
    LoginAttempt.begin("192.0.2.7", "mallory")
    row = LoginAttempt.objects.get()
    shown = admin.get(f"{BASE}loginattempt/").content.decode()
    assert "mallory" in shown
    assert "192.0.2.7" in shown
    page = f"{BASE}loginattempt/{row.pk}/"
    assert admin.post(f"{page}delete/", {"post": "yes"}).status_code == 403
    assert admin.post(f"{page}change/", {"username": "x"}).status_code == 403
    assert admin.get(f"{BASE}loginattempt/add/").status_code == 403
