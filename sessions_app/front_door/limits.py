"""The bounds, each with its reason."""

import resource
from dataclasses import dataclass, replace

KIB = 1024
MIB = 1024 * KIB

# Of the process's descriptors, what is not for clients: the log, its readers, static files that
# are being sent, connections that are being refused, and what Python and Twisted have open.
RESERVED_DESCRIPTORS = 320
# A socket, and the temporary file in which Twisted keeps a body of more than 100 kB.
DESCRIPTORS_PER_CONNECTION = 2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one server takes from its clients; sizes in bytes, times in seconds."""

    # The largest thing that is posted is a paste into a terminal.
    body_bytes: int = 2 * MIB
    # Without a credential only the login is posted, a few hundred bytes.
    anonymous_body_bytes: int = 16 * KIB
    # Browsers send some 15 headers of 2 kB in all; cookies of 4 kB each may come on top.
    head_bytes: int = 64 * KIB
    head_line_bytes: int = 16 * KIB
    header_lines: int = 100
    # A client sends the head in one piece, so this is ten round trips over a very bad line.
    head_seconds: float = 10.0
    # More than browsers keep an idle connection for is of no use to them.
    idle_seconds: float = 75.0
    # On top of `body_seconds`, a body has the time that a slow line (128 kbit/s) takes for it.
    body_seconds: float = 30.0
    body_bytes_per_second: int = 16 * KIB
    # Closing while the client still sends would take the answer away from it before it is read.
    linger_seconds: float = 2.0
    # For what is unsent when the connection ends, after `idle_seconds` in which to send it.
    flush_seconds: float = 60.0
    # A thousand people with two pages each.
    connections: int = 2000
    # A thousand live streams behind one address, and requests beside them.
    connections_per_address: int = 1024
    # Honest clients send the head as soon as they are connected: few have not after some seconds,
    # which is what one program needs that opens a thousand connections at once.
    unfinished_heads: int = 256
    unfinished_seconds: float = 5.0
    # Connections that are being told that there are too many; more are closed without a word.
    refusals: int = 64
    # What clients may say at /ws is small; docs/api.md promises this bound.
    message_bytes: int = 64 * KIB
    # Messages that wait for the application; then the client has to wait.
    waiting_messages: int = 64

    def within(self, descriptors: int) -> "Limits":
        """Return these limits for a process that may have so many descriptors for clients."""
        room = max(1, descriptors // DESCRIPTORS_PER_CONNECTION)
        return replace(self, connections=min(self.connections, room))

    def body_limit(self, *, has_credential: bool) -> int:
        """Return how large a body may be."""
        return self.body_bytes if has_credential else self.anonymous_body_bytes

    def body_deadline(self, size: int) -> float:
        """Return how long a body of that size may take."""
        return self.body_seconds + size / self.body_bytes_per_second


def descriptors_for_clients(limits: Limits, others: int) -> int:
    """Raise this process's limit of open files as far as needed; return what clients may use.

    `others` is how many the application opens for itself. Programs inherit the limit, and some
    work through every number below it, so it is not raised beyond the need.
    """
    reserved = RESERVED_DESCRIPTORS + others
    needed = reserved + limits.connections * DESCRIPTORS_PER_CONNECTION
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _as_number(soft) < needed:
        soft = min(needed, _as_number(hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return _as_number(soft) - reserved


def _as_number(limit: int) -> int:
    """RLIM_INFINITY is -1 on Linux."""
    return 1 << 30 if limit == resource.RLIM_INFINITY else limit
