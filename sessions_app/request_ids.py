"""Names every request and every live stream, for the log and for whoever asks.

The name is a trusted proxy's, if it has given one, so that its log and ours can be read together.
Nobody else's counts: who may name requests can make two of them look like one.
"""

import re
import secrets
from functools import partial

from django.conf import settings

from sessions_app import log_ids
from sessions_app.origins import Networks
from sessions_app.proxy_headers import comes_from_proxy
from sessions_app.request_headers import Header, the_only_value
from sessions_app.transport import Application, Message, Receive, Scope, Send

NAME = b"x-request-id"
_USABLE = re.compile(rb"[0-9A-Za-z._-]{1,64}")
_STARTS = frozenset({"http.response.start", "websocket.accept"})


def with_request_ids(app: Application, proxies: Networks | None = None) -> Application:
    """Return the application behind this; by default the settings say which proxies are trusted."""
    trusted: Networks = settings.HARNESS_TRUSTED_PROXIES if proxies is None else proxies

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        request_id = _told(scope, trusted) or secrets.token_hex(8).encode()
        with log_ids.about(request=request_id.decode()):
            await app(scope, receive, partial(_send_named, send, (NAME, request_id)))

    return wrapped


def _told(scope: Scope, trusted: Networks) -> bytes | None:
    """Return the name that a trusted proxy has given, if it can be used."""
    told = the_only_value(scope["headers"], NAME)
    usable = told is not None and _USABLE.fullmatch(told) is not None
    return told if usable and comes_from_proxy(scope, trusted) else None


async def _send_named(send: Send, header: Header, message: Message) -> None:
    if message["type"] in _STARTS:
        message = {**message, "headers": [*message.get("headers", ()), header]}
    await send(message)
