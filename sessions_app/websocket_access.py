"""Who may open the live stream: a bearer of a token, or a browser with a login on our own page.

A browser sends its cookies along from any page, so a cookie counts only together with an `Origin`
that is exactly this server's. Nothing that a client sends makes the checks raise.

Refusals are accepted and closed at once, because a browser learns a close code only then: 4403 for
a wrong `Host` or `Origin`, 4401 without a login.
"""

from collections.abc import Iterable

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from sessions_app.authorization import bearer_secret, is_bearer
from sessions_app.credentials import ApiToken
from sessions_app.events import CloseCode
from sessions_app.transport import Application, Receive, Scope, Send

Headers = Iterable[tuple[bytes, bytes]]


def guarded(app: Application) -> Application:
    """Return the websocket application behind the checks; `scope["user"]` is who it is."""
    with_cookie: Application = AuthMiddlewareStack(_logged_in(app))

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope.get("headers", ())
        origins = header_values(headers, b"origin")
        if not is_our_host(headers) or (origins and not is_our_origin(scope)):
            await refuse(receive, send, CloseCode.NOT_ALLOWED)
        elif (authorization := _bearer_header(headers)) is not None:
            await _with_token(app, authorization, scope, receive, send)
        elif origins:
            await with_cookie(scope, receive, send)
        else:
            await refuse(receive, send, CloseCode.LOGIN_ENDED)

    return guard


def header_values(headers: Headers, name: bytes) -> list[bytes]:
    """Return every value that the header has."""
    return [value for key, value in headers if key.lower() == name]


def is_our_host(headers: Headers) -> bool:
    """Tell whether the one `Host` is a name of this server."""
    hosts = header_values(headers, b"host")
    if len(hosts) != 1:
        return False
    domain, _ = split_domain_port(hosts[0].decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def is_our_origin(scope: Scope) -> bool:
    """Tell whether the one `Origin` is scheme, name and port of this very server."""
    headers = scope.get("headers", ())
    origins, hosts = header_values(headers, b"origin"), header_values(headers, b"host")
    if len(origins) != 1 or len(hosts) != 1:
        return False
    scheme = b"https" if scope.get("scheme") == "wss" else b"http"
    return origins[0] == scheme + b"://" + hosts[0].lower()


def _bearer_header(headers: Headers) -> bytes | None:
    """Return the header `Authorization` if it is meant as a token; the last one counts."""
    bearers = [value for value in header_values(headers, b"authorization") if is_bearer(value)]
    return bearers[-1] if bearers else None


async def _with_token(
    app: Application, authorization: bytes, scope: Scope, receive: Receive, send: Send
) -> None:
    secret = bearer_secret(authorization)
    user = await database_sync_to_async(ApiToken.user_of)(secret) if secret else None
    if user is None:
        await refuse(receive, send, CloseCode.LOGIN_ENDED)
    else:
        await app({**scope, "user": user}, receive, send)


def _logged_in(app: Application) -> Application:
    async def only_users(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["user"].is_authenticated:
            await app(scope, receive, send)
        else:
            await refuse(receive, send, CloseCode.LOGIN_ENDED)

    return only_users


async def refuse(receive: Receive, send: Send, code: int) -> None:
    """Accept the connection and close it with this code."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code})
