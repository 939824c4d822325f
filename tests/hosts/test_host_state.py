"""Which host a session fits on, and how a host that does not answer is spoken of."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.exceptions import HostDraining, HostSilent, InvalidRequest
from sessions_app.host_state import SILENT_SECONDS, HostState, candidates

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def host(name: str = "one", **changes: Any) -> HostState:
    facts = {"slots": 4, "used": 0, "last_seen": NOON, "started_at": NOON}
    return HostState(name=name, **{**facts, **changes})


def names(*hosts: HostState, **wanted: Any) -> list[str]:
    return [found.name for found in candidates(hosts, **wanted)]


def test_the_emptiest_host_comes_first_in_proportion_to_its_size() -> None:
    small, large = host("small", slots=2, used=1), host("large", slots=20, used=8)
    assert names(small, large) == ["large", "small"]


def test_of_equally_full_hosts_the_one_with_less_load_comes_first() -> None:
    assert names(host("busy", load=3.0), host("calm", load=0.1)) == ["calm", "busy"]


def test_a_host_without_a_label_that_is_asked_for_is_left_out() -> None:
    gpu = host("gpu", labels=frozenset({"gpu", "linux"}), used=3)
    assert names(host("plain"), gpu, labels=["gpu"]) == ["gpu"]


def test_a_named_host_is_the_only_one() -> None:
    assert names(host("one"), host("two"), name="two") == ["two"]


def test_an_unknown_host_is_a_mistake_in_the_request() -> None:
    with pytest.raises(InvalidRequest, match="There is no host three") as refused:
        candidates([host()], "three")
    assert refused.value.fields == {"host": ["There is no host three."]}


def test_labels_that_no_host_has_are_a_mistake_that_names_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"No host has arm, gpu\. There are fast, gpu\."):
        candidates([host(labels=frozenset({"gpu", "fast"}))], labels=["gpu", "arm"])


def test_a_named_host_that_lacks_a_label_is_told_which() -> None:
    with pytest.raises(InvalidRequest, match="The host one does not have arm"):
        candidates([host(labels=frozenset({"gpu"}))], "one", ["gpu", "arm"])


def test_a_draining_host_gets_nothing_new() -> None:
    assert names(host("one", draining=True), host("two", used=4)) == ["two"]
    with pytest.raises(HostDraining, match="The host one takes nothing new"):
        candidates([host("one", draining=True)])


def test_a_silent_host_is_named_with_since_when_it_is_silent() -> None:
    silent = host("one", silent_seconds=SILENT_SECONDS + 4)
    with pytest.raises(HostSilent, match=r"The host one does not answer; .* 12 seconds ago"):
        candidates([silent])
    assert names(silent, host("two")) == ["two"]


def test_a_stopped_host_is_silent_at_once() -> None:
    with pytest.raises(HostSilent, match="The host one has been stopped"):
        candidates([host("one", stopped=True)])


def test_a_host_says_in_one_word_how_it_stands() -> None:
    assert host().state == "ready"
    assert host(draining=True).state == "draining"
    assert host(draining=True, silent_seconds=SILENT_SECONDS).state == "silent"
    assert host(silent_seconds=99, stopped=True).state == "stopped"


HOSTS = st.lists(
    st.builds(
        host,
        name=st.sampled_from("abcdef"),
        slots=st.integers(1, 5),
        used=st.integers(0, 6),
        load=st.floats(0, 9),
        draining=st.booleans(),
        stopped=st.booleans(),
        silent_seconds=st.floats(0, 20),
        labels=st.frozensets(st.sampled_from(["gpu", "arm", "fast"])),
    ),
    unique_by=lambda one: one.name,
)


@given(HOSTS, st.sampled_from(["", "a", "b"]), st.frozensets(st.sampled_from(["gpu", "arm"])))
def test_whatever_hosts_there_are_only_those_that_fit_are_offered(
    hosts: list[HostState], name: str, labels: frozenset[str]
) -> None:
    fit = {
        one.name
        for one in hosts
        if name in ("", one.name) and labels <= one.labels and one.state == "ready"
    }
    try:
        offered = names(*hosts, name=name, labels=labels)
    except (InvalidRequest, HostSilent, HostDraining):
        offered = []
    assert set(offered) == fit
    assert len(offered) == len(fit)
