"""Lists of sessions: the right ones in the right order, at a cost that does not grow."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.utils import timezone

from dashboard.views import RECENTLY_ENDED
from sessions_app import session_lists
from sessions_app.callers import Caller
from sessions_app.events import ACTIVE, ENDED, Status
from sessions_app.models import Session
from sessions_app.rights import rights_of
from sessions_app.session_lists import Place
from sessions_app.session_row import Moment
from tests.cast import make_ended, make_session

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LIMIT = 20
NOTHING: frozenset[UUID] = frozenset()


def caller(user: User, shared: frozenset[UUID] = NOTHING) -> Caller:
    return Caller(user=user, rights=rights_of(user), shared=shared)


def guest(shared: frozenset[UUID]) -> Caller:
    return Caller(user=AnonymousUser(), shared=shared)


def store(count: int, owners: list[User], seed: int = 1) -> None:
    """Store sessions of all kinds; several were created in the same moment."""
    chance = random.Random(seed)  # noqa: S311  # the same ones every time
    for number in range(count):
        active = number % 7 == 0
        made = NOW - timedelta(minutes=chance.randrange(count))
        make_session(
            owner=chance.choice([*owners, None]),
            team=chance.random() < 0.3,
            slot=None,
            status=chance.choice(sorted(ACTIVE if active else ENDED)),
            created_at=made,
            ended_at=None if active else made + timedelta(seconds=chance.randrange(3600)),
        )


def pages(who: Caller, limit: int, statuses: list[Status]) -> Iterator[list[UUID]]:
    place: Place | None = None
    while True:
        rows, place = session_lists.page(who, limit, place, statuses)
        yield [row.id for row in rows]
        if place is None:
            return


def in_order(who: Caller, statuses: list[Status]) -> list[UUID]:
    """Return what the pages together have to be, found the slow way."""
    seen = [
        each
        for each in Session.objects.all()
        if who.sees(each.pk, each.owner_id, team=each.team) and each.status in statuses
    ]
    seen.sort(key=lambda each: (each.is_active, each.created_at, each.pk), reverse=True)
    return [each.pk for each in seen]


@pytest.mark.parametrize(
    "statuses",
    [list(Status), sorted(ENDED), [Status.FAILED], [Status.RUNNING], [Status.IDLE, Status.FAILED]],
    ids=" ".join,
)
def test_pages_together_are_what_the_caller_sees_active_first_then_the_newest(
    alice: User, bob: User, carol: User, vera: User, statuses: list[Status]
) -> None:
    store(60, [alice, bob])
    shared = frozenset(Session.objects.order_by("epoch").values_list("pk", flat=True)[:9])
    for who in (caller(alice), caller(bob, shared), caller(carol), caller(vera), guest(shared)):
        for limit in (1, 7, 100):
            found = list(pages(who, limit, statuses))
            assert [each for page in found for each in page] == in_order(who, statuses)
            assert all(len(page) == limit for page in found[:-1])


def test_who_may_see_nothing_has_one_empty_page(db: None) -> None:
    make_ended(team=True)
    assert list(pages(guest(NOTHING), 5, list(Status))) == [[]]


@pytest.mark.parametrize("seed", range(5))
def test_sessions_that_start_and_end_between_pages_move_no_other(alice: User, seed: int) -> None:
    store(40, [alice], seed)
    who, chance = caller(alice), random.Random(seed)  # noqa: S311  # the same ones every time
    as_it_was = in_order(who, list(Status))
    found: list[UUID] = []
    for page in pages(who, 5, list(Status)):
        found += page
        active = list(Session.objects.active())
        ending = chance.sample(active, min(2, len(active)))
        Session.objects.filter(pk__in=[each.pk for each in ending]).update(
            status=Status.COMPLETED, ended_at=timezone.now()
        )
        make_session(slot=None, owner=alice)
    assert found == as_it_was


def test_the_parts_are_together_what_is_visible(
    alice: User, bob: User, carol: User, vera: User
) -> None:
    store(30, [alice, bob])
    shared = frozenset(Session.objects.order_by("epoch").values_list("pk", flat=True)[:5])
    for who in (caller(alice), caller(bob, shared), caller(carol), caller(vera), guest(shared)):
        parts = Session.objects.visible_parts(who)
        together = {pk for part in parts for pk in part.values_list("pk", flat=True)}
        assert together == set(Session.objects.visible_to(who).values_list("pk", flat=True))


def test_the_first_state_of_a_stream_is_all_that_is_active_and_the_newest_of_the_others(
    alice: User, bob: User
) -> None:
    store(60, [alice, bob])
    who = caller(alice)
    active = in_order(who, sorted(ACTIVE))
    found = [row.id for row in session_lists.active_and_recent(who, 5)]
    assert found == active + in_order(who, sorted(ENDED))[:5]


def test_a_row_of_a_list_reads_as_the_session_itself(alice: User) -> None:
    moment = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    for fraction in (0, 1, 1000, 120_000, 999_999):
        make_ended(
            owner=alice,
            name="A name",
            created_at=moment.replace(microsecond=fraction),
            started_at=None if fraction == 1 else moment.replace(microsecond=fraction),
            ended_at=moment.replace(microsecond=fraction),
            last_activity_at=moment.replace(microsecond=fraction),
            waiting={"type": "session:waiting"},
        )
    make_session(owner=None)
    for row in session_lists.newest(Caller(user=alice, rights=rights_of(alice)), 10):
        assert row.to_wire() == Session.objects.get(pk=row.id).to_wire()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (None, None),
        ("2026-01-31 23:59:59", "2026-01-31T23:59:59.000Z"),
        ("2026-01-31 23:59:59.9999", "2026-01-31T23:59:59.999Z"),
        ("2026-01-31 23:59:59+00", "2026-01-31T23:59:59.000Z"),
        ("2026-01-31 23:59:59.12+00", "2026-01-31T23:59:59.120Z"),
    ],
)
def test_moments_are_read_as_either_database_writes_them(
    text: str | None, written: str | None
) -> None:
    assert Moment().from_db_value(text) == written


# What it costs


def steps(call: Callable[[], object]) -> int:
    """Return how much SQLite has to do for it, in hundreds of its instructions."""
    connection.ensure_connection()
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection.connection.set_progress_handler(count, 100)
    try:
        call()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return taken


def fill(count: int, owner: User) -> None:
    """Store ended sessions of this owner, one in seven of them failed, and two active ones."""
    Session.objects.bulk_create(
        Session(
            owner=owner,
            status=Status.FAILED if number % 7 == 0 else Status.COMPLETED,
            host="test-host",
            working_dir="/srv",
            command=["true"],
            cols=80,
            rows=24,
            created_at=NOW - timedelta(minutes=number),
            ended_at=NOW - timedelta(minutes=number),
        )
        for number in range(count)
    )


@pytest.mark.sqlite("counts its instructions")
def test_no_list_costs_more_where_more_sessions_are_stored(
    alice: User, bob: User, carol: User
) -> None:
    make_session(owner=alice, slot=1)
    make_session(owner=bob, slot=2, status=Status.WAITING_CHECKPOINT)

    def costs(stored: int) -> dict[str, int]:
        near_the_end = NOW - timedelta(minutes=stored - 2 * LIMIT)
        last = Place(timezone.now(), 1, near_the_end, UUID(int=0))
        found: dict[str, int] = {}
        for name, user in (("own", alice), ("none of these", bob), ("all", carol)):
            who = caller(user)
            page = partial(session_lists.page, who, LIMIT)
            lists: dict[str, Callable[[], object]] = {
                "first page": page,
                "last page but one": partial(page, last),
                "failed": partial(page, None, [Status.FAILED]),
                "ended": partial(page, None, sorted(ENDED)),
                "active": partial(page, None, sorted(ACTIVE)),
                "newest": partial(session_lists.newest, who, LIMIT),
                "stream": partial(session_lists.active_and_recent, who, LIMIT),
            }
            found |= {f"{name}: {each}": steps(call) for each, call in lists.items()}
        recent = Session.objects.ended().order_by("-ended_at", "-created_at")[:RECENTLY_ENDED]
        return {**found, "home page": steps(lambda: list(recent.all()))}

    fill(300, alice)
    with_few = costs(300)
    fill(3000, alice)
    assert {
        name: steps for name, steps in costs(3000).items() if steps > 2 * with_few[name] + 2
    } == {}
