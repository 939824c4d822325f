"""How much a server has not yet been able to send to one client.

uvicorn's `send` waits while a client does not read. Daphne's never waits and grows instead, so its
transport has to be asked. It is found by its shape, not by its type; where nothing is found, `send`
itself is trusted to wait.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_KEY = "harness.unsent_bytes"


def unsent_bytes(send: Any) -> Callable[[], int] | None:
    """Return what tells the bytes that wait in this connection's buffers, or None.

    Daphne passes `partial(handle_reply, protocol)`; the protocol's Twisted transport keeps one
    buffer that is being written and one of what came since (twisted.internet.abstract).
    """
    protocol = next(iter(send.args), None) if isinstance(send, partial) else None
    transport: Any = getattr(protocol, "transport", None)
    if not all(hasattr(transport, name) for name in ("dataBuffer", "offset", "_tempDataLen")):
        return None

    def unsent() -> int:
        waiting: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return waiting

    return unsent


def with_unsent_bytes(application: Application) -> Application:
    """Put the answer of `unsent_bytes` into the scope, before anything wraps `send`."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope[SCOPE_KEY] = unsent_bytes(send)
        await application(scope, receive, send)

    return wrapped
