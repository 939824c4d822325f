"""Hosts in the administration: how full they are, what is wrong, and whether they take more."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from sessions_app import audit
from sessions_app.admin.read_only import AdministratorsAdmin
from sessions_app.audit import Action
from sessions_app.hosts import drain
from sessions_app.models import Host
from sessions_app.plain_text import plain


@admin.register(Host)
class HostAdmin(AdministratorsAdmin):
    """Machines: each writes its own row; one that is gone for good may be deleted."""

    list_display = ("title", "state", "slots_taken", "labels_shown", "version", "load_shown",
                    "last_seen", "trouble")  # fmt: skip
    fields = ("title", "state", "slots_taken", "labels_shown", "version", "load_shown", "draining",
              "started_at", "last_seen", "trouble", "stats")  # fmt: skip
    readonly_fields = ("title", "state", "slots_taken", "labels_shown", "load_shown", "trouble")
    actions = ("drain_hosts", "open_hosts")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Have at hand what the rows alone do not say."""
        return super().get_queryset(request).with_state()  # type: ignore[attr-defined, no-any-return]  # the model's own QuerySet

    @admin.display(description="name", ordering="name")
    def title(self, host: Host) -> str:
        """Return its name."""
        return plain(host.name)

    @admin.display(description="state")
    def state(self, host: Host) -> str:
        """Return ready, draining, silent or stopped."""
        return host.as_state().state

    @admin.display(description="slots")
    def slots_taken(self, host: Host) -> str:
        """Return how many slots are taken, and how many there are."""
        known = host.as_state()
        return f"{known.used} of {known.slots}"

    @admin.display(description="labels")
    def labels_shown(self, host: Host) -> str:
        """Return its labels."""
        return plain(", ".join(host.labels))

    @admin.display(description="load", ordering="load")
    def load_shown(self, host: Host) -> str:
        """Return its load average of the last minute per core, to two digits."""
        return f"{host.load:.2f}"

    @admin.display(description="problem")
    def trouble(self, host: Host) -> str:
        """Return what is wrong on it."""
        return plain(host.problem)

    @admin.action(description="Drain: finish what runs, take nothing new")
    def drain_hosts(self, request: HttpRequest, queryset: QuerySet[Host]) -> None:
        """Let them take nothing new."""
        self._change(request, queryset, draining=True)

    @admin.action(description="Take sessions again")
    def open_hosts(self, request: HttpRequest, queryset: QuerySet[Host]) -> None:
        """Let them take sessions again."""
        self._change(request, queryset, draining=False)

    def _change(self, request: HttpRequest, queryset: QuerySet[Host], *, draining: bool) -> None:
        action = Action.HOST_DRAINED if draining else Action.HOST_OPENED
        for host in queryset.exclude(draining=draining):
            drain(host.name, draining)
            audit.note(action, audit.visitor(request), host=host.name)
            done = "takes nothing new" if draining else "takes sessions again"
            self.message_user(request, f"{plain(host.name)} {done}.", messages.SUCCESS)
