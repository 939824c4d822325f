"""Where a request comes from: the gate in front of the whole application, HTTP and websocket.

A browser sends its cookies along from any page, so a cookie counts only at the place where our own
pages live, and only in what those pages ask for. Everybody else brings a bearer token, which no
browser sends by itself; with a token the cookie is not looked at. In this order:

1. What proxies say counts only if it comes from a configured one.
2. `Host` is one of this server's (400, 421).
3. A browser that opens a page elsewhere than at the public place is sent there (307).
4. Pages of listed origins (CORS) may call with a token; those of others may not (403).
5. What carries a cookie was asked for by our own pages (403).

Nothing that a client sends makes the gate raise.
"""

from dataclasses import dataclass
from functools import cached_property, partial

from django.conf import settings

from sessions_app.authorization import bearer_header
from sessions_app.events import CloseCode
from sessions_app.origins import Host, Networks, Origin, Places, parse_host, parse_origin
from sessions_app.proxy_headers import as_trusted_proxies_say
from sessions_app.refusals import Answer, error_answer, refuse_socket
from sessions_app.request_headers import Header, header_values, the_only_value, without_headers
from sessions_app.transport import Application, Message, Receive, Scope, Send

READING = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_EVERYWHERE = "/health"

PREFLIGHT_HEADERS = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PATCH, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, Range"),
    (b"access-control-max-age", b"600"),
)
EXPOSED = (
    b"Link, Location, Content-Range, Accept-Ranges, Retry-After, ETag, X-Output-Offset, "
    b"X-Request-Id"
)
"""Headers that a listed page may read besides those that every page may."""


def with_gate(
    app: Application, places: Places | None = None, proxies: Networks | None = None
) -> Application:
    """Return the application behind the checks, by default with what the settings say."""
    allowed = places or configured_places()
    trusted: Networks = settings.HARNESS_TRUSTED_PROXIES if proxies is None else proxies

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            arrival = Arrival(as_trusted_proxies_say(scope, trusted), allowed)
            await _http(app, arrival, receive, send)
        elif scope["type"] == "websocket":
            arrival = Arrival(as_trusted_proxies_say(scope, trusted), allowed)
            await _websocket(app, arrival, receive, send)
        else:
            await app(scope, receive, send)

    return gate


def configured_places() -> Places:
    """Return the places that the settings name."""
    public, *cors = [
        origin
        for text in (settings.HARNESS_PUBLIC_URL, *settings.HARNESS_CORS_ORIGINS)
        if (origin := parse_origin(text.encode()))
    ]
    return Places.of(public, settings.HARNESS_HOST, settings.HARNESS_PORT, cors)


