"""Live streams while something goes wrong: what is missed is made up for, and nothing is left."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django.fixtures import Settings

from sessions_app import event_log, fanout, lifecycle
from sessions_app.exceptions import ManagerUnavailable, SessionNotFound
from sessions_app.fanout import get_fan_out
from sessions_app.launch import LaunchRequest
from sessions_app.screen_state import ScreenState
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.session_verbs import get_manager
from sessions_app.viewer import Viewer
from tests.sessions.conftest import end_everything
from tests.sessions.kept import ended
from tests.sessions.stream_client import Connect
from tests.waiting_for import auntil


async def start(manager: PersistentSessionManager, *argv: str) -> str:
    return await manager.create(LaunchRequest(argv=list(argv), working_dir="/tmp"))


def fails_once(function: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """The function, which raises this the first time that it is called."""
    errors = [error]

    def failing(*args: Any, **kwargs: Any) -> Any:
        if errors:
            raise errors.pop()
        return function(*args, **kwargs)

    return failing


def streaming_tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if "viewer" in task.get_name()]


async def test_a_stream_that_the_server_cuts_off_leaves_nothing_behind(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    await start(manager, "cat")
    client = await connect()
    await client.until_type("session:output")
    assert streaming_tasks()
    # As Daphne does ten seconds after a client has left, if the stream is busy until then.
    client.communicator.future.cancel()
    await auntil(lambda: not lifecycle.consumers and not get_fan_out().viewers)
    await auntil(lambda: not streaming_tasks())
    assert get_fan_out().watched() == []


async def test_a_stream_that_fails_as_it_begins_leaves_nothing_behind(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Viewer, "subscribe", break_down)
    client = await connect()
    with pytest.raises(ZeroDivisionError):
        await client.communicator.future
    assert lifecycle.consumers == set()
    assert get_fan_out().viewers == set()
    await auntil(lambda: not streaming_tasks())


async def test_a_stream_that_no_manager_answers_is_told_to_come_again(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*args: object) -> None:
        raise ManagerUnavailable("Not now.")

    monkeypatch.setattr(Viewer, "subscribe", refuse)
    assert await (await connect()).close_code() == 4503


async def test_what_the_layer_lost_reaches_all_though_somebody_came_meanwhile(
    state_folder: object, settings: Settings, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "tests.sessions.lossy_layer.LossyChannelLayer",
            "CONFIG": {"loss": 1.0},
        }
    }
    # Long enough for somebody to come in between.
    monkeypatch.setattr(fanout, "POLL_SECONDS", 2.0)
    await lifecycle.start()
    try:
        session_id = await start(lifecycle.manager(), "cat")
        first, second = await connect("subscribe=none"), await connect("subscribe=none")
        subscribe = {"type": "subscribe", "sessions": [session_id], "output": True}
        await first.send(subscribe)
        await first.until_type("session:output")
        await lifecycle.manager().write(session_id, b"\x04")
        await ended(session_id)
        await second.send(subscribe)
        await second.until_type("session:output")
        await first.until_type("session:completed")
    finally:
        await end_everything()
        await lifecycle.stop()


async def test_a_new_session_is_shown_though_the_database_failed_at_the_first_look(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect()
    await client.round_trip()
    failing = fails_once(event_log.output_range, OperationalError("gone"))
    monkeypatch.setattr(event_log, "output_range", failing)
    await start(manager, "echo", "hello")
    await client.until_type("session:completed")
    assert client.events() == ["session:started", "session:completed"]
    assert client.text() == "hello\r\n"


async def test_after_a_refused_subscription_a_stream_of_everything_is_still_one(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect()
    unknown = "00000000-0000-4000-8000-000000000000"
    await client.send({"type": "subscribe", "sessions": [unknown], "output": True})
    assert (await client.until_type("error"))["code"] == "not-found"
    await start(manager, "echo", "hello")
    await client.until_type("session:completed")
    assert client.text() == "hello\r\n"


async def test_a_session_that_is_forgotten_during_a_subscription_keeps_no_other_from_it(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed, other = await start(manager, "true"), await start(manager, "cat")
    await ended(doomed)
    verbs = get_manager()
    last_screen = verbs.last_screen

    async def forgotten_by_then(session_id: str) -> ScreenState:
        if session_id == doomed:
            await manager.forget(doomed)
        return await last_screen(session_id)

    monkeypatch.setattr(verbs, "last_screen", forgotten_by_then)
    client = await connect("subscribe=none")
    await client.send({"type": "subscribe", "sessions": [doomed, other], "output": True})
    told = [await client.receive() for _ in range(2)]
    assert {(message["type"], message["sessionId"]) for message in told} == {
        ("session:forgotten", doomed),
        ("session:output", other),
    }
    await manager.write(other, b"typed\r")
    await client.until_text("typed")


async def test_a_session_that_is_forgotten_while_it_is_caught_up_with_ends_no_stream(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    doomed = await start(manager, "echo", "hello")
    await ended(doomed)

    async def forgotten_by_then(session_id: str, offset: int, limit: int) -> bytes:
        await manager.forget(session_id)
        raise SessionNotFound("There is no such session.")

    monkeypatch.setattr(get_manager(), "read_output", forgotten_by_then)
    monkeypatch.setattr(event_log, "read_output", lambda *where: b"")
    client = await connect("subscribe=none")
    position = {doomed: {"seq": 0, "offset": 0}}
    await client.send({"type": "subscribe", "sessions": [doomed], "cursors": position})
    assert (await client.until_type("session:forgotten"))["sessionId"] == doomed
    await client.round_trip()


async def test_a_host_that_does_not_answer_holds_up_nothing_that_the_archive_has(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await start(manager, "echo", "hello")
    await ended(session_id)
    cancelled = asyncio.Event()

    async def never(session_id: str, offset: int, limit: int) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return b""

    read_output, lacks_it = event_log.read_output, [True, True]

    def late(session_id: str, offset: int, limit: int) -> bytes:
        return b"" if lacks_it and lacks_it.pop() else read_output(session_id, offset, limit)

    monkeypatch.setattr(get_manager(), "read_output", never)
    monkeypatch.setattr(event_log, "read_output", late)
    client = await connect("subscribe=none")
    position = {session_id: {"seq": 1, "offset": 0}}
    await client.send({"type": "subscribe", "sessions": [session_id], "cursors": position})
    await client.until_type("session:completed")
    assert client.text() == "hello\r\n"
    await asyncio.wait_for(cancelled.wait(), 30)
