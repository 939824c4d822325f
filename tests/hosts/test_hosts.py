"""Hosts as their managers keep them in the database."""

from datetime import timedelta

import pytest
from django.utils import timezone

from sessions_app import hosts
from sessions_app.exceptions import HostNameTaken, HostNotFound
from sessions_app.host_state import SILENT_SECONDS, HostState
from sessions_app.hosts import Beat, Presence
from sessions_app.models import Host
from tests.cast import make_ended, make_session

pytestmark = pytest.mark.django_db


def presence(name: str = "one", folder: str = "folder", incarnation: str = "first") -> Presence:
    return Presence(
        name=name,
        folder=folder,
        incarnation=incarnation,
        slots=4,
        version="1.0",
        labels=["gpu"],
    )


def state_of(name: str) -> HostState:
    return next(host for host in hosts.all_hosts() if host.name == name)


def last_heard_of(name: str, seconds: float) -> None:
    then = timezone.now() - timedelta(seconds=seconds)
    Host.objects.filter(pk=name).update(last_seen=then)


def test_a_manager_that_comes_is_a_host_that_is_ready() -> None:
    hosts.enter(presence())
    host = state_of("one")
    assert (host.state, host.slots, host.used, host.version) == ("ready", 4, 0, "1.0")
    assert host.labels == {"gpu"}
    assert host.silent_seconds < 5


def test_slots_are_counted_with_the_host() -> None:
    hosts.enter(presence())
    hosts.enter(presence("two", "another"))
    make_session(host="one", slot=1)
    make_session(host="one", slot=3)
    make_session(host="one", slot=None)
    make_ended(host="one", slot=2)
    make_session(host="two", slot=1)
    assert {host.name: host.used for host in hosts.all_hosts()} == {"one": 2, "two": 1}


def test_a_host_that_is_not_heard_of_is_silent_by_the_clock_of_the_database() -> None:
    hosts.enter(presence())
    last_heard_of("one", SILENT_SECONDS + 1)
    assert state_of("one").state == "silent"
    hosts.beat("one", "first", Beat(load=0.5, problem="The disk is full.", stats={"bytes": 1}))
    host = state_of("one")
    assert (host.state, host.load, host.problem) == ("ready", 0.5, "The disk is full.")
    assert host.stats == {"bytes": 1}


def test_a_manager_that_leaves_is_missed_at_once_and_back_when_it_comes_again() -> None:
    hosts.enter(presence())
    hosts.leave("one", "first")
    assert state_of("one").state == "stopped"
    hosts.enter(presence(incarnation="second"))
    assert state_of("one").state == "ready"
    hosts.leave("one", "first")  # said too late, by the process that was replaced
    assert state_of("one").state == "ready"


def test_two_machines_cannot_have_one_name_at_the_same_time() -> None:
    hosts.enter(presence())
    with pytest.raises(HostNameTaken, match="already has the name one"):
        hosts.enter(presence(folder="another", incarnation="other"))
    last_heard_of("one", SILENT_SECONDS + 1)
    hosts.enter(presence(folder="another", incarnation="other"))
    assert state_of("one").incarnation == "other"


def test_a_manager_that_was_killed_is_back_without_waiting() -> None:
    hosts.enter(presence())
    hosts.enter(presence(incarnation="second"))
    assert state_of("one").incarnation == "second"


def test_the_name_that_another_one_took_over_is_not_kept_fresh() -> None:
    hosts.enter(presence())
    hosts.enter(presence(incarnation="second"))
    with pytest.raises(HostNameTaken, match="taken the name one over"):
        hosts.beat("one", "first", Beat(load=0.0))


def test_a_host_that_drains_stays_so_over_a_restart() -> None:
    hosts.enter(presence())
    hosts.drain("one", True)
    hosts.enter(presence(incarnation="second"))
    assert state_of("one").state == "draining"
    assert hosts.is_draining("one")
    hosts.drain("one", False)
    assert state_of("one").state == "ready"


def test_nobody_drains_a_host_that_is_none() -> None:
    with pytest.raises(HostNotFound, match="There is no host three"):
        hosts.drain("three", True)


def test_others_are_those_of_other_folders_that_were_heard_of_lately() -> None:
    hosts.enter(presence())
    hosts.enter(presence("renamed"))
    hosts.enter(presence("two", "another"))
    hosts.enter(presence("gone", "third"))
    hosts.leave("gone", "first")
    hosts.enter(presence("silent", "fourth"))
    last_heard_of("silent", SILENT_SECONDS + 1)
    assert hosts.others(presence()) == ["two"]
