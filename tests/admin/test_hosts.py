"""Hosts in the administration."""

import pytest
from django.contrib.auth.models import User

from sessions_app import hosts
from sessions_app.models import Host
from tests.cast import browsing, enter_host, make_session

LIST = "/admin/sessions_app/host/"


@pytest.fixture(autouse=True)
def _a_host(db: None) -> None:
    enter_host()
    make_session(host="one", slot=2)


def test_the_list_says_how_full_a_host_is_and_how_it_stands(carol: User) -> None:
    Host.objects.update(load=0.61279296875)
    for place in (LIST, f"{LIST}one/change/"):
        page = browsing(carol).get(place).content.decode()
        assert all(words in page for words in ("1 of 2", "ready", ">0.61<"))


@pytest.mark.parametrize(("action", "draining"), [("drain_hosts", True), ("open_hosts", False)])
def test_hosts_are_drained_and_opened(carol: User, action: str, draining: bool) -> None:
    hosts.drain("one", not draining)
    chosen = {"action": action, "_selected_action": ["one"]}
    answer = browsing(carol).post(LIST, chosen, follow=True)
    assert answer.status_code == 200
    assert Host.objects.get().draining is draining


def test_a_host_that_is_gone_for_good_may_be_forgotten(carol: User) -> None:
    answer = browsing(carol).post(f"{LIST}one/delete/", {"post": "yes"}, follow=True)
    assert answer.status_code == 200
    assert not Host.objects.exists()


def test_only_administrators_see_hosts_there(alice: User) -> None:
    alice.is_staff = True
    alice.save()
    assert browsing(alice).get(LIST).status_code == 403
