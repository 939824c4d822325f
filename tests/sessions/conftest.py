"""A server of the test's own: manager, fan-out and holders in a fresh state folder; its streams."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from sessions_app import lifecycle
from sessions_app.models import Session
from sessions_app.session_manager import PersistentSessionManager
from tests.cast import let_in
from tests.sessions.stream_client import Client, Connect, opened_streams
from tests.waiting_for import auntil


@pytest.fixture(autouse=True)
def stops_wholly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stop take its time: one that is cut short keeps its lock on the state folder."""
    monkeypatch.setattr(lifecycle, "STOP_SECONDS", 60.0)


@pytest.fixture
def state_folder(settings: Settings, tmp_path: Path) -> Path:
    """Point the settings at an empty state folder."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    settings.HARNESS_STATE_DIR = folder
    return folder


@pytest.fixture
async def manager(
    transactional_db: None, state_folder: Path
) -> AsyncIterator[PersistentSessionManager]:
    """Start a server; at the end of the test no program of it is left."""
    await lifecycle.start()
    try:
        yield lifecycle.manager()
        await end_everything()
    finally:
        # Else every test after it would meet this one's server.
        await lifecycle.stop()


@pytest.fixture
async def connect(transactional_db: None) -> AsyncIterator[Connect]:
    """What opens a live stream of an administrator; the server has to run by then."""
    alice = await User.objects.acreate(username="alice", is_superuser=True)
    async with opened_streams() as streams:

        async def connect(query: str = "") -> Client:
            client = await streams.open(await sync_to_async(let_in)(alice), query)
            await client.until_type("initial-state")
            return client

        yield connect


async def end_everything() -> None:
    """End every session of the running server and wait until it is written."""
    manager = lifecycle.manager()

    async def is_over() -> bool:
        # Those that are queued begin when others end.
        ending = [manager.end(session_id, grace=0) for session_id in await active()]
        await asyncio.gather(*ending, return_exceptions=True)
        return not manager.live_sessions() and not await active()

    await auntil(is_over, timeout=15)


@sync_to_async
def active() -> list[str]:
    return [str(key) for key in Session.objects.active().values_list("pk", flat=True)]
