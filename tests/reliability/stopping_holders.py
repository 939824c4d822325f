"""A server whose holders stop at one step of their start, so that a test can kill them there.

The holder itself knows nothing of this: the server is told to run another file, which puts a stop
(SIGSTOP to itself) around one function of the real holder and then runs the real one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.real_server import PROJECT, RealServer
from tests.waiting_for import until

_HOLDER = """
import os, signal, sys
sys.path.append({project!r})
from sessions_app.holder import launch, records, terminal

def stop_here():
    with open("stopped", "w") as file:
        file.write(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)

def stopping(function):
    def wrapped(*arguments, **named):
        if {before} and {here}:
            stop_here()
        result = function(*arguments, **named)
        if not {before} and {here}:
            stop_here()
        return result
    return wrapped

{owner}.{name} = stopping({owner}.{name})
sys.exit(launch.main(sys.argv[1]))
"""

_SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, {project!r})
from sessions_app import holder_client
holder_client._MAIN = Path({main!r})
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "serve"])
"""


class Step(NamedTuple):
    """A moment of a holder's start: before or after a function of it, in the words of the code."""

    owner: str
    name: str
    before: bool
    here: str = "True"


IDENTITY = "arguments[1] == records.IDENTITY"
STEPS = {
    "before it made a terminal": Step("launch", "Terminal", before=True),
    "before its program's process": Step("launch", "Child", before=True),
    "before its identity": Step("records", "write_record", before=True, here=IDENTITY),
    "after its identity": Step("records", "write_record", before=False, here=IDENTITY),
    "after the release": Step("terminal.Child", "release", before=False),
    "before its report": Step("launch", "_report", before=True),
    "after its report": Step("launch", "_report", before=False),
}


class StoppingServer(RealServer):
    """The server, whose holders stop at a step if a test wants that."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self._main = state / "holder.py"
        self.let_holders_start()

    def stop_holders(self, step: Step) -> None:
        """Let every holder that is started from now on stop there."""
        self._main.write_text(_HOLDER.format(project=str(PROJECT), **step._asdict()))

    def let_holders_start(self) -> None:
        """Let them start without a stop."""
        self.stop_holders(Step("launch", "Terminal", before=True, here="False"))

    def command(self) -> list[str]:
        """What starts the server."""
        program = _SERVER.format(main=str(self._main), project=str(PROJECT))
        return [sys.executable, "-I", "-c", program]

    def stopped_holder(self) -> psutil.Process:
        """The holder that has stopped at its step."""
        sessions = self.state / "sessions"
        (note,) = until(lambda: list(sessions.glob("*/stopped")), timeout=15)
        process = psutil.Process(int(until(note.read_text)))
        until(lambda: process.status() == psutil.STATUS_STOPPED, timeout=5)
        note.unlink()
        return process
