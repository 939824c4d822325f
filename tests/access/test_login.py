"""Nothing but /health and the login answers without a login; links work once, attempts are few."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from sessions_app.credentials import LoginLink
from sessions_app.login_attempts import LoginAttempt
from tests.cast import browsing


def redeem(client: Client, token: str) -> int:
    return client.post("/login/link", {"token": token}).status_code


def is_logged_in(client: Client) -> bool:
    return client.get("/api/sessions").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/history", "/admin/", "/logout"])
def test_a_stranger_is_sent_to_the_login(client: Client, path: str) -> None:
    answer = client.get(path, follow=True)
    assert answer.redirect_chain
    assert answer.redirect_chain[-1][0].startswith("/login?next=")
    assert answer.status_code == 200


@pytest.mark.django_db
def test_the_login_page_says_how_to_get_a_link(client: Client) -> None:
    assert b"bin/run link" in client.get("/login").content


@pytest.mark.django_db
def test_a_web_process_names_no_command_of_a_server_that_is_another(
    client: Client, settings: Settings
) -> None:
    settings.HARNESS_ROLE = "web"
    page = client.get("/login").content
    answer = client.post("/login/link", {"token": "x"})

    assert b"An administrator makes a new one" in page
    assert "An administrator makes a new one" in answer.json()["error"]
    assert "bin/run" not in answer.json()["error"] + page.decode()


def test_a_link_lets_one_browser_in_once(alice: User) -> None:
    secret = LoginLink.issue(alice)
    first, second = Client(), Client()
    assert redeem(first, secret) == 204
    assert is_logged_in(first)
    assert redeem(second, secret) == 400
    assert not is_logged_in(second)


def test_a_link_that_is_too_old_is_refused(alice: User) -> None:
    secret = LoginLink.issue(alice)
    LoginLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert redeem(Client(), secret) == 400


def test_a_link_of_a_user_who_is_switched_off_is_refused(alice: User) -> None:
    secret = LoginLink.issue(alice)
    User.objects.update(is_active=False)
    assert redeem(Client(), secret) == 400


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["", "\0", "x" * 10_000, "\u00fc"])
def test_what_is_no_link_says_how_to_get_one(client: Client, token: str) -> None:
    answer = client.post("/login/link", {"token": token})
    assert answer.status_code == 400
    assert "bin/run link" in answer.json()["error"]


@pytest.mark.django_db
def test_a_link_is_redeemed_by_post_only(client: Client) -> None:
    assert client.get("/login/link").status_code == 405


def test_a_link_is_redeemed_only_from_our_own_page(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    secret = LoginLink.issue(alice)
    assert redeem(client, secret) == 403
    token = client.get("/login").context["csrf_token"]
    answer = client.post("/login/link", {"token": secret}, headers={"X-CSRFToken": str(token)})
    assert answer.status_code == 204


def test_after_twenty_attempts_an_address_waits(alice: User) -> None:
    client = Client()
    assert {redeem(client, "wrong") for _ in range(20)} == {400}
    answer = client.post("/login/link", {"token": LoginLink.issue(alice)})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    elsewhere = Client(REMOTE_ADDR="127.0.0.2")
    assert redeem(elsewhere, LoginLink.issue(alice)) == 204


def test_of_many_who_try_at_once_only_twenty_are_let_try(transactional_db: None) -> None:
    together = threading.Barrier(40, timeout=20)

    def attempt(_: int) -> bool:
        together.wait()
        try:
            return LoginAttempt.begin("10.0.0.1") is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(40) as threads:
        assert sum(threads.map(attempt, range(40))) == 20


def test_a_name_that_no_database_can_hold_is_as_wrong_as_any_other(
    client: Client, db: None
) -> None:
    answer = client.post("/login", {"username": "car\0ol", "password": "guess"})
    assert answer.status_code == 200


def test_a_password_lets_its_user_in(carol: User) -> None:
    client = Client()
    answer = client.post("/login", {"username": "carol", "password": "correct horse"})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_logged_in(client)


def test_passwords_cannot_be_guessed_without_end(carol: User) -> None:
    client = Client()
    for _ in range(20):
        client.post("/login", {"username": "carol", "password": "guess"})
    answer = client.post("/login", {"username": "carol", "password": "correct horse"})
    assert answer.status_code == 429
    assert b"Too many attempts" in answer.content
    assert not is_logged_in(client)


def test_who_tries_too_often_does_not_learn_whether_a_guess_was_right(
    carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client()
    for _ in range(20):
        client.post("/login", {"username": "carol", "password": "guess"})
    looked_at: list[str] = []
    monkeypatch.setattr(User, "check_password", lambda user, raw: looked_at.append(raw))

    def said(password: str) -> str:
        answer = client.post("/login", {"username": "carol", "password": password})
        assert answer.status_code == 429
        changing = r'nonce="[^"]*"|(content|value)="[0-9A-Za-z]{64}"'
        return re.sub(changing, "", answer.content.decode())

    assert said("correct horse") == said("guess")
    assert looked_at == []


def test_who_is_logged_in_is_not_sent_to_the_login_page_for_ever(carol: User) -> None:
    for where in ("/login", "/login?next=/login"):
        assert browsing(carol).get("/login", {"next": where})["Location"] == "/"


def test_a_user_without_a_password_cannot_use_the_form(alice: User) -> None:
    client = Client()
    client.post("/login", {"username": "alice", "password": ""})
    assert not is_logged_in(client)


def test_logging_out_ends_the_login(alice: User) -> None:
    client = browsing(alice)
    assert is_logged_in(client)
    assert client.post("/logout").status_code == 302
    assert not is_logged_in(client)


def test_the_admin_uses_the_same_login(alice: User, carol: User) -> None:
    assert Client().get("/admin/login/?next=/admin/")["Location"] == "/login?next=%2Fadmin%2F"
    assert browsing(carol).get("/admin/").status_code == 200
    assert browsing(alice).get("/admin/", follow=True).status_code == 403


def test_the_login_leads_to_no_other_site(carol: User) -> None:
    form = {"username": "carol", "password": "correct horse", "next": "https://evil.example/"}
    assert Client().post("/login", form)["Location"] == "/"


def test_logins_that_succeed_do_not_count_as_attempts(alice: User) -> None:
    client = Client()
    assert {redeem(client, LoginLink.issue(alice)) for _ in range(30)} == {204}
