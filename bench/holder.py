"""What one holder costs: `python -m bench.holder [MEGABYTES]`.

Start: from asking to the identity being known, median of ten. Spool: how fast a program's output
gets to the disk, against a bare loop that reads the same program's terminal and keeps nothing, both
the median of five rounds, with the lowest and the highest.
Memory: the holder's own, after all that output (proc_pid_smaps(5): Pss and Private).
"""

from __future__ import annotations

import asyncio
import os
import pty
import statistics
import sys
import tempfile
import time
from pathlib import Path

from sessions_app.holder_client import (
    ExitRecord,
    HolderClient,
    HolderSpec,
    Identity,
    SpoolReader,
    is_alive,
    launch_holder,
)

WRITER = """
import os, sys, tty
tty.setraw(0)
os.write(1, b"ready")
os.read(0, 1)
piece = bytes(range(256)) * 256
for _ in range({megabytes} * 16):
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(1, rest):]
os.read(0, 1)
"""
TIME_LIMIT = 120.0
ROUNDS = 5  # in turn, because the rates depend on which core runs which process
ENVIRONMENT = {"PATH": os.defpath, "TERM": "xterm-256color"}


class Silent:
    def size_changed(self, size: int) -> None: ...
    def stalled_changed(self, stalled: str | None) -> None: ...
    def exited(self, record: ExitRecord) -> None: ...
    def disconnected(self) -> None: ...


def writer(megabytes: int) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", WRITER.format(megabytes=megabytes)]


async def launch(folder: Path, argv: list[str]) -> Identity:
    spec = HolderSpec(session_id="bench", argv=argv, cwd="/", cols=80, rows=24, epoch="bench")
    return await launch_holder(folder, spec, ENVIRONMENT)


async def end(folder: Path, identity: Identity) -> None:
    client = await HolderClient.connect(folder, Silent())
    await client.end(0)
    await client.close()
    async with asyncio.timeout(TIME_LIMIT):
        while is_alive(identity.holder, identity.boot_id):
            await asyncio.sleep(0.005)


async def start_milliseconds(state: Path) -> float:
    times = []
    for number in range(10):
        begun = time.perf_counter()
        identity = await launch(state / f"start-{number}", ["cat"])
        times.append((time.perf_counter() - begun) * 1000)
        await end(state / f"start-{number}", identity)
    return statistics.median(times)


async def spool_rate(folder: Path, megabytes: int) -> tuple[float, dict[str, float]]:
    """Megabytes a second, and the holder's memory in megabytes."""
    identity = await launch(folder, writer(megabytes))
    client = await HolderClient.connect(folder, Silent())
    spool = SpoolReader(folder)
    await grows_to(spool, len(b"ready"))
    await client.write(b"g")
    begun = time.perf_counter()
    await grows_to(spool, len(b"ready") + (megabytes << 20))
    seconds = time.perf_counter() - begun
    memory = own_memory(identity.holder.pid)
    await client.close()
    await end(folder, identity)
    return megabytes / seconds, memory


async def grows_to(spool: SpoolReader, size: int) -> None:
    async with asyncio.timeout(TIME_LIMIT):
        while spool.size < size:
            await asyncio.sleep(0.005)


def own_memory(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
    return {"PSS": sizes["Pss"] / 1024, "USS": private / 1024, "RSS": sizes["Rss"] / 1024}


def bare_rate(megabytes: int) -> float:
    """The same program, its terminal read by the simplest loop there is."""
    pid, master = pty.fork()
    if pid == 0:
        argv = writer(megabytes)
        os.execve(argv[0], argv, ENVIRONMENT)  # noqa: S606  (no shell, on purpose)
    left = megabytes << 20
    os.read(master, 5)  # "ready": typed before it is raw, the word to begin would be lost
    os.write(master, b"g")
    begun = time.perf_counter()
    while left > 0:
        left -= len(os.read(master, 65536))
    seconds = time.perf_counter() - begun
    os.write(master, b"g")
    os.waitpid(pid, 0)
    os.close(master)
    return megabytes / seconds


def summary(rates: list[float]) -> str:
    return f"{statistics.median(rates):6.1f} MiB/s ({min(rates):.0f} to {max(rates):.0f})"


async def main(megabytes: int) -> None:
    with tempfile.TemporaryDirectory() as state:
        print(f"start            {await start_milliseconds(Path(state)):6.1f} ms")
        bare, spooled = [], []
        for number in range(ROUNDS):
            bare.append(bare_rate(megabytes))
            rate, memory = await spool_rate(Path(state) / f"flood-{number}", megabytes)
            spooled.append(rate)
    ratio = statistics.median(spooled) / statistics.median(bare)
    print(f"bare read loop   {summary(bare)}")
    print(f"into the spool   {summary(spooled)}, {ratio:.2f} of the bare loop")
    print("memory         ", ", ".join(f"{name} {size:.1f} MiB" for name, size in memory.items()))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
