"""API tokens in the administration; one-time links are not shown at all."""

from django.contrib import admin

from sessions_app.admin.audit import Audited
from sessions_app.admin.read_only import AdministratorsAdmin
from sessions_app.models import ApiToken
from sessions_app.plain_text import plain_text


@admin.register(ApiToken)
class ApiTokenAdmin(Audited, AdministratorsAdmin):
    """API tokens: who has which, and since when they are not used; deleting one withdraws it.

    A secret is shown once, to whoever asked for it, and never here.
    """

    list_display = ("title", "user", "allows", "created_at", "expires_at", "last_used_at")
    list_filter = (("user", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    fields = ("title", "user", "allows", "created_at", "expires_at", "last_used_at")
    readonly_fields = ("title", "allows")

    @admin.display(description="name", ordering="name")
    def title(self, token: ApiToken) -> str:
        """Return its name."""
        return plain_text(token.name.encode("utf-8", "replace"))

    @admin.display(description="scopes")
    def allows(self, token: ApiToken) -> str:
        """Return what it allows, as far as its user may do that."""
        return ", ".join(sorted(token.rights)) or "nothing"
