"""Ending a session ends its whole process tree, whatever the tree does about it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.waiting_for import auntil

from .conftest import Running, Start, python

IGNORES = """
import signal, time
for number in ({numbers}):
    signal.signal(number, signal.SIG_IGN)
print("ready", flush=True)
while True:
    time.sleep(1000)
"""

DOUBLE_FORK = """
import os, time
deaf, tell_deaf = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import signal
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready", flush=True)
        os.write(tell_deaf, b"!")
        time.sleep(1000)
    os._exit(0)
os.read(deaf, 1)
{then}
"""

FORKS_AGAIN_AND_AGAIN = """
import os, signal, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    print("ready", flush=True)
    while True:
        time.sleep(1000)
os.setsid()
while True:
    if os.fork():
        os._exit(0)
    time.sleep(0.001)
"""

BREEDS = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True)
def keep_alive():
    while True:
        if os.fork() == 0:
            os.setsid()
            time.sleep(0.05)
            os._exit(0)
        time.sleep(0.001)
for _ in range(3):
    if os.fork() == 0:
        keep_alive()
keep_alive()
"""

WRITES_FOR_EVER = """
import os, sys, time
while True:
    try:
        terminal = os.open(sys.argv[1], os.O_WRONLY | os.O_NOCTTY)
        while True:
            os.write(terminal, b"stranger ")
            time.sleep(0.001)
    except OSError:
        pass
"""

TREES: dict[str, tuple[str, ...]] = {
    "a normal program": python('import time; print("ready", flush=True); time.sleep(1000)'),
    "one that ignores TERM": python(IGNORES.format(numbers="signal.SIGTERM,")),
    "one that ignores HUP and TERM": python(
        IGNORES.format(numbers="signal.SIGHUP, signal.SIGTERM")
    ),
    "a child in a session of its own": ("sh", "-c", "setsid sleep 1000 & echo ready; wait"),
    "a double-forked daemon": python(DOUBLE_FORK.format(then="time.sleep(1000)")),
    "jobs in groups of their own": (
        "bash",
        "-c",
        "set -m; trap '' HUP TERM; sleep 1000 & (sleep 1000; sleep 1000) & echo ready; wait",
    ),
    "a stopped one": ("bash", "-c", "sleep 1000 & echo ready; kill -STOP $! $$"),
    "one that forks again every millisecond": python(FORKS_AGAIN_AND_AGAIN),
    "one that breeds": python(BREEDS),
}


def holder_is_childless(running: Running) -> bool:
    holder = Path(f"/proc/{running.identity.holder.pid}/task")
    try:
        return not any(file.read_text().split() for file in holder.glob("*/children"))
    except OSError:
        return True


@pytest.mark.parametrize("shape", TREES)
async def test_nothing_is_left_of(start: Start, shape: str) -> None:
    session = await start(*TREES[shape])
    await session.prints(b"ready")
    assert session.tree()
    await session.client.end(0.3)
    record = await session.ends(8)
    assert session.tree() == []
    assert holder_is_childless(session)
    assert (record.cause, record.error) == ("ended", None)


@pytest.mark.parametrize("asked", ["SIGHUP", "SIGTERM"])
async def test_a_program_that_handles_either_signal_may_tidy_up(start: Start, asked: str) -> None:
    program = """
import os, signal, sys, time
def leave(*_):
    time.sleep(0.1)
    print("tidied up", flush=True)
    sys.exit(5)
signal.signal(signal.{asked}, leave)
os.write(1, b"ready\\n")  # not print: while that goes on, a handler must not print
time.sleep(1000)
"""
    session = await start(*python(program.replace("{asked}", asked)))
    await session.prints(b"ready")
    await session.client.end(30)
    record = await session.ends()
    assert (record.code, record.cause) == (5, "ended")
    assert session.output().endswith(b"tidied up\r\n")


async def test_a_stopped_program_is_continued_so_that_it_can_tidy_up(start: Start) -> None:
    program = """
import os, signal, sys
signal.signal(signal.SIGHUP, lambda *_: sys.exit(6))
os.kill(os.getpid(), signal.SIGSTOP)
signal.pause()
"""
    session = await start(*python(program))
    stat = Path(f"/proc/{session.identity.child.pid}/stat")
    await auntil(lambda: " T " in stat.read_text())
    await session.client.end(30)
    assert (await session.ends()).code == 6


async def test_nobody_is_killed_within_the_grace_and_a_second_request_shortens_it(
    start: Start,
) -> None:
    session = await start(*TREES["one that ignores HUP and TERM"])
    await session.prints(b"ready")
    await session.client.end(600)
    await session.client.write(b"still here\n")
    assert (await session.connect()).hello.state == "ending"
    begun = time.monotonic()
    await session.client.end(0.2)
    record = await session.ends()
    assert record.signal == signal.SIGKILL
    assert 0.2 <= time.monotonic() - begun < 60


async def test_a_later_request_never_prolongs_the_grace(start: Start) -> None:
    session = await start(*TREES["one that ignores HUP and TERM"])
    await session.prints(b"ready")
    await session.client.end(0.2)
    await session.client.end(600)
    assert (await session.ends(30)).signal == signal.SIGKILL


@pytest.mark.parametrize("grace", [-1.0, float("nan"), float("inf"), 1e9])
async def test_an_impossible_grace_is_refused(start: Start, grace: float) -> None:
    session = await start("cat")
    with pytest.raises(ValueError, match="refused"):
        await session.client.end(grace)
    await session.client.write(b"alive\n")
    await session.prints(b"alive")


async def test_what_a_program_leaves_behind_ends_with_it(start: Start) -> None:
    session = await start(*python(DOUBLE_FORK.format(then="import sys; sys.exit(4)")))
    record = await session.ends()
    assert (record.code, record.cause) == (4, "exited")
    assert session.tree() == []


@contextmanager
def stranger_at(terminal: str) -> Iterator[None]:
    """A process outside the tree that goes on writing to a terminal."""
    with subprocess.Popen([*python(WRITES_FOR_EVER), terminal]) as stranger:
        try:
            yield
        finally:
            stranger.kill()


async def test_a_stranger_that_writes_to_the_terminal_cannot_hold_up_the_end(start: Start) -> None:
    session = await start("sh", "-c", "tty; read line")
    await session.prints(b"\r\n")
    terminal = session.output().decode().strip()
    with stranger_at(terminal):
        await session.prints(b"stranger")
        await session.client.write(b"\n")
        record = await session.ends()
    assert (record.code, record.size) == (0, len(session.output()))


async def test_orphans_that_end_are_reaped_while_the_program_runs(start: Start) -> None:
    session = await start("sh", "-c", "(true & true & true &) ; (setsid true &) ; echo ready; cat")
    await session.prints(b"ready")
    children = Path(f"/proc/{session.identity.holder.pid}/task/{session.identity.holder.pid}")
    await auntil(
        lambda: (children / "children").read_text().split() == [str(session.identity.child.pid)]
    )


async def test_the_exit_record_is_the_last_thing(start: Start) -> None:
    session = await start(*TREES["a double-forked daemon"])
    await session.prints(b"ready")
    record_file = session.folder / "exit.json"
    await session.client.end(0.2)
    await auntil(record_file.exists)
    size = session.spool.size
    assert session.tree() == []
    record = await session.ends()
    assert record.size == size == len(session.output())
