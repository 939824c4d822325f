"""Every test begins with nothing counted and nothing remembered."""

import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sessions_app import exposition, lifecycle, scraping
from sessions_app.metrics import counts, follow
from sessions_app.metrics.counts import Counts
from sessions_app.session_manager import PersistentSessionManager
from tests.sessions.conftest import state_folder, stops_wholly
from tests.sessions.fake_holders import FakeHolders

__all__ = ["state_folder", "stops_wholly"]


@pytest.fixture(autouse=True)
def nothing_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """The process's counts, at 0."""
    before = dataclasses.asdict(counts)
    for name in before:
        setattr(counts, name, 0)
    monkeypatch.setattr(scraping, "readers", scraping.Readers())
    exposition.registry.cache_clear()
    yield counts
    follow(None)
    exposition.registry.cache_clear()
    for name, value in before.items():
        setattr(counts, name, value)


@pytest.fixture
def holders() -> FakeHolders:
    """Holders made by hand."""
    return FakeHolders()


@pytest.fixture
async def manager(
    transactional_db: None, state_folder: Path, holders: FakeHolders
) -> AsyncIterator[PersistentSessionManager]:
    """A server over them."""
    await lifecycle.start(holders)
    yield lifecycle.manager()
    await lifecycle.stop()
