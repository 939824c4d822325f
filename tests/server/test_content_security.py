"""What every answer of a real server tells the browser, whoever asks and whatever comes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real_server import Answer, RealServer, running

NOT_A_PAGE = "default-src 'none'; frame-ancestors 'none'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    with running(Path(tmp_path_factory.mktemp("state"))) as server:
        yield server


def get(server: RealServer, path: str, **headers: str) -> Answer:
    """What a client without a login is answered."""
    public = {"Host": server.public_url.removeprefix("http://"), "Authorization": ""}
    return server.answer("GET", path, headers={**public, **headers})


def policy(answer: Answer) -> dict[str, list[str]]:
    """The directives of an answer's policy."""
    directives = answer.headers["Content-Security-Policy"].split("; ")
    return {name: values for name, *values in (directive.split() for directive in directives)}


def test_a_page_may_load_what_is_ours_and_nothing_else(server: RealServer) -> None:
    answer = get(server, "/login")
    (nonce,) = set(re.findall(rb'nonce="([^"]+)"', answer.body))
    assert policy(answer) == {
        "default-src": ["'none'"],
        "script-src": [f"'nonce-{nonce.decode()}'"],
        "style-src": ["'self'", f"'nonce-{nonce.decode()}'"],
        "img-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }


def test_every_script_of_a_page_carries_the_nonce(server: RealServer) -> None:
    body = get(server, "/login").body
    assert len(re.findall(rb"<script", body)) == len(re.findall(rb"<script nonce=", body)) > 0


def test_no_two_answers_share_a_nonce(server: RealServer) -> None:
    nonces = {policy(get(server, "/login"))["script-src"][0] for _ in range(5)}
    assert len(nonces) == 5
    assert all(len(nonce) >= len("'nonce-'") + 22 for nonce in nonces)


@pytest.mark.parametrize(
    "path",
    ["/health", "/api/sessions", "/api/schema", "/api/nowhere", "/static/dashboard/js/page.js"],
)
def test_what_is_not_a_page_may_do_nothing(server: RealServer, path: str) -> None:
    assert server.answer("GET", path).headers["Content-Security-Policy"] == NOT_A_PAGE


@pytest.mark.parametrize(
    "path",
    ["/login", "/nowhere", "/health", "/api/sessions", "/static/dashboard/css/design.css", "/"],
)
def test_every_answer_has_the_companions_of_the_policy(server: RealServer, path: str) -> None:
    headers = get(server, path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    allowed = dict(re.findall(r"([a-z-]+)=(\([^)]*\))", headers["Permissions-Policy"]))
    assert allowed.pop("clipboard-write") == "(self)"
    assert {"camera", "microphone", "clipboard-read", "usb", "serial", "autoplay"} <= allowed.keys()
    assert set(allowed.values()) == {"()"}
