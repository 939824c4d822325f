"""What the manager writes to session rows: accept, claim, rename, forget, and how one ended.

Synchronous, for the log's writer thread. Every change is a compare-and-set.
"""

import signal
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import DatabaseError, IntegrityError, InterfaceError, transaction
from django.utils import timezone

from sessions_app import event_log, hosts
from sessions_app.events import ACTIVE, EventType, LifecycleEvent, Status
from sessions_app.exceptions import NoFreeSlot, SessionNotFound, SessionStillActive
from sessions_app.holder_client import ExitRecord
from sessions_app.host_state import draining
from sessions_app.launch import LaunchRequest
from sessions_app.models import Session
from sessions_app.start_limits import StartLimits
from sessions_app.waiting.reports import Checkpoint, Wait, Waiting

# What a database that is locked, full or down raises.
DatabaseTrouble = (DatabaseError, InterfaceError)

LOST = (
    "The process that kept this session's terminal is gone, so the program was cut off. "
    "Its output up to then is kept."
)


def get(session_id: str) -> Session:
    """Return the row; raises SessionNotFound."""
    session = Session.objects.filter(pk=session_id).first()
    if session is None:
        raise SessionNotFound("There is no such session.")
    return session


@dataclass(frozen=True, kw_only=True)
class Place:
    """A host that can take sessions in: its name, how many slots it has, and its labels."""

    host: str
    slots: int
    labels: Collection[str] = ()


def accept(request: LaunchRequest, place: Place, limits: StartLimits) -> tuple[Session, bool]:
    """Store a new session that holds a slot here, or is queued if it may be.

    What is queued belongs to the host that was asked for, or to none: whichever fits takes it.
    Raises HostDraining, NoFreeSlot, TooManyStarts and TooManySessions. A repeated request gets the
    session that it has started already, and False, whatever the limits are; only what is stored is
    counted.
    """
    try:
        with transaction.atomic():
            return _accept(request, place, limits)
    except IntegrityError:
        # Another host has taken the same request at the same time.
        if known := _started_by(request):
            return known, False
        raise


def _accept(request: LaunchRequest, place: Place, limits: StartLimits) -> tuple[Session, bool]:
    if known := _started_by(request):
        return known, False
    limits.check_rate(request.owner_id)
    if hosts.is_draining(place.host):
        raise draining(place.host)
    before = request.queue and Session.objects.claimable_by(place.host, place.labels)
    slot = None if before else _free_slot(place)
    if slot is None and not request.queue:
        raise NoFreeSlot(
            f"All {place.slots} slots are taken. End a session, or queue this one to start later."
        )
    _check_number(request.owner_id, limits, queues=slot is None)
    session = Session(
        name=request.name,
        host=request.host if slot is None else place.host,
        labels=list(request.labels),
        priority=request.priority,
        slot=slot,
        owner_id=request.owner_id,
        team=request.team,
        working_dir=request.working_dir,
        environment=request.environment,
        cols=request.cols,
        rows=request.rows,
        idempotency_key=request.idempotency_key,
    )
    session.set_command(request.argv)
    session.save(force_insert=True)
    limits.count(request.owner_id)
    return session, True


def _check_number(owner: int | None, limits: StartLimits, *, queues: bool) -> None:
    """Raise TooManySessions if the user has as many sessions as one may have."""
    own = Session.objects.filter(owner_id=owner)
    limits.check_number(
        owner, active=own.active().count(), queued=own.queued().count(), queues=queues
    )


def _started_by(request: LaunchRequest) -> Session | None:
    if request.idempotency_key is None:
        return None
    return Session.objects.filter(
        owner_id=request.owner_id, idempotency_key=request.idempotency_key
    ).first()


def claim(place: Place) -> Session | None:
    """Give a free slot to the session that has waited longest, and return it.

    Of several hosts that claim at the same time each gets another session.
    """
    waiting = Session.objects.claimable_by(place.host, place.labels)
    if not waiting or hosts.is_draining(place.host):
        return None  # found out without a lock: this is asked every two seconds
    with transaction.atomic():
        slot = _free_slot(place)
        if slot is None:
            return None
        for key in waiting:
            # Whom another host is claiming right now is passed over.
            locked = Session.objects.select_for_update(skip_locked=True, of=("self",))
            session = locked.queued().filter(pk=key).first()
            if session is not None:
                session.slot, session.host = slot, place.host
                session.save(update_fields=["slot", "host"])
                return session
    return None


