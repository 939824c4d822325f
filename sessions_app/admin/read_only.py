"""The base of what only the session manager writes."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from sessions_app.callers import caller_of
from sessions_app.rights import Right

if TYPE_CHECKING:  # generic for the type checker alone
    Base = admin.ModelAdmin[Any]
else:
    Base = admin.ModelAdmin


class ReadOnlyAdmin(Base):
    """Rows that only the session manager writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes one here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody deletes one here."""
        return False


class AdministratorsAdmin(Base):
    """What is looked at and taken away by administrators alone, and never changed."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Nobody else is told that there is such a list."""
        return caller_of(request).may(Right.ADMIN)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Administrators look."""
        return caller_of(request).may(Right.ADMIN)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Administrators take away."""
        return caller_of(request).may(Right.ADMIN)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nobody changes one here."""
        return False
