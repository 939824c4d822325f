"""Who asks, by which proof, and what that allows.

A proof (`Credential`) can be examined again at any time: a logout, a withdrawn token, another
password or role then gives another Caller, or none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from sessions_app.credentials import ApiToken, ShareLink
from sessions_app.rights import Right, rights_of, role_of

# Where a browser's login keeps the links by which it was let in.
SHARES_KEY = "shares"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who was let in.

    `rights` are the user's, as far as the proof goes; `shared` are sessions that links show;
    `speaks_for` is the session of a program that reports on itself; `via` names the proof.
    """

    user: User | AnonymousUser
    rights: frozenset[Right] = frozenset()
    shared: frozenset[UUID] = frozenset()
    speaks_for: UUID | None = None
    via: str = ""

    @property
    def name(self) -> str:
        """Return the user's name, "" without a user."""
        return self.user.get_username()

    @property
    def role(self) -> str:
        """Return the role as clients read it; "guest" for who only has links."""
        return "guest" if self.user.is_anonymous and self.shared else role_of(self.rights)

    @property
    def is_known(self) -> bool:
        """Tell whether this is anybody at all."""
        return self.user.is_authenticated or bool(self.shared)

    def may(self, right: Right) -> bool:
        """Tell whether the caller has a right, with what is its own."""
        return right in self.rights

    def still_is(self, earlier: "Caller") -> bool:
        """Tell whether this is who it was, with the same rights; more links do no harm."""
        same = (self.user.pk, self.rights) == (earlier.user.pk, earlier.rights)
        return same and earlier.shared <= self.shared

    def sees(self, session_id: UUID, owner_id: int | None, *, team: bool) -> bool:
        """Tell whether the caller may see such a session; SessionQuerySet.visible_to in Python."""
        if session_id in self.shared or Right.ADMIN in self.rights:
            return True
        return Right.VIEW in self.rights and (team or self._owns(owner_id))

    def controls(self, owner_id: int | None, right: Right) -> bool:
        """Tell whether the caller may do that with a session of this owner."""
        return right in self.rights and (Right.ADMIN in self.rights or self._owns(owner_id))

    def _owns(self, owner_id: int | None) -> bool:
        return owner_id is not None and owner_id == self.user.pk


class Credential(Protocol):
    """What somebody showed to be let in."""

    def examine(self) -> Caller | None:
        """Return who that is by now, None if it is no longer good. Asks the database."""


@dataclass(frozen=True)
class TokenCredential:
    """An API token."""

    secret: str

    def examine(self) -> Caller | None:
        """Return its user, with the rights that both user and token have."""
        token = ApiToken.find(self.secret)
        if token is None:
            return None
        rights = rights_of(token.user) & token.rights
        return Caller(user=token.user, rights=rights, via=f"token {token.name}")


@dataclass(frozen=True)
class CookieCredential:
    """A browser's login, by the key of its Django session."""

    session_key: str

    def examine(self) -> Caller | None:
        """Return the user who is logged in, or who came by links; None after a logout."""
        store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore(self.session_key)
        request = HttpRequest()
        request.session = store
        # Compares the hash of the password as well: another password ends every other login.
        caller = with_shares(get_user(request), store)
        return caller if caller.is_known else None


def with_shares(user: User | AnonymousUser, login: Mapping[str, Any] | SessionBase) -> Caller:
    """Return the caller of a browser: its user, and the sessions that its links show."""
    links = ShareLink.sessions_of(login.get(SHARES_KEY) or [])
    via = "browser" if user.is_authenticated else f"link {', '.join(map(str, sorted(links)))}"
    return Caller(user=user, rights=rights_of(user), shared=frozenset(links.values()), via=via)


def caller_of(request: HttpRequest) -> Caller:
    """Return who asks for a page; somebody unknown if nobody is logged in."""
    return with_shares(request.user, request.session)
