"""What one holder costs, alone."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.figures import MEGABYTE, Measured
from bench.machine import own_megabytes
from bench.programs.printer import LINE_BYTES
from bench.scenario import Scenario
from bench.scenarios.limit import bare_rate
from bench.servers.base import COLS, ROWS, Server
from bench.starting_gun import StartingGun
from sessions_app.holder_client import (
    ExitRecord,
    HolderClient,
    HolderSpec,
    Identity,
    SpoolReader,
    is_alive,
    launch_holder,
)

TIME_LIMIT = 120.0
ENVIRONMENT = {"PATH": os.defpath, "TERM": "xterm-256color"}


class Silent:
    """Listens to a holder and does nothing about it."""

    def size_changed(self, size: int) -> None:
        """Output has come."""

    def stalled_changed(self, stalled: str | None) -> None:
        """The disk is full, or no longer."""

    def exited(self, record: ExitRecord) -> None:
        """The program has ended."""

    def disconnected(self) -> None:
        """The holder is gone."""


async def launch(folder: Path, argv: list[str]) -> Identity:
    """Start a holder with a program in it."""
    spec = HolderSpec(session_id="bench", argv=argv, cwd="/", cols=COLS, rows=ROWS, epoch="bench")
    return await launch_holder(folder, spec, ENVIRONMENT)


async def end(folder: Path, identity: Identity) -> None:
    """End the program, and wait until the holder has ended too."""
    client = await HolderClient.connect(folder, Silent())
    await client.end(0)
    await client.close()
    async with asyncio.timeout(TIME_LIMIT):
        while is_alive(identity.holder, identity.boot_id):
            await asyncio.sleep(0.005)


@dataclass(frozen=True, kw_only=True)
class Holder(Scenario):
    """What does one holder cost: its start, output on its way to the disk, its memory?"""

    name = "holder"
    servers = ("none",)

    starts: int = 10
    megabytes: float = 100.0

    @classmethod
    def smallest(cls) -> Holder:
        """Return one start and a little output."""
        return cls(starts=1, megabytes=0.2)

    def measure(self, server: Server) -> Measured:
        """Measure once, the bare loop right before."""
        measured = Measured()
        size = int(self.megabytes * MEGABYTE) // LINE_BYTES * LINE_BYTES
        limit, _ = bare_rate(size)
        with tempfile.TemporaryDirectory() as state:
            asyncio.run(self._measure(Path(state), size, measured))
        measured.add("plain cat of the terminal", limit, "MB/s")
        return measured

    async def _measure(self, state: Path, size: int, measured: Measured) -> None:
        times = [await self._start(state / f"start-{number}") for number in range(self.starts)]
        measured.add("start until its identity is known", statistics.median(times), "ms")
        with StartingGun() as gun:
            await self._spool(state / "spool", gun, size, measured)

    async def _start(self, folder: Path) -> float:
        begun = time.perf_counter()
        identity = await launch(folder, [sys.executable, "-I", "-S", "-c", "input()"])
        took = (time.perf_counter() - begun) * 1000
        await end(folder, identity)
        return took

    async def _spool(self, folder: Path, gun: StartingGun, size: int, measured: Measured) -> None:
        identity = await launch(folder, gun.program("history", size))
        spool = SpoolReader(folder)
        gun.wait_until_ready(1)
        begun = gun.fire()
        async with asyncio.timeout(TIME_LIMIT):
            while spool.size < size:
                await asyncio.sleep(0.002)
        rate = size / MEGABYTE / ((time.monotonic_ns() - begun) / 1e9)
        measured.add("into the spool", rate, "MB/s")
        measured.add("its own memory", own_megabytes(identity.holder.pid), "MB")
        measured.expect(spool.size == size, f"{spool.size} of {size} bytes in the spool")
        await end(folder, identity)
