"""Who gets through to /ws: a token, or a cookie together with exactly our own Origin."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.authorization import bearer_secret, is_bearer
from sessions_app.credentials import ApiToken
from sessions_app.gate import is_our_host, is_our_origin, with_gate
from sessions_app.websocket_access import guarded
from tests.cast import browsing

HOST = (b"host", b"localhost:3333")
ORIGIN = (b"origin", b"http://localhost:3333")
Headers = list[tuple[bytes, bytes]]


async def who_am_i(scope: Any, receive: Any, send: Any) -> None:
    """Accept and tell who it is."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": scope["user"].get_username()})


def connect(headers: Headers, scheme: str = "ws") -> str | int:
    """Return the name of who got in, or the close code."""

    async def attempt() -> str | int:
        socket = WebsocketCommunicator(with_gate(guarded(who_am_i)), "/ws", headers=headers)
        socket.scope["scheme"] = scheme
        accepted, _ = await socket.connect()
        assert accepted
        message = await socket.receive_output()
        await socket.wait()
        answer: str | int = message["text"] if "text" in message else message["code"]
        return answer

    return async_to_sync(attempt)()


def cookie(user: User) -> tuple[bytes, bytes]:
    name = settings.SESSION_COOKIE_NAME
    return b"cookie", f"{name}={browsing(user).cookies[name].value}".encode()


def bearer(user: User) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {ApiToken.issue(user, 'test')}".encode()


def test_a_browser_gets_in_from_our_own_page(alice: User) -> None:
    assert connect([HOST, ORIGIN, cookie(alice)]) == "alice"


@pytest.mark.parametrize(
    "origin",
    [
        b"http://localhost",
        b"http://localhost:3000",
        b"https://localhost:3333",
        b"ftp://localhost:3333",
        b"http://127.0.0.1:3333",
        b"http://evil.example",
        b"http://localhost:3333.evil.example",
        b"http://localhost:3333/",
        b"null",
        b"",
        b"\xff",
    ],
)
def test_a_browser_stays_out_from_any_other_page(alice: User, origin: bytes) -> None:
    assert connect([HOST, (b"origin", origin), cookie(alice)]) == 4403
    assert connect([HOST, (b"origin", origin), bearer(alice)]) == 4403


def test_two_origins_are_none(alice: User) -> None:
    assert connect([HOST, ORIGIN, (b"origin", b"http://evil.example"), cookie(alice)]) == 4403


def test_over_tls_the_origin_is_https(alice: User) -> None:
    secure = (b"origin", b"https://localhost:3333")
    assert connect([HOST, secure, cookie(alice)], scheme="wss") == "alice"
    assert connect([HOST, ORIGIN, cookie(alice)], scheme="wss") == 4403


@pytest.mark.parametrize("host", [b"evil.example", b"evil.example:3333", b"", b"\xff", b"a b"])
def test_a_name_that_is_not_ours_is_refused(alice: User, host: bytes) -> None:
    headers = [(b"host", host), (b"origin", b"http://" + host)]
    assert connect([*headers, cookie(alice)]) == 4403
    assert connect([(b"host", host), bearer(alice)]) == 4403


def test_a_cookie_without_an_origin_does_not_count(alice: User) -> None:
    assert connect([HOST, cookie(alice)]) == 4401


def test_a_script_gets_in_with_its_token(alice: User) -> None:
    assert connect([HOST, bearer(alice)]) == "alice"
    assert connect([HOST, ORIGIN, bearer(alice)]) == "alice"


def test_a_token_wins_over_a_cookie(alice: User, bob: User) -> None:
    assert connect([HOST, ORIGIN, cookie(alice), bearer(bob)]) == "bob"
    wrong = (b"authorization", b"Bearer hrn_wrong")
    assert connect([HOST, ORIGIN, cookie(alice), wrong]) == 4401


@pytest.mark.django_db
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [ORIGIN],
        [ORIGIN, (b"cookie", b"nonsense")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer \xff")],
        [(b"authorization", b"Basic YTpi")],
    ],
)
def test_nobody_gets_in_without_a_login(headers: Headers) -> None:
    assert connect([HOST, *headers]) == 4401


NAMES = st.sampled_from([b"host", b"origin", b"Origin", b"authorization", b"cookie"]) | st.binary()
VALUES = st.binary(max_size=80) | st.sampled_from([HOST[1], ORIGIN[1], b"Bearer x"])


@given(headers=st.lists(st.tuples(NAMES, VALUES), max_size=6), scheme=st.text())
def test_no_headers_make_the_checks_raise(headers: Headers, scheme: str) -> None:
    is_our_host(headers)
    assert isinstance(is_our_origin({"scheme": scheme, "headers": headers}), bool)


@given(header=st.binary() | st.binary().map(b"Bearer ".__add__))
def test_no_header_makes_the_token_parser_raise(header: bytes) -> None:
    secret = bearer_secret(header)
    if secret is not None:
        assert is_bearer(header)
        assert header.endswith(secret.encode())
