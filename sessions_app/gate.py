"""Where a request comes from: the gate in front of the whole application.

A browser sends its cookies along from any page, so a cookie counts only together with an `Origin`
that is exactly this server's. Nothing that a client sends makes the checks raise.
"""

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from sessions_app.authorization import bearer_header
from sessions_app.events import CloseCode
from sessions_app.refusals import refuse_socket
from sessions_app.request_headers import Headers, header_values
from sessions_app.transport import Application, Receive, Scope, Send


def with_gate(app: Application) -> Application:
    """Return the application behind the checks."""

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        code = _socket_refusal(scope) if scope["type"] == "websocket" else None
        if code is None:
            await app(scope, receive, send)
        else:
            await refuse_socket(receive, send, code)

    return gate


def _socket_refusal(scope: Scope) -> CloseCode | None:
    headers = scope.get("headers", ())
    origins = header_values(headers, b"origin")
    if not is_our_host(headers) or (origins and not is_our_origin(scope)):
        return CloseCode.NOT_ALLOWED
    if not origins and bearer_header(headers) is None:
        return CloseCode.LOGIN_ENDED
    return None


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
