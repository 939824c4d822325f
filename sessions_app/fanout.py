"""The fan-out: one subscription per server process and group, however many viewers.

It keeps the recent tail of every watched session, already encoded, and wakes the viewers; each
viewer then takes what follows its own cursor. Whoever has fallen out of the tail is served from the
log. Nothing here waits for a viewer, and no memory grows with a slow one.

A session's viewers are woken in rounds. After a round the session rests for a multiple of the time
that the round took, so that many viewers get fewer and larger frames instead of the whole
processor, while a few are served as soon as there is something. Who prints whole frames at a time
has no rest: they get no larger by waiting.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

from channels.layers import get_channel_layer
from django.db import Error
from django.db.models import Q
from django.utils import timezone

from sessions_app.database_threads import DatabaseThreads
from sessions_app.event_bridge import GROUP, output_group
from sessions_app.events import ACTIVE
from sessions_app.exceptions import ManagerUnavailable
from sessions_app.layer_calls import answered
from sessions_app.live_frames import JOINED_BYTES, Frame, Output, Piece, RecentOutput
from sessions_app.metrics import counts
from sessions_app.models import Session

logger = logging.getLogger(__name__)

TAIL_EVENTS = 256
# What is kept of one session, and of all that are watched.
TAIL_BYTES = 1024 * 1024
ALL_TAILS_BYTES = 4 * 1024 * 1024
# How long a session rests after a round, in rounds; never longer than REST_MOST_SECONDS. With 1,000
# viewers a rest of 2 takes half the processor time and makes the slowest percent 3 times as late.
REST_ROUNDS = 0.25
REST_MOST_SECONDS = 0.1
# The layer may lose its last message; this often the log's heads are compared.
POLL_SECONDS = 1.0
# A session that began and ended between two comparisons is found for this long.
LATELY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class EventFrame:
    """An encoded event; `last` if none follows it."""

    seq: int
    offset: int
    frame: Frame
    last: bool = False


class Head(NamedTuple):
    """How far a session's log reaches, in events and archived bytes, and whose it is."""

    session_id: str
    last_seq: int
    output_bytes: int
    owner_id: int | None
    team: bool


class Watcher(Protocol):
    """A viewer, as the fan-out sees it. None of these may block."""

    everything: bool

    def sees(self, session_id: str, owner_id: int | None, *, team: bool) -> bool:
        """Tell whether a session of this user, shown to the team or not, is any of its business."""

    def wake(self, session_id: str) -> None:
        """Something follows in this session."""

    def unknown_of(self, session_ids: Collection[str]) -> Collection[str]:
        """Return those of the sessions that this viewer does not know yet."""

    def discover(self, session_id: str) -> None:
        """There may be a session that this viewer does not know yet."""

    def changed(self, session_id: str, *, hidden: bool) -> None:
        """The session's row changed without an event; `hidden` from the team, perhaps."""

    def forgotten(self, session_id: str) -> None:
        """A session that it sees is gone."""


class Tail:
    """The newest output and events of one session, and how far its log reaches.

    `room` tells how many bytes of output may be kept.
    """

    def __init__(self, session_id: str, room: Callable[[], int] = lambda: TAIL_BYTES) -> None:
        self.session_id = session_id
        self.head = 0
        self.last_seq = 0
        self.watchers: set[Watcher] = set()
        self.rests_until = 0.0
        self.round_due: asyncio.TimerHandle | None = None
        self.head_of_round = 0
        self.seq_of_round = 0
        self._recent = RecentOutput(session_id, room)
        self._events: deque[EventFrame] = deque(maxlen=TAIL_EVENTS)
        self._head_before = 0

    def lift(self, head: int, last_seq: int) -> bool:
        """Note that the log reaches further than was heard; True if that is news."""
        news = head > self.head or last_seq > self.last_seq
        if head > self.head:
            self._recent.clear()
            self.head = head
        self.last_seq = max(self.last_seq, last_seq)
        return news

    @property
    def has_news(self) -> bool:
        """Tell whether the viewers have not been woken since the log was known to reach so far."""
        return self.head > self.head_of_round or self.last_seq > self.seq_of_round

    def add_output(self, piece: Piece | None, start: int, end: int) -> None:
        """Add a piece; one that does not follow the last leaves a gap that the log fills.

        Without `piece` the output from `start` to `end` is in the log only.
        """
        if end <= self.head:
            return
        if start != self.head or piece is None or not self.watchers:
            self._recent.clear()
        else:
            self._recent.add(piece)
        self.head = end

    def output_after(self, offset: int, end: int) -> Output | None:
        """Return a frame of what follows `offset`, not beyond `end`, if the tail has it."""
        return self._recent.after(offset, end)

    def forget_if_silent(self) -> None:
        """Keep nothing for viewers who are that slow, if nothing came since this was last asked."""
        if self._head_before == self.head:
            self._recent.clear()
        self._head_before = self.head

    def add_event(self, frame: EventFrame) -> None:
        """Add an event; what the tail lacks before it is read from the log."""
        if frame.seq > self.last_seq:
            self._events.append(frame)
            self.last_seq = frame.seq

    def event_at(self, seq: int) -> EventFrame | None:
        """Return the event with this number, if the tail has it."""
        for frame in reversed(self._events):
            if frame.seq <= seq:
                return frame if frame.seq == seq else None
        return None


