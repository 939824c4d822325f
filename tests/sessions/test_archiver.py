"""The archiver: that one session ends is no trouble for the others."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from sessions_app import archiver as archiver_module
from sessions_app.archiver import Archiver
from sessions_app.database_threads import DatabaseThreads
from sessions_app.output_archive import Due
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
