"""What the audit log costs those who type, alone.

The scenario measures in a process of its own: `python -m bench.scenarios.audit CALLS RECORDS`.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Measured
from bench.machine import PROJECT
from bench.scenario import Scenario
from bench.servers.base import Server
from bench.servers.harness import environment_of, prepared_state


@dataclass(frozen=True, kw_only=True)
class AuditCost(Scenario):
    """What does the audit log cost: a key that is typed, a single action, a record written?"""

    name = "audit"
    servers = ("none",)

    calls: int = 100_000
    records: int = 5000

    @classmethod
    def smallest(cls) -> AuditCost:
        """Return a few of each."""
        return cls(calls=10, records=10)

    def measure(self, server: Server) -> Measured:
        """Measure once, with a new log."""
        measured = Measured()
        with tempfile.TemporaryDirectory() as folder:
            state = shutil.copytree(prepared_state(), Path(folder) / "state")
            command = [sys.executable, "-m", __spec__.name, str(self.calls), str(self.records)]
            printed = subprocess.run(
                command, cwd=PROJECT, env=environment_of(state, 1, {}), check=True,
                capture_output=True, text=True,
            ).stdout  # fmt: skip
        found = json.loads(printed)
        measured.add("a key", found["key"], "µs")
        measured.add("a single action", found["action"], "µs")
        measured.add("written", found["rate"], "records/s")
        # Keys that follow each other are one record.
        measured.expect(found["stored"] == self.records + 1, f"{found['stored']} records stored")
        return measured


async def measure(calls: int, records: int) -> dict[str, float]:
    """Return microseconds per key and per action, and records per second; Django is set up."""
    from sessions_app import audit
    from sessions_app.models import AuditRecord, Session

    before = await AuditRecord.objects.acount()
    who, session = audit.Actor(name="alice", via="browser", address="127.0.0.1"), Session(name="a")
    journal = audit.Journal()
    audit.set_journal(journal)
    key = microseconds(lambda: audit.typed(who, session, b"x"), calls)
    action = microseconds(lambda: audit.note(audit.Action.LOGIN, who, session), records)
    begun = time.perf_counter()
    journal.start()
    await journal.stop()
    rate = records / (time.perf_counter() - begun)
    stored = await AuditRecord.objects.acount() - before
    return {"key": key, "action": action, "rate": rate, "stored": stored}


def microseconds(call: Callable[[], None], calls: int) -> float:
    """Return what one call takes."""
    begun = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begun) / calls * 1e6


def main() -> None:
    """Print the figures as JSON."""
    import django

    django.setup()
    print(json.dumps(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))))


if __name__ == "__main__":
    main()
