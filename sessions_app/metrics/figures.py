"""The figures of a manager: how they are called in JSON and as metrics, and what they mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of a manager: `key` in its stats, `name` with `labels` among the metrics.

    A figure that `grows` is a counter, whose name ends with `_total`. Several figures may share a
    name, then they share `help` too.
    """

    key: str
    name: str
    help: str
    grows: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


# Of a manager that reports from another process, whoever keeps its stats knows this.
SILENT_SECONDS = "silentSeconds"

_ENDED = "Sessions that have ended, by how they ended."

FIGURES = (
    Figure(
        key="outputBytes",
        name="harness_output_bytes_total",
        help="Bytes of output that the manager has taken in from programs.",
        grows=True,
    ),
    Figure(
        key="archiveLagSeconds",
        name="harness_archive_lag_seconds",
        help="Age of the oldest output that the database does not have yet.",
    ),
    Figure(
        key="archiveBacklogBytes",
        name="harness_archive_backlog_bytes",
        help="Bytes of output that the database does not have yet.",
    ),
    Figure(
        key="sessionsFollowed",
        name="harness_sessions_followed",
        help="Sessions whose programs the manager follows, each through a process of its own.",
    ),
    Figure(
        key="sessionsStalled",
        name="harness_sessions_stalled",
        help="Sessions whose output stands still because it cannot be stored.",
    ),
    Figure(
        key="slots",
        name="harness_slots",
        help="How many programs may run at once.",
    ),
    Figure(
        key="sessionsStarted",
        name="harness_sessions_started_total",
        help="Programs that the manager has started.",
        grows=True,
    ),
    Figure(
        key="startFailures",
        name="harness_session_start_failures_total",
        help="Programs that could not be started.",
        grows=True,
    ),
    Figure(
        key="sessionsCompleted",
        name="harness_sessions_ended_total",
        help=_ENDED,
        grows=True,
        labels={"status": "completed"},
    ),
    Figure(
        key="sessionsFailed",
        name="harness_sessions_ended_total",
        help=_ENDED,
        grows=True,
        labels={"status": "failed"},
    ),
    Figure(
        key="eventsLost",
        name="harness_events_lost_total",
        help="Messages that were dropped because the channel layer did not keep up; the log has "
        "what they told.",
        grows=True,
    ),
    Figure(
        key="layerErrors",
        name="harness_manager_layer_errors_total",
        help="Errors of the channel layer in the manager's process.",
        grows=True,
    ),
    Figure(
        key="loopDelaySeconds",
        name="harness_manager_loop_delay_p99_seconds",
        help="How late the event loop of the manager's process was in the last minute, exceeded "
        "in one case of a hundred.",
    ),
    Figure(
        key=SILENT_SECONDS,
        name="harness_manager_silent_seconds",
        help="Time since the manager was heard of.",
    ),
)
