"""What the history is narrowed to, read from the words in the page's address."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from django.http import QueryDict

from sessions_app.events import Status
from sessions_app.models import SessionQuerySet

STATUS_LABELS = {
    Status.RUNNING: "Running",
    Status.WAITING_CHECKPOINT: "Waiting",
    Status.IDLE: "Queued",
    Status.COMPLETED: "Completed",
    Status.FAILED: "Failed",
}


@dataclass(frozen=True, kw_only=True)
class HistoryFilter:
    """Text, status and folder; an empty one narrows nothing, an unknown status counts as empty."""

    text: str = ""
    status: str = ""
    folder: str = ""

    @classmethod
    def from_query(cls, query: QueryDict) -> Self:
        """Read `q`, `status` and `folder`; NUL, which no stored text can hold, is left out."""
        words = {
            name: query.get(name, "").replace("\0", "").strip()
            for name in ("q", "status", "folder")
        }
        status = words["status"] if words["status"] in STATUS_LABELS else ""
        return cls(text=words["q"], status=status, folder=words["folder"])

    def apply(self, sessions: SessionQuerySet) -> SessionQuerySet:
        """Keep what fits, newest first."""
        if self.text:
            sessions = sessions.search(self.text)
        if self.status:
            sessions = sessions.filter(status=self.status)
        if self.folder:
            sessions = sessions.filter(working_dir=self.folder)
        return sessions.order_by("-created_at", "-id")

    @property
    def narrows(self) -> bool:
        """Tell whether anything is left out."""
        return bool(self.text or self.status or self.folder)

    def statuses(self) -> list[tuple[str, str, str, bool]]:
        """Return the choices as value, label, address and whether it is the chosen one."""
        choices = [("", "All"), *STATUS_LABELS.items()]
        return [
            (value, label, self.address(status=value), value == self.status)
            for value, label in choices
        ]

    def address(self, **changes: str) -> str:
        """Return the query string of this filter with `changes`, always beginning with `?`."""
        words = {"q": self.text, "status": self.status, "folder": self.folder, **changes}
        return "?" + urlencode({name: word for name, word in words.items() if word})

    @property
    def any_folder(self) -> str:
        """Return the query string of the same filter over all folders."""
        return self.address(folder="")

    @property
    def paging(self) -> str:
        """Return the query string to which a page number is appended."""
        address = self.address()
        return f"{address}&" if len(address) > 1 else address
