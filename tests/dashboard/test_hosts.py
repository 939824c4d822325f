"""The page of the machines that run sessions."""

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from sessions_app import hosts
from sessions_app.events import Status
from sessions_app.hosts import Beat
from tests.cast import browsing, enter_host, make_session
from tests.dashboard.pages import read

REDIS = "redis://127.0.0.1:6379"


@pytest.fixture(autouse=True)
def _two_hosts(db: None) -> None:
    for name, labels in (("one", ["linux", "gpu"]), ("two", [])):
        enter_host(name, slots=4, labels=labels)
    hosts.beat("two", "i", Beat(load=0.5, problem="The disk <b>is</b> full."))
    make_session(host="one", slot=1)
    make_session(status=Status.IDLE, slot=None, host="")


def shown(user: User, address: str = "/hosts") -> str:
    answer = browsing(user).get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_page_says_how_full_hosts_are_and_what_is_wrong(alice: User) -> None:
    page = shown(alice)
    assert "1 of 4" in page
    assert "gpu, linux" in page
    assert "Load 0.50" in page
    assert "The disk &lt;b&gt;is&lt;/b&gt; full." in page
    assert "1 waiting in the queue" in page


def test_only_administrators_are_offered_to_drain_a_host(alice: User, carol: User) -> None:
    hosts.drain("two", True)
    assert "data-drain>" not in shown(alice)
    page = shown(carol)
    assert page.count("data-drain>") == 3  # two hosts, and the template of further ones
    assert "Take sessions again" in page


def test_who_may_see_nothing_sees_no_hosts(db: None) -> None:
    nobody = User.objects.create_user("nobody")
    assert browsing(nobody).get("/hosts").status_code == 403


def test_pages_lead_to_hosts_only_where_there_can_be_several(
    alice: User, settings: Settings
) -> None:
    settings.REDIS_URL = ""
    assert 'href="/hosts"' not in shown(alice, "/")
    settings.REDIS_URL = REDIS
    assert 'href="/hosts"' in shown(alice, "/")


def test_a_session_may_be_started_on_a_host_that_is_ready(alice: User, settings: Settings) -> None:
    settings.REDIS_URL = REDIS
    hosts.drain("two", True)
    options = [
        element.attributes["value"]
        for element in read(browsing(alice).get("/history")).find_all("option")
        if element.attributes.get("value") in ("", "one", "two")
    ]
    assert options == ["", "one"]


def test_a_server_that_runs_nothing_shows_sessions_with_their_hosts(
    carol: User, settings: Settings
) -> None:
    settings.REDIS_URL, settings.HARNESS_ROLE = REDIS, "web"
    page = shown(carol, "/")
    assert 'data-host=""' in page
    assert "data-elsewhere" in page
    assert "data-slot=" not in page
    assert "Sessions run on" in page
