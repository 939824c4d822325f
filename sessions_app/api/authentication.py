"""Who calls: scripts and programs by `Authorization: Bearer`, browsers by their login cookie.

After each of these `request.auth` is the Caller.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from rest_framework.authentication import (
    BaseAuthentication,
    SessionAuthentication,
    get_authorization_header,
)
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sessions_app import audit
from sessions_app.authorization import bearer_secret, is_bearer
from sessions_app.callers import Caller, TokenCredential, caller_of
from sessions_app.credentials import is_session_token
from sessions_app.models import Session

if TYPE_CHECKING:  # the framework's views import this module
    from rest_framework.views import APIView

Known = tuple[User | AnonymousUser, Caller]


class BearerAuthentication(BaseAuthentication):
    """A user's API token."""

    def authenticate(self, request: Request) -> Known | None:
        """Return whose token the request carries, None if it carries none."""
        header = get_authorization_header(request)
        if not is_bearer(header):
            return None
        secret = bearer_secret(header)
        caller = TokenCredential(secret).examine() if secret else None
        if caller is None:
            audit.note_expired_token(secret or "", audit.address_of(request))
            raise AuthenticationFailed(
                "This token is unknown, too old or was withdrawn. Use another one."
            )
        return caller.user, caller

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return "Bearer"


class BrowserAuthentication(SessionAuthentication):
    """A browser's login cookie, with CSRF protection: a user, or a guest who came by a link."""

    def authenticate(self, request: Request) -> Known | None:
        """Return who is logged in, None if nobody is."""
        caller = caller_of(request._request)
        if not caller.is_known:
            return None
        self.enforce_csrf(request)
        return caller.user, caller


class SessionTokenAuthentication(BaseAuthentication):
    """The token of the session that the address names, for a program that reports on itself."""

    def authenticate(self, request: Request) -> Known | None:
        """Return the session that speaks for itself, None if the token is not that session's."""
        secret = bearer_secret(get_authorization_header(request))
        session_id: UUID = request.parser_context["kwargs"]["session_id"]
        epoch = Session.objects.filter(pk=session_id).values_list("epoch", flat=True).first()
        if not secret or epoch is None or not is_session_token(secret, str(session_id), epoch):
            return None
        caller = Caller(user=AnonymousUser(), speaks_for=session_id, via="session")
        return caller.user, caller

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return "Bearer"


class IsCaller(BasePermission):
    """Anybody who was let in; what they may do is asked verb by verb."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Tell whether anybody known calls."""
        return isinstance(request.auth, Caller)
