"""Who may open the live stream: the bearer of a token, or a browser with a login or a link.

Where the connection comes from has been checked before (`sessions_app.gate`), so a cookie that
arrives here came from our own page. Whoever is refused is closed with 4401, and with 4503 while the
database does not answer.
"""

import logging

from channels.db import database_sync_to_async
from channels.sessions import CookieMiddleware
from django.conf import settings
from django.db import Error

from sessions_app import audit
from sessions_app.authorization import bearer_header, bearer_secret
from sessions_app.callers import Caller, CookieCredential, Credential, TokenCredential
from sessions_app.database_errors import Unstorable
from sessions_app.events import CloseCode
from sessions_app.refusals import refuse_socket
from sessions_app.transport import Application, Receive, Scope, Send

logger = logging.getLogger(__name__)


def guarded(app: Application) -> Application:
    """Return the websocket application behind the checks.

    Its scope has the `caller`, and the `credential` by which to ask again who that is.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        credential = _credential(scope)
        try:
            caller = await _let_in(credential, audit.address_in(scope))
        except Error as error:
            logger.warning("nobody can be let in: %s", error)
            await refuse_socket(receive, send, CloseCode.SERVER_STOPPING)
            return
        if caller is None:
            await refuse_socket(receive, send, CloseCode.LOGIN_ENDED)
        else:
            scope = {**scope, "caller": caller, "credential": credential}
            await app(scope, receive, send)

    with_cookies: Application = CookieMiddleware(guard)
    return with_cookies


async def _let_in(credential: Credential | None, address: str) -> Caller | None:
    if credential is None:
        return None
    caller: Caller | None = await database_sync_to_async(_examine)(credential)
    if caller is None and isinstance(credential, TokenCredential):
        await database_sync_to_async(audit.note_expired_token)(credential.secret, address)
    return caller


def _examine(credential: Credential) -> Caller | None:
    try:
        return credential.examine()
    except Unstorable:  # what no database holds lets nobody in
        return None


def _credential(scope: Scope) -> Credential | None:
    """Return what the client shows: a token, if it means to, else its cookie."""
    authorization = bearer_header(scope.get("headers", ()))
    if authorization is not None:
        secret = bearer_secret(authorization)
        return TokenCredential(secret) if secret else None
    key = scope["cookies"].get(settings.SESSION_COOKIE_NAME)
    return CookieCredential(key) if key else None
