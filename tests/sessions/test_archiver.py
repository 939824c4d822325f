"""The archiver: no session is trouble for the others, and no trouble ends it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from sessions_app import archiver as archiver_module
from sessions_app import event_log, output_archive
from sessions_app.archiver import Archiver
from sessions_app.database_threads import DatabaseThreads
from sessions_app.models import Session
from sessions_app.output_archive import Due
from tests.cast import make_session
from tests.sessions.kept import spool_of
from tests.waiting_for import auntil


class SlowLog(DatabaseThreads):
    """Stores nothing, and that only when it is let."""

    def __init__(self) -> None:
        super().__init__("slow-log", 1)
        self.asked_about: list[str] = []
        self.may_go_on = asyncio.Event()

    async def run_in_background(self, *call: Any, **named: Any) -> Any:
        """Wait to be let."""
        due = call[1] if isinstance(call[1], list) else []
        self.asked_about += [each.session_id for each in due]
        await self.may_go_on.wait()
        if due:
            call[2].extend(each.upto for each in due)


def screen() -> tuple[int, int, int, bytes]:
    """Return an empty screen."""
    return 0, 80, 24, b""


async def test_archiving_goes_on_when_a_session_is_finished_while_it_waits_its_turn() -> None:
    log = SlowLog()
    archiver = Archiver(log)
    finishing = asyncio.create_task(archiver.finish("a", 10, screen))
    await auntil(lambda: log.asked_about)
    archiver.mark("b", datetime.now(UTC), 10, screen)
    archiving = asyncio.create_task(archiver.flush_all())
    await asyncio.sleep(0)  # it has looked, and waits for the lock that `finish` holds

    log.may_go_on.set()
    await finishing
    await archiving

    assert "b" in log.asked_about
    log.close()


class Store(DatabaseThreads):
    """Stores everything, or nothing while it `is_down`."""

    def __init__(self) -> None:
        super().__init__("store", 1)
        self.is_down = True

    async def run_in_background(self, *call: Any, **named: Any) -> Any:
        """Take it, or not."""
        if self.is_down:
            raise OperationalError("the database is down")
        call[2].extend(each.upto for each in call[1])


async def test_what_waits_for_the_database_has_an_age_and_a_size() -> None:
    log = Store()
    archiver = Archiver(log)
    first = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert archiver.backlog() == (None, 0)
    archiver.mark("a", first, 10, screen)
    archiver.mark("a", first + timedelta(seconds=5), 30, screen)
    archiver.mark("b", first - timedelta(seconds=1), 4, screen)
    await archiver.flush_all()
    assert archiver.backlog() == (first - timedelta(seconds=1), 34)
    log.is_down = False
    await archiver.flush_all()
    assert archiver.backlog() == (None, 0)
    archiver.mark("a", first + timedelta(seconds=9), 31, screen)
    assert archiver.backlog() == (first + timedelta(seconds=9), 1)
    log.close()


async def test_what_an_earlier_server_has_archived_does_not_wait() -> None:
    log = Store()
    archiver = Archiver(log)
    now = datetime.now(UTC)
    archiver.mark("a", now, 1_000_003, screen, begin=1_000_000)
    assert archiver.backlog() == (now, 3)
    finishing = asyncio.create_task(archiver.finish("b", 5_000_000, screen))
    await asyncio.sleep(0)
    assert archiver.backlog() == (now, 3)
    finishing.cancel()
    log.close()


async def test_what_goes_wrong_once_does_not_end_the_archiving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archiver_module, "EVERY_SECONDS", 0.01)
    store = Store()
    store.is_down = False
    archiver = Archiver(store)
    failures = [ZeroDivisionError("once")]
    due = archiver._due

    def due_at_last(session_id: str) -> Due:
        if failures:
            raise failures.pop()
        return due(session_id)

    monkeypatch.setattr(archiver, "_due", due_at_last)
    archiver.mark("a", datetime.now(UTC), 10, screen)
    archiving = asyncio.create_task(archiver.run())
    await auntil(lambda: archiver.backlog() == (None, 0))
    assert archiver.error is None
    archiving.cancel()
    store.close()


async def test_while_the_database_is_away_little_is_kept_of_when_output_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archiver_module, "MOST_MARKS", 100)
    store = Store()
    archiver = Archiver(store)
    began = datetime(2031, 1, 1, tzinfo=UTC)
    for number in range(1, 10_001):
        archiver.mark("a", began + timedelta(seconds=number), number * 10, screen)
    marks = archiver._due("a").marks
    assert len(marks) <= 100
    assert [mark.offset for mark in (marks[0], marks[-1])] == [10, 100_000]
    assert archiver.backlog() == (began + timedelta(seconds=1), 100_000)
    store.is_down = False
    await archiver.flush_all()
    assert archiver.backlog() == (None, 0)
    store.close()


async def test_while_a_long_backlog_is_archived_others_write_in_between(
    transactional_db: None, state_folder: Path, log: DatabaseThreads
) -> None:
    archiver, total = Archiver(log), 5 * output_archive.GO_BYTES
    session = await printed(archiver, 1, total)

    archiving = asyncio.create_task(archiver.flush(str(session.pk)))
    await asyncio.sleep(0)  # its first go is begun
    assert 0 < await archived(log, session) <= 2 * output_archive.GO_BYTES

    await archiving
    assert await archived(log, session) == total
    assert archiver.backlog() == (None, 0)


@pytest.mark.parametrize("size", [0, 1000])
async def test_output_that_nobody_printed_or_somebody_removed_is_not_waited_for(
    transactional_db: None, state_folder: Path, log: DatabaseThreads, size: int
) -> None:
    session = await sync_to_async(make_session)()
    archiver = Archiver(log)
    async with asyncio.timeout(5):
        await archiver.finish(str(session.pk), size, screen)
    assert archiver.backlog() == (None, 0)


async def test_what_keeps_going_wrong_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(archiver_module, "EVERY_SECONDS", 0.01)
    store = Store()
    archiver = Archiver(store)
    tries: list[str] = []

    def broken(session_id: str) -> Due:
        tries.append(session_id)
        raise ZeroDivisionError("always")

    monkeypatch.setattr(archiver, "_due", broken)
    archiver.mark("a", datetime.now(UTC), 10, screen)
    archiving = asyncio.create_task(archiver.run())
    await auntil(lambda: len(tries) > 3)
    assert archiver.error == "Output cannot be archived: always"
    assert [(record.getMessage(), bool(record.exc_info)) for record in caplog.records] == [
        ("the output of all sessions cannot be archived, trying again: always", True)
    ]
    archiving.cancel()
    store.close()


async def test_that_one_session_can_be_archived_does_not_hide_that_another_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archiver_module, "AT_ONCE", 1)
    store = Store()
    archiver = Archiver(store)
    archiver.mark("a", datetime.now(UTC), 10, screen)
    await archiver.flush_all()
    store.is_down = False
    archiver.mark("b", datetime.now(UTC), 10, screen)
    await archiver.flush("b")
    assert archiver.error == "Output cannot be archived: the database is down"
    await archiver.flush("a")
    assert archiver.error is None
    store.close()


@pytest.fixture
async def log() -> AsyncIterator[DatabaseThreads]:
    """The thread that writes the log."""
    threads = DatabaseThreads("log", 1)
    yield threads
    threads.close()


async def printed(archiver: Archiver, slot: int, size: int, **marked: Any) -> Session:
    """A session that has printed so much, which the archiver knows."""
    session = await sync_to_async(make_session)(slot=slot)
    spool_of(session).append(b"x" * size)
    archiver.mark(str(session.pk), datetime.now(UTC), size, **{"keep_screen": screen, **marked})
    return session


async def archived(log: DatabaseThreads, session: Session) -> int:
    """How much of the session's output the database has."""
    await log.run(session.refresh_from_db)
    return session.output_bytes


