"""What a server costs, though parts of it end meanwhile, and nothing that the bench itself asks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from bench.cpu_meter import CpuMeter
from bench.figures import Measured
from bench.scenario import Usage
from bench.servers.harness import HarnessServer
from bench.starting_gun import StartingGun
from tests.waiting_for import until

BURN = 0.4
PRINTED = 20_000_000
# Waits to be told, uses that much CPU time, and ends.
BURNER = f"""
import time
input()
begun = time.process_time()
while time.process_time() - begun < {BURN}:
    pass
"""


@pytest.fixture(scope="module")
def harness() -> Iterator[HarnessServer]:
    """Give a server."""
    with HarnessServer("daphne", {}) as server:
        yield server


def refuse(*arguments: Any, **named: Any) -> None:
    """Take the place of what must not be called."""
    raise AssertionError("the server was asked")


def test_the_cpu_time_of_a_process_counts_after_its_end() -> None:
    with subprocess.Popen([sys.executable, "-I", "-c", BURNER], stdin=subprocess.PIPE) as process:
        meter = CpuMeter([process.pid])
        process.communicate(b"\n", timeout=30)

    assert not psutil.pid_exists(process.pid)
    assert meter.stop() == pytest.approx(BURN, abs=0.1)


def test_what_a_process_has_used_before_does_not_count() -> None:
    meter = CpuMeter([os.getpid()])

    assert meter.stop() < sum(os.times()[:2])


def test_a_process_that_is_gone_already_has_used_nothing() -> None:
    with subprocess.Popen([sys.executable, "-I", "-c", ""]) as process:
        pass

    assert CpuMeter([process.pid]).stop() == 0


def test_holders_count_though_they_end_with_their_program(harness: HarnessServer) -> None:
    measured = Measured()
    with StartingGun() as gun:
        harness.launch(gun.program("bulk", PRINTED))
        gun.wait_until_ready(1)
        usage = Usage(harness)
        gun.fire()
        until(lambda: not harness.holder_pids(), timeout=30)
        usage.add_to(measured)

    assert measured.costs["holders' CPU"].value > 0


def test_whether_output_is_stored_is_looked_up_without_a_request(
    harness: HarnessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = harness.launch(["/bin/echo", "stored"])
    monkeypatch.setattr(harness, "request", refuse)

    until(lambda: harness.settled({session: len("stored\r\n")}))

    assert not harness.settled({session: len("stored\r\n") + 1})
