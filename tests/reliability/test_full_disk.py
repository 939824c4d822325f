"""The disk of the state folder is full, and then it is not."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.real_server import RealServer, running
from tests.reliability.programs import Printer
from tests.reliability.viewer_client import ViewerClient
from tests.waiting_for import auntil

MB = 1024 * 1024
DISK = 32 * MB


def program(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"there is no {name} here")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder)]
    mounted = subprocess.run(
        [program("mount"), *options], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run([program("umount"), "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Take all the space that is left, and give it back."""
    ballast = folder / "ballast"
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for piece in (MB, 4096, 1):
        try:
            while True:
                os.write(file, b"\0" * piece)
        except OSError:
            continue
    os.close(file)
    try:
        yield
    finally:
        ballast.unlink()


def forget_that_the_token_was_used(state: Path) -> None:
    """So that the next request has something to write down."""
    with closing(sqlite3.connect(state / "harness.sqlite3", timeout=10)) as database, database:
        database.execute("UPDATE sessions_app_apitoken SET last_used_at = NULL")


async def says_that_output_waits(server: RealServer) -> bool:
    answer = await asyncio.to_thread(server.answer, "GET", "/health")
    return answer.status == 503 and "space left on device" in answer.json()["reason"]


def stands_still(one: Printer) -> Callable[[], bool]:
    """Tells whether the program has printed nothing for a second."""
    known, since = -1, 0.0

    def tell() -> bool:
        nonlocal known, since
        if len(one.printed()) != known:
            known, since = len(one.printed()), time.monotonic()
        return time.monotonic() - since > 1

    return tell


async def test_a_full_disk_makes_programs_wait_and_loses_nothing(
    small_disk: Path, printer: Callable[..., Printer]
) -> None:
    one = printer("program")
    with running(small_disk / "state") as server:
        session_id = await asyncio.to_thread(server.launch, *one.argv)
        viewer = ViewerClient(server, [session_id], acknowledges=True)
        watching = asyncio.create_task(viewer.run())
        await auntil(lambda: viewer.received > 200_000, timeout=10)
        await asyncio.to_thread(forget_that_the_token_was_used, server.state)
        with full(small_disk):
            await auntil(lambda: says_that_output_waits(server), timeout=15)
            session = await asyncio.to_thread(server.session, session_id)
            assert session["status"] == "running"
            # Nobody keeps what the disk refuses: the program stops once the terminal is full.
            await auntil(stands_still(one), timeout=5)
            waiting = len(one.printed())

        await auntil(lambda: len(one.printed()) > waiting + 200_000, timeout=15)
        await auntil(server.is_healthy, timeout=10)
        one.stop()
        await asyncio.wait_for(watching, 20)
        assert (viewer.faults, viewer.resets) == ([], 0)
        printed = one.printed()
        assert await asyncio.to_thread(server.output, session_id) == printed
        assert viewer.received == len(printed)
