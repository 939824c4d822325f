"""What a session's row says, as clients read it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import TextField
from django.db.models.functions import Cast

from sessions_app.events import iso


class SessionRow(NamedTuple):
    """The columns that are shown: a fraction of the cost of a model for each session of a list.

    Moments but the first are already written as `iso` does.
    """

    id: UUID
    name: str
    status: str
    slot: int | None
    host: str
    labels: list[str]
    priority: int
    owner_id: int | None
    owner_name: str | None
    team: bool
    working_dir: str
    command_line: str
    pid: int | None
    cols: int
    rows: int
    created_at: datetime
    started_at: str | None
    ended_at: str | None
    exit_code: int | None
    error: str
    stalled: str
    waiting: dict[str, Any] | None
    last_seq: int
    output_bytes: int
    epoch: str
    last_activity_at: str

    def to_wire(self) -> dict[str, Any]:
        """Return what the row says; what only the manager knows is added by its `to_wire`."""
        return {
            "id": str(self.id),
            "name": self.name or None,
            "status": self.status,
            "slot": self.slot,
            "host": self.host or None,
            "labels": self.labels,
            "priority": self.priority,
            "owner": self.owner_name,
            "team": self.team,
            "workingDir": self.working_dir,
            "currentCommand": self.command_line,
            "pid": self.pid,
            "cols": self.cols,
            "rows": self.rows,
            "createdAt": iso(self.created_at),
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
            "exitCode": self.exit_code,
            "error": self.error or None,
            "stalled": self.stalled or None,
            "waiting": self.waiting,
            "lastSeq": self.last_seq,
            "outputBytes": self.output_bytes,
            "epoch": self.epoch,
            "lastActivityAt": self.last_activity_at,
        }


class Moment(TextField):  # type: ignore[type-arg]  # generic only in its stubs
    """Moments as the database writes them, read as `iso` writes them, without making datetimes."""

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        """Return the moment as clients read it.

        SQLite has "2026-01-31 23:59:59.123456", PostgreSQL adds "+00", as Django sets the time zone
        of its connections. Both leave out zeros at the end of the fraction, or all of it.
        """
        if value is None:
            return None
        fraction = value[19:].partition("+")[0][1:4]
        return f"{value[:10]}T{value[11:19]}.{fraction:0<3}Z"


class ExactMoment(TextField):  # type: ignore[type-arg]  # generic only in its stubs
    """Moments as the database writes them, read a third as slowly as Django's field reads them."""

    def from_db_value(self, value: str, *_: object) -> datetime:
        """Return the moment; SQLite names no time zone, and all that is stored is in UTC."""
        return datetime.fromisoformat(value).replace(tzinfo=UTC)


def _column(name: str) -> Any:
    if name == "created_at":
        return Cast(name, ExactMoment())
    if name in ("started_at", "ended_at", "last_activity_at"):
        return Cast(name, Moment())
    return "owner__username" if name == "owner_name" else name


COLUMNS = [_column(name) for name in SessionRow._fields]
"""What a query has to select for SessionRow, in its order."""
