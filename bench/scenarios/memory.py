"""What sessions and viewers take of the memory."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass

from bench.figures import MEGABYTE, Measured
from bench.machine import own_megabytes, resident_megabytes, wait_for
from bench.programs.printer import LINE_BYTES
from bench.scenario import HARNESS, Scenario, Watching, note
from bench.servers.base import Server
from bench.starting_gun import StartingGun

STORE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Memory(Scenario):
    """How much memory does the server take idle, and how much more for sessions and viewers?

    The sessions have printed more lines than a screen keeps; each viewer watches one of them. The
    first viewers make the server start the threads that let them in, each with a connection to the
    database, so they are counted by themselves.
    """

    name = "memory"
    servers = (*HARNESS, "reference")

    sessions: int = 50
    first: int = 50
    viewers: int = 200
    megabytes: float = 0.3

    @classmethod
    def smallest(cls) -> Memory:
        """Return a few of each."""
        return cls(sessions=2, first=2, viewers=3, megabytes=0.01)

    @property
    def settings(self) -> dict[str, str]:
        """Return enough slots."""
        return {"HARNESS_SLOTS": str(self.sessions)}

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        measured = Measured()
        idle = resident_megabytes(server.pid)
        measured.add("server, idle", idle, "MB")
        with StartingGun() as gun:
            sessions = self._have_printed(server, gun, measured)
            printed = resident_megabytes(server.pid)
            measured.add("more per session", (printed - idle) / self.sessions * 1000, "kB")
            if holders := server.holder_pids():
                own = statistics.median(own_megabytes(pid) for pid in holders)
                measured.add("holder's own", own, "MB")
            first, all_ = self._watched(server, sessions[0], measured)
        measured.add(f"with {self.first} viewers", first - printed, "MB")
        measured.add("more per further viewer", (all_ - first) / self.viewers * 1000, "kB")
        return measured

    def _have_printed(self, server: Server, gun: StartingGun, measured: Measured) -> list[str]:
        """Start the programs, and have one viewer see that all of them have printed."""
        size = int(self.megabytes * MEGABYTE) // LINE_BYTES * LINE_BYTES
        command = gun.program("history", size)
        sessions = [server.launch(command) for _ in range(self.sessions)]
        gun.wait_until_ready(self.sessions)
        watching = Watching(
            viewers=1, expects="bulk", amount=size, seconds=STORE_SECONDS, everything=True
        )
        with watching.load(server, sessions) as load:
            load.wait_until_attached()
            gun.fire()
            load.wait_until_done()
            stored = dict.fromkeys(sessions, size)
            wait_for(lambda: server.settled(stored), "the output is stored", STORE_SECONDS)
            note(load.report(), measured)
        return sessions

    def _watched(self, server: Server, session: str, measured: Measured) -> tuple[float, float]:
        """Return the server's memory while the first ones watch, and while all do."""
        resident = []
        with ExitStack() as stack:
            loads = []
            for viewers in (self.first, self.viewers):
                watching = Watching(viewers=viewers, expects="anything", amount=0, seconds=600.0)
                loads.append(stack.enter_context(watching.load(server, [session])))
                loads[-1].wait_until_attached()
                resident.append(resident_megabytes(server.pid))
            for load in loads:
                load.finish()
                load.wait_until_done()
                note(load.report(), measured)
        return resident[0], resident[1]
