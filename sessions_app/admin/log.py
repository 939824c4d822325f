"""Events and stored output in the administration."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from sessions_app.admin.read_only import ReadOnlyAdmin
from sessions_app.callers import caller_of
from sessions_app.models import OutputSegment, Session, SessionEvent
from sessions_app.plain_text import plain

MOST_CHARACTERS = 500


def fields_in_words(fields: Mapping[str, Any]) -> str:
    """Return an event's fields in one line, as they can be shown; of long ones the beginning."""
    return plain(", ".join(f"{name}: {value}" for name, value in fields.items()))[:MOST_CHARACTERS]


class LogAdmin(ReadOnlyAdmin):
    """Rows of the log of the sessions that a user may see."""

    list_select_related = ("session",)
    list_per_page = 100
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Keep what belongs to sessions that this user may see."""
        visible = Session.objects.visible_to(caller_of(request))
        return super().get_queryset(request).filter(session__in=visible)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the links from a session to its rows."""
        return lookup == "session__id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]  # Django passes it


@admin.register(SessionEvent)
class SessionEventAdmin(LogAdmin):
    """Events, by session and number."""

    list_display = ("session", "seq", "type", "offset", "timestamp")
    list_filter = ("type",)
    search_fields = ("=session__id", "session__name", "session__command_line")
    ordering = ("-session__created_at", "session", "seq")
    fields = ("session", "seq", "type", "offset", "timestamp", "details")
    readonly_fields = ("details",)

    @admin.display(description="fields")
    def details(self, event: SessionEvent) -> str:
        """Return what it tells."""
        return fields_in_words(event.fields)


@admin.register(OutputSegment)
class OutputSegmentAdmin(LogAdmin):
    """Stretches of stored output: where they begin and end, not what is in them."""

    list_display = ("session", "start", "end", "size", "recorded_at")
    search_fields = ("=session__id", "session__name", "session__command_line")
    ordering = ("-session__created_at", "session", "start")
    fields = ("session", "start", "end", "size", "recorded_at")
    readonly_fields = ("size",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Leave the bytes in the database."""
        return super().get_queryset(request).defer("data", "timeline")

    @admin.display(description="bytes")
    def size(self, segment: OutputSegment) -> int:
        """Return how much output it holds."""
        return segment.end - segment.start
