"""Host x Origin x login x verb over REST, a page, the admin and the live stream: one table each.

A cell is the status with the error's slug; for the live stream it is `in` or the close code.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.contrib.auth.models import User

from sessions_app.gate import configured_places, with_gate
from sessions_app.origins import Origin
from sessions_app.request_headers import Header
from sessions_app.websocket_access import guarded
from tests.access.asking import Django, ask, bearer, connect, cookie, let_in
from tests.fake_manager import FakeManager

HOSTS = {
    "public": b"harness.localhost:3333",
    "loopback": b"127.0.0.1:3333",
    "other port": b"harness.localhost:8000",
    "sibling": b"evil.localhost:3333",
    "foreign": b"evil.example",
    "malformed": b"harness.localhost:3333, evil.example",
}
ORIGINS = {
    "none": [],
    "public": [b"http://harness.localhost:3333"],
    "listed": [b"https://listed.example"],
    "loopback": [b"http://127.0.0.1:3333"],
    "other port": [b"http://harness.localhost:8000"],
    "https": [b"https://harness.localhost:3333"],
    "null": [b"null"],
    "two": [b"http://harness.localhost:3333", b"http://harness.localhost:3333"],
}
LOGINS = ("none", "cookie", "bearer", "both")
THEIRS = ("loopback", "other port", "https", "null", "two")

Row = dict[str, str]
Table = dict[str, Row]


def row(rest: str, **cells: str) -> Row:
    """The outcome for each origin: `theirs` are pages that nobody listed, `rest` what is left."""
    theirs = cells.pop("theirs", rest)
    return {origin: cells.get(origin, theirs if origin in THEIRS else rest) for origin in ORIGINS}


def by_login(anonymous: Row, with_cookie: Row, with_token: Row) -> Table:
    """A token wins over a cookie."""
    return {"none": anonymous, "cookie": with_cookie, "bearer": with_token, "both": with_token}


WRONG, ANONYMOUS = "403 wrong-origin", "401 not-authenticated"
TABLES = {
    ("GET", "/api/sessions"): {
        "public": by_login(row(ANONYMOUS), row("200", listed=ANONYMOUS, theirs=WRONG), row("200")),
        "loopback": by_login(row(ANONYMOUS), row(ANONYMOUS), row("200")),
    },
    ("POST", "/api/sessions"): {
        "public": by_login(
            row(ANONYMOUS),
            row(WRONG, public="400 invalid", listed=ANONYMOUS),
            row("400 invalid"),
        ),
        "loopback": by_login(row(ANONYMOUS), row(ANONYMOUS), row("400 invalid")),
    },
    # What is not logged in is sent to the login, or has no proof that it read our page.
    ("GET", "/"): {
        "public": by_login(row("302"), row("200", listed="302", theirs=WRONG), row("302")),
        "loopback": by_login(row("302"), row("302"), row("302")),
    },
    ("POST", "/login"): {
        "public": by_login(row("403"), row(WRONG, public="302", listed="403"), row("403")),
        "loopback": by_login(row("403"), row("403"), row("403")),
    },
    ("GET", "/admin/"): {
        "public": by_login(row("302"), row("200", listed="302", theirs=WRONG), row("302")),
        "loopback": by_login(row("302"), row("302"), row("302")),
    },
    ("POST", "/admin/auth/group/add/"): {
        "public": by_login(row("403"), row(WRONG, public="200", listed="403"), row("403")),
        "loopback": by_login(row("403"), row("403"), row("403")),
    },
}
STREAM = {
    "public": by_login(
        row("4403", none="4401", public="4401"),
        row("4403", none="4401", public="in"),
        row("in", theirs="4403"),
    ),
    "loopback": by_login(
        row("4403", none="4401", public="4401"),
        row("4403", none="4401", public="4401"),
        row("in", theirs="4403", loopback="in"),
    ),
}
PLACES = replace(configured_places(), cors=frozenset({Origin("https", "listed.example", 443)}))


@pytest.fixture
def logins(carol: User, fake_manager: FakeManager) -> dict[str, list[Header]]:
    """What the administrator sends."""
    session, token = cookie(carol), bearer(carol)
    return {"none": [], "cookie": session, "bearer": token, "both": session + token}


def observed(
    attempt: Callable[[list[Header]], str], host: str, logins: dict[str, list[Header]]
) -> Table:
    """The outcomes at one host."""
    return {
        login: {
            origin: attempt(
                [
                    (b"host", HOSTS[host]),
                    *((b"origin", value) for value in values),
                    *logins[login],
                ]
            )
            for origin, values in ORIGINS.items()
        }
        for login in LOGINS
    }


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("method", "path"), TABLES)
def test_a_request_is_let_in_by_where_it_comes_from_and_who_sends_it(
    logins: dict[str, list[Header]], method: str, path: str, host: str
) -> None:
    app = with_gate(Django(), PLACES)
    body = b"{}" if path.startswith("/api") else b""
    kind = (b"content-type", b"application/json")
    outcomes = observed(
        lambda headers: ask(app, method, path, [kind, *headers], body).outcome(), host, logins
    )
    refused = row("400 malformed-host" if host == "malformed" else "421 wrong-host")
    expected = TABLES[method, path].get(host) or by_login(refused, refused, refused)
    assert outcomes == expected


@pytest.mark.parametrize("host", HOSTS)
def test_a_live_stream_is_opened_by_where_it_comes_from_and_who_sends_it(
    logins: dict[str, list[Header]], host: str
) -> None:
    app = with_gate(guarded(let_in), PLACES)
    refused = row("4403")
    expected = STREAM.get(host) or by_login(refused, refused, refused)
    assert observed(lambda headers: connect(app, headers), host, logins) == expected
