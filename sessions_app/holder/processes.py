"""Processes named so that no other can be meant, and the tree below one of them.

A process is its number together with its start time: numbers are used again, the pair is not while
the machine is up. On Linux both come from /proc; elsewhere from psutil, which cannot see children
whose parent has died.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any, NamedTuple

LINUX = sys.platform == "linux"
_HAS_CHILDREN_FILES = os.path.exists("/proc/thread-self/children")


class ProcessIdentity(NamedTuple):
    """`start` is in clock ticks since boot on Linux, milliseconds since 1970 elsewhere."""

    pid: int
    start: int


class ProcessStat(NamedTuple):
    state: str
    parent: int
    start: int


def boot_id() -> str:
    """Differs after every boot of this machine."""
    if LINUX:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    return _bsd_boot_id()


def _bsd_boot_id() -> str:
    value = ctypes.create_string_buffer(64)
    length = ctypes.c_size_t(len(value))
    name = b"kern.bootsessionuuid"
    if ctypes.CDLL(None).sysctlbyname(name, value, ctypes.byref(length), None, ctypes.c_size_t(0)):
        raise OSError("the system does not tell its boot session")
    return value.value.decode("ascii")


def psutil() -> Any:
    """The psutil module, for systems without /proc; found even when Python was started with -S."""
    if sys.flags.no_site:
        import site

        site.main()
    import psutil as module

    return module


def read_stat(pid: int) -> ProcessStat | None:
    """None if there is no such process."""
    if not LINUX:
        return _psutil_stat(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            text = file.read(4096)
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): the second field is the command in parentheses, and may itself contain any character.
    state, parent, *rest = text[text.rindex(b")") + 2 :].split()
    return ProcessStat(state.decode("ascii"), int(parent), int(rest[17]))


def _psutil_stat(pid: int) -> ProcessStat | None:
    module = psutil()
    try:
        process = module.Process(pid)
        state = "Z" if process.status() == module.STATUS_ZOMBIE else "R"
        return ProcessStat(state, process.ppid(), round(process.create_time() * 1000))
    except module.NoSuchProcess:
        return None


def identify(pid: int) -> ProcessIdentity | None:
    """None if there is no such process, or only its unreaped rest."""
    stat = read_stat(pid)
    return ProcessIdentity(pid, stat.start) if stat and stat.state not in "ZX" else None


def caught_signals(pid: int) -> int:
    """A mask as in proc_pid_status(5): bit 0 for signal 1. 0 where that cannot be known."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            masks = [line for line in file if line.startswith("SigCgt:")]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(masks[0].split()[1], 16)


def is_alive(process: ProcessIdentity, boot: str) -> bool:
    """Whether this very process, seen in the boot session `boot`, still runs."""
    return boot == boot_id() and identify(process.pid) == process


def descendants(pid: int) -> list[ProcessIdentity]:
    """Every living process below `pid`, parents before their children."""
    if not LINUX:
        return _psutil_descendants(pid)
    children = children_from_files if _HAS_CHILDREN_FILES else _ParentScan().children
    found: list[ProcessIdentity] = []
    numbers = children(pid)
    for number in numbers:  # grows while it is walked
        process = identify(number)
        if process is not None:
            found.append(process)
            numbers += children(number)
    return found


def children_from_files(pid: int) -> list[int]:
    """The children of every thread of `pid`, as the kernel lists them (proc_pid_task(5))."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                found += map(int, file.readall().split())
    except (FileNotFoundError, ProcessLookupError):
        return found
    return found


class _ParentScan:
    """Children found by asking every process for its parent: kernels without `children` files."""

    def __init__(self) -> None:
        self._children: dict[int, list[int]] = {}
        for name in os.listdir("/proc"):
            stat = read_stat(int(name)) if name.isdigit() else None
            if stat is not None:
                self._children.setdefault(stat.parent, []).append(int(name))

    def children(self, pid: int) -> list[int]:
        return list(self._children.get(pid, ()))


def _psutil_descendants(pid: int) -> list[ProcessIdentity]:
    module = psutil()
    try:
        below = module.Process(pid).children(recursive=True)
    except module.NoSuchProcess:
        return []
    return [process for child in below if (process := identify(child.pid)) is not None]


def send_signal(process: ProcessIdentity, number: int) -> bool:
    """Signal this very process. False if it is gone; raises PermissionError.

    The process is pinned by a descriptor before its start time is compared, so its number cannot
    pass to a stranger in between.
    """
    try:
        pinned = _pin(process.pid)
    except ProcessLookupError:
        return False
    try:
        return identify(process.pid) == process and _deliver(process.pid, pinned, number)
    finally:
        if pinned is not None:
            os.close(pinned)


def _pin(pid: int) -> int | None:
    """None where the system has no such descriptors: then the comparison alone must do."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # before Linux 5.3, and under seccomp filters that do not know the call
        return None


def _deliver(pid: int, pinned: int | None, number: int) -> bool:
    try:
        if pinned is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(pinned, number)
    except ProcessLookupError:
        return False
    return True
