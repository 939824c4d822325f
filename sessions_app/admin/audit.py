"""The audit log in the administration, and what is done there recorded in it."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from sessions_app import audit
from sessions_app.admin.read_only import ReadOnlyAdmin
from sessions_app.audit import Action, AuditRecord
from sessions_app.callers import caller_of
from sessions_app.models import ApiToken, Session, ShareLink
from sessions_app.plain_text import plain_text
from sessions_app.rights import Right

if TYPE_CHECKING:  # a mixin; the type checker sees what it is mixed into
    from sessions_app.admin.read_only import Base
else:
    Base = object

_DELETIONS: dict[type[Model], Action] = {
    ApiToken: Action.TOKEN_REVOKED,
    ShareLink: Action.SHARE_WITHDRAWN,
}


class Audited(Base):
    """Records what is added, changed and deleted in the administration."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        """Record who added it."""
        _note(Action.ADDED, request, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        """Record who changed it, and the names of the fields."""
        entry = super().log_change(request, obj, message)
        change = entry.get_change_message()
        is_password = isinstance(obj, User) and change == "Changed password."
        action = Action.PASSWORD_CHANGED if is_password else Action.CHANGED
        _note(action, request, obj, change=change)
        return entry

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[LogEntry]:
        """Record who deleted them."""
        for row in queryset:
            _note(_DELETIONS.get(type(row), Action.DELETED), request, row)
        return super().log_deletions(request, queryset)


def _note(action: Action, request: HttpRequest, row: Model, **details: Any) -> None:
    session = row.session if isinstance(row, ShareLink) else None
    details |= {"kind": str(row._meta.verbose_name), "key": row.pk, "name": str(row)}
    audit.note(action, audit.visitor(request), session, **details)


class ActionFilter(admin.SimpleListFilter):
    """One of the actions."""

    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        """Return all of them, whether they have happened or not."""
        return [(action.value, action.value) for action in Action]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the chosen one."""
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditRecord)
class AuditRecordAdmin(ReadOnlyAdmin):
    """Who did what, when and from where; for administrators, and nobody changes it."""

    list_display = ("at", "action", "who", "by_proof", "address", "where", "what")
    list_filter = (ActionFilter, "at", ("actor", admin.RelatedOnlyFieldListFilter))
    list_per_page = 100
    show_full_result_count = False
    search_fields = ("=session", "session_name", "actor_name", "address")
    search_help_text = "A session's id or name, a user's name, or an address."
    date_hierarchy = "at"
    ordering = ("-id",)
    fields = list_display
    readonly_fields = list_display

    class Media:
        css = {"all": ["sessions_app/admin.css"]}  # noqa: RUF012  # as Django has it

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only administrators look."""
        return caller_of(request).may(Right.ADMIN)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Nobody else is told that there is such a list."""
        return self.has_view_permission(request)

    @admin.display(description="who", ordering="actor_name")
    def who(self, record: AuditRecord) -> str:
        """Return the name as it was then."""
        return _plain(record.actor_name) or "-"

    @admin.display(description="by")
    def by_proof(self, record: AuditRecord) -> str:
        """Return by which proof."""
        return _plain(record.via)

    @admin.display(description="session", ordering="session")
    def where(self, record: AuditRecord) -> str | SafeString:
        """Link to the session, as long as there is one."""
        if not record.session:
            return "-"
        page = reverse("session", args=[UUID(record.session)])
        name = _plain(record.session_name)[:80] or record.session
        return format_html('<a href="{}">{}</a>', page, name)

    @admin.display(description="details")
    def what(self, record: AuditRecord) -> str:
        """Return the details, short."""
        return _plain(", ".join(f"{k}: {_shown(v)}" for k, v in record.details.items()))


def records_of(session: Session) -> SafeString:
    """Link to the records of a session."""
    where = reverse("admin:sessions_app_auditrecord_changelist")
    return format_html('<a href="{}?session={}">Who did what with it</a>', where, session.pk)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _plain(text: str) -> str:
    return plain_text(text.encode("utf-8", "replace"))
