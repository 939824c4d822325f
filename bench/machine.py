"""What the kernel says about processes and this machine (proc(5)). Linux only."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from bench.figures import MEGABYTE

PROJECT = Path(__file__).resolve().parent.parent


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Wait until the condition holds; raises TimeoutError that says for `what` it was waited."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} seconds")
        time.sleep(0.005)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time that these processes have used; of one that has ended, none."""
    used = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        used += times.user + times.system
    return used


def peak_megabytes(pid: int) -> float:
    """Return the most memory that the process has had resident."""
    return _status_kibibytes(pid, "VmHWM:") * 1024 / MEGABYTE


def resident_megabytes(pid: int) -> float:
    """Return the memory that the process has resident now."""
    return _status_kibibytes(pid, "VmRSS:") * 1024 / MEGABYTE


def own_megabytes(pid: int) -> float:
    """Return the memory that nobody shares with the process (USS)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(rest.split()[0]) for name, rest in (line.split(":") for line in lines)}
    return (sizes["Private_Clean"] + sizes["Private_Dirty"]) * 1024 / MEGABYTE


def _status_kibibytes(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split(name)[1].split()[0])


def facts() -> dict[str, Any]:
    """Return what a reader of the figures has to know about the machine."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memoryGigabytes": round(psutil.virtual_memory().total / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "node": _version("node"),
        "loadBefore": os.getloadavg()[0],
        "measuredAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(program: str) -> str | None:
    found = shutil.which(program)
    if found is None:
        return None
    return subprocess.run([found, "--version"], capture_output=True, text=True).stdout.strip()
