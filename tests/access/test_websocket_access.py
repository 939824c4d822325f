"""Who gets through to /ws: a token, or a cookie from our own page."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.authorization import bearer_secret, is_bearer
from sessions_app.credentials import ApiToken
from sessions_app.gate import with_gate
from sessions_app.websocket_access import guarded
from tests.cast import browsing

HOST = (b"host", b"harness.localhost:3333")
ORIGIN = (b"origin", b"http://harness.localhost:3333")
Headers = list[tuple[bytes, bytes]]


async def who_am_i(scope: Any, receive: Any, send: Any) -> None:
    """Accept and tell who it is."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": scope["caller"].name})


def connect(headers: Headers) -> str | int:
    """Return the name of who got in, or the close code."""

    async def attempt() -> str | int:
        socket = WebsocketCommunicator(with_gate(guarded(who_am_i)), "/ws", headers=headers)
        accepted, _ = await socket.connect(20)
        assert accepted
        message = await socket.receive_output(20)
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


def test_a_cookie_that_no_database_can_hold_is_none(db: None) -> None:
    cookie = f'{settings.SESSION_COOKIE_NAME}="01234567\\000"'.encode()
    assert connect([HOST, ORIGIN, (b"cookie", cookie)]) == 4401


def test_while_the_database_does_not_answer_nobody_is_sent_to_the_login(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("server closed the connection")

    headers = [HOST, bearer(alice)]
    monkeypatch.setattr(ApiToken, "known", fail)
    assert connect(headers) == 4503


@given(header=st.binary() | st.binary().map(b"Bearer ".__add__))
def test_no_header_makes_the_token_parser_raise(header: bytes) -> None:
    secret = bearer_secret(header)
    if secret is not None:
        assert is_bearer(header)
        assert header.endswith(secret.encode())
