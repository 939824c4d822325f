"""The bridge and the fan-out: a messenger that may lose messages, and a log that never does."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django.fixtures import Settings

from sessions_app import event_bridge, lifecycle
from sessions_app.consumers import SessionConsumer
from sessions_app.events import EventType, LifecycleEvent, OutputEvent, SessionChanged
from sessions_app.fanout import EventFrame, FanOut, Tail, get_fan_out
from sessions_app.launch import LaunchRequest
from sessions_app.session_manager import PersistentSessionManager, get_manager
from sessions_app.signals import session_event
from tests.cast import let_in
from tests.sessions.conftest import end_everything
from tests.waiting_for import auntil


class Sleeper:
    """A viewer that is woken and does nothing."""

    everything = False

    def wake(self, session_id: str) -> None: ...
    def discover(self, session_id: str) -> None: ...
    def changed(self, session_id: str, *, hidden: bool) -> None: ...
    def forgotten(self, session_id: str) -> None: ...

    def sees(self, session_id: str, owner_id: int | None, *, team: bool) -> bool:
        return True


def watched_tail() -> Tail:
    tail = Tail()
    tail.watchers.add(Sleeper())
    return tail


async def test_the_bridge_pushes_every_announcement_into_the_group(settings: Settings) -> None:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(event_bridge.GROUP, channel)
    now = timezone.now()
    for event in (
        OutputEvent(session_id="s", offset=3, data=b"hi", timestamp=now),
        LifecycleEvent(
            type=EventType.RESUMED, session_id="s", seq=2, offset=5, timestamp=now, fields={}
        ),
        SessionChanged(session_id="s", forgotten=True),
    ):
        await session_event.asend_robust(object, event=event)
    messages = [await layer.receive(channel) for _ in range(3)]
    assert [(m["type"], m["session"]) for m in messages] == [
        ("session.output", "s"),
        ("session.event", "s"),
        ("session.changed", "s"),
    ]
    assert (messages[0]["offset"], messages[0]["next"]) == (3, 5)
    assert '"data":"hi"' in messages[0]["text"]


def test_a_piece_too_large_for_the_layer_is_left_to_the_log() -> None:
    event = OutputEvent(session_id="s", offset=0, data=b"x" * 200_000, timestamp=timezone.now())
    assert event_bridge.to_message(event)["text"] is None


def test_a_tail_hands_out_what_follows_an_offset() -> None:
    tail = watched_tail()
    tail.add_output(0, 5, "a")
    tail.add_output(5, 9, "b")
    piece = tail.piece_at(5)
    assert piece is not None
    assert (piece.end, piece.text) == (9, "b")
    assert tail.piece_at(3) is None
    assert tail.head == 9


def test_a_gap_makes_a_tail_forget_what_it_had() -> None:
    tail = watched_tail()
    tail.add_output(0, 5, "a")
    tail.add_output(8, 9, "c")
    assert tail.piece_at(0) is None
    assert tail.head == 9


def test_a_piece_that_comes_twice_is_taken_once() -> None:
    tail = watched_tail()
    for _ in range(2):
        tail.add_output(0, 5, "a")
    tail.add_output(5, 6, "b")
    assert tail.piece_at(0) is not None
    assert tail.head == 6


def test_a_tail_keeps_no_more_than_its_bound() -> None:
    tail = watched_tail()
    for number in range(100):
        tail.add_output(number * 50_000, (number + 1) * 50_000, "x" * 50_000)
    assert sum(tail.piece_at(n * 50_000) is not None for n in range(100)) <= 21
    for seq in range(1, 2000):
        tail.add_event(EventFrame(seq, 0, "e"))
    assert tail.event_at(1) is None
    assert tail.event_at(1999) is not None


def test_a_tail_that_nobody_watches_keeps_no_output() -> None:
    tail = Tail()
    tail.add_output(0, 5, "a")
    assert tail.piece_at(0) is None
    assert tail.head == 5


@pytest.mark.parametrize("loss", [0.2, 1.0])
async def test_viewers_get_every_byte_and_event_although_the_layer_loses_messages(
    transactional_db: None, state_folder: object, settings: Settings, loss: float
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
        await every_byte_and_event_reach(alice)
    finally:
        await end_everything()
        await lifecycle.stop()


async def every_byte_and_event_reach(user: User) -> None:
    manager = get_manager()
    communicator = WebsocketCommunicator(SessionConsumer.as_asgi(), "/ws")
    communicator.scope |= await sync_to_async(let_in)(user)
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
        await communicator.receive_json_from()
        communicators.append(communicator)
    assert len(get_channel_layer().groups[event_bridge.GROUP]) == 1
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
    await session_event.asend_robust(
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