class FanOut:
    """The process's one receiver of the group. Belongs to one event loop.

    `log` are the threads in which viewers read the log.
    """

    def __init__(self) -> None:
        self.log = DatabaseThreads("log-reader", 2)
        self.viewers: set[Watcher] = set()
        self._tails: dict[str, Tail] = {}
        self._layer: Any = None
        self._channel = ""
        self._tasks: list[asyncio.Task[None]] = []
        # The sessions whose output is heard, and those of which that may have to change.
        self._joined: set[str] = set()
        self._to_look_at: asyncio.Queue[str] = asyncio.Queue()
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Join the group of all events and begin to listen."""
        self._layer = get_channel_layer()
        self._channel = await self._layer.new_channel()
        await self._layer.group_add(GROUP, self._channel)
        for work, name in (
            (self._listen(), "fan-out"),
            (self._compare(), "fan-out-poll"),
            (self._keep_membership(), "fan-out-membership"),
        ):
            self._tasks.append(asyncio.create_task(work, name=name))

    async def stop(self) -> None:
        """Leave the group."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for group in (GROUP, *map(output_group, self._joined)):
            await self._membership(self._layer.group_discard, group)
        await asyncio.to_thread(self.log.close)

    async def join(self, session_ids: Iterable[str]) -> None:
        """Hear the output of these sessions, which are watched; returns once it can be heard.

        A layer that does not answer is not waited for: the log is compared meanwhile.
        """
        async with self._changing:
            for session_id in session_ids:
                if session_id in self._joined or session_id not in self._tails:
                    continue
                if not await self._membership(self._layer.group_add, output_group(session_id)):
                    break
                self._joined.add(session_id)

    async def _keep_membership(self) -> None:
        """Leave the groups of sessions that nobody watches, and join what could not be joined."""
        while True:
            session_id = await self._to_look_at.get()
            if session_id in self._tails:
                await self.join([session_id])
                continue
            async with self._changing:
                if session_id in self._joined and session_id not in self._tails:
                    self._joined.discard(session_id)
                    await self._membership(self._layer.group_discard, output_group(session_id))
            if session_id in self._tails:  # somebody came meanwhile
                await self.join([session_id])

    async def _membership(self, change: Callable[[str, str], Awaitable[None]], group: str) -> bool:
        try:
            await answered(change(group, self._channel))
        except Exception as error:
            counts.layer_errors += 1
            logger.warning("the channel layer does not answer: %s", error or type(error).__name__)
            return False
        return True

    def watch(self, session_id: str, watcher: Watcher) -> Tail:
        """Return the session's tail, which from now on wakes this watcher.

        Its output is heard once `join` has returned.
        """
        tail = self._tails.get(session_id)
        if tail is None:
            tail = self._tails[session_id] = Tail(session_id, self._room)
        tail.watchers.add(watcher)
        return tail

    def _room(self) -> int:
        return min(TAIL_BYTES, ALL_TAILS_BYTES // len(self._tails))

    def watched(self) -> list[str]:
        """Return the ids of the sessions that anybody watches."""
        return list(self._tails)

    def unwatch(self, session_id: str, watcher: Watcher) -> None:
        """Stop waking this watcher; a tail that nobody watches is dropped."""
        tail = self._tails.get(session_id)
        if tail is not None:
            tail.watchers.discard(watcher)
            if not tail.watchers:
                del self._tails[session_id]
                self._to_look_at.put_nowait(session_id)

    async def _listen(self) -> None:
        while True:
            message = await self._layer.receive(self._channel)
            try:
                self._handle(message)
            except Exception:
                logger.exception("the message %r cannot be used", message.get("type"))

    def _handle(self, message: dict[str, Any]) -> None:
        session_id = message["session"]
        tail = self._tails.get(session_id)
        if message["type"] == "session.changed":
            for watcher in list(self.viewers):
                if not message["forgotten"]:
                    watcher.changed(session_id, hidden=message["hidden"])
                elif watcher.sees(session_id, message["owner"], team=message["team"]):
                    watcher.forgotten(session_id)
            return
        if message["type"] == "session.event" and message["seq"] == 1:
            for watcher in self._of_everything():
                watcher.discover(session_id)
        if tail is None:
            return
        if message["type"] == "session.output":
            start, end, data = message["offset"], message["next"], message["data"]
            piece = Piece(start, end, message["timestamp"], data) if data is not None else None
            tail.add_output(piece, start, end)
        else:
            frame = Frame(message["event"])
            tail.add_event(EventFrame(message["seq"], message["offset"], frame, message["last"]))
        self._begin_round(tail)

    def _begin_round(self, tail: Tail) -> None:
        """Wake the viewers, at once or when the session has rested from the last time."""
        loop = asyncio.get_running_loop()
        is_full = tail.head - tail.head_of_round >= JOINED_BYTES
        if is_full or loop.time() >= tail.rests_until:
            self._wake_all(tail)
        elif tail.round_due is None:
            tail.round_due = loop.call_at(tail.rests_until, self._wake_all, tail)

    def _wake_all(self, tail: Tail) -> None:
        if tail.round_due is not None:
            tail.round_due.cancel()
            tail.round_due = None
        tail.head_of_round, tail.seq_of_round = tail.head, tail.last_seq
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for watcher in tuple(tail.watchers):
            try:
                watcher.wake(tail.session_id)
            except Exception:
                logger.exception("a viewer of session %s cannot be woken", tail.session_id)
        ended = loop.time()
        tail.rests_until = ended + min(REST_ROUNDS * (ended - begun), REST_MOST_SECONDS)

    def _of_everything(self) -> list[Watcher]:
        return [watcher for watcher in self.viewers if watcher.everything]

    async def _compare(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self.viewers:
                continue
            self._look_after_tails()
            try:
                heads = await self.log.run(_heads, list(self._tails))
            except Error as error:
                logger.warning("the log cannot be read: %s", error)
                continue
            self._heal(heads)

    def _look_after_tails(self) -> None:
        for tail in self._tails.values():
            tail.forget_if_silent()
        if self._to_look_at.empty():
            for session_id in self._tails.keys() - self._joined:
                self._to_look_at.put_nowait(session_id)

    def _heal(self, heads: Collection[Head]) -> None:
        """Tell viewers of what the layer has lost."""
        for head in heads:
            known = self._tails.get(head.session_id)
            if known is None:
                continue
            if known.lift(head.output_bytes, head.last_seq):
                counts.gaps_healed += 1
            # Or somebody who came lately has found out; the others are to hear of it as well.
            if known.has_news:
                self._begin_round(known)
        by_id = {head.session_id: head for head in heads}
        for watcher in self._of_everything():
            for head in map(by_id.__getitem__, watcher.unknown_of(by_id)):
                # Told apart here: a look of its own costs a question to the database.
                if watcher.sees(head.session_id, head.owner_id, team=head.team):
                    watcher.discover(head.session_id)


def _heads(watched: list[str]) -> list[Head]:
    """Return the heads of what is watched, active, or was a moment ago."""
    lately = timezone.now() - timedelta(seconds=LATELY_SECONDS)
    rows = Session.objects.filter(
        Q(pk__in=watched) | Q(status__in=ACTIVE) | Q(created_at__gte=lately)
    )
    return [Head(str(key), *rest) for key, *rest in rows.values_list(*_HEAD_COLUMNS)]


_HEAD_COLUMNS = ("pk", "last_seq", "output_bytes", "owner_id", "team")
_fan_out: FanOut | None = None


def set_fan_out(fan_out: FanOut | None) -> None:
    """Make this the fan-out of the process, or leave the process without one."""
    global _fan_out  # one per process, set by its life cycle
    _fan_out = fan_out


def get_fan_out() -> FanOut:
    """Return the fan-out of this process; raises ManagerUnavailable."""
    if _fan_out is None:
        raise ManagerUnavailable("The server is not ready yet; try again in a moment.")
    return _fan_out
