"""The machines that run sessions, as each one's manager describes itself every two seconds.

Moments are those of the database's clock, so that a host whose own clock is wrong is not taken for
silent. Everything here is synchronous and belongs into a database thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce, Now

from sessions_app.exceptions import HostNameTaken, HostNotFound
from sessions_app.host_state import SILENT_SECONDS, HostState


class HostQuerySet(models.QuerySet["Host"]):
    """The vocabulary of questions about hosts."""

    def with_state(self) -> HostQuerySet:
        """Read the database's clock, and how many slots are taken, with each host."""
        sessions: Any = apps.get_model("sessions_app", "Session").objects
        here = sessions.holding_a_slot().filter(host=OuterRef("name")).order_by()
        counted = here.values("host").annotate(taken=Count("pk")).values("taken")
        return self.annotate(now=Now(), taken=Coalesce(Subquery(counted), 0))


class Host(models.Model):
    """One machine, or one state folder of it, under the name that its manager has."""

    name = models.CharField(max_length=255, primary_key=True)
    folder = models.CharField(
        max_length=32, editable=False, help_text="Tells its state folder from all others."
    )
    incarnation = models.CharField(
        max_length=32, editable=False, help_text="Tells its manager's process from earlier ones."
    )
    slots = models.PositiveSmallIntegerField()
    labels = models.JSONField(default=list)
    version = models.CharField(max_length=32)
    load = models.FloatField(default=0, help_text="Load average of the last minute, per core.")
    draining = models.BooleanField(
        default=False, help_text="Finishes what runs, takes nothing new."
    )
    stopped = models.BooleanField(default=False, help_text="Its manager has said that it leaves.")
    problem = models.TextField(blank=True)
    stats = models.JSONField(default=dict, help_text="What its manager counts.")
    started_at = models.DateTimeField(db_default=Now())
    last_seen = models.DateTimeField(db_default=Now())

    objects = HostQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def as_state(self) -> HostState:
        """Return what is known of it; only for a row of `with_state`."""
        row: Any = self
        return HostState(
            name=row.name,
            slots=row.slots,
            used=row.taken,
            labels=frozenset(row.labels),
            version=row.version,
            load=row.load,
            draining=row.draining,
            stopped=row.stopped,
            problem=row.problem,
            stats=row.stats,
            incarnation=row.incarnation,
            started_at=row.started_at,
            last_seen=row.last_seen,
            silent_seconds=max(0.0, (row.now - row.last_seen).total_seconds()),
        )


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What a manager says of itself when it comes."""

    name: str
    folder: str
    incarnation: str
    slots: int
    version: str
    labels: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What it says every two seconds."""

    load: float
    problem: str = ""
    stats: Mapping[str, float] = field(default_factory=dict)


def enter(presence: Presence) -> None:
    """Write that the manager is there.

    Raises HostNameTaken if a manager of another state folder has the name and was heard of lately.
    """
    with transaction.atomic():
        rows = Host.objects.select_for_update().annotate(now=Now())
        known: Any = rows.filter(pk=presence.name).first()
        if known is not None and known.folder != presence.folder and not known.stopped:
            silent = (known.now - known.last_seen).total_seconds()
            if silent < SILENT_SECONDS:
                raise HostNameTaken(
                    f"Another machine that is running already has the name {presence.name}. "
                    "Set HARNESS_HOST_NAME to another one, or wait until that one has stopped."
                )
        facts = {
            "folder": presence.folder,
            "incarnation": presence.incarnation,
            "slots": presence.slots,
            "labels": list(presence.labels),
            "version": presence.version,
            "stopped": False,
            "problem": "",
            "started_at": Now(),
            "last_seen": Now(),
        }
        Host.objects.update_or_create(pk=presence.name, defaults=facts)


def others(presence: Presence) -> list[str]:
    """Return the names of hosts that were heard of lately and have another state folder."""
    rows: Any = Host.objects.exclude(folder=presence.folder).filter(stopped=False)
    return [
        row.name
        for row in rows.annotate(now=Now())
        if (row.now - row.last_seen).total_seconds() < SILENT_SECONDS
    ]


def beat(name: str, incarnation: str, news: Beat) -> None:
    """Write that the manager is still there; raises HostNameTaken if the row is another's."""
    rows = Host.objects.filter(pk=name, incarnation=incarnation)
    changed = rows.update(
        load=news.load, problem=news.problem, stats=dict(news.stats), last_seen=Now()
    )
    if changed != 1:
        raise HostNameTaken(
            f"Another manager has taken the name {name} over, or the host was forgotten."
        )


def leave(name: str, incarnation: str) -> None:
    """Write that the manager leaves; its programs go on."""
    Host.objects.filter(pk=name, incarnation=incarnation).update(stopped=True, last_seen=Now())


def drain(name: str, draining: bool) -> None:
    """Let the host take nothing new, or take on again; raises HostNotFound."""
    if Host.objects.filter(pk=name).update(draining=draining) != 1:
        raise HostNotFound(f"There is no host {name}.")


def is_draining(name: str) -> bool:
    """Tell whether the host takes nothing new."""
    return Host.objects.filter(pk=name, draining=True).exists()


def all_hosts() -> list[HostState]:
    """Return all hosts by name, and how full they are."""
    return [host.as_state() for host in Host.objects.with_state()]
