"""API tokens in the administration; one-time links are not shown at all."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from sessions_app.admin.audit import Audited
from sessions_app.admin.read_only import Base
from sessions_app.models import ApiToken


@admin.register(ApiToken)
class ApiTokenAdmin(Audited, Base):
    """API tokens: who has which, and since when they are not used; deleting one withdraws it."""

    list_display = ("name", "user", "created_at", "last_used_at")
    list_select_related = ("user",)
    fields = ("name", "user", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A secret is shown once, to whoever asked for it, and never here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing about a token can be changed."""
        return False
