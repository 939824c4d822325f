"""Every byte a program writes is in the spool, whatever happens to those who read it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_app.holder import frames
from sessions_app.holder.spool import SEGMENT_SIZE, segment_name
from sessions_app.holder_client import HolderClient
from tests.waiting_for import auntil

from .conftest import Notes, Start, python

ROOT = Path(__file__).parents[2]

PRINT_BINARY = """
import os, random, sys, tty
tty.setraw(1)
data = random.Random({seed}).randbytes({size})
rest = memoryview(data)
while rest:
    rest = rest[os.write(1, rest):]
"""

# What the terminal prints of the line that such a program waits for.
ECHO = b"\r\n"

PRINT_WHEN_ASKED = """
import os, random, tty
tty.setraw(0)
print("ready", flush=True)
for seed in range({rounds}):
    os.read(0, 1)
    rest = memoryview(random.Random(seed).randbytes({size}))
    while rest:
        rest = rest[os.write(1, rest):]
"""

READER = """
import asyncio, sys
from pathlib import Path
from sessions_app.holder_client import HolderClient, SpoolReader

class Listener:
    def size_changed(self, size): print(size, flush=True)
    def stalled_changed(self, stalled): pass
    def exited(self, record): pass
    def disconnected(self): pass

async def follow(folder):
    client = await HolderClient.connect(folder, Listener())
    print("connected", flush=True)
    while True:
        SpoolReader(folder).read(0, 1 << 20)
        await asyncio.sleep(0)

asyncio.run(follow(Path(sys.argv[1])))
"""


def binary(size: int, seed: int = 7, when: str = "") -> tuple[str, ...]:
    """A program that prints random bytes, once it has done `when`."""
    return python(f"{when}{PRINT_BINARY.format(size=size, seed=seed)}")


def expected(size: int, seed: int = 7) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311  (the same bytes again, not secrets)


async def test_all_byte_values_arrive_exactly(start: Start) -> None:
    size = 5_000_000
    printer = await start(*binary(size))
    assert (await printer.ends(20)).size == size
    assert set(printer.output()) == set(range(256))
    assert printer.output() == expected(size)


async def test_output_is_cut_into_segments_that_are_read_as_one(start: Start) -> None:
    size = 2 * SEGMENT_SIZE + 12345
    printer = await start(*binary(size))
    await printer.ends(20)
    sizes = [(file.name, file.stat().st_size) for file in sorted(printer.folder.glob("spool.*"))]
    assert sizes == [
        (segment_name(0), SEGMENT_SIZE),
        (segment_name(SEGMENT_SIZE), SEGMENT_SIZE),
        (segment_name(2 * SEGMENT_SIZE), 12345),
    ]
    assert printer.output() == expected(size)


async def test_the_listener_hears_of_the_newest_size_and_of_nothing_twice(start: Start) -> None:
    printer = await start(*binary(1_000_000, when="input()"))
    await printer.client.write(b"\n")
    await printer.ends()
    assert printer.notes.sizes[-1] == len(ECHO) + 1_000_000
    assert printer.notes.sizes == sorted(set(printer.notes.sizes))


async def test_a_reader_that_is_killed_costs_nothing(start: Start) -> None:
    rounds, size = 6, 4_000_000
    printer = await start(*python(PRINT_WHEN_ASKED.format(rounds=rounds, size=size)))
    await printer.prints(b"ready\n")
    for _ in range(rounds):
        reader = await start_reader(printer.folder)
        await printer.client.write(b"g")
        assert reader.stdout is not None
        assert await asyncio.wait_for(reader.stdout.readline(), 30)
        reader.kill()
        await reader.wait()
    assert (await printer.ends()).code == 0
    printed = b"".join(expected(size, seed) for seed in range(rounds))
    assert printer.output() == b"ready\n" + printed


async def start_reader(folder: Path) -> asyncio.subprocess.Process:
    """A process that follows the spool, once it is connected."""
    reader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READER, str(folder), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert reader.stdout is not None
    # What the spool holds may be told before the connection is complete.
    while (line := await reader.stdout.readline()) != b"connected\n":
        assert line.strip().isdigit()
    return reader


async def test_a_client_that_never_reads_does_not_slow_the_program(start: Start) -> None:
    size = 10_000_000
    printer = await start(*binary(size, when="input()"))
    stuck = [connect_and_never_read(printer.folder) for _ in range(10)]
    resize = frames.encode_request(frames.RESIZE, 1, frames.SIZE_OF_TERMINAL.pack(80, 24))
    with contextlib.suppress(BlockingIOError):
        stuck[0].sendall(resize * 10_000)
    await printer.client.write(b"\n")
    await printer.ends()
    assert printer.output().endswith(expected(size))
    for connection in stuck:
        connection.close()


def connect_and_never_read(folder: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    descriptor = os.open(folder, os.O_RDONLY)
    connection.connect(f"/proc/self/fd/{descriptor}/sock")
    os.close(descriptor)
    connection.setblocking(False)
    return connection


async def test_what_was_written_before_a_client_came_is_in_its_greeting(start: Start) -> None:
    cat = await start("cat")
    await cat.client.write(b"early\n")
    await cat.prints(b"early\r\nearly\r\n")
    late = await HolderClient.connect(cat.folder, Notes())
    assert late.hello.size == len(cat.output())
    assert (late.hello.epoch, late.hello.base, late.hello.state) == ("epoch-1", 0, "running")
    await late.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["/bin/umount", "--lazy", str(disk)], check=True)


def grow(disk: Path) -> None:
    subprocess.run(["/bin/mount", "-o", "remount,size=32m", str(disk)], check=True)


async def test_a_full_disk_stalls_the_program_and_loses_nothing(
    start: Start, small_disk: Path
) -> None:
    size = 6_000_000
    printer = await start(*binary(size, when="input()"), folder=small_disk / "session")
    await printer.client.write(b"\n")
    await auntil(lambda: printer.notes.stalls == ["No space left on device"])
    late = await HolderClient.connect(printer.folder, Notes())
    assert late.hello.stalled == "No space left on device"
    await late.close()
    assert await printer.client.resize(90, 30) < 1_048_576
    await printer.client.write(b"typed on a full disk")
    grow(small_disk)
    assert (await printer.ends()).size == len(ECHO) + size
    assert printer.notes.stalls[-1] is None
    assert printer.output() == ECHO + expected(size)


async def test_a_session_can_be_ended_on_a_full_disk_and_its_record_waits(
    start: Start, small_disk: Path
) -> None:
    printer = await start(*binary(6_000_000, when="input()"), folder=small_disk / "session")
    await printer.client.write(b"\n")
    await auntil(lambda: printer.notes.stalls)
    await printer.client.end(0)
    await auntil(lambda: not printer.tree())
    assert printer.notes.record is None
    assert not (printer.folder / "exit.json").exists()
    grow(small_disk)
    record = await printer.ends()
    assert record.signal in (signal.SIGHUP, signal.SIGKILL)
    assert printer.output() == (ECHO + expected(6_000_000))[: record.size]
