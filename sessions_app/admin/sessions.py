"""Sessions in the administration, and what became of them at the last start."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.db.models import F, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from sessions_app import audit, event_log, session_verbs
from sessions_app.admin.audit import records_of
from sessions_app.admin.log import fields_in_words
from sessions_app.admin.read_only import Base, ReadOnlyAdmin
from sessions_app.audit import Action
from sessions_app.callers import caller_of
from sessions_app.events import ACTIVE, ENDED
from sessions_app.exceptions import NotAllowed, SessionError
from sessions_app.models import Session
from sessions_app.plain_text import plain, plain_text
from sessions_app.rights import Right

TRANSCRIPT_BYTES = 200 * 1024
SHOWN_EVENTS = 200
RECOVERY_MEANINGS = {
    "adopted": "still ran and was taken over",
    "ended": "had ended meanwhile",
    "neverStarted": "had never been started",
    "strays": "folders that belong to no session",
}


class ActiveFilter(admin.SimpleListFilter):
    """Active ones or ended ones."""

    title = "activity"
    parameter_name = "activity"

    def lookups(self, request: HttpRequest, model_admin: Base) -> list[tuple[str, str]]:
        """Return the two choices."""
        return [("active", "active"), ("ended", "ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what was chosen."""
        statuses = {"active": ACTIVE, "ended": ENDED}.get(self.value() or "")
        return queryset.filter(status__in=statuses) if statuses else queryset


