"""The history: search, filters and pages, all of them without JavaScript."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions_app.events import Status
from tests.cast import browsing, make_ended, make_session
from tests.dashboard.pages import Element, read


@pytest.fixture
def browser(alice: User) -> Client:
    return browsing(alice)


def rows(page: Element) -> list[str]:
    return [
        row.find(data_field="title").text for row in page.find(id="history-list").find_all("tr")
    ]


def test_everything_is_listed_newest_first(browser: Client) -> None:
    make_ended(name="old", created_at=timezone.now() - timedelta(days=1))
    make_session(name="new")
    assert rows(read(browser.get("/history"))) == ["new", "old"]


@pytest.mark.parametrize("word", ["nightly", "MAKE", "/srv/archive"])
def test_the_search_finds_names_commands_and_folders(browser: Client, word: str) -> None:
    make_ended(name="Nightly", command=["make", "all"], working_dir="/srv/archive")
    make_ended(name="Other", command=["ls"], working_dir="/tmp")
    assert rows(read(browser.get("/history", {"q": word}))) == ["Nightly"]


def test_status_and_folder_narrow_it(browser: Client) -> None:
    make_ended(name="good", working_dir="/a")
    make_ended(name="bad", status=Status.FAILED, working_dir="/a")
    make_ended(name="elsewhere", status=Status.FAILED, working_dir="/b")
    page = read(browser.get("/history", {"status": "failed", "folder": "/a"}))
    assert rows(page) == ["bad"]
    (chosen,) = page.find(aria_label="Status").find_all("a", aria_current="true")
    assert chosen.text == "Failed"


def test_one_filter_keeps_the_others(browser: Client) -> None:
    make_ended(name="good", working_dir="/a b")
    page = read(browser.get("/history", {"q": "go&od", "folder": "/a b"}))
    links = [link.attributes["href"] for link in page.find(aria_label="Status").find_all("a")]
    assert "?q=go%26od&status=failed&folder=%2Fa+b" in links


def test_an_unknown_status_narrows_nothing(browser: Client) -> None:
    make_ended(name="good")
    assert rows(read(browser.get("/history", {"status": "nonsense"}))) == ["good"]


def test_pages_lead_from_the_newest_to_the_oldest(browser: Client) -> None:
    start = timezone.now() - timedelta(days=1)
    for number in range(120):
        make_ended(name=f"run {number:03}", created_at=start + timedelta(seconds=number))
    seen: list[str] = []
    address = "/history?q=run"
    while address:
        page = read(browser.get(address))
        seen += rows(page)
        further = page.find_all("a", rel="next")
        address = "/history" + further[0].attributes["href"] if further else ""
    assert seen == [f"run {number:03}" for number in reversed(range(120))]


@pytest.mark.parametrize("page", ["0", "-1", "999", "x", "1e9", "\0"])
def test_a_page_that_does_not_exist_shows_one_that_does(browser: Client, page: str) -> None:
    make_ended(name="good")
    assert rows(read(browser.get("/history", {"page": page}))) == ["good"]


def test_an_empty_history_says_what_to_do(browser: Client) -> None:
    assert "Start the first one" in read(browser.get("/history")).find("main").text


def test_a_search_without_result_leads_back(browser: Client) -> None:
    make_ended(name="good")
    page = read(browser.get("/history", {"q": "nothing like it"}))
    assert page.find("main").find("a", **{"class": "button"}).attributes["href"] == "/history"


def test_a_session_can_be_started_again_as_it_was(browser: Client) -> None:
    make_ended(name="Nightly", command=["make", "a b"], working_dir="/srv/x")
    button = read(browser.get("/history")).find("main").find("button", data_start="")
    facts = [button.attributes[f"data-{name}"] for name in ("command", "folder", "name")]
    assert facts == ["make 'a b'", "/srv/x", "Nightly"]


@pytest.mark.django_db
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    words=st.dictionaries(
        st.sampled_from(["q", "status", "folder", "page"]),
        st.text(st.characters(exclude_categories=["Cs"])),
    )
)
def test_no_words_in_the_address_break_the_page(browser: Client, words: dict[str, str]) -> None:
    assert browser.get("/history", words).status_code == 200
