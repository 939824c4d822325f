"""The gate by itself: the order of its checks, what it lets through, that nothing breaks it."""

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from harness_site.asgi import application
from sessions_app.gate import configured_places, with_gate
from sessions_app.origins import Origin, Places, parse_host
from sessions_app.request_headers import Header, header_values
from sessions_app.transport import Scope
from tests.access.asking import AT_LOOPBACK, AT_PUBLIC, PUBLIC, Answered, ask, connect, http_scope

LISTED = b"https://listed.example"
PLACES = Places.of(
    Origin("http", "harness.localhost", 3333),
    "127.0.0.1",
    3333,
    [Origin("https", "listed.example", 443)],
)
PROXIES = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1"))
COOKIE = (b"cookie", b"harness_session_3333=secret")
TOKEN = (b"authorization", b"Bearer hrn_secret")
HTML = (b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")


class Behind:
    """An application that keeps what reaches it and answers with a cookie."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 200, or accept the live stream."""
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "in"})
            return
        headers = [(b"Set-Cookie", b"harness_csrf_3333=x"), (b"vary", b"Cookie")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"behind"})


@pytest.fixture
def behind() -> Behind:
    """What stands behind the gate."""
    return Behind()


def through(
    behind: Behind, *headers: Header, method: str = "GET", path: str = "/", **more: Any
) -> Answered:
    """Send a request through the gate."""
    return ask(with_gate(behind, PLACES, PROXIES), method, path, list(headers), **more)


def fetch(site: bytes, mode: bytes = b"cors", dest: bytes = b"empty") -> list[Header]:
    """What a browser adds to say which kind of request it is."""
    return [
        (b"sec-fetch-site", site),
        (b"sec-fetch-mode", mode),
        (b"sec-fetch-dest", dest),
    ]


# Names


def test_the_served_application_stands_behind_the_gate() -> None:
    foreign = [(b"host", b"evil.example")]
    assert ask(application, "GET", "/health", foreign).outcome() == "421 wrong-host"
    assert connect(application, foreign) == "4403"


@pytest.mark.parametrize("headers", [[], [AT_PUBLIC, AT_PUBLIC], [(b"host", b"")]])
def test_a_request_needs_one_host(behind: Behind, headers: list[Header]) -> None:
    assert through(behind, *headers).outcome() == "400 malformed-host"
    assert behind.scopes == []


def test_a_refusal_names_the_address_to_use(behind: Behind) -> None:
    answer = through(behind, (b"host", b"evil.example"))
    assert answer.outcome() == "421 wrong-host"
    assert PUBLIC in answer.body
    assert b"HARNESS_PUBLIC_URL" in answer.body
    assert b"evil" not in answer.body
    assert answer.header(b"cache-control") == b"no-store"
    assert answer.header(b"cross-origin-resource-policy") == b"same-origin"
    assert b"frame-ancestors 'none'" in (answer.header(b"content-security-policy") or b"")


def test_the_name_is_checked_first_then_the_place_then_the_page(behind: Behind) -> None:
    foreign = (b"origin", b"http://evil.example")
    wrong_host = (b"host", b"evil.localhost:3333")
    page = [HTML, foreign, COOKIE]
    assert through(behind, wrong_host, *page).outcome() == "421 wrong-host"
    assert through(behind, AT_LOOPBACK, *page).outcome() == "307"
    assert through(behind, AT_PUBLIC, *page).outcome() == "403 wrong-origin"
    assert behind.scopes == []


# Other places than the public one


