"""Holders made by hand: they write a spool and tell the listener just what a test wants."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sessions_app.holder.spool import SpoolWriter
from sessions_app.holder_client import (
    ExitRecord,
    Hello,
    HolderGone,
    HolderListener,
    HolderSpec,
    Identity,
    LaunchFailed,
    ProcessIdentity,
)

PROCESS = ProcessIdentity(pid=4_000_000, start=1)


class FakeHolder:
    """One session without a process."""

    def __init__(self, folder: Path, spec: HolderSpec) -> None:
        self.spec = spec
        self.spool = SpoolWriter(str(folder))
        self.typed: list[bytes] = []
        self.refusal: Exception | None = None
        self.listener: HolderListener | None = None
        self.closed = False
        self.answered = 0
        self.drawn_on_resize = b""

    @property
    def hello(self) -> Hello:
        return Hello(
            version=1,
            epoch=self.spec.epoch,
            base=0,
            size=self.spool.size,
            state="running",
            stalled=None,
            cols=self.spec.cols,
            rows=self.spec.rows,
            answered=self.answered,
            holder=PROCESS,
            child=PROCESS,
        )

    def print(self, data: bytes) -> None:
        """The program writes."""
        self.spool.append(data)
        assert self.listener is not None
        self.listener.size_changed(self.spool.size)

    def exit(self, *, code: int | None = 0, signal: int | None = None) -> None:
        """The program ends."""
        assert self.listener is not None
        size = self.spool.size
        self.listener.exited(
            ExitRecord(code=code, signal=signal, size=size, at=0.0, cause="exited", error=None)
        )

    def die(self) -> None:
        """The holder itself is gone."""
        assert self.listener is not None
        self.listener.disconnected()

    async def write(self, data: bytes) -> None:
        if self.refusal:
            raise self.refusal
        self.typed.append(data)

    async def answer(self, data: bytes, offset: int) -> None:
        self.answered = offset
        await self.write(data)

    async def resize(self, cols: int, rows: int) -> int:
        size = self.spool.size
        if self.drawn_on_resize:
            self.print(self.drawn_on_resize)
            await asyncio.sleep(0.05)  # the answer takes a while, and others go on meanwhile
        return size

    async def end(self, grace: float) -> None:
        self.exit(code=None, signal=15)

    async def close(self) -> None:
        self.closed = True


class FakeHolders:
    """Keeps its holders by session id; `refusal` is what a launch answers with."""

    def __init__(self) -> None:
        self.by_session: dict[str, FakeHolder] = {}
        self.refusal: LaunchFailed | None = None
        self.environments: dict[str, dict[str, str]] = {}

    async def launch(self, folder: Path, spec: HolderSpec, environment: dict[str, str]) -> Identity:
        if self.refusal is not None:
            raise self.refusal
        folder.mkdir(parents=True)  # noqa: ASYNC240  # nobody else waits for this loop
        self.by_session[spec.session_id] = FakeHolder(folder, spec)
        self.environments[spec.session_id] = environment
        return Identity(boot_id="boot", epoch=spec.epoch, holder=PROCESS, child=PROCESS)

    async def connect(self, folder: Path, listener: HolderListener) -> FakeHolder:
        holder = self.by_session.get(folder.name)
        if holder is None:
            raise HolderGone("The session's holder does not answer.")
        holder.listener = listener
        return holder
