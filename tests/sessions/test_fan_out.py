"""The bridge and the fan-out: a messenger that may lose messages, and a log that never does."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from typing import Any

import orjson
import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from sessions_app import event_bridge, fanout, lifecycle
from sessions_app.consumers import SessionConsumer
from sessions_app.event_bridge import EventBridge
from sessions_app.events import EventType, LifecycleEvent, OutputEvent, SessionChanged, iso
from sessions_app.fanout import ALL_TAILS_BYTES, TAIL_BYTES, EventFrame, FanOut, Tail, get_fan_out
from sessions_app.launch import LaunchRequest
from sessions_app.live_frames import Frame, Piece, json_text
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.signals import session_event
from sessions_app.transport import SCOPE_KEY
from tests.cast import let_in
from tests.sessions.conftest import end_everything
from tests.sessions.direct_connection import DirectConnection
from tests.waiting_for import auntil


class Sleeper:
    """A viewer that is woken and does nothing."""

    everything = False

    def wake(self, session_id: str) -> None: ...
    def unknown_of(self, session_ids: Collection[str]) -> Collection[str]:
        return session_ids

    def discover(self, session_id: str) -> None: ...
    def changed(self, session_id: str, *, hidden: bool) -> None: ...
    def forgotten(self, session_id: str) -> None: ...

    def sees(self, session_id: str, owner_id: int | None, *, team: bool) -> bool:
        return True


def watched_tail() -> Tail:
    tail = Tail("s")
    tail.watchers.add(Sleeper())
    return tail


def add(tail: Tail, start: int, data: bytes) -> None:
    """Tell the tail of output, as the bridge does."""
    event = OutputEvent(session_id="s", offset=start, data=data, timestamp=timezone.now())
    piece = Piece(start, event.next_offset, iso(event.timestamp), json_text(event))
    tail.add_output(piece, start, event.next_offset)


def text_after(tail: Tail, offset: int, end: int | None = None) -> str | None:
    output = tail.output_after(offset, tail.head if end is None else end)
    if output is None:
        return None
    message = orjson.loads(output.frame.text)
    assert (message["offset"], message["nextOffset"]) == (offset, output.end)
    return str(message["data"])


@pytest.fixture
async def bridge() -> AsyncIterator[EventBridge]:
    bridge = EventBridge()
    bridge.start()
    yield bridge
    await bridge.stop()


async def test_the_bridge_pushes_every_announcement_into_the_group(bridge: EventBridge) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    for group in (event_bridge.GROUP, event_bridge.output_group("s")):
        await layer.group_add(group, channel)
    now = timezone.now()
    for event in (
        OutputEvent(session_id="s", offset=3, data=b"hi", timestamp=now),
        LifecycleEvent(
            type=EventType.RESUMED, session_id="s", seq=2, offset=5, timestamp=now, fields={}
        ),
        SessionChanged(session_id="s", forgotten=True),
    ):
        session_event.send_robust(object, event=event)
    messages = [await layer.receive(channel) for _ in range(3)]
    assert [(m["type"], m["session"]) for m in messages] == [
        ("session.output", "s"),
        ("session.event", "s"),
        ("session.changed", "s"),
    ]
    assert (messages[0]["offset"], messages[0]["next"]) == (3, 5)
    assert messages[0]["data"] == b"hi"
    assert orjson.loads(messages[1]["event"])["type"] == "session:resumed"


async def test_who_tells_never_waits_for_a_layer_that_does_not_answer(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "tests.sessions.stuck_layer.StuckChannelLayer", "CONFIG": {}}
    }
    layer = get_channel_layer()
    channel = await layer.new_channel()
    for group in (event_bridge.GROUP, event_bridge.output_group("s")):
        await layer.group_add(group, channel)
    bridge = EventBridge()
    bridge.start()
    for offset in range(5000):
        announce(offset)
    layer.answers.set()
    messages = [await layer.receive(channel) for _ in range(100)]
    assert [m["offset"] for m in messages] == list(range(904, 1004))
    assert {m["data"] for m in messages} == {None}
    await bridge.stop()


@pytest.fixture
def forgetful_layer(settings: Settings) -> Any:
    """The layer of this test, which forgets that who asked was cancelled."""
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "tests.sessions.stuck_layer.ForgetfulChannelLayer", "CONFIG": {}}
    }
    return get_channel_layer()


async def test_the_bridge_ends_though_the_layer_forgets_that_it_was_cancelled(
    forgetful_layer: Any,
) -> None:
    bridge = EventBridge()
    bridge.start()
    announce(0)
    await asyncio.wait_for(forgetful_layer.asked.wait(), 5)
    await asyncio.wait_for(bridge.stop(), 5)


async def test_the_fan_out_ends_though_the_layer_forgets_that_it_was_cancelled(
    forgetful_layer: Any,
) -> None:
    fan_out = FanOut()
    await fan_out.start()
    sleeper = Sleeper()
    fan_out.watch("s", sleeper)
    await fan_out.join(["s"])
    fan_out.unwatch("s", sleeper)
    await asyncio.wait_for(forgetful_layer.asked.wait(), 5)
    await asyncio.wait_for(fan_out.stop(), 5)


def test_a_piece_too_large_for_the_layer_is_left_to_the_log() -> None:
    event = OutputEvent(session_id="s", offset=0, data=b"x" * 200_000, timestamp=timezone.now())
    assert event_bridge.to_message(event)["data"] is None


def test_a_tail_hands_out_what_follows_an_offset_in_one_frame() -> None:
    tail = watched_tail()
    add(tail, 0, b"first")
    add(tail, 5, b"next")
    assert text_after(tail, 0) == "firstnext"
    assert text_after(tail, 5) == "next"
    assert text_after(tail, 3) is None
    assert tail.head == 9


def test_viewers_at_one_offset_share_a_frame() -> None:
    tail = watched_tail()
    add(tail, 0, b"first")
    add(tail, 5, b"next")
    ours, theirs = tail.output_after(0, 9), tail.output_after(0, 9)
    assert ours is not None
    assert ours is theirs
    add(tail, 9, b"more")
    assert text_after(tail, 0) == "firstnextmore"


def test_output_after_an_event_stays_behind_it() -> None:
    tail = watched_tail()
    add(tail, 0, b"before")
    add(tail, 6, b"after")
    assert text_after(tail, 0, 6) == "before"
    assert text_after(tail, 0, 3) is None


def test_joined_pieces_are_no_larger_than_a_bound() -> None:
    tail = watched_tail()
    for number in range(10):
        add(tail, number * 30_000, b"x" * 30_000)
    output = tail.output_after(0, tail.head)
    assert output is not None
    assert output.end == 60_000


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8))
def test_a_joined_frame_is_the_event_that_one_piece_would_have_been(texts: list[str]) -> None:
    tail = watched_tail()
    pieces = [text.encode("utf-8", "replace") for text in texts]
    for piece in pieces:
        if piece:
            add(tail, tail.head, piece)
    whole = b"".join(pieces)
    output = tail.output_after(0, len(whole))
    if not whole:
        assert output is None
        return
    assert output is not None
    now = timezone.now()
    event = OutputEvent(session_id="s", offset=0, data=whole, timestamp=now).to_wire()
    message = orjson.loads(output.frame.text)
    assert list(message) == list(event)
    assert {**message, "timestamp": None} == {**event, "timestamp": None}


def test_a_gap_makes_a_tail_forget_what_it_had() -> None:
    tail = watched_tail()
    add(tail, 0, b"first")
    add(tail, 8, b"c")
    assert text_after(tail, 0) is None
    assert tail.head == 9


def test_a_piece_that_is_only_in_the_log_makes_a_tail_forget_what_it_had() -> None:
    tail = watched_tail()
    add(tail, 0, b"first")
    tail.add_output(None, 5, 200_000)
    assert text_after(tail, 0) is None
    assert tail.head == 200_000


def test_a_piece_that_comes_twice_is_taken_once() -> None:
    tail = watched_tail()
    for _ in range(2):
        add(tail, 0, b"first")
    add(tail, 5, b"n")
    assert text_after(tail, 0) == "firstn"
    assert tail.head == 6


def test_a_tail_keeps_no_more_than_its_bound() -> None:
    tail = watched_tail()
    for number in range(100):
        add(tail, number * 50_000, b"x" * 50_000)
    kept = [text_after(tail, n * 50_000, (n + 1) * 50_000) is not None for n in range(100)]
    assert sum(kept) == TAIL_BYTES // 50_000
    for seq in range(1, 2000):
        tail.add_event(EventFrame(seq, 0, Frame(b"e")))
    assert tail.event_at(1) is None
    assert tail.event_at(1999) is not None


def test_all_tails_together_keep_no_more_than_their_bound() -> None:
    fan_out = FanOut()
    tails = [fan_out.watch(f"{number}", Sleeper()) for number in range(16)]
    for tail in tails:
        for number in range(10):
            add(tail, number * 50_000, b"x" * 50_000)
    kept = sum(
        text_after(tail, n * 50_000, (n + 1) * 50_000) is not None
        for n in range(10)
        for tail in tails
    )
    assert kept == 16 * (ALL_TAILS_BYTES // 16 // 50_000)
    fan_out.log.close()


def test_a_tail_of_a_session_that_has_fallen_silent_keeps_no_output() -> None:
    tail = watched_tail()
    add(tail, 0, b"first")
    tail.forget_if_silent()
    assert text_after(tail, 0) == "first"
    tail.forget_if_silent()
    assert text_after(tail, 0) is None


def test_a_tail_that_nobody_watches_keeps_no_output() -> None:
    tail = Tail("s")
    add(tail, 0, b"first")
    assert text_after(tail, 0) is None
    assert tail.head == 5


def announce(offset: int) -> None:
    event = OutputEvent(session_id="s", offset=offset, data=b"x", timestamp=timezone.now())
    session_event.send_robust(object, event=event)


async def test_a_session_rests_after_a_round_and_then_goes_on(
    manager: PersistentSessionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for all others to come.
    monkeypatch.setattr(fanout, "REST_ROUNDS", 10.0)
    monkeypatch.setattr(fanout, "REST_MOST_SECONDS", 2.0)
    woken: list[int] = []
    sleeper = Sleeper()

    def wake(session_id: str) -> None:
        woken.append(tail.head)
        time.sleep(0.2)  # as very many viewers would take

    sleeper.wake = wake  # type: ignore[method-assign]
    tail = get_fan_out().watch("s", sleeper)
    await get_fan_out().join(["s"])
    for offset in range(5):
        announce(offset)
    await auntil(lambda: woken[-1:] == [5])
    assert woken[0] == 1
    assert len(woken) == 2


async def test_a_viewer_that_cannot_be_woken_does_not_keep_the_others_asleep(
    manager: PersistentSessionManager,
) -> None:
    def fail(session_id: str) -> None:
        raise ValueError("broken")

    broken, sound, woken = Sleeper(), Sleeper(), asyncio.Event()
    broken.wake = fail  # type: ignore[method-assign]
    sound.wake = lambda session_id: woken.set()  # type: ignore[method-assign]
    for sleeper in (broken, sound, broken):
        get_fan_out().watch("s", sleeper)
    await get_fan_out().join(["s"])
    announce(0)
    await asyncio.wait_for(woken.wait(), 5)


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("loss", [0.2, 1.0])
async def test_viewers_get_every_byte_and_event_although_the_layer_loses_messages(
    transactional_db: None, state_folder: object, settings: Settings, loss: float, direct: bool
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "tests.sessions.lossy_layer.LossyChannelLayer",
            "CONFIG": {"loss": loss},
        }
    }
    alice = await User.objects.acreate(username="alice", is_superuser=True)
    await lifecycle.start()
    try:
        await every_byte_and_event_reach(alice, direct=direct)
    finally:
        await end_everything()
        await lifecycle.stop()


async def every_byte_and_event_reach(user: User, *, direct: bool) -> None:
    manager = lifecycle.manager()
    communicator = WebsocketCommunicator(SessionConsumer.as_asgi(), "/ws")
    communicator.scope |= await sync_to_async(let_in)(user)
    if direct:
        communicator.scope[SCOPE_KEY] = DirectConnection(communicator)
    await communicator.connect()
    script = "for n in 1 2 3 4 5; do seq $((n*1000)) $((n*1000+999)); sleep 0.05; done"
    await manager.create(LaunchRequest(argv=["bash", "-c", script], working_dir="/tmp"))
    received: list[dict[str, Any]] = []
    while not received or received[-1]["type"] != "session:completed":
        received.append(await communicator.receive_json_from(20))
    outputs = [m for m in received if m["type"] == "session:output" and not m.get("replay")]
    replayed = [m for m in received if m.get("replay")]
    begin = replayed[0]["nextOffset"] if replayed else 0
    expected = "".join(f"{n}\r\n" for n in range(1000, 6000))
    assert "".join(m["data"] for m in outputs) == expected[begin:]
    await communicator.disconnect()


async def test_one_subscription_serves_all_viewers_of_a_process(
    manager: PersistentSessionManager,
) -> None:
    alice = await User.objects.acreate(username="alice", is_superuser=True)
    communicators = []
    for _ in range(20):
        communicator = WebsocketCommunicator(SessionConsumer.as_asgi(), "/ws")
        communicator.scope |= await sync_to_async(let_in)(alice)
        await communicator.connect()
        await communicator.receive_json_from(20)
        communicators.append(communicator)
    layer = get_channel_layer()
    # The layer over Redis puts its prefix in front of the name.
    (name,) = (name for name in layer.groups if name.endswith(event_bridge.GROUP))
    assert len(layer.groups[name]) == 1
    assert len(get_fan_out().viewers) == 20
    for communicator in communicators:
        await communicator.disconnect()
    assert get_fan_out().viewers == set()


async def test_a_message_that_makes_no_sense_does_not_stop_the_fan_out(
    manager: PersistentSessionManager,
) -> None:
    layer = get_channel_layer()
    await layer.group_send(event_bridge.GROUP, {"type": "nonsense"})
    sleeper, woken = Sleeper(), asyncio.Event()
    sleeper.wake = lambda session_id: woken.set()  # type: ignore[method-assign]
    fan_out: FanOut = get_fan_out()
    fan_out.watch("s", sleeper)
    await fan_out.join(["s"])
    session_event.send_robust(
        object,
        event=OutputEvent(session_id="s", offset=0, data=b"x", timestamp=timezone.now()),
    )
    await asyncio.wait_for(woken.wait(), 5)


async def test_a_viewer_of_everything_keeps_nothing_of_sessions_that_have_ended(
    manager: PersistentSessionManager,
) -> None:
    alice = await User.objects.acreate(username="alice", is_superuser=True)
    communicator = WebsocketCommunicator(SessionConsumer.as_asgi(), "/ws")
    communicator.scope |= await sync_to_async(let_in)(alice)
    await communicator.connect()
    for _ in range(5):
        session_id = await manager.create(LaunchRequest(argv=["true"], working_dir="/tmp"))
        message: dict[str, Any] = {}
        while (message.get("type"), message.get("sessionId")) != ("session:completed", session_id):
            message = await communicator.receive_json_from(10)
        await auntil(lambda: get_fan_out().watched() == [])
    await manager.change(session_id, name="after its end")
    message = await communicator.receive_json_from(10)
    assert (message["type"], message["session"]["name"]) == ("session:updated", "after its end")
    assert get_fan_out().watched() == []
    await communicator.disconnect()
