"""What is done with running sessions is recorded, without anybody waiting for the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from sessions_app import audit, lifecycle
from sessions_app.audit import Action, Actor, AuditRecord, Journal, journal, notes
from sessions_app.audit.notes import Kind, Note, Piece
from sessions_app.audit.records import store
from sessions_app.launch import LaunchRequest
from sessions_app.models import Session
from sessions_app.rights import Role
from sessions_app.session_manager import PersistentSessionManager
from tests.cast import let_in, make_ended, with_role
from tests.locked_database import locked_database
from tests.sessions.stream_client import Client, opened_streams
from tests.waiting_for import auntil

ALICE = Actor(name="alice", via="test", address="10.0.0.1")
# Sooner than a burst ends by itself.
SOON = 30.0

Connect = Callable[[User], Awaitable[Client]]


@pytest.fixture(autouse=True)
def _written_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "TICK_SECONDS", 0.01)
    if "manager" in request.fixturenames:  # the others have a clock of their own
        monkeypatch.setattr(notes, "QUIET_SECONDS", 600.0)


@pytest.fixture
async def connect(manager: PersistentSessionManager) -> AsyncIterator[Connect]:
    async with opened_streams() as streams:

        async def connect(user: User) -> Client:
            scope = await sync_to_async(let_in)(user) | {"client": ["10.3.3.3", 1]}
            return await streams.open(scope, "subscribe=none")

        yield connect


@pytest.fixture
async def alice(transactional_db: None) -> User:
    return await sync_to_async(with_role)("alice", Role.OPERATOR)


@sync_to_async
def records(action: Action | None = None) -> list[AuditRecord]:
    found = AuditRecord.objects.order_by("id").select_related("actor")
    return list(found.filter(action=action) if action else found)


async def the_record(action: Action, timeout: float = SOON) -> AuditRecord:
    async def written() -> list[AuditRecord]:
        return await records(action)

    (record,) = await auntil(written, timeout)
    return record


async def start(manager: PersistentSessionManager, *argv: str, **details: Any) -> str:
    return await manager.create(LaunchRequest(argv=list(argv), working_dir="/tmp", **details))


def key(session_id: str, data: str, **more: Any) -> dict[str, Any]:
    return {"type": "input", "sessionId": session_id, "data": data, **more}


# Sessions that run


async def test_a_start_is_recorded_with_its_command_and_without_its_environment(
    manager: PersistentSessionManager, alice: User
) -> None:
    details = {"environment": {"SECRET": "hush-hush"}, "owner_id": alice.pk}
    session_id = await start(manager, "echo", "hello you", asked_by=ALICE, **details)
    record = await the_record(Action.SESSION_STARTED)
    assert (record.actor_name, record.via, record.address) == ("alice", "test", "10.0.0.1")
    assert (record.session, record.session_name) == (session_id, "echo 'hello you'")
    assert record.details == {"command": "echo 'hello you'", "folder": "/tmp"}
    assert not [row for row in await everything() if "hush-hush" in row]


@pytest.fixture
def one_slot(settings: Settings) -> None:
    settings.HARNESS_SLOTS = 1


@pytest.mark.usefixtures("one_slot")
async def test_a_repeated_start_is_recorded_once_and_a_queued_one_as_queued(
    manager: PersistentSessionManager, alice: User
) -> None:
    again = {"idempotency_key": "one", "owner_id": alice.pk, "asked_by": ALICE}
    await asyncio.gather(*(start(manager, "cat", **again) for _ in range(5)))
    await start(manager, "cat", queue=True, asked_by=ALICE)
    await the_record(Action.SESSION_QUEUED)
    await the_record(Action.SESSION_STARTED)


async def test_keys_that_are_typed_are_one_record_that_is_written_before_the_session_ends(
    manager: PersistentSessionManager, connect: Connect, alice: User
) -> None:
    session_id = await start(manager, "head", "-n1", owner_id=alice.pk)
    client = await connect(alice)
    for number, character in enumerate("p\u00e4ss\r"):
        await client.send(key(session_id, character, id=number))
        await client.until(lambda message, number=number: message.get("id") == number)  # type: ignore[misc]
    record = await the_record(Action.SESSION_TYPED_INTO)
    assert (record.actor, record.via, record.address) == (alice, "test", "10.3.3.3")
    assert record.session == session_id
    assert record.details.keys() == {"bytes", "times", "until"}
    assert (record.details["bytes"], record.details["times"]) == (6, 5)
    assert not [row for row in await everything() if "p\u00e4ss" in row]


async def test_who_types_and_does_not_wait_for_it_is_recorded_all_the_same(
    manager: PersistentSessionManager, connect: Connect, alice: User
) -> None:
    session_id = await start(
        manager, "bash", "-c", "stty raw -echo; echo ready; sleep 60", owner_id=alice.pk
    )

    async def is_ready() -> bool:
        return "ready" in "".join((await manager.screen(session_id)).lines)

    await auntil(is_ready)
    client = await connect(alice)
    # More than a terminal keeps for a program that does not read.
    await client.send(key(session_id, "x" * 60_000))
    await auntil(lambda: manager._typing)
    await client.communicator.disconnect()
    await manager.end(session_id, grace=0)
    assert (await the_record(Action.SESSION_TYPED_INTO)).details["bytes"] == 60_000


async def test_a_terminal_that_is_resized_again_and_again_is_one_record(
    manager: PersistentSessionManager, connect: Connect, alice: User
) -> None:
    session_id = await start(manager, "cat", owner_id=alice.pk)
    client = await connect(alice)
    for cols in range(60, 70):
        size = {"type": "resize", "sessionId": session_id, "cols": cols, "rows": 20, "id": cols}
        await client.send(size)
        await client.until(lambda message, cols=cols: message.get("id") == cols)  # type: ignore[misc]
    await manager.end(session_id, grace=0)
    details = (await the_record(Action.SESSION_RESIZED)).details
    assert (details["cols"], details["rows"], details["times"]) == (69, 20, 10)


async def test_who_opens_a_stream_is_recorded(
    connect: Connect, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes, "QUIET_SECONDS", 0)
    await connect(alice)
    opened = await the_record(Action.STREAM_OPENED)
    assert (opened.actor, opened.via, opened.address) == (alice, "test", "10.3.3.3")


async def test_what_a_stream_refuses_is_recorded(
    manager: PersistentSessionManager, connect: Connect, alice: User
) -> None:
    vera = await sync_to_async(with_role)("vera", Role.VIEWER)
    session_id = await start(manager, "cat", owner_id=alice.pk, team=True)
    client = await connect(vera)
    for number in range(3):
        await client.send(key(session_id, "x", id=number))
        await client.until_type("error")
    await manager.end(session_id, grace=0)
    record = await the_record(Action.REFUSED)
    assert (record.actor, record.session, record.details["times"]) == (vera, session_id, 3)
    assert await records(Action.SESSION_TYPED_INTO) == []


async def test_what_retention_forgets_is_recorded_as_the_servers_doing(
    manager: PersistentSessionManager,
) -> None:
    long_ago = timezone.now() - timedelta(days=9)
    session = await sync_to_async(make_ended)(name="old", ended_at=long_ago)
    assert await manager.forget_older_than(7) == [str(session.pk)]
    record = await the_record(Action.SESSION_FORGOTTEN)
    assert (record.via, record.actor_name, record.session_name) == ("server", "", "old")
    assert record.details == {"days": 7}


async def test_the_server_records_that_it_starts_and_stops(
    transactional_db: None, state_folder: Path
) -> None:
    await lifecycle.start()
    await the_record(Action.SERVER_STARTED)
    await lifecycle.stop()
    assert [record.action for record in await records()] == [
        Action.SERVER_STARTED,
        Action.SERVER_STOPPED,
    ]


@sync_to_async
def everything() -> list[str]:
    return [str(row) for row in AuditRecord.objects.values_list()]


# The journal


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def kept(transactional_db: None, clock: Clock) -> AsyncIterator[Journal]:
    """A journal that is open."""
    kept = Journal(clock)
    kept.start()
    audit.set_journal(kept)
    yield kept
    audit.set_journal(None)
    await kept.stop()


def a_note(number: int, session: str = "") -> Note:
    return Note(timezone.now(), Action.LOGIN, Actor(name=str(number)), session)


def names(found: list[AuditRecord]) -> list[str]:
    return [record.actor_name for record in found]


async def written(count: int) -> list[AuditRecord]:
    async def are_there() -> bool:
        return len(await records()) >= count

    await auntil(are_there)
    return await records()


TYPED = Kind(Action.SESSION_TYPED_INTO, ALICE, "4711")


async def test_a_burst_ends_when_it_has_been_quiet_for_five_seconds(
    kept: Journal, clock: Clock
) -> None:
    kept.count(TYPED, Piece(1))
    clock.now += 4.9
    kept.count(TYPED, Piece(2))
    clock.now += 4.9
    kept.add(a_note(1))
    assert names(await written(1)) == ["1"]
    clock.now += 0.2
    record = (await written(2))[1]
    assert (record.details["bytes"], record.details["times"]) == (3, 2)


async def test_a_burst_that_is_never_quiet_ends_after_a_minute(kept: Journal, clock: Clock) -> None:
    for _ in range(61):
        kept.count(TYPED, Piece(1))
        clock.now += 1
    first = (await written(1))[0]
    assert first.details["bytes"] == 60


async def test_who_types_from_elsewhere_or_into_something_else_is_another_record(
    kept: Journal, clock: Clock
) -> None:
    elsewhere = Actor(name="alice", via="test", address="10.0.0.2")
    for kind in (TYPED, TYPED._replace(who=elsewhere), TYPED._replace(session="4712"), TYPED):
        kept.count(kind, Piece(1))
    clock.now += 6
    assert [record.details["times"] for record in await written(3)] == [2, 1, 1]


async def test_what_was_typed_is_recorded_before_what_comes_after_it(kept: Journal) -> None:
    kept.count(TYPED, Piece(1))
    kept.add(a_note(1, session="4712"))
    kept.add(a_note(2, session="4711"))
    found = await written(3)
    assert [record.actor_name for record in found] == ["1", "alice", "2"]


async def test_a_locked_database_delays_records_and_loses_none(
    kept: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    with locked_database():
        since = time.monotonic()
        for number in range(700):
            kept.add(a_note(number))
        # Who waits for the lock gives up after ten seconds.
        assert time.monotonic() - since < 5
        await auntil(lambda: "cannot be written" in caplog.text)
        assert await records() == []
    assert names(await written(700)) == [str(number) for number in range(700)]


async def test_of_too_much_that_waits_the_oldest_is_dropped_and_counted(
    kept: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MAX_WAITING", 5)
    monkeypatch.setattr(journal, "BATCH", 3)
    with locked_database():
        for number in range(50):
            kept.add(a_note(number))
            await asyncio.sleep(0)

    async def dropped() -> int:
        lost = await records(Action.RECORDS_DROPPED)
        return sum(record.details["records"] for record in lost)

    async def kept_and_dropped() -> int:
        found = await records()
        return await dropped() + sum(record.action != Action.RECORDS_DROPPED for record in found)

    async def is_complete() -> bool:
        return await kept_and_dropped() == 50

    await auntil(is_complete)
    # Five wait, and up to three were on their way when the database could be written again.
    assert 42 <= await dropped() <= 45
    found = await records()
    assert names(found)[-5:] == ["45", "46", "47", "48", "49"]


async def test_what_was_typed_and_waits_is_bounded_as_well(
    kept: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MAX_WAITING_INPUT", 1000)
    with locked_database():
        for number in range(9):
            typed = Note(timezone.now(), Action.LOGIN, ALICE, details={"input": f"{number}" * 300})
            kept.add(typed)
    found = [record.details for record in await written(4)]
    assert found == [{"records": 6}, *({"input": f"{number}" * 300} for number in (6, 7, 8))]


async def test_what_cannot_be_stored_at_all_keeps_nothing_else_waiting(
    kept: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "BATCH", 1)
    kept.add(Note(timezone.now(), Action.LOGIN, ALICE, details={"what": object()}))
    kept.add(a_note(2))
    found = await written(2)
    assert {record.actor_name: record.details for record in found} == {"": {"records": 1}, "2": {}}


async def test_what_is_still_going_on_is_written_when_the_server_stops(
    transactional_db: None,
) -> None:
    kept = Journal()
    kept.start()
    kept.count(TYPED, Piece(7))
    kept.add(a_note(1))
    await kept.stop()
    assert {record.actor_name for record in await records()} == {"alice", "1"}


def test_a_record_of_a_user_who_is_deleted_at_that_moment_is_kept(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = with_role("dave", Role.VIEWER)
    bulk_create, attempts = AuditRecord.objects.bulk_create, []

    def deleted_meanwhile(rows: list[AuditRecord]) -> Any:
        attempts.append(rows)
        if len(attempts) == 1:
            User.objects.filter(pk=user.pk)._raw_delete("default")
        return bulk_create(rows)

    monkeypatch.setattr(AuditRecord.objects, "bulk_create", deleted_meanwhile)
    store([Note(timezone.now(), Action.LOGIN, Actor(user.pk, "dave", "test"))])
    assert AuditRecord.objects.get().actor_name == "dave"


async def test_old_records_are_swept_and_that_is_recorded(
    transactional_db: None, settings: Any
) -> None:
    settings.HARNESS_AUDIT_DAYS = 30
    long_ago = timezone.now() - timedelta(days=31)
    await AuditRecord.objects.acreate(at=long_ago, action=Action.LOGIN)
    kept = Journal()
    kept.start()
    record = await the_record(Action.RECORDS_EXPIRED)
    await kept.stop()
    assert record.details == {"records": 1, "days": 30}
    assert await records(Action.LOGIN) == []


async def test_a_key_costs_next_to_nothing(kept: Journal) -> None:
    session = Session(name="a session")
    keys = 5000
    since = time.process_time()
    for _ in range(keys):
        audit.typed(ALICE, session, b"x")
    assert (time.process_time() - since) / keys < 0.0002
