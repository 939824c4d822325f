"""Verbs that are asked of another process: answered, once, whatever the channel layer loses."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.db import OperationalError

from sessions_app import host_calls
from sessions_app.exceptions import (
    HostSilent,
    InvalidRequest,
    ManagerUnavailable,
    OutcomeUnknown,
    SessionNotRunning,
    TooManyStarts,
)
from sessions_app.host_calls import MANAGERS, HostCalls, HostDesk, Kind, wake_all
from sessions_app.host_state import HostState
from sessions_app.input_order import Ask, InputOrder
from tests.waiting_for import auntil

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOST = HostState(name="Büro 1", slots=1, used=0, last_seen=NOW, started_at=NOW, incarnation="first")

Loses = Callable[[dict[str, Any]], bool]


class Layer(InMemoryChannelLayer):  # type: ignore[misc]  # untyped base
    """Loses what `loses` says, and counts what is sent by its kind."""

    def __init__(self) -> None:
        super().__init__()
        self.loses: Loses = lambda message: False
        self.sent: list[str] = []

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self.sent.append(message["type"])
        if not self.loses(message):
            await super().send(channel, message)


class Manager:
    """What is asked: it notes what it did."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.goes_on = asyncio.Event()
        self.woken = 0

    async def note(self, what: Any) -> Any:
        self.done.append(what)
        return {"noted": what}

    async def take_long(self, what: str) -> str:
        self.done.append(what)
        await self.goes_on.wait()
        return "at last"

    async def refuse(self) -> None:
        raise SessionNotRunning("It has ended.")

    async def refuse_fields(self) -> None:
        raise InvalidRequest("Bad.", {"cols": ["Too wide."]})

    async def refuse_for_now(self) -> None:
        raise TooManyStarts("Slower.", 7)

    async def break_down(self) -> None:
        raise ZeroDivisionError

    async def find_no_database(self) -> None:
        raise OperationalError("gone")

    def wake(self) -> None:
        self.woken += 1


class Net:
    """One who asks, and the process of a host that answers; `host` is what is known of it."""

    def __init__(self) -> None:
        self.layer = Layer()
        self.manager = Manager()
        self.host: HostState | None = HOST
        self.looked = 0
        self.calls = HostCalls(self.layer, self._look_up)

    async def _look_up(self, name: str) -> HostState | None:
        self.looked += 1
        return self.host

    def typed(self, *what: object, verb: str = "note") -> Ask:
        """Type into a session there: what the verb does with it."""
        details: dict[str, Any] = {"what": what[0]} if what else {}

        async def ask(received: Callable[[], None]) -> None:
            await self.calls.ask(HOST.name, verb, received=received, **details)

        return ask

    def desk(self, incarnation: str = "first") -> HostDesk:
        names = [name for name in vars(Manager) if not name.startswith("_") and name != "wake"]
        verbs = {name: getattr(self.manager, name) for name in names}
        return HostDesk(self.layer, HOST.name, incarnation, verbs, self.manager.wake)


@asynccontextmanager
async def running(desk: HostDesk) -> AsyncIterator[None]:
    await desk.start()
    try:
        yield
    finally:
        await desk.stop()


# A machine with other work to do may hold up a host that is there for a moment.
SILENT_SECONDS = 3.0


