"""A place in one session's log, and what follows it that need not be fetched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from sessions_app.events import LAST, LifecycleEvent
from sessions_app.fanout import EventFrame, Tail
from sessions_app.live_frames import Frame

# Output that was sent and not acknowledged, per session, for clients that acknowledge.
WINDOW_BYTES = 256 * 1024
# Whoever acknowledges and is this far behind gets the screen instead of every byte.
FAR_BEHIND_BYTES = 4 * 1024 * 1024


class Missing(Enum):
    """What there is to do before the next frame can be sent."""

    NOTHING = auto()  # there is none, or no room for it
    EVENTS = auto()
    OUTPUT = auto()
    SCREEN = auto()


@dataclass(eq=False, slots=True)
class Cursor:
    """What one viewer has had of one session: events up to `seq`, output up to `offset`.

    It may be moved once it is `ready`. While it is `busy`, a task fetches what follows and nobody
    else may send. It is `over` behind the last event. `acked` is None until the client
    acknowledges.
    """

    session_id: str
    tail: Tail
    seq: int = 0
    offset: int = 0
    output: bool = True
    ready: bool = False
    busy: bool = False
    over: bool = False
    acked: int | None = None
    _upcoming: list[EventFrame] | None = None

    def acknowledge(self, offset: int) -> None:
        """Note that the client has drawn the output up to this offset."""
        self.acked = min(max(self.acked or 0, offset), self.offset)

    def jump(self, offset: int) -> None:
        """Go on behind a screen that includes the output up to `offset`."""
        self.offset = offset
        self.tail.lift(offset, 0)
        if self.acked is not None:
            self.acked = offset

    @property
    def is_level(self) -> bool:
        """Tell whether nothing follows."""
        return self.offset == self.tail.head and self.seq == self.tail.last_seq

    @property
    def is_done(self) -> bool:
        """Tell whether the session has ended and all of it has been sent."""
        return self.over and (not self.output or self.offset >= self.tail.head)

    def following(self, has_room: Callable[[str], bool]) -> Frame | Missing:
        """Move over the next frame that is at hand and return it, or say what is missing for it.

        `has_room` tells whether the client takes more output of the session.
        """
        event = None
        if self.seq < self.tail.last_seq:
            event = self._next_event()
            if event is None:
                return Missing.EVENTS
            if event.offset <= self.offset or not self.output:
                self.seq, self.over = event.seq, event.last
                return event.frame
        return self._output_before(event, has_room)

    def output_end(self) -> int:
        """Return how far output goes that comes before the next event."""
        return self._end_before(self._next_event() if self.seq < self.tail.last_seq else None)

    def take_events(self, events: Sequence[LifecycleEvent]) -> None:
        """Have these events, which follow `seq`, at hand."""
        # The next one last, where it is taken from.
        self._upcoming = [
            EventFrame(event.seq, event.offset, Frame.of(event.to_wire()), event.type in LAST)
            for event in reversed(events)
        ]

    def _output_before(
        self, event: EventFrame | None, has_room: Callable[[str], bool]
    ) -> Frame | Missing:
        end = self.tail.head if event is None else self._end_before(event)
        if not self.output or self.offset >= end:
            return Missing.NOTHING
        if self.acked is not None and self.offset - self.acked >= WINDOW_BYTES:
            return Missing.NOTHING
        if not has_room(self.session_id):
            return Missing.NOTHING
        if self.acked is not None and self.tail.head - self.offset > FAR_BEHIND_BYTES:
            return Missing.SCREEN
        output = self.tail.output_after(self.offset, end)
        if output is None:
            return Missing.OUTPUT
        self.offset = output.end
        return output.frame

    def _end_before(self, event: EventFrame | None) -> int:
        return min(event.offset, self.tail.head) if event else self.tail.head

    def _next_event(self) -> EventFrame | None:
        """Return the event after `seq` if it is at hand."""
        while self._upcoming:
            if self._upcoming[-1].seq > self.seq:
                return self._upcoming[-1]
            self._upcoming.pop()
        self._upcoming = None
        return self.tail.event_at(self.seq + 1)