@pytest.mark.parametrize(
    "headers",
    [
        [HTML],
        [HTML, COOKIE],
        fetch(b"none", b"navigate", b"document"),
        fetch(b"cross-site", b"navigate", b"document"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_is_sent_to_the_public_place(
    behind: Behind, method: str, headers: list[Header]
) -> None:
    path = "/sessions/1?a=b&c=%20d"
    answer = through(behind, AT_LOOPBACK, *headers, method=method, path=path)
    assert answer.status == 307
    assert answer.header(b"location") == PUBLIC + path.encode()
    assert behind.scopes == []


@pytest.mark.parametrize(
    ("raw_path", "query", "location"),
    [
        (b"//evil.example/x", b"", b"//evil.example/x"),
        (b"@evil.example", b"", b"/"),
        (b".evil.example", b"", b"/"),
        (b"http://evil.example/", b"", b"/"),
        (b"", b"", b"/"),
        (None, b"a", b"/"),
        (b"/a?b", b"c", b"/a?c"),
        (b"/a\r\nX: y", b"\xff \n", b"/a%0D%0AX:%20y?%FF%20%0A"),
    ],
)
def test_a_browser_is_sent_nowhere_else(
    behind: Behind, raw_path: bytes | None, query: bytes, location: bytes
) -> None:
    answer = through(behind, AT_LOOPBACK, HTML, raw_path=raw_path, query_string=query)
    assert answer.header(b"location") == PUBLIC + location


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/health", [HTML]),
        ("GET", "/api/sessions", [HTML, TOKEN]),
        ("GET", "/", [HTML, (b"authorization", b"Basic YTpi")]),
        ("GET", "/", [(b"accept", b"*/*")]),
        ("GET", "/", [(b"accept", b"application/json, text/html")]),
        ("GET", "/", []),
        ("GET", "/", [HTML, *fetch(b"cross-site")]),
        ("POST", "/", [HTML, *fetch(b"cross-site", b"navigate", b"document")]),
    ],
)
def test_what_is_no_browser_that_opens_a_page_is_served(
    behind: Behind, method: str, path: str, headers: list[Header]
) -> None:
    assert through(behind, AT_LOOPBACK, *headers, method=method, path=path).status == 200


def test_cookies_are_neither_looked_at_nor_set_elsewhere(behind: Behind) -> None:
    answer = through(behind, AT_LOOPBACK, COOKIE, (b"Cookie", b"b"))
    assert header_values(behind.scopes[0]["headers"], b"cookie") == []
    assert answer.header(b"set-cookie") is None
    assert answer.header(b"vary") == b"Cookie"


def test_cookies_are_neither_looked_at_nor_set_beside_a_token(behind: Behind) -> None:
    answer = through(behind, AT_PUBLIC, COOKIE, TOKEN)
    assert header_values(behind.scopes[0]["headers"], b"cookie") == []
    assert answer.header(b"set-cookie") is None


def test_a_scheme_that_is_no_token_does_not_excuse_a_cookie(behind: Behind) -> None:
    headers = [AT_PUBLIC, COOKIE, (b"authorization", b"Basic YTpi")]
    assert through(behind, *headers, method="POST").outcome() == "403 wrong-origin"


# Which page asked


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", fetch(b"same-origin"), 200),
        ("GET", fetch(b"none", b"navigate", b"document"), 200),
        ("GET", fetch(b"cross-site", b"navigate", b"document"), 200),
        ("GET", fetch(b"same-site", b"navigate", b"document"), 200),
        ("GET", fetch(b"same-site", b"navigate", b"iframe"), 403),
        ("GET", fetch(b"same-site"), 403),
        ("GET", fetch(b"same-site", b"no-cors", b"image"), 403),
        ("GET", fetch(b"cross-site", b"no-cors", b"script"), 403),
        ("GET", [*fetch(b"same-origin"), (b"sec-fetch-site", b"cross-site")], 403),
        ("GET", fetch(b"anything"), 403),
        ("POST", [*fetch(b"same-origin"), (b"origin", PUBLIC)], 200),
        ("POST", [*fetch(b"same-site"), (b"origin", PUBLIC)], 403),
        ("POST", [*fetch(b"cross-site", b"navigate", b"document"), (b"origin", PUBLIC)], 403),
        ("POST", fetch(b"same-origin"), 403),
        ("BREW", [], 403),
    ],
)
def test_a_cookie_counts_in_what_our_pages_ask_for(
    behind: Behind, method: str, headers: list[Header], status: int
) -> None:
    answer = through(behind, AT_PUBLIC, COOKIE, *headers, method=method)
    assert answer.status == status
    assert len(behind.scopes) == (status == 200)


def test_what_carries_neither_cookie_nor_token_is_left_to_the_login(behind: Behind) -> None:
    assert through(behind, AT_PUBLIC, method="POST").status == 200


# Pages of other origins


def preflight(behind: Behind, origin: bytes, host: Header = AT_LOOPBACK) -> Answered:
    """Ask as a browser does before a page calls with a token."""
    asks = (b"access-control-request-method", b"POST")
    return through(behind, host, (b"origin", origin), asks, method="OPTIONS", path="/api/sessions")


@pytest.mark.parametrize("host", [AT_PUBLIC, AT_LOOPBACK])
def test_a_listed_page_may_call_with_a_token(behind: Behind, host: Header) -> None:
    asked = preflight(behind, LISTED, host)
    assert (asked.status, behind.scopes) == (204, [])
    assert asked.header(b"access-control-allow-origin") == LISTED
    assert asked.header(b"access-control-allow-methods") == b"GET, HEAD, POST, PATCH, DELETE"
    assert asked.header(b"access-control-allow-headers") == (
        b"Authorization, Content-Type, Idempotency-Key, Range"
    )
    assert asked.header(b"access-control-max-age") == b"600"
    assert asked.header(b"vary") == b"Origin"

    answer = through(behind, host, (b"origin", LISTED), COOKIE, TOKEN, *fetch(b"cross-site"))
    assert answer.status == 200
    assert header_values(behind.scopes[0]["headers"], b"cookie") == []
    assert answer.header(b"access-control-allow-origin") == LISTED
    exposed = answer.header(b"access-control-expose-headers") or b""
    assert {b"Content-Range", b"X-Request-Id"} <= set(exposed.split(b", "))
    assert answer.header(b"vary") == b"Cookie, Origin"


def test_a_listed_page_never_uses_a_cookie(behind: Behind) -> None:
    for asked in (
        preflight(behind, LISTED),
        through(behind, AT_PUBLIC, (b"origin", LISTED), COOKIE),
    ):
        assert asked.header(b"access-control-allow-credentials") is None
    assert header_values(behind.scopes[0]["headers"], b"cookie") == []


