"""Records of what was done, as they are stored."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from sessions_app.audit.notes import Note
from sessions_app.events import iso
from sessions_app.storable import storable

# Rows that are deleted at once: others may write in between.
SWEEP_ROWS = 2000


class AuditRecordQuerySet(models.QuerySet["AuditRecord"]):
    """The vocabulary of questions about records."""

    def narrowed(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        session: str = "",
        action: str = "",
        actor: str = "",
    ) -> "AuditRecordQuerySet":
        """Keep what was done from `since` up to, not including, `until`, and what else is said."""
        exact = {"at__gte": since, "at__lt": until, "session": session}
        exact |= {"action": action, "actor_name": actor}
        return self.filter(**{lookup: value for lookup, value in exact.items() if value})


class AuditRecord(models.Model):
    """One action, or one burst of it, of which `at` is the beginning.

    `actor_name` and `session_name` are as they were then; they and `session`, an id, stay when user
    and session are gone.
    """

    at = models.DateTimeField("when (UTC)", db_index=True)
    action = models.CharField(max_length=32, help_text="One of `Action`.")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    actor_name = models.CharField("who", max_length=150, blank=True)
    via = models.CharField("by which proof", max_length=200, blank=True)
    address = models.CharField(max_length=64, blank=True)
    session = models.CharField(max_length=36, blank=True, db_index=True)
    session_name = models.CharField(max_length=200, blank=True)
    details = models.JSONField(default=dict)

    objects = AuditRecordQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.action} at {self.at:%Y-%m-%d %H:%M:%S}"

    def to_wire(self) -> dict[str, Any]:
        """Return the record as clients read it."""
        return {
            "id": self.pk,
            "at": iso(self.at),
            "actor": self.actor_name or None,
            "via": self.via,
            "address": self.address or None,
            "action": self.action,
            "session": self.session or None,
            "sessionName": self.session_name or None,
            "details": self.details,
        }

    @classmethod
    def sweep(cls, days: int) -> int:
        """Delete what is more than `days` days old, a few rows at a time; return how many."""
        old = cls.objects.filter(at__lt=timezone.now() - timedelta(days=days)).order_by("at")
        total = 0
        while keys := list(old.values_list("pk", flat=True)[:SWEEP_ROWS]):
            total += cls.objects.filter(pk__in=keys).delete()[0]
        return total


def store(notes: Sequence[Note]) -> None:
    """Store them in order, all or none."""
    try:
        _store(notes)
    except IntegrityError:  # one of the users was just deleted, as the second look tells
        _store(notes)


def _store(notes: Sequence[Note]) -> None:
    with transaction.atomic():
        ids = {note.who.user_id for note in notes if note.who.user_id is not None}
        known = set(User.objects.filter(pk__in=ids).values_list("pk", flat=True)) if ids else set()
        AuditRecord.objects.bulk_create([_record(note, known) for note in notes])


def _record(note: Note, known: set[int]) -> AuditRecord:
    """Return the row; a user who was deleted meanwhile stays as a name."""
    who = note.who
    return AuditRecord(
        at=note.at,
        action=note.action,
        actor_id=who.user_id if who.user_id in known else None,
        actor_name=storable(who.name)[:150],
        via=storable(who.via)[:200],
        address=storable(who.address)[:64],
        session=note.session,
        session_name=storable(note.session_name)[:200],
        details=storable(dict(note.details)),
    )