def take_out_of_queue(session_id: str, error: str) -> LifecycleEvent | None:
    """End a session that is queued, with the reason; None if it is not, or not any more."""
    with transaction.atomic():
        # Not passed over but waited for: a host that claims it has decided in a moment.
        if not Session.objects.select_for_update().queued().filter(pk=session_id).exists():
            return None
        return event_log.append_event(
            session_id,
            EventType.FAILED,
            offset=0,
            fields={"error": error},
            changes={"error": error, "ended_at": timezone.now(), "environment": {}},
        )


class Whereabouts(NamedTuple):
    """Where a session is: its status, its host ("" for none yet), and whether it has a slot."""

    status: Status
    host: str
    has_slot: bool

    @property
    def is_active(self) -> bool:
        """Tell whether it is queued or runs."""
        return self.status in ACTIVE


def whereabouts(session_id: str) -> Whereabouts:
    """Return where the session is; raises SessionNotFound."""
    row = Session.objects.filter(pk=session_id).values_list("status", "host", "slot").first()
    if row is None:
        raise SessionNotFound("There is no such session.")
    return Whereabouts(Status(row[0]), row[1], row[2] is not None)


def note_stalled(session_id: str, reason: str) -> None:
    """Write why a session's output stands still; "" when it goes on."""
    Session.objects.alive().filter(pk=session_id).update(stalled=reason)


def mark_started(session: Session, pid: int | None, attempt: event_log.Attempt) -> LifecycleEvent:
    """Write that the program runs; its extra variables are not needed any more."""
    return event_log.append_event(
        str(session.pk),
        EventType.STARTED,
        offset=0,
        fields={
            "slot": session.slot,
            "workingDir": session.working_dir,
            "command": session.command_line,
            "pid": pid,
            "cols": session.cols,
            "rows": session.rows,
        },
        changes={"pid": pid, "started_at": attempt.at, "environment": {}},
        attempt=attempt,
    )


def first_size(session: Session) -> tuple[int, int]:
    """Return the `(cols, rows)` with which the program began."""
    for event in event_log.read_events(str(session.pk), after=0, limit=1):
        if event.type is EventType.STARTED:
            return event.fields["cols"], event.fields["rows"]
    return session.cols, session.rows


def current_wait(session: Session) -> Wait | None:
    """Return what the session waits at, as its row remembers it."""
    if session.waiting is None:
        return None
    if session.waiting["type"] == EventType.CHECKPOINT:
        return Checkpoint.from_payload(session.waiting)
    return Waiting.from_payload(session.waiting)


def how_it_ended(
    record: ExitRecord | None, by: str
) -> tuple[EventType, dict[str, Any], dict[str, Any]]:
    """Return the last event's type and fields, and the changes of the row."""
    if record is None:
        return EventType.FAILED, {"error": LOST}, {"error": LOST}
    if record.code == 0:
        return EventType.COMPLETED, {"exitCode": 0}, {"exit_code": 0}
    error = _why(record, by)
    if record.code is not None:
        changes = {"error": error, "exit_code": record.code}
        return EventType.FAILED, {"error": error, "exitCode": record.code}, changes
    name = _signal_name(record.signal)
    return EventType.FAILED, {"error": error, "signal": name}, {"error": error}


def change(session_id: str, **changes: Any) -> None:
    """Change `name` or `team`; raises SessionNotFound."""
    if changes and Session.objects.filter(pk=session_id).update(**changes) != 1:
        raise SessionNotFound("There is no such session.")


def forget(session_id: str) -> Session:
    """Delete an ended session with its events and output; return what it was."""
    with transaction.atomic():
        session = get(session_id)
        if not Session.objects.ended().filter(pk=session_id).delete()[0]:
            raise SessionStillActive("The session is still active. End it first.")
    return session


def forgettable(days: int) -> list[str]:
    """Return the ids of the sessions that ended more than `days` days ago, the oldest first."""
    before = timezone.now() - timedelta(days=days)
    ended = Session.objects.ended().filter(ended_at__lt=before).order_by("ended_at")
    return [str(key) for key in ended.values_list("pk", flat=True)]


def _free_slot(place: Place) -> int | None:
    holding = Session.objects.on_host(place.host).holding_a_slot()
    taken = set(holding.values_list("slot", flat=True))
    return next((slot for slot in range(1, place.slots + 1) if slot not in taken), None)


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def _why(record: ExitRecord, by: str) -> str:
    if record.error:
        return f"The program could not be started: {record.error}"
    how = (
        f"was ended by {_signal_name(record.signal)}"
        if record.code is None
        else f"exited with code {record.code}"
    )
    if record.cause != "ended":
        return f"The program {how}."
    return f"Ended on request{f' of {by}' if by else ''}: the program {how}."
