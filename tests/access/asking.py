"""Requests and handshakes as a server hands them to the application, and what comes back."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from sessions_app.credentials import ApiToken
from sessions_app.request_headers import Header
from sessions_app.transport import Application, Message, Scope
from tests.cast import browsing

CSRF = "c" * 32
PUBLIC = b"http://harness.localhost:3333"
AT_PUBLIC = (b"host", b"harness.localhost:3333")
AT_LOOPBACK = (b"host", b"127.0.0.1:3333")


@dataclass(frozen=True)
class Answered:
    """An HTTP answer; `headers` as they came."""

    status: int
    headers: list[Header]
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """The values of a header, joined."""
        values = [value for key, value in self.headers if key.lower() == name]
        return b", ".join(values) if values else None

    def outcome(self) -> str:
        """The status, with the slug of an error."""
        is_json = (self.header(b"content-type") or b"").startswith(b"application/json")
        read = json.loads(self.body) if is_json else None
        slug = read.get("code") if isinstance(read, dict) else None
        return f"{self.status} {slug}" if slug else str(self.status)


class Django(ASGIHandler):
    """Django in the thread of the test, which sees what the test has stored."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        await self.handle(scope, receive, send)


@contextmanager
def one_connection() -> Iterator[None]:
    """Keep what ends a request from closing the test's connection to the database."""
    signals = (request_started, request_finished)
    connected = [each for each in signals if each.disconnect(close_old_connections)]
    try:
        with patch("channels.db.close_old_connections"):
            yield
    finally:
        for signal in connected:
            signal.connect(close_old_connections)


def http_scope(method: str, path: str, headers: list[Header], **more: Any) -> dict[str, Any]:
    """What Daphne hands over."""
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": query.encode(),
        "headers": headers,
        "client": ["127.0.0.1", 50000],
        "server": ["127.0.0.1", 3333],
        **more,
    }


def sent_by(app: Application, scope: Scope, first: Message) -> list[Message]:
    """Run the application on one request; what it sends."""
    sent: list[Message] = []
    received = [first]

    async def receive() -> Message:
        return received.pop() if received else await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        async with asyncio.timeout(5):
            await app(scope, receive, send)

    with one_connection():
        async_to_sync(run)()
    return sent


def ask(
    app: Application, method: str, path: str, headers: list[Header], body: bytes = b"", **more: Any
) -> Answered:
    """Send one request; what is answered."""
    request = {"type": "http.request", "body": body, "more_body": False}
    start, *pieces = sent_by(app, http_scope(method, path, headers, **more), request)
    content = b"".join(piece.get("body", b"") for piece in pieces)
    return Answered(start["status"], list(start["headers"]), content)


def connect(app: Application, headers: list[Header], **more: Any) -> str:
    """Open a live stream; the first text that comes, or the close code."""
    scope = {"type": "websocket", "path": "/ws", "query_string": b"", "headers": headers}
    scope |= {"client": ["127.0.0.1", 50000], **more}
    accepted, message = sent_by(app, scope, {"type": "websocket.connect"})
    assert accepted["type"] == "websocket.accept"
    return str(message["text"] if "text" in message else message["code"])


async def let_in(scope: Any, receive: Any, send: Any) -> None:
    """Accept whoever gets as far as here."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "in"})


def cookie(user: User) -> list[Header]:
    """What a browser sends that has logged in, with the proof that it read our page."""
    session = browsing(user).cookies[settings.SESSION_COOKIE_NAME].value
    cookies = f"{settings.SESSION_COOKIE_NAME}={session}; {settings.CSRF_COOKIE_NAME}={CSRF}"
    return [(b"cookie", cookies.encode()), (b"x-csrftoken", CSRF.encode())]


def bearer(user: User) -> list[Header]:
    """What a script sends."""
    return [(b"authorization", f"Bearer {ApiToken.issue(user, 'test')}".encode())]
