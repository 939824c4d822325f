"""Sessions that are accepted for a host, wait for one, and are claimed by one."""

from typing import Any

import pytest

from sessions_app import hosts, session_rows
from sessions_app.events import EventType, Status
from sessions_app.exceptions import HostDraining, NoFreeSlot
from sessions_app.launch import LaunchRequest
from sessions_app.models import Session, SessionEvent
from sessions_app.session_rows import Place
from sessions_app.start_limits import StartLimits
from tests.cast import enter_host, make_session

pytestmark = pytest.mark.django_db

ONE = Place(host="one", slots=1)
TWO = Place(host="two", slots=2, labels=["gpu"])


def accept(place: Place, **wanted: Any) -> Session:
    request = LaunchRequest(argv=["bash"], working_dir="/tmp", **wanted)
    return session_rows.accept(request, place, StartLimits())[0]


def claimed(place: Place) -> str | None:
    session = session_rows.claim(place)
    return session.name if session else None


def test_a_session_with_a_slot_belongs_to_the_host_that_took_it_in() -> None:
    session = accept(TWO, labels=["gpu"], priority=3)
    assert (session.host, session.slot) == ("two", 1)
    assert (session.labels, session.priority) == (["gpu"], 3)


def test_a_full_host_takes_nothing_but_what_may_wait() -> None:
    accept(ONE)
    with pytest.raises(NoFreeSlot):
        accept(ONE)
    queued = accept(ONE, queue=True)
    assert (queued.host, queued.slot, queued.status) == ("", None, Status.IDLE)


def test_what_waits_for_any_host_is_taken_by_the_first_that_has_room() -> None:
    accept(ONE)
    accept(ONE, queue=True, name="any")
    assert claimed(ONE) is None
    assert claimed(TWO) == "any"
    session = Session.objects.get(name="any")
    assert (session.host, session.slot) == ("two", 1)


def test_what_waits_for_one_host_is_left_alone_by_others() -> None:
    accept(ONE)
    accept(ONE, queue=True, host="one", name="mine")
    assert claimed(TWO) is None
    Session.objects.filter(slot=1).delete()
    assert claimed(ONE) == "mine"


def test_what_needs_a_label_is_left_alone_by_hosts_without_it() -> None:
    make_session(status=Status.IDLE, slot=None, host="", labels=["gpu"], name="needs gpu")
    assert claimed(ONE) is None
    assert claimed(TWO) == "needs gpu"


def test_the_queue_is_first_in_first_out_within_a_priority() -> None:
    for name, priority in (("a", 0), ("b", 0), ("urgent", 5), ("later", -5), ("c", 0)):
        make_session(status=Status.IDLE, slot=None, host="", name=name, priority=priority)
    place = Place(host="one", slots=5)
    assert [claimed(place) for _ in range(6)] == ["urgent", "a", "b", "c", "later", None]


def test_nobody_who_queues_is_overtaken_by_somebody_who_queues_later() -> None:
    make_session(status=Status.IDLE, slot=None, host="", name="first")
    assert accept(TWO, queue=True).slot is None


def test_what_this_host_cannot_take_holds_up_nobody_who_queues_for_it() -> None:
    make_session(status=Status.IDLE, slot=None, host="", labels=["arm"], name="elsewhere")
    assert accept(TWO, queue=True).slot == 1


def test_a_draining_host_neither_takes_in_nor_claims() -> None:
    enter_host(slots=1, labels=[])
    hosts.drain("one", True)
    make_session(status=Status.IDLE, slot=None, host="")
    with pytest.raises(HostDraining):
        accept(ONE)
    assert claimed(ONE) is None


def test_a_session_is_taken_out_of_the_queue_with_the_reason() -> None:
    session = make_session(status=Status.IDLE, slot=None, host="")
    event = session_rows.take_out_of_queue(str(session.pk), "Not wanted.")
    session.refresh_from_db()
    assert event is not None
    assert (event.type, event.fields) == (EventType.FAILED, {"error": "Not wanted."})
    assert (session.status, session.error) == (Status.FAILED, "Not wanted.")
    assert session.ended_at is not None


def test_what_a_host_has_claimed_is_not_taken_out_of_the_queue_any_more() -> None:
    session = make_session(status=Status.IDLE, slot=None, host="")
    session_rows.claim(ONE)
    assert session_rows.take_out_of_queue(str(session.pk), "Not wanted.") is None
    assert not SessionEvent.objects.exists()
    assert session_rows.take_out_of_queue(str(make_session(host="two").pk), "Runs.") is None


def test_where_a_session_is_is_known_from_its_row() -> None:
    queued = make_session(status=Status.IDLE, slot=None, host="")
    runs = make_session(host="two")
    assert session_rows.whereabouts(str(queued.pk)) == (Status.IDLE, "", False)
    assert session_rows.whereabouts(str(runs.pk)) == (Status.RUNNING, "two", True)
