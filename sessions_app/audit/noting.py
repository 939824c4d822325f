"""How actions come into the journal; without a running one they are stored at once."""

import asyncio
import logging
import os
import pwd
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from sessions_app.audit.actions import Action
from sessions_app.audit.journal import Journal
from sessions_app.audit.notes import MAX_INPUT, Actor, Burst, Kind, Note, Piece
from sessions_app.audit.records import store
from sessions_app.callers import Caller
from sessions_app.credentials import ApiToken

if TYPE_CHECKING:  # the models are made of this package's, among others
    from sessions_app.models import Session

logger = logging.getLogger(__name__)

_journal: Journal | None = None


def set_journal(journal: Journal | None) -> None:
    """Write through this journal from now on, or at once."""
    global _journal  # one per process, set by its life cycle
    _journal = journal


def address_of(request: HttpRequest) -> str:
    """Return the address from which the request comes, as far as proxies are trusted."""
    return str(request.META.get("REMOTE_ADDR", ""))


def address_in(scope: Mapping[str, Any]) -> str:
    """Return the same of a live stream's ASGI scope."""
    return str((scope.get("client") or ("",))[0])


def actor_of(caller: Caller, address: str) -> Actor:
    """Return who was let in."""
    return Actor(caller.user.pk, caller.name, caller.via, address)


def visitor(request: HttpRequest, via: str = "browser") -> Actor:
    """Return who asks for a page, logged in or not."""
    user = request.user
    return Actor(user.pk, user.get_username(), via, address_of(request))


def command(name: str) -> Actor:
    """Return who calls a management command: an account of this machine."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        account = str(os.getuid())
    return Actor(name=account, via=f"command {name}")


def note(action: Action, who: Actor, session: "Session | None" = None, **details: Any) -> None:
    """Record one action, of a session as it is now. Safe in any thread.

    `details` are small, JSON, and no secrets. While no server runs in this process it is stored at
    once, and what the database raises is raised.
    """
    key, name = (str(session.pk), session.name or session.command_line) if session else ("", "")
    record = Note(timezone.now(), action, who, key, name, details)
    if _journal is None:
        _store(record)
    else:
        _journal.add(record)


def repeated(
    action: Action,
    who: Actor,
    session: "Session | None" = None,
    *,
    what: str = "",
    piece: Piece | None = None,
) -> None:
    """Record what may come very often: what comes in a row is one record. Safe in any thread."""
    key, name = (str(session.pk), session.name or session.command_line) if session else ("", "")
    kind, counted = Kind(action, who, key, what), piece or Piece()
    if _journal is None:
        burst = Burst(kind, name, 0)
        burst.add(counted, 0)
        _store(burst.to_note())
    else:
        _journal.count(kind, counted, name)


def _store(record: Note) -> None:
    """Write at once; in an event loop, which must not wait, only a stopped server comes here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        store([record])
    else:
        logger.warning("%s was not recorded: the server has stopped", record.action)


def typed(who: Actor, session: "Session", data: bytes) -> None:
    """Record that somebody typed so many bytes; which ones only if the settings say so."""
    keeps_content = settings.HARNESS_AUDIT_INPUT
    for part in _cut(data) if keeps_content else [data]:
        piece = Piece(len(part), part if keeps_content else b"")
        repeated(Action.SESSION_TYPED_INTO, who, session, piece=piece)


def resized(who: Actor, session: "Session", cols: int, rows: int) -> None:
    """Record that somebody gave the terminal another size."""
    piece = Piece(details={"cols": cols, "rows": rows})
    repeated(Action.SESSION_RESIZED, who, session, piece=piece)


def note_expired_token(secret: str, address: str) -> None:
    """Record that a token was used that is known and no longer good; asks the database."""
    token = ApiToken.known(secret)
    if token is not None:
        via = f"token {token.name}"
        who = Actor(token.user.pk, token.user.get_username(), via, address)
        repeated(Action.TOKEN_EXPIRED, who)


def _cut(data: bytes) -> list[bytes]:
    """Return the data in parts that fit into a record, none of which splits a character."""
    parts = []
    while len(data) > MAX_INPUT:
        end = MAX_INPUT
        while end > MAX_INPUT - 4 and data[end] & 0xC0 == 0x80:  # a character's later bytes
            end -= 1
        parts.append(data[:end])
        data = data[end:]
    return [*parts, data]
