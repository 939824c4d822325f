"""What a proxy says counts if it is a configured one, and is gone afterwards."""

from ipaddress import ip_network
from typing import Any

import pytest

from sessions_app.proxy_headers import as_trusted_proxies_say
from sessions_app.request_headers import Header, header_values
from tests.access.asking import AT_PUBLIC, http_scope

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1"))
TOLD = [
    (b"x-forwarded-for", b"1.2.3.4"),
    (b"x-forwarded-proto", b"https"),
    (b"X-Forwarded-Host", b"box.example"),
]


def scope_from(peer: object, *headers: Header, **more: Any) -> Any:
    """The scope behind the gate of a request that this peer sent."""
    scope = http_scope("GET", "/", [AT_PUBLIC, *headers], client=peer, **more)
    return as_trusted_proxies_say(scope, PROXIES)


def client_from(peer: str, *forwarded: bytes) -> str:
    """Whom the application takes for the client."""
    headers = [(b"x-forwarded-for", value) for value in forwarded]
    return str(scope_from([peer, 5], *headers)["client"][0])


@pytest.mark.parametrize("peer", [["1.1.1.1", 5], ["127.0.0.1", 5], ["11.0.0.1", 5], None, ["", 0]])
def test_a_stranger_is_not_believed(peer: object) -> None:
    scope = scope_from(peer, *TOLD)
    assert (scope["client"], scope["scheme"]) == (peer, "http")
    assert scope["headers"] == [AT_PUBLIC]


@pytest.mark.parametrize("peer", ["10.1.2.3", "::1", "::ffff:10.1.2.3"])
def test_a_configured_proxy_is_believed(peer: str) -> None:
    scope = scope_from((peer, 5), *TOLD)
    assert (scope["client"], scope["scheme"]) == (["1.2.3.4", 0], "https")
    assert scope["headers"] == [(b"host", b"box.example")]


def test_a_live_stream_learns_its_scheme_too() -> None:
    told = {b"https": "wss", b"wss": "wss", b"http": "ws", b"gopher": "ws", b"": "ws"}
    for value, scheme in told.items():
        header = (b"x-forwarded-proto", value)
        scope = {"type": "websocket", "client": ["10.0.0.1", 5], "headers": [header]}
        assert as_trusted_proxies_say(scope, PROXIES)["scheme"] == scheme


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([b"1.2.3.4"], "1.2.3.4"),
        ([b"6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ([b"6.6.6.6", b"1.2.3.4 , 10.0.0.9"], "1.2.3.4"),
        ([b"10.0.0.8, 10.0.0.9"], "10.0.0.8"),
        ([b"1.2.3.4:5678"], "1.2.3.4"),
        ([b"[2001:db8::1]:5678"], "2001:db8::1"),
        ([b"2001:DB8::1"], "2001:db8::1"),
        ([b"::ffff:1.2.3.4"], "1.2.3.4"),
        ([b"1.2.3.4, unknown"], "10.0.0.1"),
        ([b"1.2.3.4, unknown, 10.0.0.9"], "10.0.0.9"),
        ([b"\xff"], "10.0.0.1"),
        ([b","], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_a_trusted_proxy_saw(
    forwarded: list[bytes], client: str
) -> None:
    assert client_from("10.0.0.1", *forwarded) == client


def test_the_nearest_proxy_has_the_last_word() -> None:
    scope = scope_from(
        ["10.0.0.1", 5],
        (b"x-forwarded-host", b"evil.example, box.example"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-proto", b"http, https"),
    )
    assert header_values(scope["headers"], b"host") == [b"box.example"]
    assert scope["scheme"] == "https"


@pytest.mark.parametrize("peer", ["10.0.0.1", "1.1.1.1"])
@pytest.mark.parametrize(
    "name",
    [b"Forwarded", b"Daphne-Root-Path", b"X-Forwarded-Prefix", b"x_forwarded_for", b"Remote_User"],
)
def test_headers_that_nobody_is_to_believe_are_gone(peer: str, name: bytes) -> None:
    assert scope_from([peer, 5], (name, b"x"))["headers"] == [AT_PUBLIC]


def test_nobody_moves_the_application_to_another_path() -> None:
    assert scope_from(["10.0.0.1", 5], root_path="/evil")["root_path"] == ""
