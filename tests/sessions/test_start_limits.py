"""How much one user may start, while others are not kept from it."""

import pytest
from django.contrib.auth.models import User

from sessions_app import session_rows
from sessions_app.exceptions import NoFreeSlot, TooManySessions, TooManyStarts
from sessions_app.launch import LaunchRequest
from sessions_app.models import Session
from sessions_app.start_limits import MAX_QUEUED, StartLimits
from tests.cast import make_ended

SLOTS = 2
PLACE = session_rows.Place(host="test-host", slots=SLOTS)


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def start(limits: StartLimits, owner: User | None, *, key: str | None = None) -> Session:
    """Accept a start, into the queue when it must be."""
    request = LaunchRequest(
        argv=["cat"],
        working_dir="/",
        queue=True,
        owner_id=owner.pk if owner else None,
        idempotency_key=key,
    )
    return session_rows.accept(request, PLACE, limits)[0]


def test_nobody_has_more_sessions_than_allowed_and_queued_ones_count(alice: User) -> None:
    limits = StartLimits(sessions=3)
    for _ in range(3):
        start(limits, alice)
    with pytest.raises(TooManySessions, match="You have 3 sessions"):
        start(limits, alice)
    assert Session.objects.count() == 3


def test_what_others_have_and_what_has_ended_does_not_count(alice: User, bob: User) -> None:
    limits = StartLimits(sessions=1)
    make_ended(owner=alice)
    start(limits, alice)
    assert start(limits, bob).owner == bob


def test_nobody_fills_the_queue(alice: User, bob: User) -> None:
    limits = StartLimits()
    for _ in range(SLOTS + MAX_QUEUED):
        start(limits, alice)
    with pytest.raises(TooManySessions, match=f"You have {MAX_QUEUED} sessions in the queue"):
        start(limits, alice)
    assert start(limits, bob).slot is None


def test_starts_within_a_minute_are_limited(alice: User, bob: User) -> None:
    clock = Clock()
    limits = StartLimits(per_minute=2, clock=clock)
    start(limits, alice)
    clock.now += 40
    start(limits, alice)
    with pytest.raises(TooManyStarts, match="Try again in 20 seconds") as caught:
        start(limits, alice)
    assert caught.value.retry_after == 20
    start(limits, bob)
    clock.now += 20
    start(limits, alice)
    with pytest.raises(TooManyStarts):
        start(limits, alice)


def test_a_repeated_start_is_answered_whatever_the_limits_and_counts_once(alice: User) -> None:
    limits = StartLimits(sessions=2, per_minute=2)
    first = start(limits, alice, key="one")
    assert start(limits, alice, key="one") == first
    start(limits, alice)
    assert start(limits, alice, key="one") == first


def test_a_start_that_was_refused_does_not_count(alice: User) -> None:
    limits = StartLimits(per_minute=SLOTS + 1)
    for _ in range(SLOTS):
        start(limits, alice)
    without_queue = LaunchRequest(argv=["cat"], working_dir="/", owner_id=alice.pk)
    for _ in range(5):
        with pytest.raises(NoFreeSlot):
            session_rows.accept(without_queue, PLACE, limits)
    start(limits, alice)


@pytest.mark.usefixtures("db")
def test_what_nobody_owns_is_not_limited() -> None:
    limits = StartLimits(sessions=1, per_minute=1)
    for _ in range(3):
        start(limits, None)


def test_users_without_recent_starts_take_no_memory(alice: User, bob: User) -> None:
    clock = Clock()
    limits = StartLimits(per_minute=2, clock=clock)
    start(limits, alice)
    clock.now += 60
    start(limits, bob)
    assert limits._starts.keys() == {bob.pk}
