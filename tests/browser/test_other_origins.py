"""What pages of other origins can do to somebody who is logged in, in a real browser: nothing.

To a browser all ports of a name are one site with one set of cookies. A page on another port of
our own name is therefore the worst case, and the one that the gate has to refuse by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Visit
from tests.real_server import RealServer, running
from tests.waiting_for import until

NAMES = ["127.0.0.1", "localhost", "evil.localhost", "harness.localhost"]
OURS = "harness.localhost"
PAGE = b"<!doctype html><title>Another page</title><form method=post></form>"


class OtherServer(ThreadingHTTPServer):
    """Serves a page on another port of this machine and keeps the headers that it receives."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[dict[str, str]] = []

    def url(self, name: str) -> str:
        """Where it is found by a name of this machine."""
        return f"http://{name}:{self.server_port}"

    def cookies(self) -> str:
        """Every cookie that it has received."""
        return "; ".join(headers.get("Cookie", "") for headers in self.received)


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with the page."""

    server: OtherServer

    def do_GET(self) -> None:
        self.server.received.append(dict(self.headers))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the base class has it
        """Print nothing."""


@pytest.fixture
def other() -> Iterator[OtherServer]:
    """What a program of this machine might serve."""
    with OtherServer() as server:
        thread = threading.Thread(target=server.serve_forever, name="other-server")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def opened(visit: Visit, other: OtherServer) -> Callable[[str], Page]:
    """Open the other server's page, by one of its names, in a browser that is logged in."""

    def open_page(name: str) -> Page:
        page = visit().page.context.new_page()
        page.goto(other.url(name) + "/")
        return page

    return open_page


def session_cookie(server: RealServer) -> str:
    return f"harness_session_{server.port}"


FETCH = """async ([url, init]) => {
    try {
        const answer = await fetch(url, {credentials: "include", ...init});
        return answer.type === "opaque" ? "opaque" : await answer.text();
    } catch (error) {
        return error.name;
    }
}"""

SOCKET = """(url) => new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.onmessage = () => resolve("a message");
    socket.onclose = (event) => resolve(event.code);
})"""

SUBMIT = """(url) => {
    document.forms[0].action = url;
    document.forms[0].submit();
}"""


def fetch(page: Page, url: str, **init: Any) -> str:
    """What a script of the page gets to see: the text, `opaque`, or the name of the error."""
    return str(page.evaluate(FETCH, [url, init]))


def fetch_blindly(page: Page, url: str, **init: Any) -> int:
    """Ask without reading the answer, as an image or a form would; the status."""
    urls: dict[str, str] = {}
    answers: list[tuple[str, int]] = []
    network = page.context.new_cdp_session(page)
    network.on(
        "Network.requestWillBeSent", lambda it: urls.update({it["requestId"]: it["request"]["url"]})
    )
    # Of an answer that is kept from the page only this event tells, and of the page's own icon.
    network.on(
        "Network.responseReceivedExtraInfo",
        lambda it: answers.append((it["requestId"], it["statusCode"])),
    )
    network.send("Network.enable")

    def statuses() -> list[int]:
        return [status for request, status in answers if urls.get(request) == url]

    assert fetch(page, url, mode="no-cors", **init) in ("opaque", "TypeError")
    until(lambda: page.evaluate("true") and statuses())
    network.detach()
    return statuses()[-1]


@pytest.mark.parametrize("name", [name for name in NAMES if name != OURS])
def test_another_server_of_this_machine_receives_no_login(
    opened: Callable[[str], Page], other: OtherServer, server: RealServer, name: str
) -> None:
    opened(name)
    assert other.received
    assert session_cookie(server) not in other.cookies()


def test_another_port_of_our_own_name_receives_the_login_but_no_script_can_read_it(
    opened: Callable[[str], Page], other: OtherServer, server: RealServer
) -> None:
    page = opened(OURS)
    assert session_cookie(server) in other.cookies()
    assert page.evaluate("document.cookie") == ""


@pytest.mark.parametrize("name", NAMES)
def test_another_page_opens_no_live_stream(
    opened: Callable[[str], Page], server: RealServer, name: str
) -> None:
    page = opened(name)
    for url in (server.public_url, server.url):
        assert page.evaluate(SOCKET, f"{url.replace('http', 'ws', 1)}/ws") == 4403


@pytest.mark.parametrize("name", NAMES)
def test_another_page_reads_nothing(
    opened: Callable[[str], Page], server: RealServer, name: str
) -> None:
    page = opened(name)
    public, scripts = f"{server.public_url}/api/sessions", f"{server.url}/api/sessions"
    assert fetch_blindly(page, public) == (403 if name == OURS else 401)
    assert fetch_blindly(page, scripts) == 401
    assert fetch(page, public) == fetch(page, scripts) == "TypeError"


@pytest.mark.parametrize("name", NAMES)
def test_another_page_starts_nothing(
    opened: Callable[[str], Page], server: RealServer, name: str
) -> None:
    page = opened(name)
    launch = '{"command": "sleep 1000", "workingDir": "/tmp"}'
    json = {"Content-Type": "application/json"}
    for url in (server.public_url, server.url):
        target = f"{url}/api/sessions"
        assert fetch_blindly(page, target, method="POST", body=launch) in (401, 403)
        assert fetch(page, target, method="POST", body=launch, headers=json) == "TypeError"
        token = {**json, "Authorization": f"Bearer {server.token}"}
        assert fetch(page, target, method="POST", body=launch, headers=token) == "TypeError"
    assert server.request("GET", "/api/sessions?status=idle,running") == []


@pytest.mark.parametrize("name", NAMES)
def test_another_page_logs_nobody_out_with_a_form(
    opened: Callable[[str], Page], server: RealServer, name: str
) -> None:
    page = opened(name)
    with page.expect_navigation(url=f"{server.public_url}/logout") as answered:
        page.evaluate(SUBMIT, f"{server.public_url}/logout")
    assert answered.value is not None
    assert answered.value.status == 403
    if name == OURS:
        assert answered.value.json()["code"] == "wrong-origin"
    page.goto(f"{server.public_url}/")
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")


def test_a_browser_that_asks_for_the_address_of_scripts_is_sent_to_the_pages(
    visit: Visit, server: RealServer
) -> None:
    visitor = visit()
    visitor.page.goto(f"{server.url}/history?search=x")
    visitor.page.wait_for_url(f"{server.public_url}/history?search=x")
    visitor.is_live()


def test_a_listed_page_calls_with_a_token(
    chromium: Browser, other: OtherServer, tmp_path: Path
) -> None:
    listed = other.url("localhost")
    with (
        running(tmp_path / "state", HARNESS_CORS_ORIGINS=listed) as server,
        chromium.new_context() as context,
    ):
        token = {"Authorization": f"Bearer {server.token}"}
        page = context.new_page()
        page.goto(listed)
        url = f"{server.url}/api/sessions"
        assert fetch(page, url, headers=token, credentials="omit") == "[]"
        assert fetch(page, url, headers=token, credentials="include") == "TypeError"
        page.goto(other.url("127.0.0.1"))
        assert fetch(page, url, headers=token, credentials="omit") == "TypeError"
