"""The log: sessions, their numbered events and their output by offset.

Rows are written by the session manager alone, through `sessions_app.event_log`; everybody else
reads. Who may see what is asked in one place, `SessionQuerySet.visible_to`.
"""

import shlex
import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from sessions_app.audit import AuditRecord
from sessions_app.callers import Caller
from sessions_app.credentials import ApiToken, LoginLink, ShareLink
from sessions_app.events import (
    ACTIVE,
    ALIVE,
    MAX_SIZE,
    MIN_SIZE,
    EventType,
    LifecycleEvent,
    Status,
    iso,
)
from sessions_app.hosts import Host
from sessions_app.login_attempts import LoginAttempt
from sessions_app.plain_text import plain
from sessions_app.rights import CODENAMES, Right
from sessions_app.session_row import SessionRow

__all__ = [
    "ApiToken",
    "AuditRecord",
    "Host",
    "LoginAttempt",
    "LoginLink",
    "OutputSegment",
    "ScreenSnapshot",
    "Session",
    "SessionEvent",
    "ShareLink",
]


def new_epoch() -> str:
    """Return 128 random bits in hexadecimal: the name of one log."""
    return uuid.uuid4().hex


class SessionQuerySet(models.QuerySet["Session"]):
    """The vocabulary of questions about sessions."""

    def visible_to(self, caller: Caller) -> "SessionQuerySet":
        """Keep what the caller may see: its own, the team's, what is shared; admins everything."""
        if caller.may(Right.ADMIN):
            return self.all()
        seen = Q(pk__in=caller.shared)
        if caller.may(Right.VIEW):
            seen |= Q(owner=caller.user.pk) | Q(team=True)
        return self.filter(seen)

    def visible_parts(self, caller: Caller) -> "list[SessionQuerySet]":
        """Return what `visible_to` keeps, in parts of which each has an index with its order.

        One session may be in several parts.
        """
        if caller.may(Right.ADMIN):
            return [self.all()]
        parts = [self.filter(pk__in=caller.shared)] if caller.shared else []
        if caller.may(Right.VIEW):
            parts += [self.filter(owner=caller.user.pk), self.filter(team=True)]
        return parts

    def active(self) -> "SessionQuerySet":
        """Keep what is queued or runs."""
        return self.filter(status__in=sorted(ACTIVE))

    def alive(self) -> "SessionQuerySet":
        """Keep what has a program that runs."""
        return self.filter(status__in=ALIVE)

    def ended(self) -> "SessionQuerySet":
        """Keep what has come to its end.

        Said so that no index serves it: nearly all have ended, so to find these and then to sort
        them is slower than to go through all in the order that is wanted.
        """
        return self.exclude(status__in=sorted(ACTIVE))

    def queued(self) -> "SessionQuerySet":
        """Keep what waits for a free slot, the most urgent first, then first come first."""
        waiting = self.filter(status=Status.IDLE, slot=None)
        return waiting.order_by("-priority", "created_at", "id")

    def claimable_by(self, host: str, labels: Collection[str]) -> list[uuid.UUID]:
        """Return what waits for a slot of this host, or of any host with such labels, in order."""
        mine = frozenset(labels)
        waiting = self.queued().filter(host__in=("", host)).values_list("pk", "labels")
        return [key for key, wanted in waiting if mine.issuperset(wanted)]

    def holding_a_slot(self) -> "SessionQuerySet":
        """Keep what takes up a slot: a program that runs or is just being started."""
        return self.active().exclude(slot=None)

    def on_host(self, host: str) -> "SessionQuerySet":
        """Keep the sessions of one machine."""
        return self.filter(host=host)

    def counted(self) -> dict[tuple[str, str], int]:
        """Return how many there are on each host in each status, in one query."""
        rows = self.order_by().values_list("host", "status").annotate(number=models.Count("*"))
        return {(host, status): number for host, status, number in rows}

    def search(self, text: str) -> "SessionQuerySet":
        """Keep the sessions whose name, command or folder contains `text`, whatever its case."""
        return self.filter(
            Q(name__icontains=text)
            | Q(command_line__icontains=text)
            | Q(working_dir__icontains=text)
        )


