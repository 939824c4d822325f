"""Every request and live stream has an id: in its answer, and in what the log says meanwhile."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

import pytest

from sessions_app import log_ids
from sessions_app.proxy_headers import as_trusted_proxies_say
from sessions_app.request_headers import Header
from sessions_app.request_ids import with_request_ids
from sessions_app.transport import Message, Receive, Scope, Send
from tests.access.asking import ask, http_scope, sent_by

PROXY, STRANGER = ["10.0.0.1", 5], ["10.0.0.2", 5]
PROXIES = (ip_network("10.0.0.1"),)
MADE = re.compile(rb"[0-9a-f]{16}")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the id under which the log would file this."""
    body = log_ids.current().request.encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b"."})


def asked(peer: object, *headers: Header) -> tuple[bytes, bytes]:
    """Return the id in the answer's header, and the one in the log."""
    app = with_request_ids(echo, PROXIES)
    answer = ask(app, "GET", "/", list(headers), client=peer)
    name = answer.header(b"x-request-id")
    assert name is not None
    assert answer.header(b"x-own") == b"1"
    return name, answer.body.removesuffix(b".")


def test_a_request_has_an_id_that_the_answer_and_the_log_tell() -> None:
    told, logged = asked(STRANGER)
    assert told == logged
    assert MADE.fullmatch(told)
    assert asked(STRANGER)[0] != told


@pytest.mark.parametrize("name", [b"7f3b", b"19e6a653-841e-4fe3-8493-ecdf33372186", b"a.b_C"])
def test_a_trusted_proxy_names_it(name: bytes) -> None:
    assert asked(PROXY, (b"X-Request-Id", name)) == (name, name)


def test_nobody_else_names_it() -> None:
    told, logged = asked(STRANGER, (b"x-request-id", b"mine"))
    assert told == logged != b"mine"
    assert asked(None, (b"x-request-id", b"mine"))[0] != b"mine"


@pytest.mark.parametrize(
    "name", [b"", b" ", b"two words", b"a\r\nb", b"\xc3\xa9", b"x" * 65, b"a=b", b"[x]"]
)
def test_a_name_that_cannot_be_used_is_replaced(name: bytes) -> None:
    assert MADE.fullmatch(asked(PROXY, (b"x-request-id", name))[0])


def test_two_names_are_none() -> None:
    headers = ((b"x-request-id", b"one"), (b"x-request-id", b"two"))
    assert MADE.fullmatch(asked(PROXY, *headers)[0])


def test_what_is_behind_never_sees_the_header() -> None:
    scope = http_scope("GET", "/", [(b"X-Request-Id", b"mine")], client=PROXY)
    assert as_trusted_proxies_say(scope, PROXIES)["headers"] == []


def test_a_live_stream_has_one_too() -> None:
    async def accept(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": log_ids.current().request})

    scope: dict[str, Any] = {"type": "websocket", "path": "/ws", "headers": [], "client": PROXY}
    scope["headers"] = [(b"x-request-id", b"stream-1")]
    accepted, message = sent_by(
        with_request_ids(accept, PROXIES), scope, {"type": "websocket.connect"}
    )
    assert accepted["headers"] == [(b"x-request-id", b"stream-1")]
    assert message == {"type": "websocket.send", "text": "stream-1"}


def test_what_is_no_request_is_left_alone() -> None:
    seen: list[Message] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await send({"type": "lifespan.startup.complete"})

    scope = {"type": "lifespan"}
    sent = sent_by(with_request_ids(note, PROXIES), scope, {"type": "lifespan.startup"})
    assert seen == [scope]
    assert sent == [{"type": "lifespan.startup.complete"}]


def test_nothing_is_left_of_it_afterwards() -> None:
    asked(STRANGER)
    assert log_ids.current() == log_ids.NONE