def broken_screen() -> tuple[int, int, int, bytes]:
    raise ZeroDivisionError


async def is_broken(session: Session, archiver: Archiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(due: Due) -> int:
        if due.session_id == str(session.pk):
            raise ZeroDivisionError
        return output_archive.archive(due)

    monkeypatch.setattr(archiver_module, "archive", breaks)


async def has_no_row(session: Session, archiver: Archiver, monkeypatch: pytest.MonkeyPatch) -> None:
    await Session.objects.filter(pk=session.pk).adelete()


async def has_no_screen(
    session: Session, archiver: Archiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    archiver._pending[str(session.pk)].keep_screen = broken_screen


@pytest.mark.parametrize("trouble", [is_broken, has_no_row, has_no_screen])
async def test_a_session_that_cannot_be_archived_keeps_no_other_from_it(
    transactional_db: None,
    state_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: DatabaseThreads,
    trouble: Callable[[Session, Archiver, pytest.MonkeyPatch], Awaitable[None]],
) -> None:
    archiver, size = Archiver(log), 2 * output_archive.GO_BYTES
    broken, sound = [await printed(archiver, slot, size) for slot in (1, 2)]
    await trouble(broken, archiver, monkeypatch)
    await archiver.flush_all()
    assert await archived(log, sound) == size
    assert archiver.error


async def test_a_session_is_finished_only_when_the_database_has_it_all(
    transactional_db: None,
    state_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: DatabaseThreads,
) -> None:
    monkeypatch.setattr(archiver_module, "EVERY_SECONDS", 0.01)
    failures: list[Exception] = [PermissionError("the spool cannot be read")]

    def fails_once(due: Due) -> int:
        if failures:
            raise failures.pop()
        return output_archive.archive(due)

    monkeypatch.setattr(archiver_module, "archive", fails_once)
    archiver = Archiver(log)
    session = await printed(archiver, 1, 10)
    await archiver.finish(str(session.pk), 10, screen)
    assert await archived(log, session) == 10


async def test_a_screen_that_could_not_be_kept_is_tried_again_and_told_of_once(
    transactional_db: None,
    state_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    log: DatabaseThreads,
) -> None:
    save_snapshot, full = event_log.save_snapshot, OperationalError("database or disk is full")
    failures: list[Exception] = [full, full, full]

    def fails_thrice(*of_screen: Any) -> None:
        if failures:
            raise failures.pop()
        save_snapshot(*of_screen)

    monkeypatch.setattr(event_log, "save_snapshot", fails_thrice)
    archiver = Archiver(log)
    session = await printed(archiver, 1, output_archive.GO_BYTES)
    for _ in range(3):
        await archiver.flush_all()
        assert archiver.error == "Output cannot be archived: database or disk is full"
    await archiver.flush_all()
    assert archiver.error is None
    assert await log.run(event_log.load_snapshot, str(session.pk)) is not None
    assert [record.getMessage() for record in caplog.records] == [
        "the archive cannot be written, trying again: database or disk is full"
    ]


async def test_an_outage_is_told_though_a_session_was_in_trouble_before(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    store.is_down = False
    archiver = Archiver(store)
    archiver._failed("a", "output", PermissionError("the spool cannot be read"))
    archiver.mark("b", datetime.now(UTC), 10, screen)
    store.is_down = True
    await archiver.flush("b")
    assert archiver.error == "Output cannot be archived: the database is down"
    assert "the archive cannot be written, trying again: the database is down" in caplog.text
    store.close()
