"""What a program finds when it starts."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import pytest

from tests.waiting_for import auntil

from .conftest import MARK, Running, Start, plain_environment, python


async def answer(start: Start, expression: str, **options: Any) -> Any:
    """What `expression` is worth inside a session."""
    program = f"import os, sys, termios, fcntl, struct, signal\nprint(repr({expression}))"
    asked = await start(*python(program), **options)
    await asked.ends()
    return ast.literal_eval(asked.output().decode())


async def test_it_sees_the_window_size_from_its_first_moment(start: Start) -> None:
    assert await answer(start, "tuple(os.get_terminal_size(0))", cols=133, rows=47) == (133, 47)


async def test_it_is_told_of_a_new_size_and_the_offset_is_given(start: Start) -> None:
    program = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
print("ready", flush=True)
while signal.sigwait([signal.SIGWINCH]):
    print(os.get_terminal_size(0), flush=True)
"""
    session = await start(*python(program))
    await session.prints(b"ready\r\n")
    assert await session.client.resize(101, 33) == len(b"ready\r\n")
    await session.prints(b"columns=101, lines=33")
    assert (await session.connect()).hello.cols == 101


@pytest.mark.parametrize(("cols", "rows"), [(0, 24), (80, 0), (1001, 24), (80, 100000), (-1, 5)])
async def test_impossible_sizes_are_refused(start: Start, cols: int, rows: int) -> None:
    session = await start("cat")
    with pytest.raises(ValueError, match="terminal"):
        await session.client.resize(cols, rows)


async def test_it_leads_its_own_session_with_a_controlling_terminal(start: Start) -> None:
    facts = (
        "(os.getsid(0) == os.getpid() == os.tcgetpgrp(0), "
        "os.ttyname(0), os.isatty(os.open('/dev/tty', os.O_RDWR)))"
    )
    leads, name, has_controlling_terminal = await answer(start, facts)
    assert leads
    assert name.startswith("/dev/pts/")
    assert has_controlling_terminal


def program_in_front(session: Running) -> bytes:
    """The name of the foreground job's leader: field 8 of proc_pid_stat(5)."""
    stat = process_file(session.identity.child.pid, "stat")
    return process_file(int(stat.rpartition(b")")[2].split()[5]), "comm")


async def test_the_interrupt_key_reaches_only_the_job_in_front(start: Start) -> None:
    bash = await start("bash", "--norc")
    await bash.client.write(b"sleep 1000; echo after=$?\n")
    await auntil(lambda: program_in_front(bash) == b"sleep\n")
    await bash.client.write(b"\x03")
    await bash.client.write(b"echo still here $((1+1))\n")
    await bash.prints(b"still here 2")


async def test_a_job_can_be_stopped_and_continued(start: Start) -> None:
    bash = await start("bash", "--norc")
    await bash.client.write(b"cat\n")
    await auntil(lambda: program_in_front(bash) == b"cat\n")
    await bash.client.write(b"\x1a")
    await bash.prints(b"Stopped")
    await bash.client.write(b"fg\n")
    await auntil(lambda: program_in_front(bash) == b"cat\n")
    await bash.client.write(b"again\n")
    await bash.prints(b"again\r\nagain\r\n")


async def test_its_environment_is_exactly_the_one_given(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_SERVER", "hunter2")
    session = await start("env", "-0", environment={"NAME": "päss=wörd\n", "RAW": "\udcff"})
    await session.ends()
    found = session.output().replace(b"\r\n", b"\n").rstrip(b"\0").split(b"\0")
    given = {**plain_environment(), MARK: session.mark, "NAME": "päss=wörd\n", "RAW": "\udcff"}
    assert sorted(found) == sorted(os.fsencode(f"{name}={value}") for name, value in given.items())


async def test_no_environment_value_is_ever_on_disk(start: Start) -> None:
    session = await start("cat", environment={"TOKEN": "do-not-store-me"})
    await session.client.end(0)
    await session.ends()
    stored = b"".join(file.read_bytes() for file in session.folder.iterdir() if file.is_file())
    assert b"do-not-store-me" not in stored


@pytest.mark.skipif(os.geteuid() != 0, reason="nobody else may look into a holder")
async def test_the_holder_itself_has_none_of_the_environments(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_SERVER", "hunter2")
    session = await start("cat", environment={"TOKEN": "of-the-program"})
    environ = process_file(session.identity.holder.pid, "environ")
    assert b"hunter2" not in environ
    assert b"of-the-program" not in environ


def process_file(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def descriptors(pid: int) -> dict[str, str]:
    return {link.name: str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()}


def has_only_its_terminal(pid: int) -> bool:
    """Whether it has nothing else open; what it has inherited stays open."""
    # Looked at once: on its way to `cat` the process opens this and that and closes it again.
    try:
        found = descriptors(pid)
    except FileNotFoundError:  # closed while we looked
        return False
    (target,) = set(found.values()) if len(set(found.values())) == 1 else ("",)
    return sorted(found) == ["0", "1", "2"] and target.startswith("/dev/pts/")


async def test_every_signal_has_its_default_disposition(start: Start) -> None:
    status = (await child_file(start, "status")).decode()
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Sig"))
    for mask in ("SigIgn", "SigBlk", "SigCgt"):
        assert int(masks[mask], 16) == 0, mask


async def child_file(start: Start, name: str) -> bytes:
    session = await start("cat", f"/proc/self/{name}")
    await session.ends()
    return session.output().replace(b"\r\n", b"\n")


async def test_it_inherits_no_descriptor_but_the_terminal(start: Start) -> None:
    leaked = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    try:
        session = await start("cat")
    finally:
        os.close(leaked)
    child = session.identity.child.pid
    await auntil(lambda: process_file(child, "comm") == b"cat\n")
    await auntil(lambda: has_only_its_terminal(child))


async def test_files_it_makes_have_the_usual_modes(start: Start) -> None:
    assert await answer(start, "os.umask(0)") == 0o022


async def test_it_can_be_traced(start: Start) -> None:
    dumpable = "__import__('ctypes').CDLL(None).prctl(3, 0, 0, 0, 0)"
    assert await answer(start, dumpable) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may trace everything")
async def test_its_holder_cannot_be_traced(start: Start) -> None:
    session = await start("cat")
    with pytest.raises(PermissionError):
        process_file(session.identity.holder.pid, "environ")


async def test_the_holder_ignores_what_ends_a_terminals_programs(start: Start) -> None:
    session = await start("cat")
    for number in (1, 2, 13, 15):
        os.kill(session.identity.holder.pid, number)
    await session.client.write(b"alive\n")
    await session.prints(b"alive\r\nalive")


async def test_the_holder_is_not_the_servers_child_and_is_known_by_its_folder(
    start: Start,
) -> None:
    session = await start("cat")
    holder = Path(f"/proc/{session.identity.holder.pid}")
    assert str(session.folder).encode() in (holder / "cmdline").read_bytes()
    assert f"PPid:\t{os.getpid()}\n" not in (holder / "status").read_text()
    assert os.getsid(session.identity.holder.pid) != session.identity.holder.pid
