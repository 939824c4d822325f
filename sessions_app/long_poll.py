"""Long polling: waiting for the next thing that happens in a session.

Who waits is a watcher of the fan-out, as the live streams' viewers are: it sleeps until the fan-out
hears of something, and what the channel layer loses is healed by the fan-out's comparison with the
log, once a second for everybody together.
"""

import asyncio
import math
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from sessions_app import event_log
from sessions_app.events import EventType, LifecycleEvent, Status
from sessions_app.exceptions import SessionNotFound
from sessions_app.fanout import FanOut
from sessions_app.models import Session

# Output is archived this often, more or less.
ARCHIVED_SECONDS = 0.5


class Reason(StrEnum):
    """What can be waited for."""

    ENDED = "ended"
    WAITING = "waiting"
    OUTPUT = "output"


_REASONS = {
    EventType.COMPLETED: Reason.ENDED,
    EventType.FAILED: Reason.ENDED,
    EventType.WAITING: Reason.WAITING,
    EventType.CHECKPOINT: Reason.WAITING,
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An event with a higher `seq` than `after`, or output after `offset`."""

    session_id: str
    reasons: Collection[Reason]
    after: int
    offset: int


@dataclass(frozen=True, kw_only=True)
class Happened:
    """What there is to tell; `event` is None for output. Output reaches `offset` by now."""

    reason: Reason
    event: LifecycleEvent | None
    offset: int


def from_now_on(
    session: Session, reasons: Collection[Reason], after: int | None, offset: int | None
) -> Wanted:
    """Return what is waited for where the caller left something open.

    Without `after` the state of the session counts (that it waits, that it has ended), and what
    happens from now on; without `offset`, output that comes from now on.
    """
    session_id = str(session.pk)
    if after is None:
        after = session.last_seq
        if session.status == Status.WAITING_CHECKPOINT:
            after = _last_wait(session_id) - 1
    if offset is None:
        _, offset = event_log.output_range(session_id)
    return Wanted(session_id=session_id, reasons=reasons, after=after, offset=offset)


def look(wanted: Wanted) -> Happened | None:
    """Return what has happened already, None if nothing has; raises SessionNotFound.

    An event goes before output. A session that has ended is always an answer, whatever is
    wanted and known: nothing more will come. Belongs into a database thread.
    """
    session = Session.objects.filter(pk=wanted.session_id).first()
    if session is None:
        raise SessionNotFound("There is no such session any more.")
    _, head = event_log.output_range(wanted.session_id)
    if event := _first_event(wanted):
        return Happened(reason=_REASONS[event.type], event=event, offset=head)
    if Reason.OUTPUT in wanted.reasons and head > wanted.offset:
        return Happened(reason=Reason.OUTPUT, event=None, offset=head)
    if session.is_active:
        return None
    last = event_log.read_events(wanted.session_id, after=session.last_seq - 1, limit=1)
    return Happened(reason=Reason.ENDED, event=last[0] if last else None, offset=head)


def _first_event(wanted: Wanted) -> LifecycleEvent | None:
    kinds = [kind for kind, reason in _REASONS.items() if reason in wanted.reasons]
    found = event_log.read_events(wanted.session_id, after=wanted.after, limit=1, kinds=kinds)
    return found[0] if found else None


def _last_wait(session_id: str) -> int:
    return event_log.last_seq_of(session_id, (EventType.WAITING, EventType.CHECKPOINT))


class _Waiter:
    """A watcher of one session that is woken when looking may be worth it."""

    everything = False

    def __init__(self, fan_out: FanOut, wanted: Wanted) -> None:
        self.news = asyncio.Event()
        self._session_id = wanted.session_id
        self._fan_out = fan_out
        self._tail = fan_out.watch(wanted.session_id, self)
        self._seq = self._tail.last_seq
        self._offset = wanted.offset if Reason.OUTPUT in wanted.reasons else math.inf
        fan_out.viewers.add(self)

    def begin_to_look(self) -> None:
        """Forget the news: looking will find them."""
        self.news.clear()
        self._seq = self._tail.last_seq

    async def wait(self) -> None:
        """Wait until looking may be worth it: for news, or while output is on its way to the log.

        What another host prints is heard of before it can be read here.
        """
        seconds = ARCHIVED_SECONDS if self._tail.head > self._offset else None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.news.wait()

    def close(self) -> None:
        """Watch no more."""
        self._fan_out.viewers.discard(self)
        self._fan_out.unwatch(self._session_id, self)

    # The fan-out tells (Watcher)

    def wake(self, session_id: str) -> None:
        """Something follows: an event, or output that may be wanted."""
        if self._tail.last_seq > self._seq or self._tail.head > self._offset:
            self.news.set()

    def unknown_of(self, session_ids: Collection[str]) -> Collection[str]:
        """Other sessions do not matter."""
        return ()

    def discover(self, session_id: str) -> None:
        """Nor do they when they begin."""

    def changed(self, session_id: str, *, hidden: bool) -> None:
        """The session may not be shown any more."""
        if session_id == self._session_id:
            self.news.set()

    def sees(self, session_id: str, owner_id: int | None, *, team: bool) -> bool:
        """Tell whether it is the session that this is about."""
        return session_id == self._session_id

    def forgotten(self, session_id: str) -> None:
        """The session is gone."""
        self.changed(session_id, hidden=True)


async def wait(fan_out: FanOut, wanted: Wanted, seconds: float) -> Happened | None:
    """Wait for what is wanted; None when it has not happened after so many seconds.

    Raises SessionNotFound when the session is forgotten meanwhile.
    """
    waiter = _Waiter(fan_out, wanted)
    try:
        await fan_out.join([wanted.session_id])
        async with asyncio.timeout(seconds):
            while True:
                waiter.begin_to_look()
                if happened := await fan_out.log.run(look, wanted):
                    return happened
                await waiter.wait()
    except TimeoutError:
        return await fan_out.log.run(look, wanted)
    finally:
        waiter.close()
