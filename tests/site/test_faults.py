"""What carries messages, what keeps the log, or a process of the site fails: nothing is lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import pytest

from tests.engines import Postgres, Redis, Server
from tests.reliability.programs import Printer
from tests.reliability.viewer_client import ViewerClient
from tests.server.raw_client import RawClient
from tests.site.processes import Manager, Site, Web
from tests.waiting_for import auntil

# Two are promised, and about one is taken; the rest is for a machine with other work to do.
BEHIND_SECONDS = 6.0


class Turns:
    """The web servers behind one address: each new connection goes to the next one."""

    def __init__(self, *webs: Web) -> None:
        self._webs = list(webs)
        self._next = 0
        self.token = webs[0].token

    @property
    def port(self) -> int:
        """Where the next connection goes."""
        self._next += 1
        return self._webs[self._next % len(self._webs)].port


@dataclass
class Scene:
    """A host that runs programs that print, a web server, and somebody who watches."""

    site: Site
    manager: Manager
    webs: list[Web]
    printers: list[Printer]
    ids: list[str]
    viewer: ViewerClient
    watching: asyncio.Task[None]

    async def goes_on(self, seconds: float = 30.0, more: int = 50_000) -> None:
        """Wait until the viewer has had more."""
        wanted = self.viewer.received + more
        await auntil(lambda: self.viewer.received >= wanted, timeout=seconds)

    async def is_level(self, seconds: float) -> None:
        """Wait until the viewer has had what had been printed when this was asked."""
        wanted = sum(len(printer.printed()) for printer in self.printers)
        await auntil(lambda: self.viewer.received >= wanted, timeout=seconds)

    async def ends_well(self) -> None:
        """Let the programs end; everything that they printed is at the viewer and in the log."""
        for printer in self.printers:
            printer.stop()
        await asyncio.wait_for(self.watching, 60)
        assert self.viewer.faults == []
        assert self.viewer.resets == 0
        for session_id, printer in zip(self.ids, self.printers, strict=True):
            printed = printer.printed()
            session = await asyncio.to_thread(self.webs[0].session, session_id)
            assert (session["status"], session["exitCode"]) == ("completed", 0)
            assert await asyncio.to_thread(self.webs[0].output, session_id) == printed
            watched = self.viewer.watched[session_id]
            assert watched.digest.digest() == hashlib.sha256(printed).digest()


@asynccontextmanager
async def scene(
    site: Site, printer: Callable[..., Printer], *, webs: int = 1, programs: int = 2
) -> AsyncIterator[Scene]:
    """Everything runs, and the viewer has begun to see it."""
    manager = await asyncio.to_thread(site.manager, "one")
    servers = [await asyncio.to_thread(site.web, f"web-{number}") for number in range(webs)]
    printers = [printer(f"program-{number}", pause=0.005) for number in range(programs)]
    ids = [await asyncio.to_thread(servers[0].launch, *one.argv) for one in printers]
    server: Any = Turns(*servers)
    viewer = ViewerClient(server, ids, acknowledges=True)
    watching = asyncio.create_task(viewer.run())
    made = Scene(site, manager, servers, printers, ids, viewer, watching)
    try:
        await made.goes_on()
        yield made
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


@pytest.mark.parametrize(
    ("leave", "come_back"),
    [(Redis.stop, Redis.start), (Redis.pause, Redis.resume)],
    ids=["restarted", "paused"],
)
async def test_viewers_are_level_again_soon_after_redis_was(
    site: Site,
    printer: Callable[..., Printer],
    redis_server: Redis,
    leave: Callable[[Redis], object],
    come_back: Callable[[Redis], object],
) -> None:
    async with scene(site, printer) as it:
        for _ in range(2):
            await asyncio.to_thread(leave, redis_server)
            await it.goes_on(more=10_000)  # out of the log
            await asyncio.to_thread(come_back, redis_server)
            await it.is_level(BEHIND_SECONDS)
        await it.ends_well()
        assert it.viewer.connections == 1


async def test_a_redis_that_is_full_changes_nothing(
    site: Site, printer: Callable[..., Printer], redis_server: Redis
) -> None:
    async with scene(site, printer) as it:
        redis_server.ask("CONFIG", "SET", "maxmemory", "1")
        try:
            await it.goes_on()
            await it.is_level(BEHIND_SECONDS)
        finally:
            redis_server.ask("CONFIG", "SET", "maxmemory", "0")
        await it.ends_well()
        assert it.viewer.connections == 1


async def test_commands_that_redis_does_not_carry_are_refused_and_work_again_afterwards(
    site: Site, redis_server: Redis
) -> None:
    await asyncio.to_thread(site.manager, "one")
    web: Web = await asyncio.to_thread(site.web, "web")
    session_id = await asyncio.to_thread(web.launch, "cat")

    def type_into(text: str) -> Any:
        return web.answer("POST", f"/api/sessions/{session_id}/input", {"data": text})

    await asyncio.to_thread(redis_server.stop)
    refused = await asyncio.to_thread(type_into, "lost")
    assert refused.status == 503
    assert "Retry-After" in refused.headers
    await asyncio.to_thread(redis_server.start)
    await auntil(lambda: _succeeds(type_into, "kept"), timeout=10)
    await auntil(lambda: asyncio.to_thread(lambda: b"kept" in web.output(session_id)))
    assert b"lost" not in await asyncio.to_thread(web.output, session_id)


async def _succeeds(type_into: Callable[[str], Any], text: str) -> bool:
    answer = await asyncio.to_thread(type_into, text)
    return bool(answer.status == 202)


async def test_live_views_go_on_without_postgresql_and_the_archive_catches_up(
    site: Site, printer: Callable[..., Printer], postgres: Postgres
) -> None:
    async with scene(site, printer) as it:
        await asyncio.to_thread(postgres.stop)
        try:
            await it.goes_on()
            await it.is_level(BEHIND_SECONDS)
            body = {"command": "cat", "workingDir": "/tmp"}
            refused = await asyncio.to_thread(it.webs[0].answer, "POST", "/api/sessions", body)
            assert refused.status == 503
            assert "Retry-After" in refused.headers
        finally:
            await asyncio.to_thread(postgres.start)
        await it.goes_on()
        await it.ends_well()
        assert it.viewer.connections == 1


async def test_a_start_is_possible_again_once_postgresql_is_back(
    site: Site, postgres: Postgres
) -> None:
    await asyncio.to_thread(site.manager, "one")
    web: Web = await asyncio.to_thread(site.web, "web")
    await asyncio.to_thread(postgres.restart)
    body = {"command": "cat", "workingDir": "/tmp"}

    async def starts() -> bool:
        answer = await asyncio.to_thread(web.answer, "POST", "/api/sessions", body)
        assert answer.status in (201, 503)
        return answer.status == 201

    await auntil(starts, timeout=10)
    await auntil(lambda: asyncio.to_thread(web.is_healthy), timeout=10)


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_a_manager_that_is_replaced_adopts_what_runs(
    site: Site, printer: Callable[..., Printer], how: str
) -> None:
    async with scene(site, printer) as it:
        for _ in range(2):
            end = it.manager.kill if how == "killed" else it.manager.stop
            await asyncio.to_thread(end)
            await asyncio.to_thread(it.manager.start)
            await it.goes_on()
            await it.is_level(BEHIND_SECONDS)
        await it.ends_well()
        assert it.viewer.connections == 1


@pytest.mark.parametrize("engine", ["postgres", "redis_server"])
async def test_a_stop_does_not_wait_for_an_engine_that_does_not_answer(
    site: Site,
    printer: Callable[..., Printer],
    request: pytest.FixtureRequest,
    engine: str,
) -> None:
    server: Server = request.getfixturevalue(engine)
    async with scene(site, printer) as it:
        (web,) = it.webs
        with server.paused(), closing(RawClient(web.port)) as asking:
            asking.ask("/api/sessions", f"Authorization: Bearer {web.token}")
            stops = (asyncio.to_thread(each.stop) for each in (it.manager, web))
            assert await asyncio.gather(*stops) == [0, 0]
        await asyncio.to_thread(it.manager.start)
        await asyncio.to_thread(web.start)
        await it.ends_well()


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_web_servers_are_replaced_one_after_the_other_under_load(
    site: Site, printer: Callable[..., Printer], how: str
) -> None:
    async with scene(site, printer, webs=2) as it:
        for web in it.webs:
            await asyncio.to_thread(web.kill if how == "killed" else web.stop)
            await it.goes_on()
            await asyncio.to_thread(web.start)
            await it.goes_on()
        await it.ends_well()
        assert it.viewer.connections >= 2


async def test_everything_is_replaced_while_programs_print(
    site: Site, printer: Callable[..., Printer], redis_server: Redis, postgres: Postgres
) -> None:
    async with scene(site, printer, webs=2) as it:
        await asyncio.to_thread(it.webs[0].stop)
        await asyncio.to_thread(it.manager.stop)
        await asyncio.to_thread(redis_server.restart)
        await asyncio.to_thread(it.manager.start)
        await asyncio.to_thread(it.webs[0].start)
        await asyncio.to_thread(it.webs[1].stop)
        await asyncio.to_thread(postgres.restart)
        await asyncio.to_thread(it.webs[1].start)
        await it.goes_on(seconds=20)
        await it.ends_well()


async def test_a_clock_that_is_wrong_makes_no_host_silent(
    site: Site, libfaketime: str, printer: Callable[..., Printer]
) -> None:
    skewed = {
        "LD_PRELOAD": libfaketime,
        "FAKETIME": "-90s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",
    }
    manager = await asyncio.to_thread(site.manager, "late")
    await asyncio.to_thread(manager.stop)
    manager.environment.update(skewed)
    await asyncio.to_thread(manager.start)
    web: Web = await asyncio.to_thread(site.web, "web", **{**skewed, "FAKETIME": "+90s"})
    one = printer("program")
    session_id = await asyncio.to_thread(web.launch, *one.argv)
    server: Any = web
    viewer = ViewerClient(server, [session_id], acknowledges=False)
    watching = asyncio.create_task(viewer.run())
    await auntil(lambda: viewer.received > 50_000, timeout=10)
    (host,) = await asyncio.to_thread(web.request, "GET", "/api/hosts")
    assert (host["state"], host["silentSeconds"] < 60) == ("ready", True)
    one.stop()
    await asyncio.wait_for(watching, 30)
    assert viewer.faults == []
    assert await asyncio.to_thread(web.output, session_id) == one.printed()
