"""Sessions with real holders and real programs, all of them gone when the test is over."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sessions_app.holder_client import (
    ExitRecord,
    HolderClient,
    HolderGone,
    HolderSpec,
    Identity,
    SpoolReader,
    is_alive,
    launch_holder,
    read_exit_record,
)
from tests.waiting_for import auntil

MARK = "HOLDER_TEST_MARK"


class Notes:
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.stalls: list[str | None] = []
        self.record: ExitRecord | None = None
        self.lost = False

    def size_changed(self, size: int) -> None:
        self.sizes.append(size)

    def stalled_changed(self, stalled: str | None) -> None:
        self.stalls.append(stalled)

    def exited(self, record: ExitRecord) -> None:
        self.record = record

    def disconnected(self) -> None:
        self.lost = True


class Running:
    """One session under test, as its only manager sees it."""

    def __init__(self, folder: Path, identity: Identity, mark: str) -> None:
        self.folder = folder
        self.identity = identity
        self.mark = mark
        self.notes = Notes()
        self.spool = SpoolReader(folder)
        self._client: HolderClient | None = None

    @property
    def client(self) -> HolderClient:
        assert self._client is not None
        return self._client

    async def connect(self) -> HolderClient:
        self._client = await HolderClient.connect(self.folder, self.notes)
        return self._client

    async def leave(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def meet(self) -> None:
        """Connect, or find that the program was quicker: then its record is there."""
        try:
            await self.connect()
        except HolderGone:
            self.notes.record = read_exit_record(self.folder)
            assert self.notes.record is not None

    def output(self) -> bytes:
        return self.spool.read(0, 1 << 30)

    async def prints(self, text: bytes, timeout: float = 30.0) -> None:
        await auntil(lambda: text in self.output(), timeout)

    async def ends(self, timeout: float = 30.0) -> ExitRecord:
        await auntil(lambda: self.notes.record or self.notes.lost, timeout)
        assert self.notes.record is not None
        return self.notes.record

    def tree(self) -> list[int]:
        """Every process that was started with this session's mark, wherever it went since."""
        needle = f"{MARK}={self.mark}".encode()
        return [int(entry.name) for entry in Path("/proc").iterdir() if _carries(entry, needle)]

    async def end_and_wait(self) -> None:
        try:
            client = await HolderClient.connect(self.folder, Notes())
            await client.end(0)
            await client.close()
        except HolderGone:
            pass
        await auntil(lambda: not is_alive(self.identity.holder, self.identity.boot_id), 15)


def _carries(entry: Path, needle: bytes) -> bool:
    if not entry.name.isdigit():
        return False
    try:
        return needle in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """start(argv, cwd=, cols=, rows=, environment=, folder=, **spec) gives a connected session."""
    begun: list[Running] = []

    async def start_one(
        *argv: str,
        cwd: Path = tmp_path,
        cols: int = 80,
        rows: int = 24,
        environment: dict[str, str] | None = None,
        folder: Path | None = None,
        **details: Any,
    ) -> Running:
        mark = str(uuid.uuid4())
        folder = folder or tmp_path / "sessions" / mark
        spec = HolderSpec(
            session_id=mark,
            argv=list(argv),
            cwd=str(cwd),
            cols=cols,
            rows=rows,
            epoch="epoch-1",
            **details,
        )
        identity = await launch_holder(
            folder, spec, {**plain_environment(), MARK: mark, **(environment or {})}
        )
        running = Running(folder, identity, mark)
        begun.append(running)
        await running.meet()
        return running

    yield start_one
    await asyncio.gather(*(running.end_and_wait() for running in begun))
    await asyncio.gather(*(running.leave() for running in begun))


def plain_environment() -> dict[str, str]:
    return {"PATH": os.defpath, "TERM": "xterm-256color", "LANG": "C.UTF-8"}


def python(program: str) -> tuple[str, ...]:
    """The command that runs `program`; output of a pipe's kind, never buffered by lines."""
    return (sys.executable, "-I", "-S", "-c", program)