@pytest.fixture
def impatient(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that wait until a host is known to be silent."""
    monkeypatch.setattr(host_calls, "SILENT_SECONDS", 0.4)


@pytest.fixture
async def net(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Net]:
    # As the real ones are to each other, only quicker.
    monkeypatch.setattr(host_calls, "REPEAT_SECONDS", 0.05)
    monkeypatch.setattr(host_calls, "SILENT_SECONDS", SILENT_SECONDS)
    net = Net()
    await net.calls.start()
    yield net
    await net.calls.stop()


async def test_what_the_verb_returns_comes_back(net: Net) -> None:
    async with running(net.desk()):
        assert await net.calls.ask(HOST.name, "note", what=b"\x00\xff") == {"noted": b"\x00\xff"}


@pytest.mark.parametrize(
    ("verb", "error"),
    [
        ("refuse", SessionNotRunning),
        ("refuse_fields", InvalidRequest),
        ("refuse_for_now", TooManyStarts),
        ("break_down", ManagerUnavailable),
        ("find_no_database", ManagerUnavailable),
    ],
)
async def test_what_the_verb_raises_is_raised_where_it_was_asked(
    net: Net, verb: str, error: type[Exception]
) -> None:
    async with running(net.desk()):
        with pytest.raises(error) as raised:
            await net.calls.ask(HOST.name, verb)
    assert type(raised.value) is error
    assert getattr(raised.value, "fields", {"cols": ["Too wide."]}) == {"cols": ["Too wide."]}
    assert getattr(raised.value, "retry_after", 7) == 7


@pytest.mark.parametrize("lost", [Kind.CALL, Kind.ANSWER])
async def test_what_the_layer_loses_is_asked_again_and_done_once(net: Net, lost: Kind) -> None:
    left = 3

    def loses(message: dict[str, Any]) -> bool:
        nonlocal left
        left -= message["type"] == lost
        return bool(message["type"] == lost and left >= 0)

    net.layer.loses = loses
    async with running(net.desk()):
        assert await net.calls.ask(HOST.name, "note", what=1) == {"noted": 1}
    assert net.manager.done == [1]
    assert net.layer.sent.count(Kind.CALL) >= 4


async def test_a_host_that_is_at_it_is_waited_for_however_long_it_takes(net: Net) -> None:
    async with running(net.desk()):
        asking = asyncio.create_task(net.calls.ask(HOST.name, "take_long", what="x"))
        # Longer than a silent host would be waited for.
        since = time.monotonic()
        await auntil(lambda: time.monotonic() - since > SILENT_SECONDS + 1)
        assert not asking.done()
        net.manager.goes_on.set()
        assert await asyncio.wait_for(asking, 5) == "at last"
    assert net.manager.done == ["x"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("repeatable", [True, False])
async def test_a_host_that_says_nothing_is_named_with_since_when(
    net: Net, repeatable: bool
) -> None:
    with pytest.raises(ManagerUnavailable) as raised:
        await net.calls.ask(HOST.name, "note", repeatable=repeatable, what=1)
    assert str(raised.value).startswith("The host Büro 1 does not answer; it was last heard of ")
    assert "2026-01-31T12:00" in str(raised.value)
    # It may stand still, and do later what it was asked.
    assert type(raised.value) is (HostSilent if repeatable else OutcomeUnknown)


@pytest.mark.usefixtures("impatient")
async def test_nobody_is_told_to_try_again_what_was_done_though_the_answers_were_lost(
    net: Net,
) -> None:
    net.layer.loses = lambda message: message["type"] != Kind.CALL
    async with running(net.desk()):
        with pytest.raises(OutcomeUnknown, match="look before you try again"):
            await net.calls.ask(HOST.name, "note", what=1)
    assert net.manager.done == [1]


async def test_a_host_that_is_known_to_be_silent_is_not_even_asked(net: Net) -> None:
    net.host = replace(HOST, silent_seconds=60.0)
    with pytest.raises(HostSilent, match="60 seconds ago"):
        await net.calls.ask(HOST.name, "note", what=1)
    assert net.layer.sent == []
    assert net.looked == 1


async def test_a_host_that_was_stopped_a_while_ago_is_not_waited_for(net: Net) -> None:
    net.host = replace(HOST, stopped=True, silent_seconds=60.0)
    with pytest.raises(HostSilent, match=r"has been stopped; .* 60 seconds ago"):
        await net.calls.ask(HOST.name, "note", what=1)
    assert net.looked == 1


async def test_a_host_that_is_being_replaced_is_waited_for(net: Net) -> None:
    net.host = replace(HOST, stopped=True)
    async with running(net.desk("second")):
        asking = asyncio.create_task(net.calls.ask(HOST.name, "note", what=1))
        await auntil(lambda: net.looked > 0)
        net.host = replace(HOST, incarnation="second")
        assert await asking == {"noted": 1}


async def test_what_was_meant_for_a_process_that_is_gone_is_done_by_the_new_one(net: Net) -> None:
    async with running(net.desk("second")):
        assert await net.calls.ask(HOST.name, "note", what=1) == {"noted": 1}
    assert net.manager.done == [1]


async def test_what_a_process_may_have_done_before_it_was_replaced_is_not_done_again(
    net: Net,
) -> None:
    net.layer.loses = lambda message: message["type"] == Kind.ANSWER
    first = net.desk()
    await first.start()
    asking = asyncio.create_task(net.calls.ask(HOST.name, "note", what=1))
    await auntil(lambda: net.layer.sent.count(Kind.ANSWER) > 1)
    await first.stop()
    net.layer.loses = lambda message: False
    async with running(net.desk("second")):
        with pytest.raises(OutcomeUnknown, match="was restarted before it answered"):
            await asking
    assert net.manager.done == [1]


async def test_what_may_be_repeated_is_done_again_by_the_new_process(net: Net) -> None:
    net.layer.loses = lambda message: message["type"] == Kind.ANSWER
    first = net.desk()
    await first.start()
    asking = asyncio.create_task(net.calls.ask(HOST.name, "note", repeatable=True, what=1))
    await auntil(lambda: net.layer.sent.count(Kind.ANSWER) > 1)
    await first.stop()
    net.layer.loses = lambda message: False
    async with running(net.desk("second")):
        assert await asking == {"noted": 1}


async def test_who_goes_away_does_not_undo_what_was_asked(net: Net) -> None:
    async with running(net.desk()):
        asking = asyncio.create_task(net.calls.ask(HOST.name, "take_long", what="x"))
        await auntil(lambda: net.manager.done == ["x"])
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        net.manager.goes_on.set()
        assert await net.calls.ask(HOST.name, "note", what="y") == {"noted": "y"}


async def test_questions_are_carried_out_in_the_order_in_which_they_were_asked(net: Net) -> None:
    async with running(net.desk()):
        asked = [net.calls.ask(HOST.name, "note", what=number) for number in range(50)]
        await asyncio.gather(*asked)
    assert net.manager.done == list(range(50))


async def test_what_is_typed_after_a_key_that_was_lost_does_not_overtake_it(net: Net) -> None:
    lost: list[object] = []

    def loses(message: dict[str, Any]) -> bool:
        first = message["type"] == Kind.CALL and message["details"] == {"what": 1}
        if first and not lost:
            lost.append(message)
            return True
        return False

    net.layer.loses = loses
    order = InputOrder()
    async with running(net.desk()):
        keys = [order.send("session", net.typed(key)) for key in range(4)]
        other = order.send("another session", net.typed("x"))
        await asyncio.wait_for(asyncio.gather(*keys, other), 5)
    assert lost
    assert net.manager.done == [0, "x", 1, 2, 3]


async def test_what_a_program_does_not_read_holds_up_nothing_that_is_typed_after_it(
    net: Net,
) -> None:
    order = InputOrder()
    async with running(net.desk()):
        stuck = asyncio.create_task(order.send("session", net.typed("first", verb="take_long")))
        await asyncio.wait_for(order.send("session", net.typed("second")), 5)
        assert net.manager.done == ["first", "second"]
        assert not stuck.done()
        net.manager.goes_on.set()
        await asyncio.wait_for(stuck, 5)


async def test_what_cannot_be_typed_is_said_and_lets_the_next_key_through(net: Net) -> None:
    order = InputOrder()
    async with running(net.desk()):
        refused = asyncio.create_task(order.send("session", net.typed(verb="refuse")))
        await asyncio.wait_for(order.send("session", net.typed("next")), 5)
        with pytest.raises(SessionNotRunning):
            await refused
    assert net.manager.done == ["next"]


async def test_what_was_typed_is_typed_though_nobody_waits_for_it(net: Net) -> None:
    order = InputOrder()
    async with running(net.desk()):
        waiting = [asyncio.create_task(order.send("session", net.typed(key))) for key in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await auntil(lambda: net.manager.done == [0, 1, 2])


@pytest.mark.usefixtures("impatient")
async def test_a_layer_that_carries_nothing_is_told_from_a_host_that_is_silent(net: Net) -> None:
    def broken(message: dict[str, Any]) -> bool:
        raise ConnectionError("no Redis")

    net.layer.loses = broken
    with pytest.raises(ManagerUnavailable, match="does not carry anything to Büro 1"):
        await net.calls.ask(HOST.name, "note", what=1)


async def test_answers_that_may_be_large_are_not_kept(net: Net) -> None:
    desk = net.desk()
    async with running(desk):
        for number in range(20):
            await net.calls.ask(HOST.name, "note", repeatable=True, what=number)
        assert not desk._answers


async def test_of_the_others_only_the_newest_are_kept(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_calls, "ANSWERED_KEPT", 3)
    desk = net.desk()
    async with running(desk):
        for number in range(20):
            await net.calls.ask(HOST.name, "note", what=number)
        assert [answer["result"] for answer in desk._answers.values()] == [
            {"noted": number} for number in (17, 18, 19)
        ]


@pytest.mark.parametrize("repeatable", [True, False])
async def test_what_takes_long_is_done_once_however_much_else_is_asked_meanwhile(
    net: Net, monkeypatch: pytest.MonkeyPatch, repeatable: bool
) -> None:
    monkeypatch.setattr(host_calls, "ANSWERED_KEPT", 3)
    async with running(net.desk()):
        asking = asyncio.create_task(
            net.calls.ask(HOST.name, "take_long", repeatable=repeatable, what="x")
        )
        await auntil(lambda: net.manager.done == ["x"])
        for number in range(10):
            await net.calls.ask(HOST.name, "note", what=number)
        repeats = net.layer.sent.count(Kind.ACKNOWLEDGEMENT)
        await auntil(lambda: net.layer.sent.count(Kind.ACKNOWLEDGEMENT) > repeats + 2)
        net.manager.goes_on.set()
        assert await asyncio.wait_for(asking, 5) == "at last"
    assert net.manager.done == ["x", *range(10)]


async def test_all_managers_are_woken_together(net: Net) -> None:
    async with running(net.desk()):
        await wake_all(net.layer)
        await auntil(lambda: net.manager.woken == 1)
    assert not net.layer.groups.get(MANAGERS)
