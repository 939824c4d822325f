"""Waiting in a request: it sleeps, is woken by what happens, and leaves nothing behind."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient

from sessions_app import event_log, long_poll
from sessions_app.credentials import ApiToken
from sessions_app.events import Status
from sessions_app.fanout import FanOut, get_fan_out
from sessions_app.long_poll import Happened, Reason, Wanted
from sessions_app.models import Session
from sessions_app.session_manager import PersistentSessionManager
from tests.cast import make_session
from tests.sessions.test_manager import request
from tests.waiting_for import auntil

SECONDS = 20.0


@pytest.fixture
async def session_id(manager: PersistentSessionManager) -> str:
    """A session of `cat`, without its echo."""
    session_id = await manager.create(request("sh", "-c", "stty -echo; echo ready; exec cat"))
    await auntil(lambda: manager.taken_in(session_id) == len("ready\r\n"))
    return session_id


def wanted(session_id: str, *reasons: Reason, after: int = 1, offset: int = 7) -> Wanted:
    return Wanted(session_id=session_id, reasons=reasons, after=after, offset=offset)


def waiting(wanted: Wanted, seconds: float = SECONDS) -> asyncio.Task[Happened | None]:
    return asyncio.create_task(long_poll.wait(get_fan_out(), wanted, seconds))


async def asleep(fan_out: FanOut, many: int = 1) -> None:
    """Wait until so many wait."""
    await auntil(lambda: len(fan_out.viewers) == many)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """How often the log was looked at."""
    looks: list[Wanted] = []
    look = long_poll.look

    def counted(wanted: Wanted) -> Happened | None:
        looks.append(wanted)
        return look(wanted)

    monkeypatch.setattr(long_poll, "look", counted)
    return looks


async def test_the_end_wakes_whoever_waits_for_it(
    manager: PersistentSessionManager, session_id: str
) -> None:
    task = waiting(wanted(session_id, Reason.ENDED))
    await asleep(get_fan_out())
    await manager.end(session_id, grace=0)
    happened = await asyncio.wait_for(task, SECONDS)
    assert happened is not None
    assert (happened.reason, happened.offset) == (Reason.ENDED, 7)
    assert happened.event is not None
    assert happened.event.seq == 2


async def test_a_checkpoint_wakes_whoever_waits_for_waiting(
    manager: PersistentSessionManager, session_id: str
) -> None:
    task = waiting(wanted(session_id, Reason.WAITING))
    await asleep(get_fan_out())
    event = await manager.report_checkpoint(session_id, {"type": "human-action", "action": "x"})
    happened = await asyncio.wait_for(task, SECONDS)
    assert happened is not None
    assert happened.event == event


async def test_output_wakes_whoever_waits_for_it_and_nobody_else(
    manager: PersistentSessionManager, session_id: str, looks: list[Wanted]
) -> None:
    for_output = waiting(wanted(session_id, Reason.OUTPUT))
    for_the_end = waiting(wanted(session_id, Reason.ENDED))
    await asleep(get_fan_out(), 2)
    await auntil(lambda: len(looks) >= 2)
    for number in range(1, 9):
        await manager.write(session_id, b"more\n")
        size = 7 + number * len("more\r\n")
        await auntil(lambda size=size: manager.taken_in(session_id) == size)  # type: ignore[misc]  # the size of this turn
    happened = await asyncio.wait_for(for_output, SECONDS)
    assert happened is not None
    assert (happened.reason, happened.event) == (Reason.OUTPUT, None)
    assert happened.offset > 7
    # One look of its own accord, and one at the start, of which a slow layer tells late.
    assert len([look for look in looks if Reason.ENDED in look.reasons]) <= 2
    for_the_end.cancel()


async def test_nothing_is_the_answer_when_the_time_is_over(session_id: str) -> None:
    assert await waiting(wanted(session_id, *Reason), seconds=0.05) is None
    assert not get_fan_out().viewers


async def test_what_the_layer_lost_is_found_all_the_same(
    manager: PersistentSessionManager, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FanOut, "_handle", lambda self, message: None)
    task = waiting(wanted(session_id, Reason.ENDED))
    await asleep(get_fan_out())
    await manager.end(session_id, grace=0)
    happened = await asyncio.wait_for(task, SECONDS / 4)
    assert happened is not None


async def test_what_even_the_comparison_misses_is_found_when_the_time_is_over(
    manager: PersistentSessionManager, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_poll._Waiter, "wake", lambda self, session_id: None)
    task = waiting(wanted(session_id, Reason.OUTPUT), seconds=3)
    await asleep(get_fan_out())
    await manager.write(session_id, b"more\n")
    happened = await asyncio.wait_for(task, SECONDS)
    assert happened is not None


async def test_who_waits_asks_the_database_once_while_nothing_happens(
    session_id: str, looks: list[Wanted]
) -> None:
    assert await waiting(wanted(session_id, Reason.ENDED), seconds=1.2) is None
    # Once at the beginning, once after the fan-out's first comparison, once at the end.
    assert len(looks) <= 3


# The request


@pytest.fixture
async def token(manager: PersistentSessionManager) -> str:
    """Alice's token."""
    user = await sync_to_async(User.objects.create_superuser)("alice")
    return await sync_to_async(ApiToken.issue)(user, "test")


