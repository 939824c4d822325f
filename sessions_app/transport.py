"""What ASGI does not offer under Daphne: how much it has not yet sent, and cutting an answer short.

uvicorn's `send` waits while a client does not read, and an answer that fails half-way ends its
connection. Daphne's never waits and grows instead, and it leaves the client of a failed answer
waiting for the rest, so its transport has to be used. It is found by its shape, not by its type;
where nothing is found, `send` itself is trusted.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_KEY = "harness.unsent_bytes"
ABORT_KEY = "harness.abort"


def _transport(send: Any) -> Any:
    """Return the Twisted transport; Daphne passes `partial(handle_reply, protocol)`."""
    protocol = next(iter(send.args), None) if isinstance(send, partial) else None
    return getattr(protocol, "transport", None)


def abort(send: Any) -> Callable[[], None] | None:
    """Return what cuts this connection at once, or None."""
    found: Callable[[], None] | None = getattr(_transport(send), "abortConnection", None)
    return found


def unsent_bytes(send: Any) -> Callable[[], int] | None:
    """Return what tells the bytes that wait in this connection's buffers, or None.

    A Twisted transport keeps one buffer that is being written and one of what came since
    (twisted.internet.abstract).
    """
    transport = _transport(send)
    if not all(hasattr(transport, name) for name in ("dataBuffer", "offset", "_tempDataLen")):
        return None

    def unsent() -> int:
        waiting: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return waiting

    return unsent


def with_unsent_bytes(application: Application) -> Application:
    """Put the answers of `unsent_bytes` and `abort` into the scope, before `send` is wrapped."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope[SCOPE_KEY] = unsent_bytes(send)
            scope[ABORT_KEY] = abort(send)
        await application(scope, receive, send)

    return wrapped
