"""A holder is killed: at every step of its start, and while its program prints."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tests.real_server import Answer, RealServer
from tests.reliability.programs import Printer
from tests.reliability.stopping_holders import STEPS, StoppingServer
from tests.waiting_for import until

SHOWN_SECONDS = 15


class Start(threading.Thread):
    """A request that starts a session and waits for the answer."""

    def __init__(self, server: RealServer) -> None:
        super().__init__()
        self._server = server
        self.answer: Answer | OSError | None = None

    def run(self) -> None:
        """Ask; a server that is killed meanwhile does not answer."""
        body = {"command": ["sleep", "600"], "workingDir": "/tmp"}
        try:
            self.answer = self._server.answer("POST", "/api/sessions", body)
        except OSError as error:
            self.answer = error


@pytest.fixture(scope="module")
def stopping_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoppingServer]:
    server = StoppingServer(tmp_path_factory.mktemp("state"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(stopping_server: StoppingServer) -> Iterator[StoppingServer]:
    yield stopping_server
    if stopping_server.process is None:
        stopping_server.start()
    stopping_server.let_holders_start()
    stopping_server.end_sessions()


def long_but(*wanted: str) -> list[Any]:
    """Every step of a start; only these are taken each time."""
    marks = {step: () if step in wanted else pytest.mark.long for step in STEPS}
    return [pytest.param(step, marks=mark) for step, mark in marks.items()]


def the_session(server: RealServer) -> dict[str, Any]:
    """The newest one."""
    found: list[dict[str, Any]] = server.request("GET", "/api/sessions?limit=1000")
    return max(found, key=lambda session: session["createdAt"])


def has_failed(server: RealServer) -> bool:
    return bool(the_session(server)["status"] == "failed")


def is_there(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def fails_without_a_trace(server: RealServer, since: float, programs: list[psutil.Process]) -> None:
    """The session is shown as failed in time, and no process of it is left."""
    until(lambda: has_failed(server), timeout=SHOWN_SECONDS - (time.monotonic() - since))
    assert the_session(server)["error"]
    until(lambda: not any(is_there(process) for process in programs), timeout=5)
    folder = server.state / "sessions" / the_session(server)["id"]
    until(lambda: not folder.exists(), timeout=5)


@pytest.mark.parametrize("step", STEPS)
def test_a_holder_killed_at_a_step_of_its_start_fails_that_session(
    server: StoppingServer, step: str
) -> None:
    bystander = server.launch("cat")
    server.stop_holders(STEPS[step])
    start = Start(server)
    start.start()
    holder = server.stopped_holder()
    programs = holder.children(recursive=True)
    holder.kill()
    since = time.monotonic()
    start.join(20)
    assert isinstance(start.answer, Answer)
    assert start.answer.status == 201
    fails_without_a_trace(server, since, programs)
    server.request("POST", f"/api/sessions/{bystander}/input", {"data": "still here\r"})
    until(lambda: b"still here\r\nstill here" in server.output(bystander), timeout=5)


@pytest.mark.parametrize("step", long_but("before its identity", "after the release"))
def test_a_holder_killed_at_a_step_of_its_start_together_with_the_server(
    server: StoppingServer, step: str
) -> None:
    server.stop_holders(STEPS[step])
    start = Start(server)
    start.start()
    holder = server.stopped_holder()
    programs = holder.children(recursive=True)
    server.kill()
    holder.kill()
    since = time.monotonic()
    start.join(20)
    server.start()
    fails_without_a_trace(server, since, programs)


@pytest.mark.parametrize("step", long_but("before its identity", "after its report"))
def test_a_holder_that_goes_on_after_the_server_was_killed_during_its_start(
    server: StoppingServer, step: str
) -> None:
    server.stop_holders(STEPS[step])
    start = Start(server)
    start.start()
    holder = server.stopped_holder()
    server.kill()
    since = time.monotonic()
    holder.resume()
    start.join(20)
    server.start()
    if step == "after its report":
        until(lambda: the_session(server)["status"] == "running", timeout=SHOWN_SECONDS)
        assert psutil.pid_exists(the_session(server)["pid"])
    else:  # nobody heard of it, so it ends what it has started
        fails_without_a_trace(server, since, [holder])


def test_a_holder_killed_while_its_program_prints_costs_that_session_alone(
    daphne: RealServer, printer: Callable[..., Printer]
) -> None:
    victim, other = printer("victim", pause=0), printer("other")
    victim_id, other_id = (daphne.launch(*one.argv) for one in (victim, other))
    until(lambda: daphne.session(victim_id)["outputBytes"] > 1_000_000, timeout=20)
    program = psutil.Process(daphne.session(victim_id)["pid"])
    holder = program.parent()
    assert holder is not None
    holder.kill()
    since = time.monotonic()
    until(lambda: daphne.session(victim_id)["status"] == "failed", timeout=SHOWN_SECONDS)
    assert time.monotonic() - since < SHOWN_SECONDS
    assert "terminal is gone" in daphne.session(victim_id)["error"]
    until(lambda: not is_there(program), timeout=5)
    stored, printed = daphne.output(victim_id), victim.printed()
    assert len(stored) > 1_000_000
    assert printed[: len(stored)] == stored

    before = daphne.session(other_id)["outputBytes"]
    until(lambda: daphne.session(other_id)["outputBytes"] > before, timeout=5)
    other.stop()
    until(lambda: daphne.session(other_id)["status"] == "completed", timeout=10)
    assert daphne.output(other_id) == other.printed()
