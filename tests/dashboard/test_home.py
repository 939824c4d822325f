"""The home page as it comes from the server."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from sessions_app.events import Status
from tests.cast import browsing, make_ended, make_session
from tests.dashboard.pages import Element, read


@pytest.fixture
def browser(alice: User) -> Client:
    return browsing(alice)


def home(browser: Client) -> Element:
    return read(browser.get("/"))


def slot(page: Element, number: int) -> Element:
    return page.find(data_slot=str(number))


def test_a_visitor_without_login_is_sent_to_the_login(db: None) -> None:
    response = Client().get("/")
    assert (response.status_code, response["Location"]) == (302, "/login?next=/")


def test_every_slot_is_there_and_a_free_one_says_what_to_do(
    browser: Client, settings: Settings
) -> None:
    settings.HARNESS_SLOTS = 3
    page = home(browser)
    assert [
        item.attributes["data-slot"]
        for item in page.find(id="slots").parts
        if isinstance(item, Element)
    ] == ["1", "2", "3"]
    assert "Start a session" in slot(page, 1).text


def test_a_running_session_stands_in_its_slot(browser: Client) -> None:
    session = make_session(slot=2, name="Nightly", command=["make", "all"])
    page = home(browser)
    card = slot(page, 2).find("article")
    assert card.find(data_field="title").attributes["href"] == f"/sessions/{session.pk}"
    assert card.find(data_field="title").text == "Nightly"
    assert card.find(data_field="command").text == "make all"
    assert card.find(data_field="status").text == "Running"
    assert slot(page, 2).find(**{"class": "empty-slot"}).is_hidden
    assert not slot(page, 1).find(**{"class": "empty-slot"}).is_hidden


def test_what_a_session_asks_is_seen_without_opening_it(browser: Client) -> None:
    make_session(
        status=Status.WAITING_CHECKPOINT,
        waiting={"type": "session:waiting", "waitType": "permission", "promptContext": "Run rm?"},
    )
    page = home(browser)
    assert slot(page, 1).find(data_field="waits").text == "Asks for permission: Run rm?"
    assert page.find(id="waiting-count").text == "1"
    assert not page.find(id="waiting-pill").is_hidden


def test_nothing_waits_and_nothing_is_said_about_it(browser: Client) -> None:
    make_session()
    page = home(browser)
    assert page.find(id="waiting-pill").is_hidden
    assert slot(page, 1).find(data_field="waits").is_hidden


def test_queued_sessions_are_listed_first_come_first(browser: Client) -> None:
    for name in ("first", "second"):
        make_session(status=Status.IDLE, slot=None, started_at=None, name=name)
    page = home(browser)
    titles = page.find(id="queue-list").find_all(data_field="title")
    assert [title.text for title in titles] == ["first", "second"]


def test_the_last_that_ended_are_listed_with_the_reason(browser: Client) -> None:
    for number in range(10):
        make_ended(slot=1, name=f"run {number}")
    make_ended(status=Status.FAILED, exit_code=3, error="It exited with code 3.", name="broken")
    rows = home(browser).find(id="ended-list").find_all("tr")
    assert len(rows) == 8
    assert rows[0].find(data_field="outcome").text == "It exited with code 3."


def test_a_session_of_another_machine_has_its_own_place(browser: Client) -> None:
    make_session(slot=1, host="other-host")
    page = home(browser)
    assert slot(page, 1).find_all("article") == []
    assert page.find(data_elsewhere="").find(data_field="host").text == "other-host"


def test_a_slot_beyond_the_configured_ones_is_shown_while_it_is_used(
    browser: Client, settings: Settings
) -> None:
    settings.HARNESS_SLOTS = 1
    make_session(slot=3)
    assert slot(home(browser), 3).find_all("article") != []


def test_names_and_commands_are_text_without_tricks(browser: Client) -> None:
    make_session(name="<b>bold</b>\x1b[31m\u202egpj.exe", command=["echo", '"><script>'])
    card = slot(home(browser), 1).find("article")
    assert card.find(data_field="title").text == "<b>bold</b>[31mgpj.exe"
    assert card.find_all("script") == []


def test_recent_commands_and_folders_are_offered_each_once(browser: Client) -> None:
    for command in ("bash", "htop", "bash"):
        make_ended(command=[command])
    page = home(browser)
    dialog = page.find(id="start-dialog")
    offered = [chip.attributes["data-value"] for chip in dialog.find_all(data_fill="start-command")]
    assert offered == ["bash", "htop"]


def test_the_number_of_questions_to_the_database_does_not_grow_with_the_sessions(
    browser: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(1, 5):
        make_session(slot=number)
    for _ in range(20):
        make_ended()
    with django_assert_max_num_queries(12):
        browser.get("/")


def test_only_looking_is_possible(browser: Client) -> None:
    assert browser.post("/").status_code == 405


def test_what_is_somebody_elses_says_whose_it_is(alice: User, bob: User) -> None:
    make_session(owner=alice, team=True)
    make_ended(owner=alice, team=True)
    make_session(owner=alice, team=True, slot=None, status=Status.IDLE)
    for user, named in ((bob, "alice"), (alice, "")):
        page = home(browsing(user))
        owners = page.find_all(data_field="owner")
        assert [owner.text for owner in owners] == [named] * 3
        assert [owner.is_hidden for owner in owners] == [not named] * 3


def test_nobody_takes_out_of_the_queue_what_is_somebody_elses(alice: User, bob: User) -> None:
    make_session(owner=alice, team=True, slot=None, status=Status.IDLE)
    assert not home(browsing(alice)).find(data_field="end").is_hidden
    assert home(browsing(bob)).find(data_field="end").is_hidden


def test_who_may_start_nothing_is_offered_nothing_to_start(vera: User, alice: User) -> None:
    make_ended(owner=alice, team=True)
    for address in ("/", "/history"):
        raw = browsing(vera).get(address).content.decode()
        for word in ("New session", "Start a session", "Start again", "data-start"):
            assert word not in raw
