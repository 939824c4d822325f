"""Which connections there are, how far each is, and which one goes when there are too many."""

import ipaddress
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from sessions_app.front_door.limits import Limits

# Who has one address of such a network has all of them.
IPV6_PREFIX = 64


class Phase(Enum):
    """How far a connection is."""

    CLOSING = auto()  # its last answer is being sent
    IDLE = auto()  # kept alive, nothing is asked
    HEAD = auto()  # the head of its request is not complete
    BODY = auto()  # the body is not
    BUSY = auto()  # is being answered
    STREAM = auto()  # has become a live stream


# In this order they go when there is no room.
EVICTED = (Phase.CLOSING, Phase.IDLE, Phase.HEAD, Phase.BODY)


@dataclass(eq=False, slots=True)
class Connection:
    """One connection; `cut` ends it at once.

    `client` is None for a trusted proxy, `phase` is None when it is no longer counted; `since` is
    when the phase began, by the monotonic clock.
    """

    client: str | None
    cut: Callable[[], None]
    phase: Phase | None = Phase.HEAD
    since: float = field(default_factory=time.monotonic)


class Connections:
    """All of a server's connections.

    Nobody is kept out by those who only hold connections: of these the one that has been in its
    phase for longest is cut. A new one is refused only where all the others are at work.
    """

    def __init__(self, limits: Limits, proxies: Iterable[object] = ()) -> None:
        """`proxies` are the addresses and networks of trusted proxies."""
        self._limits = limits
        self._proxies = [ipaddress.ip_network(str(proxy), strict=False) for proxy in proxies]
        # Dictionaries keep the order in which connections came into the phase.
        self._in_phase: dict[Phase, dict[Connection, None]] = {phase: {} for phase in Phase}
        self._of_client: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._in_phase.values()))

    def asking(self) -> int:
        """Return how many have asked something and have no answer yet; live streams apart."""
        return len(self._in_phase[Phase.BODY]) + len(self._in_phase[Phase.BUSY])

    def admit(self, host: str, cut: Callable[[], None]) -> Connection | None:
        """Count a new connection from that address, or return None: there is no room for it."""
        client = self._client(host)
        if not (self._client_has_room(client) and self._has_room()):
            return None
        connection = Connection(client, cut)
        if client is not None:
            self._of_client[client] += 1
        self._in_phase[Phase.HEAD][connection] = None
        self._cut_unfinished()
        return connection

    def enter(self, connection: Connection, phase: Phase) -> None:
        """Note how far the connection is now; one that is no longer counted stays so."""
        if connection.phase is not None:
            del self._in_phase[connection.phase][connection]
            connection.phase, connection.since = phase, time.monotonic()
            self._in_phase[phase][connection] = None

    def forget(self, connection: Connection) -> None:
        """Count it no longer."""
        if connection.phase is None:
            return
        del self._in_phase[connection.phase][connection]
        connection.phase = None
        if connection.client is not None:
            self._of_client[connection.client] -= 1
            if not self._of_client[connection.client]:
                del self._of_client[connection.client]

    def _client(self, host: str) -> str | None:
        """Return by what connections are counted together, None for a trusted proxy."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        if any(address in proxy for proxy in self._proxies):
            return None
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.ip_network((int(address), IPV6_PREFIX), strict=False))
        return str(address)

    def _has_room(self) -> bool:
        return len(self) < self._limits.connections or self._make_room()

    def _client_has_room(self, client: str | None) -> bool:
        if client is None or self._of_client[client] < self._limits.connections_per_address:
            return True
        return self._make_room(client)

    def _cut_unfinished(self) -> None:
        """Cut the oldest of the unfinished heads that are too many, if they have had time."""
        heads = self._in_phase[Phase.HEAD]
        too_old = time.monotonic() - self._limits.unfinished_seconds
        while len(heads) > self._limits.unfinished_heads:
            oldest = next(iter(heads))
            if oldest.since > too_old:
                return
            self._cut(oldest)

    def _make_room(self, client: str | None = None) -> bool:
        """Cut one connection, of this client if one is named; False if all are at work."""
        for phase in EVICTED:
            for connection in self._in_phase[phase]:
                if client is None or connection.client == client:
                    self._cut(connection)
                    return True
        return False

    def _cut(self, connection: Connection) -> None:
        self.forget(connection)
        connection.cut()
