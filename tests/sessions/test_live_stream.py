"""The live stream: initial state, the current screen, live events, and what clients may say."""

import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User

from sessions_app.launch import LaunchRequest
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.transport import SCOPE_KEY
from tests.cast import let_in
from tests.sessions.kept import ended
from tests.sessions.stream_client import Client, opened_streams
from tests.waiting_for import auntil

Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
def alice(transactional_db: None) -> User:
    return User.objects.create_superuser("alice")


@pytest.fixture(params=["ready frames", "plain ASGI"])
async def connect(
    request: pytest.FixtureRequest, manager: PersistentSessionManager, alice: User
) -> AsyncIterator[Connect]:
    direct = request.param == "ready frames"
    async with opened_streams() as streams:

        async def connect(query: str = "", *, waiting: int = 0) -> Client:
            return await streams.open(let_in(alice), query, direct=direct, waiting=waiting)

        yield connect


async def start(manager: PersistentSessionManager, *argv: str, **details: Any) -> str:
    return await manager.create(LaunchRequest(argv=list(argv), working_dir="/tmp", **details))


async def shows(manager: PersistentSessionManager, session_id: str, text: str) -> None:
    async def is_shown() -> bool:
        return text in "\n".join((await manager.screen(session_id)).lines)

    await auntil(is_shown, timeout=20)


