"""What a process knows of all hosts: a second old at most, and fresh when asked for."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sessions_app.host_directory import FRESH_SECONDS, HostDirectory
from sessions_app.host_state import SILENT_SECONDS, HostState
from tests.waiting_for import auntil

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Database:
    """Reads what is there when it is asked, and answers once it is let."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.silent_seconds = 0.0
        self.reads = 0
        self.may_answer = asyncio.Event()

    async def run(self, read: Callable[[], Any]) -> list[HostState]:
        self.reads += 1
        facts: Any = {"slots": 1, "used": 0, "last_seen": NOW, "started_at": NOW}
        facts["silent_seconds"] = self.silent_seconds
        seen = [HostState(name=name, **facts) for name in self.names]
        await self.may_answer.wait()
        return seen


async def names_in(directory: HostDirectory) -> list[str]:
    return [host.name for host in await directory.hosts()]


async def test_who_asks_at_once_waits_for_one_reading() -> None:
    database: Any = Database("one")
    directory = HostDirectory(database)
    asked = [asyncio.create_task(names_in(directory)) for _ in range(3)]
    await asyncio.sleep(0)
    database.may_answer.set()
    assert await asyncio.gather(*asked) == [["one"]] * 3
    assert await names_in(directory) == ["one"]
    assert database.reads == 1


async def test_a_refresh_sees_what_was_written_before_it_though_a_reading_is_under_way() -> None:
    database: Any = Database("one")
    directory = HostDirectory(database)
    reading = asyncio.create_task(directory.hosts())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert database.reads == 1
    database.names.append("two")
    refreshing = [asyncio.create_task(directory.refresh()) for _ in range(3)]
    await asyncio.sleep(0)
    database.may_answer.set()
    await asyncio.gather(reading, *refreshing)
    assert await names_in(directory) == ["one", "two"]
    assert database.reads == 2


async def test_a_host_that_becomes_silent_is_looked_at_again_at_that_moment() -> None:
    database: Any = Database("one")
    database.may_answer.set()
    database.silent_seconds = SILENT_SECONDS - 0.05
    directory = HostDirectory(database)
    await directory.hosts()
    database.silent_seconds = SILENT_SECONDS

    async def is_silent() -> bool:
        return (await directory.hosts())[0].is_silent

    await auntil(is_silent, timeout=FRESH_SECONDS / 2)
    assert database.reads == 2
    # Of one that is silent already there is no news within a second.
    await directory.hosts()
    assert database.reads == 2
