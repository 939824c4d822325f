"""What so many hosts and viewers need, as formulas over bench.scaling_inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from bench import scaling_inputs as given
from bench.scaling_inputs import Load

MOST_HOSTS = 100_000
MOST_PROCESSES = 1_000_000
MICROSECOND, MILLISECOND = 1e-6, 1e-3
# So many heads still fit into a processor's cache; somewhere between the two measured numbers.
MOST_CACHED = 5000


@dataclass(frozen=True)
class Needs:
    """What so many hosts need under a load; rates are per second, CPU time in cores."""

    hosts: int
    load: Load

    # The programs.

    @property
    def sessions(self) -> int:
        """Return how many there are."""
        return int(self.hosts * given.SESSIONS_PER_HOST.value)

    @property
    def printing(self) -> float:
        """Return how many of them print."""
        return self.sessions * self.load.share

    @property
    def pieces(self) -> float:
        """Return in how many pieces their output comes."""
        return self.printing * self.load.pieces

    @property
    def piece_bytes(self) -> float:
        """Return how large the message of a piece is."""
        return self.load.bytes_per_second / self.load.pieces + given.MESSAGE_BYTES.value

    @property
    def manager_cores(self) -> float:
        """Return what one host's manager uses."""
        piece = self.load.piece_seconds + given.LAYER_SEND.value * MICROSECOND
        archived = self.archive_writes * given.ARCHIVED_BY.value * MILLISECOND
        return (self.pieces * piece + archived) / self.hosts

    # The web processes.

    @cached_property
    def web_processes(self) -> int | None:
        """Return how many are needed, None where each is full before it has served anybody."""
        if self.whatever_a_web_does >= given.FULL.value:
            return None
        enough = (
            count
            for count in range(self.fewest_webs, MOST_PROCESSES)
            if self.web_cores(count) <= given.FULL.value
        )
        return next(enough)

    @property
    def most_viewers(self) -> float:
        """Return how many viewers one has connections for."""
        return given.MOST_CONNECTIONS.value * (1 - given.REQUESTS.value / 100)

    @property
    def fewest_webs(self) -> int:
        """Return how many have the connections for all viewers."""
        return math.ceil(given.VIEWERS.value / self.most_viewers)

    @property
    def counted_webs(self) -> int:
        """Return how many the engines have to serve: as many as are needed, if that can be."""
        return self.web_processes or self.fewest_webs

    @property
    def web_megabytes(self) -> float:
        """Return the memory of each."""
        viewers = given.VIEWERS.value / self.counted_webs
        return given.IDLE_MEMORY.value + viewers * given.VIEWER_MEMORY.value / 1000

    @property
    def whatever_a_web_does(self) -> float:
        """Return what each uses without any viewer: it reads heads, and hears of events."""
        heads = self.sessions / given.COMPARE_SECONDS.value * given.HEAD_READ.value
        events = self.events * given.LAYER_RECEIVE.value
        return (heads + events) * MICROSECOND

    def web_cores(self, count: int) -> float:
        """Return what each of so many uses."""
        viewers = given.VIEWERS.value / count
        compared = self.sessions / given.COMPARE_SECONDS.value * self.head_compared
        heard = self.watched(count) * self.load.share * self.load.pieces * given.LAYER_RECEIVE.value
        sent = viewers * given.SHOWN.value * self.load.share * self.load.pieces
        return (
            self.whatever_a_web_does
            + (viewers * compared + heard) * MICROSECOND
            + sent * given.SEND_SECONDS
        )

    @property
    def head_compared(self) -> float:
        """Return what one head costs for one viewer (µs): more, where the cache is too small."""
        is_few = self.sessions <= MOST_CACHED
        return (given.HEAD_COMPARED if is_few else given.HEAD_COMPARED_OF_MANY).value

    def watched(self, count: int) -> float:
        """Return how many sessions somebody watches at one of so many web processes.

        Viewers choose evenly: what is expected of so many draws out of all sessions.
        """
        draws = given.VIEWERS.value / count * given.SHOWN.value
        return self.sessions * -math.expm1(draws * math.log1p(-1 / self.sessions))

    # Redis.

    @property
    def events(self) -> float:
        """Return how many events there are that are no output."""
        return self.sessions * given.EVENTS_PER_SESSION.value

    @property
    def commands(self) -> float:
        """Return how many messages commands make."""
        keys = given.VIEWERS.value * given.TYPISTS.value / 100 * given.KEYS.value
        return keys * given.MESSAGES_PER_COMMAND.value

    @property
    def redis_in(self) -> float:
        """Return how many messages Redis is sent."""
        return self.pieces + self.events + self.commands

    @property
    def redis_out(self) -> float:
        """Return how many it sends."""
        webs = self.counted_webs
        output = webs * self.watched(webs) * self.load.share * self.load.pieces
        return output + self.events * webs + self.commands

    @property
    def redis_bytes(self) -> tuple[float, float]:
        """Return how many bytes come in, and go out."""
        commands = self.commands * given.COMMAND_BYTES.value
        events = self.events * given.EVENT_BYTES.value
        webs = self.counted_webs
        output = webs * self.watched(webs) * self.load.share * self.load.pieces
        return (
            self.pieces * self.piece_bytes + events + commands,
            output * self.piece_bytes + events * webs + commands,
        )

    @property
    def redis_cores(self) -> float:
        """Return what Redis uses; it has one."""
        taken = self.redis_in * given.REDIS_PUBLISH.value
        return (taken + self.redis_out * given.REDIS_DELIVERY.value) * MICROSECOND

    # PostgreSQL.

    @property
    def archive_writes(self) -> float:
        """Return how many sessions have new output to be stored."""
        return min(self.load.pieces, 1 / given.ARCHIVE_SECONDS.value) * self.printing

    @property
    def writes(self) -> float:
        """Return how many transactions write."""
        return self.archive_writes + self.hosts / given.BEAT_SECONDS.value + self.events

    @property
    def heads_read(self) -> float:
        """Return how many rows the web processes read to compare them."""
        return self.counted_webs * self.sessions / given.COMPARE_SECONDS.value

    @property
    def questions(self) -> float:
        """Return how many small questions there are: visits, and the right to type each key."""
        visits = given.VIEWERS.value / given.STAY_SECONDS.value * given.QUESTIONS_PER_VISIT.value
        return visits + self.commands / given.MESSAGES_PER_COMMAND.value

    @property
    def stored_bytes(self) -> float:
        """Return how many bytes of output are stored."""
        return self.printing * self.load.bytes_per_second * given.STORED_SHARE.value

    @property
    def database_cores(self) -> float:
        """Return what PostgreSQL uses."""
        beats = self.hosts / given.BEAT_SECONDS.value
        return (
            (self.archive_writes + self.events) * given.ARCHIVED.value * MILLISECOND
            + beats * given.BEATEN.value * MILLISECOND
            + self.questions * given.ANSWERED.value * MILLISECOND
            + self.heads_read * given.HEAD_SOUGHT.value * MICROSECOND
        )

    @property
    def connections(self) -> float:
        """Return how many connections it has."""
        webs = self.counted_webs * given.WEB_CONNECTIONS.value
        return webs + self.hosts * given.MANAGER_CONNECTIONS.value


@dataclass(frozen=True)
class Part:
    """Something that can be full; `used` is 1 where it is."""

    name: str
    used: Callable[[Needs], float]


PARTS = (
    Part(
        "connections of PostgreSQL",
        lambda needs: needs.connections / given.DATABASE_CONNECTIONS.value,
    ),
    Part("Redis, one core", lambda needs: needs.redis_cores / given.FULL.value),
    Part(
        "PostgreSQL, cores",
        lambda needs: needs.database_cores / given.DATABASE_CORES.value / given.FULL.value,
    ),
    Part(
        "a web process without viewers",
        lambda needs: needs.whatever_a_web_does / given.FULL.value,
    ),
    Part("a manager, one core", lambda needs: needs.manager_cores / given.FULL.value),
)


def hosts_until_full(part: Part, load: Load) -> int | None:
    """Return the fewest hosts with which the part is full, None if that is never so."""
    few, many = 0, MOST_HOSTS
    if part.used(Needs(many, load)) < 1:
        return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if part.used(Needs(middle, load)) >= 1 else (middle, many)
    return many
