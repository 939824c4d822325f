"""Processes are told apart by more than their number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sessions_app.holder import processes
from sessions_app.holder.processes import ProcessIdentity, descendants, identify, send_signal
from tests.waiting_for import until

FAMILY = "import os, time; print(os.fork(), flush=True); time.sleep(1000)"


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process with one child, which prints the child's number."""
    command = [sys.executable, "-I", "-S", "-c", FAMILY]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        child = first_number(parent)
        yield parent
        os.kill(child, signal.SIGKILL)
        parent.kill()


def first_number(parent: subprocess.Popen[bytes]) -> int:
    assert parent.stdout is not None
    return max(int(parent.stdout.readline()), int(parent.stdout.readline()))


def living(pid: int) -> ProcessIdentity:
    process = identify(pid)
    assert process is not None
    return process


def test_a_process_that_took_over_a_number_is_not_signalled(
    family: subprocess.Popen[bytes],
) -> None:
    stranger = ProcessIdentity(family.pid, living(family.pid).start - 1)
    assert send_signal(stranger, signal.SIGKILL) is False
    assert family.poll() is None


def test_the_very_process_is_signalled(family: subprocess.Popen[bytes]) -> None:
    assert send_signal(living(family.pid), signal.SIGTERM) is True
    assert family.wait(5) == -signal.SIGTERM


def test_a_process_that_is_gone_is_not_signalled(family: subprocess.Popen[bytes]) -> None:
    process = living(family.pid)
    family.kill()
    until(lambda: identify(family.pid) is None)
    assert send_signal(process, signal.SIGTERM) is False
    family.wait()
    assert send_signal(process, signal.SIGTERM) is False


def test_signals_are_compared_and_sent_without_descriptors_for_processes_too(
    family: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    process = living(family.pid)
    assert send_signal(ProcessIdentity(family.pid, process.start + 1), signal.SIGKILL) is False
    assert send_signal(process, signal.SIGTERM) is True
    assert family.wait(5) == -signal.SIGTERM


def test_a_name_full_of_parentheses_does_not_confuse_anybody() -> None:
    program = "import time; open('/proc/self/comm', 'w').write(') R 1 (x'); print(flush=True);"
    command = [sys.executable, "-I", "-S", "-c", f"{program} time.sleep(1000)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stat = processes.read_stat(process.pid)
        process.kill()
    assert stat is not None
    assert stat.parent == os.getpid()


def test_every_way_to_walk_the_tree_finds_the_same(
    family: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    from_files = descendants(os.getpid())
    monkeypatch.setattr(processes, "_HAS_CHILDREN_FILES", False)
    from_parents = descendants(os.getpid())
    monkeypatch.setattr(processes, "LINUX", False)
    portable = descendants(os.getpid())
    numbers = [process.pid for process in from_files]
    assert numbers.index(family.pid) < len(numbers) - 1
    assert set(from_files) == set(from_parents)
    assert {process.pid for process in portable} == set(numbers)