async def test_the_first_message_is_the_initial_state(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    session_id = await start(manager, "cat", name="a cat")
    first = await (await connect("subscribe=none")).receive()
    assert (first["type"], first["protocol"], first["user"]) == ("initial-state", 1, "alice")
    assert [(s["id"], s["name"], s["status"], s["slot"]) for s in first["sessions"]] == [
        (session_id, "a cat", "running", 1)
    ]


async def test_a_client_that_asks_for_nothing_gets_nothing_in_between(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    await start(manager, "yes")
    client = await connect("subscribe=none")
    await client.receive()
    assert await client.nothing_follows()


async def test_a_late_viewer_gets_the_current_screen_first_and_then_what_follows(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    session_id = await start(manager, "bash", "--norc", "-i")
    await manager.write(session_id, b"echo before=$((1+1))\r")
    await shows(manager, session_id, "before=2")
    client = await connect()
    replay = await client.until_type("session:output")
    assert replay["replay"] is True
    assert "before=2" in replay["data"]
    assert (replay["cols"], replay["rows"]) == (120, 32)
    await manager.write(session_id, b"echo after=$((2+2))\r")
    await client.until_text("after=4")
    live = [m for m in client.received if m["type"] == "session:output"][1:]
    assert live[0]["offset"] == replay["nextOffset"]


async def test_a_session_started_elsewhere_appears_with_all_its_events(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect()
    await client.receive()
    session_id = await start(manager, "echo", "hello")
    last = await client.until_type("session:completed")
    assert last["sessionId"] == session_id
    assert (last["seq"], last["exitCode"]) == (2, 0)
    assert client.text() == "hello\r\n"
    assert client.events() == ["session:started", "session:completed"]


async def test_every_viewer_gets_every_byte_in_order(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    clients = [await connect() for _ in range(5)]
    await start(manager, "seq", "1", "50000")
    expected = "".join(f"{n}\r\n" for n in range(1, 50001))
    for client in clients:
        await client.until_type("session:completed")
        assert client.text() == expected


async def test_characters_are_never_split(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect()
    code = (
        "import os,time\n"
        "for byte in 'Grüße, 世界 🎉'.encode(): os.write(1, bytes([byte])); time.sleep(0.02)"
    )
    await start(manager, sys.executable, "-c", code)
    await client.until_type("session:completed")
    assert client.text() == "Grüße, 世界 🎉"


async def test_bytes_that_are_no_text_read_as_replacement_characters(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect()
    await start(manager, "printf", r"a\377b\303")
    last = await client.until_type("session:completed")
    assert client.text() == "a\ufffdb\ufffd"
    assert last["offset"] == 4


async def test_a_cursor_goes_on_right_after_what_was_had(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    session_id = await start(manager, "bash", "--norc", "-i")
    await manager.write(session_id, b"seq 1 500\r")
    await shows(manager, session_id, "500")
    client = await connect("subscribe=none")
    await client.receive()
    cursor = {"seq": 0, "offset": 0}
    await client.send(
        {"type": "subscribe", "sessions": [session_id], "cursors": {session_id: cursor}}
    )
    await client.until_text("\r\n500\r\n")
    cursor = {"seq": 1, "offset": client.text().index("\r\n500\r\n") + 2}
    again = await connect("subscribe=none")
    await again.send(
        {"type": "subscribe", "sessions": [session_id], "cursors": {session_id: cursor}}
    )
    await again.until_text("500\r\n")
    assert again.text().startswith("500\r\n")
    assert again.events() == []


@pytest.mark.parametrize(
    "cursor", [{"seq": 0, "offset": 10**9}, {"seq": 0, "offset": 0, "epoch": "another"}]
)
async def test_a_cursor_of_another_log_is_answered_by_a_reset_and_the_screen(
    manager: PersistentSessionManager, connect: Connect, cursor: dict[str, Any]
) -> None:
    session_id = await start(manager, "printf", "hello")
    await shows(manager, session_id, "hello")
    client = await connect("subscribe=none")
    await client.send(
        {"type": "subscribe", "sessions": [session_id], "cursors": {session_id: cursor}}
    )
    reset = await client.until_type("session:reset")
    assert (reset["sessionId"], reset["offset"]) == (session_id, 5)
    screen = await client.receive()
    assert screen["replay"] is True
    assert "hello" in screen["data"]


async def test_events_alone_come_without_output(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect("subscribe=none")
    await client.send({"type": "subscribe", "sessions": "*", "output": False})
    await client.round_trip()
    await start(manager, "echo", "hello")
    await client.until_type("session:completed")
    assert client.text() == ""
    assert client.events() == ["session:started", "session:completed"]


async def test_output_can_be_had_of_one_session_and_events_of_all(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    quiet, loud = [await start(manager, "cat") for _ in range(2)]
    client = await connect("subscribe=none")
    await client.send({"type": "subscribe", "sessions": "*", "output": [loud]})
    await client.round_trip()
    await manager.write(quiet, b"quiet\r")
    await manager.write(loud, b"loud\r")
    await client.until_text("loud\r\nloud")
    assert "quiet" not in client.text()


async def test_unacknowledged_output_is_bounded_by_the_window(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect()
    session_id = await start(manager, "cat")
    await client.until_type("session:started")
    await client.send({"type": "ack", "sessionId": session_id, "offset": 0})
    await manager.end(session_id, grace=0)
    await client.until_type("session:failed")
    session_id = await start(manager, "bash", "-c", "read; seq 1 300000; read")
    await client.until_type("session:started")
    await client.send({"type": "ack", "sessionId": session_id, "offset": 0})
    await client.round_trip()
    client.received.clear()
    await manager.write(session_id, b"\r")
    await shows(manager, session_id, "300000")
    sent = await everything_after(client, 256 * 1024)
    assert sent <= 256 * 1024 + 64 * 1024
    await client.send({"type": "ack", "sessionId": session_id, "offset": sent})
    more = await everything_after(client, sent + 256 * 1024)
    assert more <= sent + 256 * 1024 + 64 * 1024


async def everything_after(client: Client, size: int) -> int:
    """Receive that much text, and what follows of itself; return how much it is."""
    await client.until(lambda _: len(client.text()) >= size)
    while not await client.nothing_follows():
        await client.receive()
    return len(client.text())


async def test_who_acknowledges_and_is_far_behind_gets_the_screen(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect()
    session_id = await start(manager, "bash", "-c", "read; seq 1 900000; echo the end; read")
    await client.until_type("session:started")
    await client.send({"type": "ack", "sessionId": session_id, "offset": 0})
    await client.round_trip()
    await manager.write(session_id, b"\r")
    await shows(manager, session_id, "the end")
    while not await client.nothing_follows():
        await client.receive()
    offset = len(client.text())
    await client.send({"type": "ack", "sessionId": session_id, "offset": offset})
    await client.until_type("session:reset")
    assert "the end" in (await client.receive())["data"]


@pytest.mark.parametrize("connect", ["ready frames"], indirect=True)
async def test_who_never_acknowledges_waits_for_the_servers_own_buffers(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect(waiting=10**9)
    session_id = await start(manager, "seq", "1", "1000")
    await ended(session_id)
    await client.until_type("session:started")
    while not await client.nothing_follows():
        await client.receive()
    assert (client.text(), client.events()[-1]) == ("", "session:started")
    client.communicator.scope[SCOPE_KEY].waiting = 0
    await client.until_type("session:completed")
    assert client.text() == "".join(f"{n}\r\n" for n in range(1, 1001))


async def test_a_stuck_program_holds_up_nothing_but_its_own_input(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    code = "import time, tty; tty.setraw(0); print('ready', flush=True); time.sleep(99)"
    stuck = await start(manager, sys.executable, "-c", code)
    await shows(manager, stuck, "ready")
    other = await start(manager, "cat")
    client = await connect()
    for number in range(3):
        data = "x" * 60_000
        await client.send({"type": "input", "sessionId": stuck, "data": data, "id": number})
    await client.send({"type": "input", "sessionId": other, "data": "hello\r", "id": "other"})
    receipt = await client.until_type("receipt")
    assert receipt == {"type": "receipt", "id": "other", "ok": True}


async def test_typing_is_answered_by_a_receipt_and_keys_stay_in_order(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    session_id = await start(manager, "cat")
    client = await connect()
    text = "".join(f"{n:03}" for n in range(200))
    for number in range(50):
        key = text[number * 12 : (number + 1) * 12]
        await client.send({"type": "input", "sessionId": session_id, "data": key, "id": number})
    await client.until_text(text)
    receipts = [m["id"] for m in client.received if m["type"] == "receipt"]
    assert receipts == sorted(receipts)


async def test_a_resize_by_one_viewer_is_told_to_all(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    session_id = await start(manager, "cat")
    one, other = await connect(), await connect()
    await other.until_type("session:output")  # the screen: from here on it hears of everything
    await one.send({"type": "resize", "sessionId": session_id, "cols": 90, "rows": 20})
    told = await other.until_type("session:resized")
    assert (told["cols"], told["rows"]) == (90, 20)


async def test_a_rename_and_a_forgotten_session_are_told(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect()
    session_id = await start(manager, "true")
    await client.until_type("session:completed")
    await manager.change(session_id, name="another name")
    updated = await client.until(
        lambda m: m["type"] == "session:updated" and m["session"]["name"] is not None
    )
    assert updated["session"]["name"] == "another name"
    await manager.forget(session_id)
    assert (await client.until_type("session:forgotten"))["sessionId"] == session_id


UNKNOWN = str(uuid.UUID(int=0))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "dance"}, "bad-message"),
        ({}, "bad-message"),
        ([], "bad-message"),
        ("text", "bad-message"),
        ({"type": "input", "sessionId": UNKNOWN, "data": 5}, "bad-message"),
        ({"type": "input", "sessionId": UNKNOWN, "data": "\ud800"}, "bad-message"),
        ({"type": "input", "sessionId": "no-uuid", "data": "x"}, "bad-message"),
        ({"type": "input", "sessionId": UNKNOWN, "data": "x"}, "not-found"),
        ({"type": "input", "sessionId": None, "data": "x"}, "bad-message"),
        ({"type": "resize", "sessionId": UNKNOWN, "cols": 80, "rows": 24}, "not-found"),
        ({"type": "resize", "sessionId": UNKNOWN, "cols": "80", "rows": 24}, "bad-message"),
        ({"type": "resize", "sessionId": UNKNOWN, "cols": True, "rows": 24}, "bad-message"),
        ({"type": "subscribe", "sessions": [UNKNOWN]}, "not-found"),
        ({"type": "subscribe", "sessions": "all"}, "bad-message"),
        ({"type": "subscribe", "sessions": [{}]}, "bad-message"),
        ({"type": "subscribe", "cursors": {UNKNOWN: 5}}, "bad-message"),
        ({"type": "subscribe", "cursors": {UNKNOWN: {"offset": -1}}}, "bad-message"),
        ({"type": "subscribe", "cursors": {UNKNOWN: {"offset": 1.5}}}, "bad-message"),
        ({"type": "subscribe", "output": 5}, "bad-message"),
        ({"type": "ack", "sessionId": UNKNOWN, "offset": 2**70}, "bad-message"),
        ({"type": "ping", "id": {}}, "bad-message"),
    ],
)
async def test_a_bad_message_is_answered_and_the_stream_stays_open(
    connect: Connect, message: object, code: str
) -> None:
    client = await connect("subscribe=none")
    await client.receive()
    await client.send(message)
    answer = await client.receive()
    assert (answer["type"], answer["code"]) == ("error", code)
    assert answer["detail"].endswith((".", "}.", "resize, ping."))
    await client.send({"type": "ping"})
    assert await client.receive() == {"type": "pong"}


@pytest.mark.parametrize("text", [" ", "{", "nul\0", '"\\ud800"', "NaN", "[" * 5000])
async def test_what_is_not_json_is_answered(connect: Connect, text: str) -> None:
    client = await connect("subscribe=none")
    await client.receive()
    await client.send_text(text)
    assert (await client.receive())["code"] == "bad-message"


async def test_an_error_names_the_message_it_answers(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    session_id = await start(manager, "true")
    client = await connect()
    await auntil(lambda: not manager.live_sessions())
    await client.send({"type": "input", "sessionId": session_id, "data": "x", "id": "k1"})
    error = await client.until_type("error")
    assert (error["id"], error["code"]) == ("k1", "not-running")


async def test_an_oversize_message_closes_the_stream(connect: Connect) -> None:
    client = await connect("subscribe=none")
    await client.send_text('"' + "x" * 70_000 + '"')
    assert await client.close_code() == 1009


async def test_what_is_no_longer_subscribed_to_is_not_sent(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    session_id = await start(manager, "cat")
    client = await connect("subscribe=none")
    await client.receive()
    for _ in range(20):
        await client.send({"type": "subscribe", "sessions": [session_id], "output": False})
        await client.send({"type": "subscribe", "sessions": [], "output": False})
    await client.round_trip()
    await manager.write(session_id, b"x\r")
    await shows(manager, session_id, "x")
    assert await client.nothing_follows()


async def test_what_changes_before_a_client_subscribes_is_told_when_it_does(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    client = await connect("subscribe=none")
    await client.until_type("initial-state")
    session_id = await start(manager, "cat", name="Meanwhile")
    await shows(manager, session_id, "")
    await client.send({"type": "subscribe", "output": True})
    updated = await client.until_type("session:updated")
    assert (updated["session"]["id"], updated["session"]["name"]) == (session_id, "Meanwhile")
