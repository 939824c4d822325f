"""The page of one session as it comes from the server."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.test import Client

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
