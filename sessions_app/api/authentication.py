"""Who calls: scripts and programs by `Authorization: Bearer`, browsers by their login cookie."""

from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from sessions_app.authorization import bearer_secret, is_bearer
from sessions_app.credentials import ApiToken, is_session_token
from sessions_app.models import Session

if TYPE_CHECKING:  # the framework's views import this module
    from rest_framework.views import APIView


class BearerAuthentication(BaseAuthentication):
    """A user's API token; `request.auth` is None."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """Return whose token the request carries, None if it carries none."""
        header = get_authorization_header(request)
        if not is_bearer(header):
            return None
        secret = bearer_secret(header)
        user = ApiToken.user_of(secret) if secret else None
        if user is None:
            raise AuthenticationFailed("This token is unknown or was withdrawn. Use another one.")
        return user, None

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return "Bearer"


class SessionTokenAuthentication(BaseAuthentication):
    """The token of the session that the address names; `request.auth` is that session's id."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, UUID] | None:
        """Return the session that speaks for itself, None if the token is not that session's."""
        secret = bearer_secret(get_authorization_header(request))
        session_id: UUID = request.parser_context["kwargs"]["session_id"]
        epoch = Session.objects.filter(pk=session_id).values_list("epoch", flat=True).first()
        if not secret or epoch is None or not is_session_token(secret, str(session_id), epoch):
            return None
        return AnonymousUser(), session_id

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return "Bearer"


class IsUserOrSession(BasePermission):
    """A user, or a program that speaks for its own session."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Tell whether anybody known calls."""
        return request.user.is_authenticated or request.auth is not None