def _plainly(field: str, label: str) -> Callable[[Base, Session], str]:
    """Return a column with a text that programs or users chose, as it can be shown."""

    @admin.display(description=label, ordering=field)
    def column(_: Base, session: Session) -> str:
        return plain(getattr(session, field))

    return column


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Sessions: look, end the active ones, forget the ended ones."""

    list_display = (
        "title",
        "page",
        "status",
        "created",
        "duration",
        "place",
        "owner",
        "folder",
    )
    list_filter = (ActiveFilter, "status", "host", ("owner", admin.RelatedOnlyFieldListFilter))
    list_per_page = 50
    list_select_related = ("owner",)
    search_fields = ("=id", "name", "command_line", "working_dir", "error")
    date_hierarchy = "created_at"
    actions = ("end_sessions",)
    readonly_fields = (
        *("page", "duration", "recent_events", "segments", "records", "transcript"),
        *("called", "command_shown", "folder", "failure", "asks"),
    )
    fieldsets = (
        (None, {"fields": ("page", "called", "status", "failure", "exit_code", "command_shown")}),
        ("Where", {"fields": ("folder", "host", "slot", "pid", "owner", ("cols", "rows"))}),
        ("When", {"fields": ("created_at", "started_at", "ended_at", "duration")}),
        ("Log", {"fields": ("id", "epoch", "recent_events", "asks", "segments", "records")}),
        ("Transcript", {"fields": ("transcript",), "classes": ("collapse",)}),
    )

    class Media:
        css = {"all": ["sessions_app/admin.css"]}  # noqa: RUF012  # as Django has it

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Keep what this user may see."""
        return super().get_queryset(request).visible_to(caller_of(request))  # type: ignore[attr-defined, no-any-return]  # the model's own QuerySet

    # What is shown

    called = _plainly("name", "name")
    command_shown = _plainly("command_line", "command")
    folder = _plainly("working_dir", "folder")
    failure = _plainly("error", "error")

    @admin.display(description="session", ordering="name")
    def title(self, session: Session) -> str:
        """Return its name, or its command."""
        return str(session)[:120]

    @admin.display(description="waiting")
    def asks(self, session: Session) -> str:
        """Return what it waits for, with all that was told of it."""
        return fields_in_words(session.waiting) if session.waiting else "-"

    @admin.display(description="page")
    def page(self, session: Session) -> SafeString:
        """Link to the session's page."""
        return format_html('<a href="{}">Open</a>', reverse("session", args=[session.pk]))

    @admin.display(description="created", ordering="created_at")
    def created(self, session: Session) -> str:
        """Return when it was accepted (UTC), short."""
        return f"{session.created_at:%Y-%m-%d %H:%M}"

    @admin.display(description="slot", ordering="slot")
    def place(self, session: Session) -> str:
        """Return the machine and the slot on it."""
        return f"{session.host}: {session.slot}" if session.slot else session.host

    @admin.display(description="duration", ordering=F("ended_at") - F("started_at"))
    def duration(self, session: Session) -> str:
        """Return how long it ran, or has been running."""
        if session.started_at is None:
            return "-"
        until: datetime = session.ended_at or timezone.now()
        seconds = max(0, int((until - session.started_at).total_seconds()))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    @admin.display(description="events")
    def recent_events(self, session: Session) -> SafeString:
        """List the last events in order, with a link to all of them."""
        after = max(0, session.last_seq - SHOWN_EVENTS)
        events = event_log.read_events(str(session.pk), after=after, limit=SHOWN_EVENTS)
        rows = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (e.seq, e.type, f"{e.timestamp:%Y-%m-%d %H:%M:%S}", fields_in_words(e.fields))
                for e in events
            ),
        )
        return format_html(
            '<div class="session-log"><table>{}</table></div>{}',
            rows,
            _rows_of(session, "sessionevent", f"All {session.last_seq} events"),
        )

    @admin.display(description="output")
    def segments(self, session: Session) -> SafeString:
        """Link to the list of stored stretches of output."""
        return _rows_of(session, "outputsegment", f"{session.output_bytes} bytes in the archive")

    @admin.display(description="audit log")
    def records(self, session: Session) -> SafeString:
        """Link to what was done with it, and by whom."""
        return records_of(session)

    @admin.display(description="the end of the output, as text")
    def transcript(self, session: Session) -> SafeString:
        """Return the last 200 KB as plain text."""
        key = str(session.pk)
        base, head = event_log.output_range(key)
        begin = max(base, head - TRANSCRIPT_BYTES)
        text = plain_text(event_log.read_output(key, begin, head - begin))
        return format_html('<pre class="session-log">{}</pre>', text)

    # What can be done

    @admin.action(description="End the chosen sessions", permissions=["end"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """Ask each active one to end."""
        by = request.user.get_username()
        ended = 0
        for session in queryset.filter(status__in=ACTIVE):
            key = str(session.pk)
            try:
                self._check_control(request, session)
                session_verbs.call_manager(lambda manager, key=key: manager.end(key, by=by))  # type: ignore[misc]  # the key of this turn
                audit.note(Action.SESSION_ENDED, audit.visitor(request), session)
            except SessionError as error:
                self.message_user(request, f"{session}: {error}", messages.ERROR)
            else:
                ended += 1
        self.message_user(request, f"{ended} asked to end.", messages.SUCCESS)

    def has_end_permission(self, request: HttpRequest) -> bool:
        """Tell whether this user may end any session at all."""
        return caller_of(request).may(Right.START)

    def _check_control(self, request: HttpRequest, session: Session) -> None:
        if not caller_of(request).controls(session.owner_id, Right.START):
            raise NotAllowed("The session is somebody else's.")

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Only ended ones can be forgotten, by their owners and administrators."""
        caller = caller_of(request)
        if not isinstance(obj, Session):
            return caller.may(Right.START)
        return not obj.is_active and caller.controls(obj.owner_id, Right.START)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Tell what the page of confirmation lists: the sessions, not all of their rows."""
        names = [str(session) for session in objs]
        active = [f"{session} is still active" for session in objs if session.is_active]
        return names, {"sessions with their logs": len(names)}, set(), active

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask, then forget; outside a transaction, which would lock the manager's writer out."""
        try:
            answer: HttpResponse = self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined]  # the base class's view without its transaction
        except SessionError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:sessions_app_session_changelist"))
        return answer

    def delete_model(self, request: HttpRequest, obj: Session) -> None:
        """Forget it through the manager, and note who did."""
        self._check_control(request, obj)
        session_verbs.call_manager(lambda manager: manager.forget(str(obj.pk)))
        audit.note(Action.SESSION_FORGOTTEN, audit.visitor(request), obj)
        super().log_deletions(request, [obj])  # type: ignore[arg-type]  # any iterable does

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """Forget them one by one, up to the first that cannot be forgotten."""
        for session in queryset:
            self.delete_model(request, session)

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Carry out an action on the list; what cannot be done is said."""
        try:
            return super().response_action(request, queryset, *args, **kwargs)
        except SessionError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[LogEntry]:
        """Note nothing yet: the base class would do so before it has succeeded."""
        return []

    # The recovery page

    def get_urls(self) -> list[URLPattern]:
        """Add the page with the results of recovery."""
        view = self.admin_site.admin_view(self.recovery_view)
        return [path("recovery/", view, name="sessions_app_recovery"), *super().get_urls()]

    def recovery_view(self, request: HttpRequest) -> HttpResponse:
        """Show what was found of earlier sessions, and what became of it; a POST looks again."""
        if not caller_of(request).may(Right.ADMIN):
            raise PermissionDenied
        if request.method == "POST":
            return self._recover_now(request)
        context: dict[str, Any] = {**self.admin_site.each_context(request), "title": "Recovery"}
        try:
            health = session_verbs.get_manager().health()
            context |= {"health": health, "rows": _recovery_rows(health["recovery"])}
        except SessionError as error:
            context["trouble"] = str(error)
        return TemplateResponse(request, "admin/sessions_app/session/recovery.html", context)

    def _recover_now(self, request: HttpRequest) -> HttpResponse:
        try:
            report = session_verbs.call_manager(lambda manager: manager.recover())
            found = report.summary()
            audit.note(Action.RECOVERED, audit.visitor(request), found=found)
        except (SessionError, Error) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"Looked again: {report.summary()}.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:sessions_app_recovery"))


def _recovery_rows(recovery: dict[str, Any]) -> list[dict[str, Any]]:
    """Return for each kind of finding what it means, the ids, and whether they have a session."""
    return [
        {"meaning": meaning, "ids": recovery.get(kind, []), "linked": kind != "strays"}
        for kind, meaning in RECOVERY_MEANINGS.items()
    ]


def _rows_of(session: Session, model: str, text: str) -> SafeString:
    where = reverse(f"admin:sessions_app_{model}_changelist")
    return format_html('<a href="{}?session__id__exact={}">{}</a>', where, session.pk, text)
