"""What is typed reaches the program whole, in order, and only as far as it reads."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from sessions_app.exceptions import InputQueueFull
from sessions_app.holder_client import HolderClient, HolderGone

from .conftest import Notes, Start, python

MIB = 1 << 20
NEVER_READS = """
import time, tty
tty.setraw(0)
print("ready", flush=True)
time.sleep(1000)
"""
READS_LATER = """
import os, signal, sys, tty
tty.setraw(0)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
print("ready", flush=True)
signal.sigwait([signal.SIGWINCH])
first = os.read(0, 1)
print("first", first, flush=True)
while data := os.read(0, 65536):
    if data.endswith(b"$"):
        break
print("all read", flush=True)
"""
HASHES = """
import hashlib, os, tty
tty.setraw(0)
print("ready", flush=True)
digest, left = hashlib.sha256(), {size}
while left:
    data = os.read(0, 65536)
    digest.update(data)
    left -= len(data)
print(digest.hexdigest(), flush=True)
"""


async def test_a_paste_larger_than_the_queue_arrives_whole(start: Start) -> None:
    data = bytes(range(256)) * (3 * MIB // 256)
    reader = await start(*python(HASHES.format(size=len(data))))
    await reader.prints(b"ready")
    await reader.client.write(data)
    await reader.prints(hashlib.sha256(data).hexdigest().encode())


async def test_input_is_acknowledged_only_once_the_terminal_has_it(start: Start) -> None:
    reader = await start(*python(READS_LATER))
    await reader.prints(b"ready")
    writing = asyncio.create_task(reader.client.write(b"x" * 60_000 + b"$"))
    await reader.client.resize(80, 24)  # the size it has: no signal, but an answer in turn
    assert not writing.done()
    await reader.client.resize(81, 24)
    await writing
    assert (await reader.ends()).code == 0


async def test_a_full_queue_refuses_and_goes_on(start: Start) -> None:
    deaf = await start(*python(NEVER_READS))
    await deaf.prints(b"ready")
    writes = [asyncio.create_task(deaf.client.write(b"x" * 65536)) for _ in range(20)]
    await asyncio.sleep(0)  # all are on their way; this is answered after them
    assert await deaf.client.resize(90, 30) == len(deaf.output())
    refused = [write for write in writes if write.done()]
    for write in refused:
        assert isinstance(write.exception(), InputQueueFull)
    assert 3 <= len(refused) <= 4
    await deaf.client.end(0)
    await deaf.ends()
    for write in writes:
        with pytest.raises((HolderGone, InputQueueFull)):
            await write


async def test_two_clients_type_into_the_same_program_in_order(start: Start) -> None:
    cat = await start("sh", "-c", "stty -echo; echo ready; exec cat")
    await cat.prints(b"ready")
    other = await HolderClient.connect(cat.folder, Notes())
    for number in range(20):
        await (cat.client if number % 2 else other).write(b"%d\n" % number)
    await cat.client.write(b"\x04")
    await cat.ends()
    assert cat.output().split() == [b"ready", *(b"%d" % number for number in range(20))]
    await other.close()


async def test_typing_nothing_is_no_error(start: Start) -> None:
    cat = await start("cat")
    await cat.client.write(b"")
    await cat.client.write(b"something\n")
    await cat.prints(b"something\r\nsomething")


async def test_typing_into_an_ended_program_says_so(start: Start) -> None:
    ended = await start("cat")
    await ended.client.end(0)
    await ended.ends()
    with pytest.raises(HolderGone):
        await ended.client.write(b"too late\n")
    with pytest.raises(HolderGone):
        await HolderClient.connect(ended.folder, Notes())


async def test_an_answer_is_typed_and_remembered_for_who_comes_next(start: Start) -> None:
    cat = await start("cat")
    await cat.client.answer(b"reply\n", 120)
    await cat.client.answer(b"older\n", 80)
    await cat.prints(b"reply\r\n")
    other = await HolderClient.connect(cat.folder, Notes())
    assert other.hello.answered == 120
    await other.close()
