"""The page of one session as it comes from the server."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app.credentials import ShareLink
from sessions_app.events import Status
from sessions_app.models import Session
from tests.cast import browsing, make_ended, make_session
from tests.dashboard.pages import Element, read


@pytest.fixture
def browser(alice: User) -> Client:
    return browsing(alice)


def page_of(browser: Client, session: Session) -> Element:
    return read(browser.get(f"/sessions/{session.pk}"))


def test_the_page_carries_the_facts_that_its_script_needs(browser: Client) -> None:
    session = make_session()
    facts = page_of(browser, session).find("body").attributes
    assert facts["data-session"] == str(session.pk)
    assert facts["data-status"] == "running"


def test_it_names_the_session_in_the_title_without_tricks(browser: Client) -> None:
    page = page_of(browser, make_session(name="Build\u202e\x07 <1>"))
    assert page.find("title").text == "Build <1> · Session harness"


def test_a_running_session_says_nothing_about_an_end(browser: Client) -> None:
    assert page_of(browser, make_session()).find(id="end-line").is_hidden


def test_an_ended_one_gives_the_reason(browser: Client) -> None:
    session = make_ended(status=Status.FAILED, error="It was ended by signal 9 (SIGKILL).")
    line = page_of(browser, session).find(id="end-line")
    assert not line.is_hidden
    assert line.find(id="end-text").text == "It was ended by signal 9 (SIGKILL)."


def test_a_queued_one_says_what_it_waits_for(browser: Client) -> None:
    session = make_session(status=Status.IDLE, slot=None, started_at=None)
    assert not page_of(browser, session).find(id="queued-line").is_hidden


def test_an_unknown_session_is_not_found(browser: Client) -> None:
    response = browser.get(f"/sessions/{uuid.uuid4()}")
    assert response.status_code == 404
    assert "may have been forgotten" in read(response).text


def test_a_visitor_without_login_learns_nothing(db: None) -> None:
    session = make_session()
    known, unknown = (Client().get(f"/sessions/{key}") for key in (session.pk, uuid.uuid4()))
    assert known.status_code == unknown.status_code == 302


STEERING = {"rename", "rename-form", "fit", "end", "share", "share-dialog", "key-bar", "ask-reply"}
STARTING = {"new-session", "start-dialog"}


def ids_of(page: Element) -> set[str]:
    return {item.attributes["id"] for item in page.find_all() if "id" in item.attributes}


def guest_of(session: Session, user: User) -> Client:
    guest = Client()
    _, secret = ShareLink.issue(session.pk, user.pk, timedelta(hours=1))
    assert guest.post("/shared/link", {"token": secret}).status_code == 200
    return guest


@pytest.mark.parametrize("make", [make_session, make_ended])
def test_each_has_the_controls_of_what_he_may_do(
    alice: User, bob: User, vera: User, carol: User, make: Callable[..., Session]
) -> None:
    session = make(owner=alice, team=True)
    for user in (alice, carol):
        page = page_of(browsing(user), session)
        assert ids_of(page) >= STEERING | STARTING
        assert page.find("body").attributes["data-access"] == "control"
    for user, may_start in ((bob, True), (vera, False)):
        page = page_of(browsing(user), session)
        assert not ids_of(page) & STEERING
        assert ids_of(page) & STARTING == (STARTING if may_start else set())
        assert ("Start again" in page.text) is may_start
        assert "You may look, not type." in page.text
        assert page.find("body").attributes["data-access"] == "view"


def test_a_guest_finds_nothing_but_the_session(alice: User) -> None:
    session = make_session(owner=alice, working_dir=f"{Path.home()}/secret")
    page = page_of(guest_of(session, alice), session)
    assert not ids_of(page) & (STEERING | STARTING | {"user-menu", "waiting-pill"})
    assert page.find_all("nav") == []
    assert [link.attributes["href"] for link in page.find_all("a")] == ["#main"]
    assert page.find("body").attributes["data-home"] == ""
    assert page.find("body").attributes["data-role"] == "guest"


def test_a_link_does_not_show_what_else_the_owner_has_run(alice: User) -> None:
    session = make_session(owner=alice)
    make_ended(owner=alice, command=["secret-tool"])
    page = guest_of(session, alice).get(f"/sessions/{session.pk}")
    assert "secret-tool" not in page.content.decode()
