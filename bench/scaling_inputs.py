"""The numbers that docs/scaling.md is calculated from, each with where it is from.

Measured ones are copied from the page or the command that is named; after a new measurement they
are to be copied again (a test tells when they have become others). What nobody measured is an
assumption.
"""

from __future__ import annotations

from dataclasses import dataclass

ASSUMPTION = "assumption"
QUESTION = "the question"


@dataclass(frozen=True)
class Input:
    """A number that goes in; `source` says where it is from."""

    what: str
    value: float
    unit: str
    source: str


def performance(place: str, row: str) -> str:
    """Return the source that is a cell of docs/performance.md, in the column of Daphne."""
    return f"performance.md, `{place}`: {row}"


def by_hand(what: str) -> str:
    """Return the source that is a measurement which docs/scaling.md describes."""
    return f"measured by hand: {what}"


# What is asked.
SESSIONS_PER_HOST = Input("sessions on each host", 20, "", QUESTION)
VIEWERS = Input("viewers in all", 10_000, "", QUESTION)

# What the code says.
BEAT_SECONDS = Input("a host says that it is there, every", 2, "s", "`host_state.BEAT_SECONDS`")
ARCHIVE_SECONDS = Input(
    "a session's new output is archived, every", 0.5, "s", "`archiver.EVERY_SECONDS`"
)
COMPARE_SECONDS = Input(
    "a web process compares the heads of all active sessions, every",
    1,
    "s",
    "`fanout.POLL_SECONDS`",
)
MOST_CONNECTIONS = Input(
    "connections of a web process, at most", 2000, "", "`front_door.limits.Limits`"
)
MESSAGES_PER_COMMAND = Input(
    "messages of a command: request, acknowledgement, answer", 3, "", "`host_calls`"
)

# Measured.
BUSY_PIECES = Input(
    "pieces of output of a session that prints 1,000 lines/s",
    83.4,
    "/s",
    performance("fanout --viewers 1", "messages to each viewer"),
)
FANOUT_CPU_1 = Input(
    "10 s of such a session, to one viewer",
    0.49,
    "s of CPU",
    performance("fanout --viewers 1", "server CPU"),
)
FANOUT_CPU_100 = Input(
    "the same to 100", 0.93, "s of CPU", performance("fanout --viewers 100", "server CPU")
)
FANOUT_CPU_1000 = Input(
    "the same to 1,000", 6.37, "s of CPU", performance("fanout --viewers 1000", "server CPU")
)
WALL_CPU = Input(
    "10 s of 50 sessions with 20 lines/s each, all of them to 10 viewers",
    2.68,
    "s of CPU",
    performance("wall --sessions 50", "server CPU"),
)
IDLE_MEMORY = Input("a server that is idle", 108, "MB", performance("memory", "server, idle"))
VIEWER_MEMORY = Input("a viewer more", 62.1, "kB", performance("memory", "more per further viewer"))

# Measured for this page alone; docs/scaling.md says how.
MESSAGE_BYTES = Input(
    "of a message with output, what is not output", 140, "bytes", by_hand("layer")
)
LAYER_SEND = Input("a manager tells Redis of a piece", 121, "µs of CPU", by_hand("layer"))
LAYER_RECEIVE = Input("a web process hears of a piece", 87, "µs of CPU", by_hand("layer"))
REDIS_PUBLISH = Input("Redis takes a message", 12, "µs of CPU", by_hand("Redis"))
REDIS_DELIVERY = Input("Redis hands it to one process", 1.5, "µs of CPU", by_hand("Redis"))
HEAD_READ = Input("a web process reads one head", 3.8, "µs of CPU", by_hand("heads"))
HEAD_SOUGHT = Input("PostgreSQL reads one head", 0.5, "µs of CPU", by_hand("heads"))
HEAD_COMPARED = Input(
    "a head is looked up for one viewer, of 2,000 heads", 0.052, "µs of CPU", by_hand("heads")
)
HEAD_COMPARED_OF_MANY = Input(
    "a head is looked up for one viewer, of 20,000 heads", 0.17, "µs of CPU", by_hand("heads")
)
ARCHIVED = Input("PostgreSQL stores a session's new output", 0.53, "ms of CPU", by_hand("archive"))
ARCHIVED_BY = Input("a manager sends it there", 1.6, "ms of CPU", by_hand("archive"))
BEATEN = Input("PostgreSQL stores that a host is there", 0.1, "ms of CPU", by_hand("archive"))
ANSWERED = Input("PostgreSQL answers a small question", 0.1, "ms of CPU", by_hand("archive"))
WEB_CONNECTIONS = Input("a web process's connections to PostgreSQL", 16, "", by_hand("connections"))
MANAGER_CONNECTIONS = Input("a manager's", 4, "", by_hand("connections"))

# Nobody has measured these; other numbers give other tables.
REQUESTS = Input("of 100 connections are no live streams", 5, "", ASSUMPTION)
SHOWN = Input("sessions whose output a viewer is shown", 2, "", ASSUMPTION)
STAY_SECONDS = Input("a viewer stays for", 600, "s", ASSUMPTION)
QUESTIONS_PER_VISIT = Input("questions to the database per visit", 20, "", ASSUMPTION)
EVENTS_PER_SESSION = Input("events of a session that are not output", 1 / 60, "/s", ASSUMPTION)
EVENT_BYTES = Input("a message with an event", 600, "bytes", ASSUMPTION)
TYPISTS = Input("of 100 viewers type at the same time", 2, "", ASSUMPTION)
KEYS = Input("and each of these types", 3, "keys/s", ASSUMPTION)
COMMAND_BYTES = Input("a message of a command", 300, "bytes", ASSUMPTION)
STORED_SHARE = Input("of a byte of output is stored, compressed", 0.3, "", ASSUMPTION)
FULL = Input("of a core may be used before a process counts as full", 0.7, "", ASSUMPTION)
DATABASE_CORES = Input("cores of PostgreSQL's machine", 16, "", ASSUMPTION)
DATABASE_CONNECTIONS = Input("connections that PostgreSQL takes", 200, "", "`deploy/compose.yaml`")


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the programs do; `share` of them print so many lines of 100 bytes a second.

    They come in `pieces` a second, of which each costs the manager `piece_seconds` of CPU.
    """

    name: str
    share: float
    lines: float
    pieces: float
    piece_seconds: float

    @property
    def bytes_per_second(self) -> float:
        """Return what one of those that print prints."""
        return self.lines * LINE_BYTES


LINE_BYTES = 100
FANOUT_SECONDS = WALL_SECONDS = 10
SEND_SECONDS = (FANOUT_CPU_1000.value - FANOUT_CPU_100.value) / (
    (1000 - 100) * BUSY_PIECES.value * FANOUT_SECONDS
)
"""CPU time of a message to one viewer: what 900 viewers more have cost."""

_WALL_PIECES = 50 * 20 * WALL_SECONDS
USUAL = Load(
    name="usual",
    share=0.2,
    lines=20,
    # Lines 50 ms apart are not merged.
    pieces=20,
    piece_seconds=(WALL_CPU.value - 10 * _WALL_PIECES * SEND_SECONDS) / _WALL_PIECES,
)
BUSIEST = Load(
    name="busiest",
    share=1.0,
    lines=1000,
    pieces=BUSY_PIECES.value,
    piece_seconds=FANOUT_CPU_1.value / (BUSY_PIECES.value * FANOUT_SECONDS) - SEND_SECONDS,
)
LOADS = (USUAL, BUSIEST)
INPUTS: tuple[Input, ...] = tuple(each for each in globals().values() if isinstance(each, Input))
