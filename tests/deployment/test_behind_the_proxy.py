"""Through the proxy over TLS: everything works, and nothing that a client says is believed."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.deployment.conftest import Arrangement, several_processes
from tests.deployment.proxy import Browser, Reply
from tests.waiting_for import until

FAR_AWAY = "203.0.113.9"


@pytest.fixture
def browser(arrangement: Arrangement) -> Browser:
    """A browser that was let in by a one-time link."""
    browser = Browser(arrangement.proxy)
    assert browser.log_in(arrangement.web.manage("loginlink")).status == 204
    return browser


def test_a_one_time_link_leads_to_the_proxy_and_lets_a_browser_in(arrangement: Arrangement) -> None:
    link = arrangement.web.manage("loginlink")
    assert link.startswith(f"{arrangement.proxy.public_url}/login#token=")
    browser = Browser(arrangement.proxy)
    assert browser.open("/").headers["Location"] == "/login?next=/"

    assert browser.log_in(link).status == 204

    page = browser.open("/")
    assert page.status == 200
    assert b'id="connection"' in page.body
    assert browser.set_cookies
    for cookie in browser.set_cookies:
        assert cookie.startswith("__Host-")
        assert "Secure" in cookie
    assert "max-age" in page.headers["Strict-Transport-Security"]


async def until_it_prints(stream: Any, wanted: str) -> None:
    seen = ""
    while wanted not in seen:
        message = orjson.loads(await asyncio.wait_for(stream.recv(), 10))
        seen += message.get("data", "") if message["type"] == "session:output" else ""


async def test_what_is_typed_in_a_live_stream_is_printed_in_it(
    arrangement: Arrangement, browser: Browser
) -> None:
    session = await asyncio.to_thread(arrangement.web.launch, "cat")
    proxy = arrangement.proxy
    async with proxy.stream(proxy.public_url, {"Cookie": browser.cookie}) as stream:
        first = orjson.loads(await stream.recv())
        assert first["type"] == "initial-state"
        typed = {"type": "input", "sessionId": session, "data": "hello proxy\r", "id": 1}
        await stream.send(json.dumps(typed))
        await until_it_prints(stream, "hello proxy\r\nhello proxy")


async def test_a_live_stream_for_a_page_of_another_origin_is_refused(
    arrangement: Arrangement, browser: Browser
) -> None:
    proxy = arrangement.proxy
    async with proxy.stream("https://elsewhere.example", {"Cookie": browser.cookie}) as stream:
        await asyncio.wait_for(stream.wait_closed(), 10)
        assert stream.close_code == 4403


def test_a_script_starts_a_program_reads_its_output_and_waits_for_its_end(
    arrangement: Arrangement,
) -> None:
    proxy, token = arrangement.proxy, f"Bearer {arrangement.web.token}"
    launch = {"command": ["sh", "-c", "echo one; read line; echo $line"], "workingDir": "/tmp"}
    call = {"Authorization": token, "Content-Type": "application/json"}
    started = proxy.ask("POST", "/api/sessions", call, json.dumps(launch).encode())
    assert started.status == 201
    session = f"/api/sessions/{started.json()['id']}"
    ended: list[Any] = []

    def wait() -> None:
        ended.append(proxy.ask("GET", f"{session}/wait?for=ended&timeout=30", call))

    waiting = threading.Thread(target=wait)
    waiting.start()
    body = json.dumps({"text": "two", "submit": True}).encode()
    assert proxy.ask("POST", f"{session}/input", call, body).status == 202
    waiting.join(20)

    assert ended[0].json()["reason"] == "ended"
    raw = {"Authorization": token, "Accept": "application/octet-stream"}
    assert proxy.ask("GET", f"{session}/output", raw).body.endswith(b"two\r\n")


def addresses_that_failed(arrangement: Arrangement) -> set[str]:
    """Return from where somebody tried to log in, as the audit log has it."""
    found = arrangement.web.request("GET", "/api/audit?action=login-failed")
    return {record["address"] for record in found}


def test_the_address_that_a_client_claims_does_not_count(arrangement: Arrangement) -> None:
    browser = Browser(arrangement.proxy)
    wrong = {"username": "nobody", "password": "wrong"}
    for claimed in ({"X-Forwarded-For": FAR_AWAY}, {"Forwarded": f"for={FAR_AWAY}"}):
        assert browser.post("/login", wrong, **claimed).status == 200

    until(lambda: "127.0.0.1" in addresses_that_failed(arrangement), timeout=10)
    assert FAR_AWAY not in addresses_that_failed(arrangement)


def test_the_address_that_the_proxy_sees_does_count(arrangement: Arrangement) -> None:
    # Another address of this machine's own, as a second client's.
    source = ("127.0.0.9", 0)
    raw = socket.create_connection(("127.0.0.1", arrangement.proxy.port), 10, source)
    with arrangement.proxy.trust.wrap_socket(raw, server_hostname="127.0.0.1") as client:
        head = f"POST /login/link HTTP/1.1\r\nHost: {arrangement.proxy.host}\r\n"
        page = Browser(arrangement.proxy)
        found = re.search(r'csrf-token" content="([^"]+)"', page.open("/login").body.decode())
        assert found is not None
        head += f"Origin: {arrangement.proxy.public_url}\r\nCookie: {page.cookie}\r\n"
        head += f"X-CSRFToken: {found[1]}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode())
        assert client.recv(100).split()[1] == b"400"

    until(lambda: "127.0.0.9" in addresses_that_failed(arrangement), timeout=10)


@pytest.mark.parametrize(
    "claimed",
    [{"X-Forwarded-Host": "elsewhere.example"}, {"X-Forwarded-Proto": "http"}],
    ids=["host", "scheme"],
)
def test_the_place_that_a_client_claims_does_not_count(
    arrangement: Arrangement, browser: Browser, claimed: dict[str, str]
) -> None:
    headers = {"Cookie": browser.cookie, "Accept": "text/html", **claimed}
    answer = arrangement.proxy.ask("GET", "/", headers)
    assert answer.status == 200


def test_another_name_is_not_served(arrangement: Arrangement) -> None:
    answer = arrangement.proxy.ask("GET", "/login", {"Host": "elsewhere.example"})
    assert (answer.status, answer.json()["code"]) == (421, "wrong-host")


def test_every_request_has_a_number_of_the_proxys_own_by_which_it_is_found_in_the_log(
    arrangement: Arrangement,
) -> None:
    answer = arrangement.proxy.ask("GET", "/health?secret=1", {"X-Request-ID": "mine"})
    (number,) = answer.headers.get_all("X-Request-ID", [])
    assert re.fullmatch("[0-9a-f]{32}", number)
    until(lambda: number in arrangement.proxy.log.read_text(), timeout=10)
    assert "secret" not in arrangement.proxy.log.read_text()


@pytest.mark.parametrize("path", ["/metrics", "//metrics", "/metrics/", "/%6detrics", "/./metrics"])
def test_metrics_are_not_for_the_public(arrangement: Arrangement, path: str) -> None:
    token = f"Bearer {arrangement.web.token}"
    assert arrangement.proxy.ask("GET", path, {"Authorization": token}).status == 404
    assert arrangement.proxy.log.read_text().splitlines()[-1].endswith('"-"')


def test_who_leaves_out_the_s_is_sent_to_it(arrangement: Arrangement) -> None:
    answer = arrangement.proxy.ask_plainly("/history?search=x", {"Host": "harness.example"})
    assert answer.status == 308
    assert answer.headers["Location"] == "https://harness.example/history?search=x"


def test_how_much_can_be_sent_is_said_in_the_words_of_the_api(arrangement: Arrangement) -> None:
    headers = {"Authorization": f"Bearer {arrangement.web.token}"}

    def refusal(megabytes: float) -> str:
        body = b"x" * int(megabytes * 1024**2)
        answer = arrangement.proxy.ask("POST", "/api/sessions", headers, body)
        return f"{answer.status} {answer.json()['code']}"

    # What is sent is no JSON; that is found once it was taken.
    assert refusal(1.9) == "415 unsupported-media-type"
    assert refusal(3) == "413 too-large"
    assert refusal(5) == "413 too-large"


def test_without_a_web_process_it_is_said_in_the_words_of_the_api_and_passes(
    arrangement: Arrangement,
) -> None:
    for web in arrangement.webs:
        web.stop()
    answer = arrangement.proxy.ask("GET", "/health")
    assert (answer.status, answer.json()["code"]) == (503, "no-web-process")
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["X-Request-ID"]

    for web in arrangement.webs:
        web.start()
    until(lambda: arrangement.proxy.ask("GET", "/health").status == 200, timeout=15)


@pytest.fixture(scope="module")
def several(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arrangement]:
    """Two web processes and a manager."""
    with several_processes(request, tmp_path_factory.mktemp("several")) as made:
        yield made


def ask_again_and_again(several: Arrangement, done: threading.Event, answers: list[Reply]) -> None:
    """Read and rename a session in turn, as a script does; note what is answered."""
    session = several.web.launch("cat")
    call = {"Authorization": f"Bearer {several.web.token}", "Content-Type": "application/json"}
    path = f"/api/sessions/{session}"
    while not done.is_set():
        answers.append(several.proxy.ask("GET", path, call))
        answers.append(several.proxy.ask("PATCH", path, call, b'{"name": "a"}'))


def test_while_the_web_processes_are_replaced_one_after_the_other_no_request_fails(
    several: Arrangement,
) -> None:
    done, answers = threading.Event(), list[Reply]()
    client = threading.Thread(target=ask_again_and_again, args=(several, done, answers))
    client.start()

    def goes_on() -> None:
        before = len(answers)
        until(lambda: len(answers) > before + 20, timeout=20)

    goes_on()
    for web in several.webs:
        web.stop()
        goes_on()
        web.start()
        goes_on()
    done.set()
    client.join(30)

    assert [answer.body for answer in answers if answer.status != 200] == []


def test_what_only_reads_is_asked_of_the_other_one_when_a_web_process_crashes(
    several: Arrangement,
) -> None:
    token = f"Bearer {several.web.token}"
    for web in several.webs:
        web.kill()
        for _ in range(10):
            answer = several.proxy.ask("GET", "/api/sessions", {"Authorization": token})
            assert answer.status == 200
        web.start()


def test_a_login_counts_at_both_web_processes(several: Arrangement) -> None:
    browser = Browser(several.proxy)
    assert browser.log_in(several.web.manage("loginlink")).status == 204
    for web in several.webs:
        web.stop()
        assert browser.open("/").status == 200
        web.start()


def test_requests_go_to_both_web_processes(several: Arrangement) -> None:
    def asked() -> set[str]:
        several.proxy.ask("GET", "/health")
        return set(re.findall(r'"(127\.0\.0\.1:\d+)"', several.proxy.log.read_text()))

    wanted = {f"127.0.0.1:{web.port}" for web in several.webs}
    until(lambda: asked() == wanted, timeout=10)
