"""What a start-up finds of earlier sessions, and what becomes of it.

| row               | folder                      | what becomes of it                             |
|-------------------|-----------------------------|------------------------------------------------|
| runs              | holder answers              | adopted: the program never noticed             |
| runs              | holder gone, exit record    | the rest is archived; ended as the record says |
| runs              | holder gone, no exit record | the rest is archived; failed, with the reason  |
| was being started | identity written            | as one that runs                               |
| was being started | no identity                 | failed: the program was never released         |
| queued            | -                           | stays queued                                   |
| none or ended     | there                       | reported, never touched                        |
"""

import logging
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.utils import timezone

from sessions_app import event_log
from sessions_app.database_threads import DatabaseThreads
from sessions_app.events import iso
from sessions_app.holder_client import read_identity
from sessions_app.models import Session

logger = logging.getLogger(__name__)

NEVER_RELEASED = "The server stopped before the program was started. Start the session again."


class Adopter(Protocol):
    """What recovery needs of the session manager."""

    host: str

    async def adopt(self, session: Session) -> bool:
        """Go on with a session; False if its holder was gone."""

    async def fail(self, session_id: str, sentence: str) -> None:
        """Close the log of a session without a program."""


@dataclass
class Report:
    """What the last recovery did, as session ids; `strays` are folders without a session."""

    at: str | None = None
    adopted: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    never_started: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def to_wire(self) -> dict[str, Any]:
        """Return the report as /health and the admin show it."""
        return {
            "at": self.at,
            "adopted": self.adopted,
            "ended": self.ended,
            "neverStarted": self.never_started,
            "strays": self.strays,
        }

    def summary(self) -> str:
        """Return one line for the server's log."""
        return (
            f"{len(self.adopted)} sessions adopted, {len(self.ended)} had ended, "
            f"{len(self.never_started)} never started, {len(self.strays)} stray folders"
        )


def _left_active(host: str) -> list[Session]:
    return list(Session.objects.on_host(host).holding_a_slot().order_by("created_at"))


def _stray_folders(known: set[str]) -> list[str]:
    folders = (folder.name for folder in event_log.sessions_folder().iterdir())
    return sorted(name for name in folders if name not in known)


async def recover(manager: Adopter, log: DatabaseThreads) -> Report:
    """Bring rows and processes together again after a start; say what was found."""
    report = Report(at=iso(timezone.now()))
    sessions = await log.run(_left_active, manager.host)
    for session in sessions:
        session_id = str(session.pk)
        folder = event_log.session_folder(session_id)
        if not session.is_alive and read_identity(folder) is None:
            await manager.fail(session_id, NEVER_RELEASED)
            report.never_started.append(session_id)
        elif await manager.adopt(session):
            report.adopted.append(session_id)
        else:
            report.ended.append(session_id)
    report.strays = _stray_folders({str(session.pk) for session in sessions})
    return report
