"""Which session and which request a line of the log is about, while sessions run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sessions_app import log_ids
from sessions_app.holder_client import LaunchFailed
from sessions_app.launch import LaunchRequest
from sessions_app.log_ids import Ids
from sessions_app.session_manager import PersistentSessionManager
from tests.sessions.fake_holders import FakeHolders
from tests.waiting_for import auntil

REQUEST = LaunchRequest(argv=["cat"], working_dir="/tmp")


class Filed(logging.Handler):
    """Notes what each record is about when it is written."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, Ids]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        self.found.append((record.getMessage(), log_ids.current()))

    def about(self, words: str) -> Ids:
        """Return what the record is about that has these words."""
        return next(ids for message, ids in self.found if words in message)


@pytest.fixture
def log() -> Iterator[Filed]:
    handler = Filed()
    logging.getLogger("sessions_app").addHandler(handler)
    yield handler
    logging.getLogger("sessions_app").removeHandler(handler)


async def test_a_start_that_fails_is_about_its_session_and_the_request_for_it(
    manager: PersistentSessionManager, holders: FakeHolders, log: Filed
) -> None:
    holders.refusal = LaunchFailed("No such thing.", 2)
    with log_ids.about(request="r1"):
        session_id = await manager.create(REQUEST)
    assert log.about("could not be started") == Ids(session=session_id, request="r1")


async def test_what_a_session_does_later_is_about_the_session_alone(
    manager: PersistentSessionManager,
    holders: FakeHolders,
    log: Filed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with log_ids.about(request="r1"):
        session_id = await manager.create(REQUEST)
    live = manager._runs.live[session_id]

    def broken(data: bytes) -> Any:
        raise RuntimeError("the screen is broken")

    monkeypatch.setattr(live.screen, "feed", broken)
    holders.by_session[session_id].print(b"x")
    await auntil(lambda: any("task follow" in message for message, _ in log.found))
    assert log.about("task follow") == Ids(session=session_id)


async def test_the_task_that_follows_a_session_has_forgotten_the_request_for_it(
    manager: PersistentSessionManager,
    holders: FakeHolders,
    log: Filed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with log_ids.about(request="r1"):
        session_id = await manager.create(REQUEST)
    live, logger = manager._runs.live[session_id], logging.getLogger("sessions_app.test")
    read = live._spool.read

    def noted(offset: int, limit: int) -> bytes:
        logger.warning("output is read")
        return read(offset, limit)

    monkeypatch.setattr(live._spool, "read", noted)
    holders.by_session[session_id].print(b"x")
    await auntil(lambda: live.head == 1)
    assert log.about("output is read") == Ids(session=session_id)


async def test_a_queued_session_is_started_on_its_own_behalf(
    manager: PersistentSessionManager, holders: FakeHolders, log: Filed
) -> None:
    running = [await manager.create(REQUEST) for _ in range(manager.slots)]
    with log_ids.about(request="r1"):
        queued = await manager.create(LaunchRequest(argv=["cat"], working_dir="/tmp", queue=True))
    holders.refusal = LaunchFailed("No such thing.", 2)
    holders.by_session[running[0]].exit()
    await auntil(lambda: any(queued in message for message, _ in log.found))
    assert log.about(f"session {queued} could not") == Ids(session=queued)


async def test_recovery_is_about_each_session_that_it_finds(
    manager: PersistentSessionManager,
    holders: FakeHolders,
    log: Filed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session_id = await manager.create(REQUEST)
    seen: list[Ids] = []
    await manager._runs._let_go(manager._runs.live[session_id])

    async def adopt(session: Any) -> bool:
        seen.append(log_ids.current())
        return True

    monkeypatch.setattr(manager._runs, "adopt", adopt)
    with log_ids.about(request="r1"):
        await manager.recover()
    assert seen == [Ids(session=session_id, request="r1")]
    assert log_ids.current() == log_ids.NONE


async def test_a_fresh_context_has_nothing_but_the_ids() -> None:
    with log_ids.about(session="s0", request="r0"):
        context = log_ids.fresh_context(Ids(session="s1"))
    assert dict(context.items()).keys() == {log_ids._ids}
    made = await asyncio.create_task(ask(), context=context)
    assert made == Ids(session="s1")


async def ask() -> Ids:
    return log_ids.current()
