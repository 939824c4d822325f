"""The figures of this process's manager, for its heartbeat and for `/metrics`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from sessions_app.metrics.counts import counts
from sessions_app.metrics.loop_delay import loop_delay


class Backlog(Protocol):
    """What the archive knows of itself."""

    def backlog(self) -> tuple[datetime | None, int]:
        """Return when the oldest output came that the database lacks, and how much that is."""


class Followed(Protocol):
    """A session that runs."""

    @property
    def stalled(self) -> str | None:
        """Why its output stands still."""


class Manager(Protocol):
    """What is asked of a manager, from any thread."""

    @property
    def slots(self) -> int:
        """How many programs may run at once."""

    @property
    def live(self) -> Mapping[str, Followed]:
        """The sessions whose programs are followed."""

    @property
    def archiver(self) -> Backlog:
        """What copies output into the database."""


_manager: Manager | None = None


def follow(manager: Manager | None) -> None:
    """Tell of this manager from now on, or of none."""
    global _manager  # one per process, set by its life cycle
    _manager = manager


def stats() -> dict[str, float]:
    """Return the figures of the manager of this process (see FIGURES); none without a manager.

    Plain JSON numbers. Those that count begin at 0 with the process. Safe in any thread.
    """
    manager = _manager
    if manager is None:
        return {}
    since, backlog = manager.archiver.backlog()
    lag = (datetime.now(UTC) - since).total_seconds() if since else 0.0
    live = list(manager.live.values())
    return {
        "outputBytes": counts.output_bytes,
        # The clock may have been set back.
        "archiveLagSeconds": max(lag, 0.0),
        "archiveBacklogBytes": backlog,
        "sessionsFollowed": len(live),
        "sessionsStalled": sum(one.stalled is not None for one in live),
        "slots": manager.slots,
        "sessionsStarted": counts.starts,
        "startFailures": counts.start_failures,
        "sessionsCompleted": counts.completed,
        "sessionsFailed": counts.failed,
        "eventsLost": counts.events_lost,
        "layerErrors": counts.layer_errors,
        "loopDelaySeconds": loop_delay.percentile(0.99),
    }
