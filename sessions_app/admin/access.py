"""How others get in: links that show a session, and attempts to log in."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from sessions_app.admin.audit import Audited
from sessions_app.admin.read_only import AdministratorsAdmin
from sessions_app.models import LoginAttempt, ShareLink
from sessions_app.plain_text import plain_text


@admin.register(ShareLink)
class ShareLinkAdmin(Audited, AdministratorsAdmin):
    """Links that show a session: deleting one withdraws it."""

    list_display = ("shows", "created_by", "created_at", "expires_at", "last_used_at")
    list_filter = (("created_by", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("session", "created_by")
    search_fields = ("=session__id", "session__name", "created_by__username")
    fields = ("shows", "created_by", "created_at", "expires_at", "last_used_at")
    readonly_fields = ("shows",)
    ordering = ("-created_at",)

    @admin.display(description="session")
    def shows(self, link: ShareLink) -> str:
        """Return the title of the session that it shows."""
        return plain_text(str(link.session).encode("utf-8", "replace"))[:120]


@admin.register(LoginAttempt)
class LoginAttemptAdmin(AdministratorsAdmin):
    """Attempts to log in that failed within the last minutes; they are counted, so they stay."""

    list_display = ("at", "claimed", "address")
    search_fields = ("username", "address")
    fields = ("at", "claimed", "address")
    readonly_fields = ("claimed",)
    ordering = ("-at",)

    @admin.display(description="user name", ordering="username")
    def claimed(self, attempt: LoginAttempt) -> str:
        """Return the name that was given; a link has none."""
        return plain_text(attempt.username.encode("utf-8", "replace")) or "a link"

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody makes room for a guesser."""
        return False
