"""The figures of a manager: what it did, as plain numbers for its heartbeat."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer, get_channel_layer
from channels.testing import WebsocketCommunicator
from django.db import OperationalError
from django.utils import timezone
from pytest_django.fixtures import Settings

from sessions_app import lifecycle
from sessions_app.event_bridge import EventBridge
from sessions_app.events import OutputEvent
from sessions_app.fanout import FanOut
from sessions_app.holder_client import LaunchFailed
from sessions_app.launch import LaunchRequest
from sessions_app.live_frames import Frame
from sessions_app.metrics import (
    FIGURES,
    SILENT_SECONDS,
    LoopDelay,
    counts,
    follow,
    loop_delay,
    stats,
)
from sessions_app.metrics.counts import Counts
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.signals import session_event
from sessions_app.transport import Outlet
from tests.sessions.direct_connection import DirectConnection
from tests.sessions.fake_holders import FakeHolders
from tests.waiting_for import auntil

REQUEST = LaunchRequest(argv=["cat"], working_dir="/tmp")


class Stand:
    """A manager without anything behind it."""

    def __init__(self, since: datetime | None = None, backlog: int = 0) -> None:
        self.slots = 7
        self.live: dict[str, Any] = {}
        self.archiver = self
        self._told = since, backlog

    def backlog(self) -> tuple[datetime | None, int]:
        """Tell what the test wants."""
        return self._told


def told(offset: int) -> None:
    event = OutputEvent(session_id="s", offset=offset, data=b"x", timestamp=timezone.now())
    session_event.send_robust(object, event=event)


def test_a_process_without_a_manager_has_no_figures() -> None:
    assert stats() == {}


def test_every_figure_has_a_name_among_the_metrics_and_is_plain_json() -> None:
    follow(Stand())
    figures = stats()
    assert {*figures, SILENT_SECONDS} == {figure.key for figure in FIGURES}
    assert json.loads(json.dumps(figures)) == figures
    assert all(type(value) in (int, float) for value in figures.values())


def test_the_lag_is_the_age_of_the_oldest_output_that_the_database_lacks() -> None:
    follow(Stand(datetime.now(UTC) - timedelta(seconds=90), 4096))
    assert 90 <= stats()["archiveLagSeconds"] < 95
    assert stats()["archiveBacklogBytes"] == 4096


def test_a_clock_that_was_set_back_makes_no_negative_lag() -> None:
    follow(Stand(datetime.now(UTC) + timedelta(hours=1), 1))
    assert stats()["archiveLagSeconds"] == 0


async def test_a_session_is_counted_from_its_start_to_its_end(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id = await manager.create(REQUEST)
    holders.by_session[session_id].print(b"hello")
    await auntil(lambda: stats()["outputBytes"] == 5)
    figures = stats()
    assert (figures["sessionsStarted"], figures["sessionsFollowed"]) == (1, 1)
    assert figures["slots"] == manager.slots
    holders.by_session[session_id].exit(code=0)
    await auntil(lambda: stats()["sessionsFollowed"] == 0)
    assert (stats()["sessionsCompleted"], stats()["sessionsFailed"]) == (1, 0)


async def test_one_that_fails_counts_as_failed(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id = await manager.create(REQUEST)
    holders.by_session[session_id].exit(code=3)
    await auntil(lambda: stats()["sessionsFailed"] == 1)
    assert stats()["sessionsCompleted"] == 0


async def test_a_program_that_cannot_be_started_is_a_failed_start_and_no_start(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    holders.refusal = LaunchFailed("No such thing.", 2)
    await manager.create(REQUEST)
    figures = stats()
    assert (figures["startFailures"], figures["sessionsStarted"]) == (1, 0)
    assert figures["sessionsFailed"] == 1


async def test_a_session_whose_output_cannot_be_stored_stands_still(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id = await manager.create(REQUEST)
    assert stats()["sessionsStalled"] == 0
    listener = holders.by_session[session_id].listener
    assert listener is not None
    listener.stalled_changed("No space left on device")
    assert stats()["sessionsStalled"] == 1


async def test_output_of_an_earlier_server_is_no_backlog_of_this_one(
    manager: PersistentSessionManager, holders: FakeHolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    session_id = await manager.create(REQUEST)
    holders.by_session[session_id].print(b"before the restart")
    await auntil(lambda: stats()["outputBytes"] == 18)
    await lifecycle.stop()
    await lifecycle.start(holders)

    def down(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("the database is down")

    monkeypatch.setattr("sessions_app.archiver.archive", down)
    holders.by_session[session_id].print(b"after")
    await auntil(lambda: stats()["archiveBacklogBytes"] > 0)
    assert stats()["archiveBacklogBytes"] == 5
    monkeypatch.undo()
    await auntil(lambda: stats()["archiveBacklogBytes"] == 0)


async def test_figures_end_with_the_manager(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    assert stats()["slots"] == manager.slots
    await lifecycle.stop()
    assert stats() == {}


async def test_the_loop_is_looked_at_as_long_as_the_server_runs(
    manager: PersistentSessionManager,
) -> None:
    def looks() -> int:
        return list(loop_delay.buckets())[-1][1]

    before = looks()
    await auntil(lambda: looks() > before)
    await lifecycle.stop()
    stopped, other = looks(), LoopDelay()
    other.start()
    await auntil(lambda: list(other.buckets())[-1][1] > 0)
    other.stop()
    assert looks() == stopped


# The channel layer


class FailingLayer(InMemoryChannelLayer):  # type: ignore[misc]  # untyped base
    """Cannot be reached."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send nothing."""
        raise ConnectionError("Connection refused")


