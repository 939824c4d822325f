"""What a client is told as it begins to watch: nothing between that and what it knew is missing."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from sessions_app import fanout, live_session
from sessions_app.events import Status
from sessions_app.fanout import get_fan_out
from sessions_app.launch import LaunchRequest
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.viewer import Viewer
from tests.sessions.kept import ended, row
from tests.sessions.stream_client import Client, Connect
from tests.waiting_for import auntil


async def start(manager: PersistentSessionManager, *argv: str, **details: Any) -> str:
    return await manager.create(LaunchRequest(argv=list(argv), working_dir="/tmp", **details))


async def shows(manager: PersistentSessionManager, session_id: str, text: str) -> None:
    async def is_shown() -> bool:
        return text in "\n".join((await manager.screen(session_id)).lines)

    await auntil(is_shown, timeout=20)


async def everything_sent(client: Client) -> None:
    """Receive until nothing follows."""
    while not await client.nothing_follows():
        await client.receive()


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Any]:
    """What waits until the fan-out has compared the log so many times from then on."""
    rounds = []
    heads = fanout._heads

    def noted(watched: list[str]) -> list[fanout.Head]:
        rounds.append(len(watched))
        return heads(watched)

    async def times(count: int) -> None:
        goal = len(rounds) + count
        await auntil(lambda: len(rounds) >= goal, timeout=10)

    monkeypatch.setattr(fanout, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(fanout, "_heads", noted)
    return times


async def test_what_happens_between_the_initial_state_and_the_subscription_is_told(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    going_on, ending = await start(manager, "cat"), await start(manager, "cat")
    client = await connect("subscribe=none")
    await manager.resize(going_on, 90, 30)
    await manager.write(ending, b"the end\r\x04")
    await ended(ending)
    beginning = await start(manager, "echo", "hello")
    await ended(beginning)
    await client.send({"type": "subscribe", "sessions": "*"})
    await client.until(lambda _: client.events().count("session:completed") == 2)

    def told(session_id: str) -> list[tuple[str, Any]]:
        return [
            (m["type"], m.get("seq") or ("the screen" if m.get("replay") else m["data"]))
            for m in client.received
            if m.get("sessionId") == session_id
        ]

    assert told(going_on) == [("session:resized", 2), ("session:output", "the screen")]
    assert told(ending) == [("session:output", "the screen"), ("session:completed", 2)]
    assert told(beginning) == [
        ("session:started", 1),
        ("session:output", "hello\r\n"),
        ("session:completed", 2),
    ]


async def test_a_session_that_began_unheard_of_and_runs_is_shown_from_its_beginning(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect("subscribe=none")
    session_id = await start(manager, "bash", "-c", "echo hello; exec cat")
    await shows(manager, session_id, "hello")
    await client.send({"type": "subscribe", "sessions": "*"})
    await client.until_text("hello")
    assert client.events() == ["session:started"]


@pytest.mark.parametrize("had", [1, 2])
async def test_who_watches_everything_again_gets_the_rest_of_what_ended_meanwhile(
    manager: PersistentSessionManager, connect: Connect, had: int
) -> None:
    session_id = await start(manager, "echo", "hello")
    assert (await ended(session_id)).last_seq == 2
    client = await connect("subscribe=none")
    cursor = {"seq": had, "offset": 2}
    await client.send({"type": "subscribe", "sessions": "*", "cursors": {session_id: cursor}})
    await client.until_text("llo\r\n")
    await auntil(lambda: not get_fan_out().watched())
    await client.round_trip()
    assert client.text() == "llo\r\n"
    assert client.events() == ["session:completed"][had - 1 :]


@pytest.mark.parametrize("with_cursor", [True, False])
async def test_who_has_heard_the_end_of_a_session_does_not_hear_it_again(
    manager: PersistentSessionManager,
    connect: Connect,
    compared: Callable[[int], Any],
    with_cursor: bool,
) -> None:
    client = await connect("subscribe=none")
    session_id = await start(manager, "echo", "hello")
    await client.send(subscribe([session_id], {session_id: {"seq": 0, "offset": 0}}))
    await client.until_type("session:completed")
    end = await ended(session_id)
    cursor = {session_id: {"seq": end.last_seq, "offset": end.output_bytes, "epoch": end.epoch}}
    await client.send(subscribe("*", cursor if with_cursor else {}))
    await client.round_trip()
    assert not get_fan_out().watched()
    await compared(3)  # it is young, and would be taken for new
    await everything_sent(client)
    assert client.events() == ["session:started", "session:completed"]


def subscribe(sessions: object, cursors: object, **more: object) -> dict[str, object]:
    return {"type": "subscribe", "sessions": sessions, "cursors": cursors, **more}


async def test_what_was_told_is_not_told_again_when_everything_is_watched_a_second_time(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    session_id = await start(manager, "cat")
    client = await connect()
    await manager.resize(session_id, 90, 30)
    await client.until_type("session:resized")
    await client.send(subscribe([], {}))
    await client.send(subscribe("*", {}))
    await client.round_trip()
    assert client.events() == ["session:resized"]


@pytest.mark.parametrize("output", [True, False])
async def test_whoever_subscribes_again_amid_a_session_hears_its_end(
    manager: PersistentSessionManager, connect: Connect, output: bool
) -> None:
    session_id = await start(manager, "bash", "-c", "read; seq 1 300000")
    client = await connect()
    await client.send({"type": "ack", "sessionId": session_id, "offset": 0})
    await client.round_trip()
    await manager.write(session_id, b"\r")
    await ended(session_id)
    await everything_sent(client)
    assert client.events() == []  # the window is full
    await client.send(subscribe("*", {}, output=output))
    await client.until_type("session:completed")


async def test_what_is_forgotten_before_a_client_subscribes_is_told_when_it_does(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    running, over = await start(manager, "cat"), await start(manager, "true")
    await ended(over)
    client = await connect("subscribe=none")
    await manager.end(running, grace=0)
    await ended(running)
    await manager.forget(running)
    await manager.forget(over)
    # Its stream heard of it: a later message of the same group has come.
    later = await start(manager, "cat")
    await heard_early(later)
    await client.send(subscribe("*", {}))
    told = [await client.until_type("session:forgotten") for _ in range(2)]
    assert {message["sessionId"] for message in told} == {running, over}
    await client.until_type("session:started")
    assert client.events().count("session:forgotten") == 2


async def heard_early(session_id: str) -> None:
    """Wait until the stream, which has not subscribed yet, has heard of the session."""
    (viewer,) = get_fan_out().viewers
    assert isinstance(viewer, Viewer)
    await auntil(lambda: session_id in (viewer._early or {}))


async def test_a_session_of_the_list_that_cannot_be_seen_any_more_counts_as_forgotten(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await start(manager, "cat")
    client = await connect("subscribe=none")
    await manager.change(session_id, name="another name")
    await heard_early(session_id)
    await manager.end(session_id, grace=0)
    await ended(session_id)
    # As if the layer had lost the message.
    monkeypatch.setattr(Viewer, "forgotten", lambda *_: None)
    await manager.forget(session_id)
    await heard_early(await start(manager, "cat"))
    monkeypatch.undo()
    await client.send(subscribe("*", {}))
    assert (await client.until_type("session:forgotten"))["sessionId"] == session_id


@pytest.fixture
def one_slot(settings: Settings) -> None:
    settings.HARNESS_SLOTS = 1


@pytest.mark.usefixtures("one_slot")
async def test_a_session_that_is_asked_for_by_name_begins_with_its_screen_though_it_was_queued(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    first = await start(manager, "cat")
    queued = await start(manager, "bash", "-c", "seq 1 1000; exec cat", queue=True)
    assert (await row(queued)).status == Status.IDLE
    client = await connect("subscribe=none")
    await manager.end(first, grace=0)
    await shows(manager, queued, "1000")
    await client.send(subscribe([queued], {}))
    screen = await client.until_type("session:output")
    assert screen["replay"]
    assert client.events() == ["session:started"]


@pytest.mark.parametrize("knows", ["before the resize", "after it"])
async def test_a_size_that_the_screen_does_not_show_yet_comes_after_the_screen(
    manager: PersistentSessionManager,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    knows: str,
) -> None:
    session_id = await start(manager, "bash", "-c", "read; seq 1 200000; read")
    goes_on = asyncio.Event()
    early = await connect("subscribe=none")
    with monkeypatch.context() as slow:
        # Output that is not taken in yet: a program prints faster than that is done.
        slow.setattr(live_session, "_let_others_go_on", goes_on.wait)
        await manager.write(session_id, b"\r")
        live = manager._runs.live[session_id]
        await auntil(lambda: live._size > 2 * live.head > 0)
        resizing = asyncio.create_task(manager.resize(session_id, 100, 30))
        await auntil(lambda: has_event(session_id, 2))
        client = early if knows == "before the resize" else await connect("subscribe=none")
        await client.send(subscribe("*", {}))
        screen = await client.until_type("session:output")
        assert (screen["replay"], screen["cols"], client.events()) == (True, 120, [])
        goes_on.set()
    await resizing
    assert (await client.until_type("session:resized"))["cols"] == 100


async def has_event(session_id: str, seq: int) -> bool:
    return (await row(session_id)).last_seq >= seq
