"""Profiles of a server while it is measured, with py-spy."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import environment

RATE = 200  # samples a second
STOP_SECONDS = 60.0


@contextmanager
def profiled(pid: int, picture: Path) -> Iterator[None]:
    """Sample the process meanwhile, threads and native code included, into a flame graph (SVG)."""
    environment.install()
    options = ["--pid", str(pid), "--output", str(picture), "--rate", str(RATE), "--threads"]
    sampler = subprocess.Popen(
        [environment.PROGRAMS / "py-spy", "record", *options, "--duration", "unlimited"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        sampler.send_signal(signal.SIGINT)
        sampler.wait(STOP_SECONDS)
