"""Who may open the live stream: the bearer of a token, or a browser with a login.

Where the connection comes from has been checked before (`sessions_app.gate`), so a cookie that
arrives here came from our own page. Whoever is refused is closed with 4401.
"""

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async

from sessions_app.authorization import bearer_header, bearer_secret
from sessions_app.credentials import ApiToken
from sessions_app.events import CloseCode
from sessions_app.refusals import refuse_socket
from sessions_app.transport import Application, Receive, Scope, Send


def guarded(app: Application) -> Application:
    """Return the websocket application behind the checks; `scope["user"]` is who it is."""
    with_cookie: Application = AuthMiddlewareStack(_logged_in(app))

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        authorization = bearer_header(scope.get("headers", ()))
        if authorization is None:
            await with_cookie(scope, receive, send)
        else:
            await _with_token(app, authorization, scope, receive, send)

    return guard


async def _with_token(
    app: Application, authorization: bytes, scope: Scope, receive: Receive, send: Send
) -> None:
    secret = bearer_secret(authorization)
    user = await database_sync_to_async(ApiToken.user_of)(secret) if secret else None
    if user is None:
        await refuse_socket(receive, send, CloseCode.LOGIN_ENDED)
    else:
        await app({**scope, "user": user}, receive, send)


def _logged_in(app: Application) -> Application:
    async def only_users(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["user"].is_authenticated:
            await app(scope, receive, send)
        else:
            await refuse_socket(receive, send, CloseCode.LOGIN_ENDED)

    return only_users