@dataclass(frozen=True)
class Arrival:
    """A request or a handshake, and what the checks look at in it."""

    scope: Scope
    places: Places

    @cached_property
    def host(self) -> Host | None:
        """The one `Host`, None if it is missing, twice there or malformed."""
        return parse_host(the_only_value(self.scope["headers"], b"host") or b"")

    @property
    def scheme(self) -> str:
        """`http` or `https`, for a live stream too."""
        return "https" if self.scope.get("scheme") in ("https", "wss") else "http"

    @property
    def is_at_public_place(self) -> bool:
        """Whether it was sent to where the pages live."""
        return self.host is not None and self.places.is_public(self.host)

    @cached_property
    def has_origin(self) -> bool:
        """Whether it says from which page it comes, truly or not."""
        return bool(self.values(b"origin"))

    @cached_property
    def origin(self) -> Origin | None:
        """The one page it comes from, None if it says none or makes no sense."""
        return parse_origin(the_only_value(self.scope["headers"], b"origin") or b"")

    @property
    def is_from_listed_page(self) -> bool:
        """Whether it comes from a page of another origin that may call."""
        return self.origin in self.places.cors

    @cached_property
    def has_token(self) -> bool:
        """Whether it carries a bearer token, good or not."""
        return bearer_header(self.scope["headers"]) is not None

    @property
    def may_carry_cookies(self) -> bool:
        """Whether cookies count at this place, in this kind of request."""
        return self.is_at_public_place and not self.has_token and not self.is_from_listed_page

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a header."""
        return header_values(self.scope["headers"], name)

    def passed_on(self) -> Scope:
        """Return the scope for the application: without cookies where they do not count."""
        if self.may_carry_cookies:
            return self.scope
        return {**self.scope, "headers": without_headers(self.scope["headers"], {b"cookie"})}


# HTTP


async def _http(app: Application, arrival: Arrival, receive: Receive, send: Send) -> None:
    for check in (_wrong_host, _moved, _preflight, _foreign_cookie):
        answer = check(arrival)
        if answer is not None:
            await answer.send(send)
            return
    await app(arrival.passed_on(), receive, partial(_send_answer, arrival, send))


def _wrong_host(arrival: Arrival) -> Answer | None:
    if arrival.host is None:
        sentence = "The request needs exactly one Host header, with a name or an address."
        return error_answer(400, "malformed-host", sentence)
    if arrival.is_at_public_place or arrival.places.is_other(arrival.host, arrival.scheme):
        return None
    sentence = (
        "This server does not answer to that name. "
        f"Use {arrival.places.public}, or set HARNESS_PUBLIC_URL to the address you use."
    )
    return error_answer(421, "wrong-host", sentence)


def _moved(arrival: Arrival) -> Answer | None:
    """Send a browser that opens a page to the place where its login counts."""
    if arrival.is_at_public_place or not _opens_a_page(arrival):
        return None
    location = str(arrival.places.public).encode() + _target(arrival.scope)
    return Answer(307, ((b"location", location),))


def _opens_a_page(arrival: Arrival) -> bool:
    scope = arrival.scope
    if scope["method"] not in ("GET", "HEAD") or scope.get("path") == OPEN_EVERYWHERE:
        return False
    if arrival.values(b"authorization"):
        return False
    if any(name.lower().startswith(b"sec-fetch-") for name, _ in scope["headers"]):
        return b"navigate" in arrival.values(b"sec-fetch-mode")
    return b",".join(arrival.values(b"accept")).lower().startswith(b"text/html")


def _target(scope: Scope) -> bytes:
    """Return path and query as they were asked for, with nothing that ends a header.

    What does not begin with a slash would be read as a part of the host's name.
    """
    path, query = scope.get("raw_path") or b"", scope.get("query_string") or b""
    if not path.startswith(b"/"):
        return b"/"
    target = path.partition(b"?")[0] + (b"?" + query if query else b"")
    return b"".join(b"%%%02X" % each if not 0x20 < each < 0x7F else b"%c" % each for each in target)


def _preflight(arrival: Arrival) -> Answer | None:
    """Answer a browser that asks whether a page of another origin may call."""
    asks = arrival.values(b"access-control-request-method")
    if arrival.scope["method"] != "OPTIONS" or not arrival.has_origin or not asks:
        return None
    if arrival.is_from_listed_page:
        return Answer(204, (*_allowed_origin(arrival), *PREFLIGHT_HEADERS))
    return _wrong_origin(arrival)


def _foreign_cookie(arrival: Arrival) -> Answer | None:
    if not arrival.may_carry_cookies or not arrival.values(b"cookie"):
        return None
    return None if _asked_for_by_our_page(arrival) else _wrong_origin(arrival)


def _asked_for_by_our_page(arrival: Arrival) -> bool:
    """Tell whether a request with a cookie is one of our pages' own, or opens one.

    Other ports of our name are the same site to a browser and get our cookies whatever
    `SameSite` says; only `Origin` and `Sec-Fetch-Site` tell them from us.
    """
    sites = arrival.values(b"sec-fetch-site")
    if not set(sites) <= {b"same-origin", b"none"} and not _opens_a_tab(arrival):
        return False
    if arrival.has_origin:
        return arrival.origin == arrival.places.public
    return arrival.scope["method"] in READING


def _opens_a_tab(arrival: Arrival) -> bool:
    return (
        arrival.scope["method"] == "GET"
        and arrival.values(b"sec-fetch-mode") == [b"navigate"]
        and arrival.values(b"sec-fetch-dest") == [b"document"]
    )


def _wrong_origin(arrival: Arrival) -> Answer:
    sentence = (
        "This was asked for by a page of another origin. "
        f"Use the pages at {arrival.places.public}, or an API token."
    )
    return error_answer(403, "wrong-origin", sentence)


def _allowed_origin(arrival: Arrival) -> tuple[Header, ...]:
    origin = str(arrival.origin).encode()
    return (b"access-control-allow-origin", origin), (b"vary", b"Origin")


async def _send_answer(arrival: Arrival, send: Send, message: Message) -> None:
    """Send on what the application answers; no cookies are set where they do not count."""
    if message["type"] == "http.response.start":
        headers = list(message.get("headers", ()))
        if not arrival.may_carry_cookies:
            headers = without_headers(headers, {b"set-cookie"})
        if arrival.is_from_listed_page:
            headers += [*_allowed_origin(arrival), (b"access-control-expose-headers", EXPOSED)]
        message = {**message, "headers": headers}
    await send(message)


# The live stream


async def _websocket(app: Application, arrival: Arrival, receive: Receive, send: Send) -> None:
    code = _close_code(arrival)
    if code is None:
        await app(arrival.passed_on(), receive, send)
    else:
        await refuse_socket(receive, send, code)


def _close_code(arrival: Arrival) -> int | None:
    if _wrong_host(arrival) is not None:
        return CloseCode.NOT_ALLOWED
    if arrival.has_origin:
        return None if _may_open_a_stream(arrival) else CloseCode.NOT_ALLOWED
    return None if arrival.has_token else CloseCode.LOGIN_ENDED


def _may_open_a_stream(arrival: Arrival) -> bool:
    """Tell whether the page may: ours, and with a token a listed one.

    Programs that are no browser send the name that they connect to as `Origin`; with a token that
    is as good as none.
    """
    if arrival.origin is None or arrival.origin == arrival.places.public:
        return arrival.origin is not None
    return arrival.has_token and (arrival.is_from_listed_page or _names_the_host(arrival))


def _names_the_host(arrival: Arrival) -> bool:
    return arrival.host is not None and arrival.origin == arrival.host.at(arrival.scheme)