class Session(models.Model):
    """One run of a command in a pseudo-terminal."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    epoch = models.CharField(max_length=32, default=new_epoch, editable=False)
    name = models.CharField(max_length=200, blank=True)
    status = models.CharField(
        max_length=20,
        choices=[(status.value, status.value.replace("_", " ")) for status in Status],
        default=Status.IDLE,
    )
    host = models.CharField(
        max_length=255, blank=True, help_text="Empty while it waits for a slot of any host."
    )
    # Defaults of the database's as well: a process of an older version may store rows meanwhile.
    labels = models.JSONField(
        default=list,
        db_default=models.Value([], models.JSONField()),
        blank=True,
        help_text="What its host has to have.",
    )
    priority = models.SmallIntegerField(
        default=0, db_default=0, help_text="In the queue, the higher go first."
    )
    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    team = models.BooleanField(default=False, help_text="Shown to every user.")
    command = models.JSONField(help_text="The program and its arguments, a list.")
    command_line = models.TextField(help_text="The command as one types it into a shell.")
    working_dir = models.TextField()
    environment = models.JSONField(
        default=dict, blank=True, help_text="Extra variables; forgotten once the program runs."
    )
    # Null, not "": only null may stand in many rows of a unique constraint.
    idempotency_key = models.CharField(  # noqa: DJ001
        max_length=255, null=True, blank=True, help_text="Of the request that started it."
    )
    pid = models.PositiveIntegerField(null=True, blank=True)
    cols = models.PositiveSmallIntegerField()
    rows = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    last_activity_at = models.DateTimeField(default=timezone.now)
    exit_code = models.IntegerField(null=True, blank=True)
    error = models.TextField(blank=True)
    stalled = models.TextField(
        default="",
        db_default="",
        blank=True,
        help_text="Why its output stands still, while it does.",
    )
    waiting = models.JSONField(
        null=True, blank=True, help_text="The event that says what it waits for, while it waits."
    )
    last_seq = models.PositiveBigIntegerField(default=0)
    output_bytes = models.PositiveBigIntegerField(
        default=0, help_text="How much output is in the archive."
    )

    objects = SessionQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        permissions = (
            (CODENAMES[Right.INPUT], "Can type into own sessions"),
            (CODENAMES[Right.START], "Can start and end own sessions"),
            (CODENAMES[Right.ADMIN], "Can do everything with everybody's sessions"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=["host", "slot"],
                condition=Q(status__in=sorted(ACTIVE)),
                name="one_active_session_per_slot",
            ),
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"], name="a_repeated_start_starts_once"
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(Status)), name="session_status_is_known"
            ),
            models.CheckConstraint(
                condition=Q(slot=None) | ~Q(host=""), name="a_slot_belongs_to_a_host"
            ),
            models.CheckConstraint(
                condition=Q(
                    cols__gte=MIN_SIZE, cols__lte=MAX_SIZE, rows__gte=MIN_SIZE, rows__lte=MAX_SIZE
                ),
                name="session_size_is_possible",
            ),
        )
        indexes = (
            models.Index(fields=["status", "-created_at"]),
            models.Index(fields=["-created_at", "-id"]),
            models.Index(fields=["owner", "-created_at", "-id"]),
            models.Index(
                fields=["-created_at", "-id"], condition=Q(team=True), name="newest_of_the_team"
            ),
            models.Index(fields=["-ended_at"]),
            models.Index(fields=["working_dir", "-created_at"]),
        )

    def __str__(self) -> str:
        return plain(self.name) or plain(self.command_line) or "Session"

    @property
    def is_alive(self) -> bool:
        """Tell whether its program runs, as far as the row knows."""
        return self.status in ALIVE

    @property
    def is_active(self) -> bool:
        """Tell whether it is queued or runs."""
        return self.status in ACTIVE

    def set_command(self, argv: list[str]) -> None:
        """Set the command and the line that shows it."""
        self.command = argv
        self.command_line = shlex.join(argv)

    @property
    def owner_name(self) -> str | None:
        """Return the owner's name, None without an owner."""
        return self.owner.get_username() if self.owner else None

    def to_wire(self) -> dict[str, Any]:
        """Return what the row says as clients read it; see session_verbs.to_wire."""
        return SessionRow(*(self._shown(name) for name in SessionRow._fields)).to_wire()

    def _shown(self, name: str) -> Any:
        value = getattr(self, name)
        return iso(value) if isinstance(value, datetime) and name != "created_at" else value


class SessionEvent(models.Model):
    """One immutable fact about one session, the `seq`-th, at output offset `offset`."""

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveBigIntegerField()
    type = models.CharField(max_length=40, choices=[(kind.value, kind.value) for kind in EventType])
    offset = models.PositiveBigIntegerField()
    timestamp = models.DateTimeField(default=timezone.now)
    fields = models.JSONField(default=dict)

    class Meta:
        ordering = ("session", "seq")
        constraints = (
            models.UniqueConstraint(fields=["session", "seq"], name="events_are_numbered_once"),
        )

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"

    def as_event(self) -> LifecycleEvent:
        """Return the fact without its row."""
        return LifecycleEvent(
            type=EventType(self.type),
            session_id=str(self.session_id),
            seq=self.seq,
            offset=self.offset,
            timestamp=self.timestamp,
            fields=self.fields,
        )


class OutputSegment(models.Model):
    """A stretch of raw output, bytes `start` up to `end`, compressed with zstandard.

    `timeline` says when its pieces came, as `[milliseconds after recorded_at, offset]` pairs.
    """

    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="segments")
    start = models.PositiveBigIntegerField()
    end = models.PositiveBigIntegerField()
    data = models.BinaryField()
    recorded_at = models.DateTimeField()
    timeline = models.JSONField(default=list)

    class Meta:
        ordering = ("session", "start")
        constraints = (
            models.UniqueConstraint(fields=["session", "start"], name="output_is_stored_once"),
            models.CheckConstraint(
                condition=Q(end__gt=models.F("start")), name="segments_hold_something"
            ),
        )

    def __str__(self) -> str:
        return f"{self.start} to {self.end}"


class ScreenSnapshot(models.Model):
    """What draws a session's screen as it stood at output offset `offset` (control sequences)."""

    session = models.OneToOneField(
        Session, on_delete=models.CASCADE, related_name="snapshot", primary_key=True
    )
    offset = models.PositiveBigIntegerField()
    cols = models.PositiveSmallIntegerField()
    rows = models.PositiveSmallIntegerField()
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.cols} x {self.rows} at {self.offset}"