async def test_what_the_layer_refuses_is_an_error_of_it(
    settings: Settings, nothing_counted: Counts
) -> None:
    path = f"{FailingLayer.__module__}.FailingLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": path, "CONFIG": {}}}
    bridge = EventBridge()
    bridge.start()
    told(0)
    told(1)
    await auntil(lambda: counts.layer_errors == 2)
    await bridge.stop()
    assert counts.events_lost == 0


async def test_what_a_layer_that_does_not_answer_makes_us_drop_is_counted(
    settings: Settings, nothing_counted: Counts
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "tests.sessions.stuck_layer.StuckChannelLayer", "CONFIG": {}}
    }
    bridge = EventBridge()
    bridge.start()
    for offset in range(5000):
        told(offset)
    get_channel_layer().answers.set()
    await bridge.stop()
    assert counts.events_lost == 5000 - 4096


@pytest.mark.usefixtures("manager")
async def test_a_message_that_did_not_come_is_a_gap_that_the_log_healed(
    settings: Settings, manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "tests.sessions.lossy_layer.LossyChannelLayer",
            "CONFIG": {"loss": 1.0},
        }
    }
    deaf = FanOut()
    await deaf.start()
    session_id = await manager.create(REQUEST)
    watcher = Watcher()
    deaf.viewers.add(watcher)
    tail = deaf.watch(session_id, watcher)
    holders.by_session[session_id].print(b"unheard")
    await auntil(lambda: tail.head == 7, timeout=10)
    await deaf.stop()
    assert counts.gaps_healed > 0


class Watcher:
    """A viewer that is woken and does nothing."""

    everything = False

    def wake(self, session_id: str) -> None: ...
    def unknown_of(self, session_ids: Any) -> Any:
        return ()

    def discover(self, session_id: str) -> None: ...
    def changed(self, session_id: str, *, hidden: bool) -> None: ...
    def forgotten(self, session_id: str) -> None: ...

    def sees(self, session_id: str, owner_id: int | None, *, team: bool) -> bool:
        return True


async def test_stats_can_be_asked_from_another_thread(
    manager: PersistentSessionManager, holders: FakeHolders
) -> None:
    session_id = await manager.create(REQUEST)
    asking = asyncio.gather(*(asyncio.to_thread(stats) for _ in range(200)))
    for _ in range(200):
        holders.by_session[session_id].print(b"x")
        await asyncio.sleep(0)
    assert {figures["slots"] for figures in await asking} == {manager.slots}


# Live streams


async def test_frames_are_counted_whichever_way_they_are_sent() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    frame, connection = (
        Frame.of({"type": "pong"}),
        DirectConnection(WebsocketCommunicator(None, "")),
    )
    await Outlet(send, None).send(frame)
    await Outlet(send, connection).send(frame)
    assert Outlet(send, connection).put(frame)
    assert len(sent) == 1
    assert (counts.sent_messages, counts.sent_bytes) == (3, 3 * len(frame.wire))