@pytest.mark.parametrize(
    "origin", [b"https://evil.example", b"https://listed.example:444", b"null", b"*", b"", PUBLIC]
)
def test_other_pages_may_not_call(behind: Behind, origin: bytes) -> None:
    asked = preflight(behind, origin)
    assert (asked.outcome(), behind.scopes) == ("403 wrong-origin", [])
    answered = through(behind, AT_LOOPBACK, (b"origin", origin))
    for answer in (asked, answered):
        assert answer.header(b"access-control-allow-origin") is None


def test_without_a_list_no_page_may_call(settings: Settings) -> None:
    assert configured_places().cors == frozenset()
    settings.HARNESS_CORS_ORIGINS = ["https://listed.example"]
    assert configured_places().cors == PLACES.cors


# Whatever a client sends

NAMES = st.sampled_from(
    [
        *(b"host", b"Host", b"origin", b"cookie", b"Cookie", b"authorization", b"accept"),
        *(b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"),
        *(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"X-Forwarded-Port"),
        *(b"forwarded", b"daphne-root-path", b"x_forwarded_for", b"remote_user"),
        b"access-control-request-method",
    ]
)
VALUES = st.sampled_from(
    [
        *(AT_PUBLIC[1], AT_LOOPBACK[1], PUBLIC, LISTED, b"null", COOKIE[1], TOKEN[1], HTML[1]),
        *(b"navigate", b"document", b"same-origin", b"same-site", b"10.0.0.1, 1.2.3.4", b"https"),
    ]
)
HEADERS = st.lists(st.tuples(NAMES | st.binary(max_size=9), VALUES | st.binary(max_size=20)))
SENT = HEADERS | HEADERS.map([AT_PUBLIC].__add__) | HEADERS.map([AT_PUBLIC, COOKIE].__add__)
CLIENTS = st.sampled_from([None, ["127.0.0.1", 1], ("1.2.3.4", 1), ["", None], ["::ffff:a00:1", 1]])


def run(scope: Scope) -> tuple[list[Scope], list[Any]]:
    """Send the scope through the gate at once; what reached the application, what was sent."""
    behind, sent = Behind(), []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(StopIteration):
        with_gate(behind, PLACES, PROXIES)(scope, receive, send).__await__().send(None)
    return behind.scopes, sent


def sees_only_what_it_may(scope: Scope) -> None:
    """Fail if anything came through that the gate is there to keep out."""
    headers = scope["headers"]
    names = [name.lower() for name, _ in headers]
    assert scope["root_path"] == ""
    assert not any(b"_" in name or name.startswith(b"x-forwarded") for name in names)
    assert not {b"forwarded", b"daphne-root-path"} & set(names)
    (value,) = header_values(headers, b"host")
    host = parse_host(value)
    assert host is not None
    assert PLACES.is_public(host) or PLACES.is_other(host, "https") or PLACES.is_other(host, "http")
    if b"cookie" in names:
        assert PLACES.is_public(host)
        assert not any(
            each.startswith(b"Bearer ") for each in header_values(headers, b"authorization")
        )
        assert set(header_values(headers, b"origin")) <= {PUBLIC}


@given(method=st.sampled_from(["GET", "HEAD", "OPTIONS", "POST"]), headers=SENT, client=CLIENTS)
def test_no_request_makes_the_gate_raise_or_brings_a_cookie_to_the_wrong_place(
    method: str, headers: list[Header], client: Any
) -> None:
    scopes, sent = run(http_scope(method, "/", headers, client=client, root_path="/evil"))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    for scope in scopes:
        sees_only_what_it_may(scope)
        if header_values(scope["headers"], b"cookie") and method == "POST":
            assert header_values(scope["headers"], b"origin") == [PUBLIC]


@given(headers=SENT, client=CLIENTS, scheme=st.sampled_from([{}, {"scheme": "wss"}]))
def test_no_handshake_makes_the_gate_raise_or_brings_a_cookie_without_our_origin(
    headers: list[Header], client: Any, scheme: dict[str, str]
) -> None:
    given_scope = {"type": "websocket", "path": "/ws", "headers": headers, "client": client}
    scopes, sent = run({**given_scope, **scheme})
    assert sent[0] == {"type": "websocket.accept"}
    assert scopes or sent[1]["code"] in (4401, 4403)
    for scope in scopes:
        sees_only_what_it_may(scope)
        if header_values(scope["headers"], b"cookie"):
            assert header_values(scope["headers"], b"origin") == [PUBLIC]


def test_a_program_may_name_the_place_it_connects_to_as_its_origin(behind: Behind) -> None:
    app = with_gate(behind, PLACES, PROXIES)
    own, secure = (b"origin", b"http://127.0.0.1:3333"), (b"origin", b"https://127.0.0.1:3333")
    assert connect(app, [AT_LOOPBACK, own, TOKEN]) == "in"
    assert connect(app, [AT_LOOPBACK, own]) == "4403"
    assert connect(app, [AT_LOOPBACK, secure, TOKEN]) == "4403"
    assert connect(app, [AT_LOOPBACK, secure, TOKEN], scheme="wss") == "in"