def ask(token: str, session_id: str, **query: Any) -> asyncio.Task[Any]:
    headers = {"Authorization": f"Bearer {token}"}
    asking = AsyncClient().get(f"/api/sessions/{session_id}/wait", query, headers=headers)
    return asyncio.create_task(asking)


async def test_a_request_is_answered_with_the_session_as_it_has_become(
    manager: PersistentSessionManager, session_id: str, token: str
) -> None:
    answer = ask(token, session_id)
    await asleep(get_fan_out())
    await manager.end(session_id, grace=0, by="alice")
    body = (await asyncio.wait_for(answer, SECONDS)).json()
    assert body["reason"] == "ended"
    assert body["session"]["status"] == "failed"
    assert body["event"]["type"] == "session:failed"
    assert "request of alice" in body["event"]["error"]


async def test_a_request_for_output_knows_only_what_there_was_when_it_came(
    manager: PersistentSessionManager, session_id: str, token: str
) -> None:
    answer = ask(token, session_id, **{"for": "output"})
    await asleep(get_fan_out())
    await manager.write(session_id, b"more\n")
    body = (await asyncio.wait_for(answer, SECONDS)).json()
    assert (body["reason"], body["event"]) == ("output", None)
    assert body["offset"] == (await sync_to_async(event_log.output_range)(session_id))[1]


async def test_a_request_is_answered_with_204_when_nothing_happens(
    session_id: str, token: str
) -> None:
    answer = await asyncio.wait_for(ask(token, session_id, timeout=0.05), SECONDS)
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_session_that_is_forgotten_meanwhile_ends_the_waiting(
    manager: PersistentSessionManager, token: str
) -> None:
    session = await sync_to_async(make_session)()
    answer = ask(token, str(session.pk))
    await asleep(get_fan_out())
    # In a thread of the fan-out: the one for synchronous code is taken by the request.
    await get_fan_out().log.run(Session.objects.update, status=Status.FAILED)
    await manager.forget(str(session.pk))
    response = await asyncio.wait_for(answer, SECONDS / 4)
    assert (response.status_code, response.json()["code"]) == (404, "not-found")


async def test_output_that_is_heard_of_before_it_can_be_read_is_answered_once_it_can(
    manager: PersistentSessionManager, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of a session on another host, whose spool is not here.
    known, archived, too_early = event_log.output_range, False, asyncio.Event()
    loop = asyncio.get_running_loop()

    def late(session: str) -> tuple[int, int]:
        if archived:
            return known(session)
        if get_fan_out()._tails[session].head > 7:
            loop.call_soon_threadsafe(too_early.set)
        return 0, 7

    monkeypatch.setattr(event_log, "output_range", late)
    task = waiting(wanted(session_id, Reason.OUTPUT))
    await asleep(get_fan_out())
    # The first comparison with the log makes everybody look once.
    await auntil(lambda: get_fan_out()._tails[session_id].last_seq == 1)
    await manager.write(session_id, b"x\r")
    await asyncio.wait_for(too_early.wait(), SECONDS)
    archived = True
    happened = await asyncio.wait_for(task, SECONDS / 2)
    assert happened is not None
    assert happened.reason == Reason.OUTPUT
