"""What the terminal itself gives: the limit that no server can pass."""

from __future__ import annotations

import os
import pty
import select
import time
from dataclasses import dataclass

from bench.figures import MEGABYTE, Measured, percentile
from bench.programs.printer import LINE_BYTES, bulk_text
from bench.scenario import Scenario
from bench.servers.base import Server
from bench.starting_gun import StartingGun

READ_BYTES = 65536
KEY_SECONDS = 5.0
SHELL = ["bash", "--norc", "--noprofile", "-i"]


def forked(argv: list[str]) -> tuple[int, int]:
    """Run a program in a terminal; return its pid and the terminal's other end."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvp(argv[0], argv)  # noqa: S606  # no shell, on purpose
    return pid, master


def bare_rate(size: int) -> tuple[float, bool]:
    """Return the MB/s of the simplest loop that reads a terminal, and whether it read the text."""
    with StartingGun() as gun:
        pid, master = forked(gun.program("bulk", size))
        gun.wait_until_ready(1)
        began = gun.fire()
        pieces, left = [], size // LINE_BYTES * LINE_BYTES
        while left > 0:
            pieces.append(os.read(master, READ_BYTES))
            left -= len(pieces[-1])
        seconds = (time.monotonic_ns() - began) / 1e9
        os.waitpid(pid, 0)
        os.close(master)
    return size / MEGABYTE / seconds, b"".join(pieces) == bulk_text(size)


def bare_echoes(keys: int) -> list[float]:
    """Return the milliseconds from each key to its echo, through a shell and nothing else."""
    pid, master = forked(SHELL)
    _drain(master, 0.3)
    times = []
    for _ in range(keys):
        begun = time.monotonic_ns()
        os.write(master, b"k")
        if not select.select([master], [], [], KEY_SECONDS)[0]:
            break
        os.read(master, READ_BYTES)
        times.append((time.monotonic_ns() - begun) / 1e6)
        time.sleep(0.01)
    os.close(master)
    os.waitpid(pid, 0)
    return times


def _drain(master: int, quiet_seconds: float) -> None:
    while select.select([master], [], [], quiet_seconds)[0]:
        os.read(master, READ_BYTES)


@dataclass(frozen=True, kw_only=True)
class Limit(Scenario):
    """What does reading the terminal alone reach, without any server?"""

    name = "limit"
    servers = ("none",)

    megabytes: float = 50.0
    keys: int = 200

    @classmethod
    def smallest(cls) -> Limit:
        """Return a little output and a few keys."""
        return cls(megabytes=0.2, keys=5)

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        measured = Measured()
        rate, right = bare_rate(int(self.megabytes * MEGABYTE))
        measured.add("plain cat of the terminal", rate, "MB/s")
        measured.expect(right, "other bytes were read than printed")
        echoes = bare_echoes(self.keys)
        measured.add("key echo of a shell, p50", percentile(echoes, 50), "ms")
        measured.add("key echo of a shell, p99", percentile(echoes, 99), "ms")
        measured.expect(len(echoes) == self.keys, f"{len(echoes)} of {self.keys} keys echoed")
        return measured
