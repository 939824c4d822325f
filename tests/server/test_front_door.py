"""The front door with small bounds: what it takes, what it refuses, and whom it keeps out."""

from __future__ import annotations

import json
import os
import signal
import ssl
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.certificates import make_certificate
from tests.engines import free_port
from tests.real_server import PROJECT
from tests.server.raw_client import RawClient
from tests.waiting_for import until

KIB = 1024
CREDENTIAL = "Authorization: Bearer nobody's"
CHUNKED = "Transfer-Encoding: chunked"
# A busy machine takes its time; what is not cut would stay far longer.
SLACK = 3.0


class SmallDoor:
    """A front door in a process of its own."""

    def __init__(
        self, folder: Path, proxies: list[str], *, tls: bool = False, **limits: float
    ) -> None:
        self.port = free_port()
        self.trust, environment = None, dict(os.environ)
        if tls:
            certificate, key = make_certificate(folder)
            self.trust = ssl.create_default_context(cafile=str(certificate))
            environment["TLS"] = f"{certificate}:{key}"
        self.output = folder / f"door-{self.port}"
        command = [sys.executable, "-m", "tests.server.small_door", str(self.port)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, json.dumps(limits), *proxies],
                cwd=PROJECT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.clients: list[RawClient] = []
        until(self._answers, timeout=20)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        with suppress(ConnectionRefusedError):
            client = RawClient(self.port)
            client.close()
            return True
        return False

    def client(self, source: str = "127.0.0.1") -> RawClient:
        """A new connection."""
        self.clients.append(RawClient(self.port, source=source, tls=self.trust))
        return self.clients[-1]

    def stream(self, path: str = "/") -> RawClient:
        """A new live stream."""
        client = self.client()
        client.upgrade(path)
        return client

    def calls(self) -> int:
        """How often the application has been called, this time included."""
        client = self.client()
        client.ask()
        return int(client.answer()[2]["calls"])

    def has_room(self) -> bool:
        """Whether a new client is answered."""
        client = self.client()
        client.ask()
        return client.status() == 200

    def is_closed(self) -> bool:
        """Whether nobody is let in any more."""
        try:
            RawClient(self.port).close()
        except ConnectionRefusedError:
            return True
        return False

    def wait_for_held(self, count: int) -> None:
        """Wait until the application holds so many requests."""
        until(lambda: self.output.read_text().count("held") == count)

    def close(self) -> None:
        """End the process and all connections to it."""
        for client in self.clients:
            client.close()
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Callable[..., SmallDoor]]:
    """door(proxies, limit=…) starts one with those limits and the usual ones."""
    doors: list[SmallDoor] = []

    def start(*proxies: str, tls: bool = False, **limits: float) -> SmallDoor:
        doors.append(SmallDoor(tmp_path, list(proxies), tls=tls, **limits))
        return doors[-1]

    yield start
    for one in doors:
        one.close()


# Bodies


@pytest.mark.parametrize(("headers", "limit"), [((), 2000), ((CREDENTIAL,), 5000)])
def test_a_body_is_taken_up_to_the_limit_and_refused_by_its_length_beyond(
    door: Callable[..., SmallDoor], headers: tuple[str, ...], limit: int
) -> None:
    small = door(body_bytes=5000, anonymous_body_bytes=2000)
    client = small.client()
    client.ask("/", *headers, f"Content-Length: {limit}", method="POST", body=b"x" * limit)
    assert client.answer()[2]["bytes"] == limit

    client.ask("/", *headers, f"Content-Length: {limit + 1}", method="POST")  # and no body
    status, answered, error = client.answer()
    assert (status, error["code"]) == (413, "too-large")
    assert answered["connection"] == "close"
    assert ("Log in" in error["error"]) == (not headers)
    assert client.ends_within(1)
    assert small.calls() == 2


@pytest.mark.parametrize("cookie", ["Cookie: a=b", "cookie: a=b", CREDENTIAL])
def test_a_cookie_counts_as_a_claim_to_be_somebody(
    door: Callable[..., SmallDoor], cookie: str
) -> None:
    client = door(body_bytes=5000, anonymous_body_bytes=10).client()
    client.ask("/", cookie, "Content-Length: 11", method="POST", body=b"x" * 11)
    assert client.status() == 200


def test_a_body_without_a_length_is_counted_while_it_arrives(
    door: Callable[..., SmallDoor],
) -> None:
    small = door(body_bytes=5000, anonymous_body_bytes=2000)
    client = small.client()
    client.ask("/", CHUNKED, method="POST", body=b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n")
    assert client.answer()[2]["bytes"] == 2000
    client.ask("/", CHUNKED, method="POST", body=b"7d0\r\n" + b"x" * 2000 + b"\r\n")
    client.send(b"1\r\nx\r\n")  # and no end
    assert client.status() == 413
    whole = small.client()
    whole.ask("/", CHUNKED, method="POST", body=b"7d1\r\n" + b"x" * 2001 + b"\r\n0\r\n\r\n")
    assert whole.status() == 413
    assert small.calls() == 2


def test_a_client_that_asks_before_it_sends_is_told_no_at_once(
    door: Callable[..., SmallDoor],
) -> None:
    small = door(anonymous_body_bytes=2000)
    client = small.client()
    client.ask("/", "Content-Length: 2001", "Expect: 100-continue", method="POST")
    assert client.status() == 413
    client = small.client()
    client.ask("/", "Content-Length: 2000", "Expect: 100-continue", method="POST")
    assert client.read_until(b"\r\n\r\n").split()[1] == b"100"
    client.send(b"x" * 2000)
    assert client.status() == 200


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_refused_client_that_sends_first_and_reads_then_gets_the_answer(
    door: Callable[..., SmallDoor], tls: bool
) -> None:
    client = door(linger_seconds=10, tls=tls).client()
    megabytes = 8
    client.ask("/", f"Content-Length: {megabytes * KIB * KIB}", method="POST")
    for _ in range(megabytes):
        client.send(b"x" * KIB * KIB)
    assert client.status() == 413


def test_a_refused_client_that_never_stops_sending_is_cut(door: Callable[..., SmallDoor]) -> None:
    client = door(linger_seconds=0.3).client()
    client.ask("/", "Content-Length: 500000000", method="POST")
    assert client.status() == 413
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        client.send_for(0.3 + SLACK)


def test_a_body_that_drips_is_cut(door: Callable[..., SmallDoor]) -> None:
    client = door(body_seconds=0.3, body_bytes_per_second=10_000).client()
    client.ask("/", "Content-Length: 1000", method="POST")
    assert 0.3 < client.drip_until_cut() < 0.4 + SLACK


def test_a_large_body_has_more_time(door: Callable[..., SmallDoor]) -> None:
    client = door(body_seconds=0.1, body_bytes_per_second=1000).client()
    client.ask("/", "Content-Length: 1500", method="POST")
    assert client.drip_until_cut() > 1.5


# Heads


GET = b"GET / HTTP/1.1\r\n"
POST = b"POST / HTTP/1.1\r\n"
LONG = b"A: " + b"x" * 900 + b"\r\n"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDoor]:
    """A door for small heads."""
    folder = tmp_path_factory.mktemp("door")
    small = SmallDoor(folder, [], head_bytes=8000, head_line_bytes=6000, header_lines=10)
    yield small
    small.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(GET + b"A: " + b"x" * 7000, 431, id="long header"),
        pytest.param(b"GET /" + b"x" * 7000, 431, id="long address"),
        pytest.param(GET + LONG * 8 + b"\r\n", 200, id="large"),
        pytest.param(GET + LONG * 9, 431, id="too large"),
        pytest.param(
            GET + LONG.strip() + (b"\r\n " + LONG.strip()) * 8 + b"\r\n", 431, id="folded"
        ),
        pytest.param(GET + b"A: b\r\n" * 10 + b"\r\n", 200, id="many"),
        pytest.param(GET + b"A: b\r\n" * 11 + b"\r\n", 431, id="too many"),
        pytest.param(POST + b"Content-Length: " + b"9" * 900 + b"\r\n\r\n", 413, id="huge"),
        pytest.param(POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, id="more digits"),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n", 400, id="negative"),
        pytest.param(
            POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="two"
        ),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\nno\r\n", 400, id="no chunk"),
        pytest.param(POST + b"no header\r\n\r\n", 400, id="no header"),
        pytest.param(b"nonsense\r\n\r\n", 400, id="no request"),
    ],
)
def test_a_head_is_bounded_and_what_is_wrong_with_it_is_said(
    narrow: SmallDoor, head: bytes, status: int
) -> None:
    client = narrow.client()
    client.send(head)
    answered, headers, body = client.answer()
    assert answered == status
    if status != 200:
        assert headers["content-type"] == "application/json"
        assert set(body) == {"error", "code"}
        assert client.ends_within(1)


def test_a_head_that_drips_is_cut_in_time(door: Callable[..., SmallDoor]) -> None:
    client = door(head_seconds=0.5).client()
    client.send(b"GET / HTTP/1.1\r\nA: ")
    assert 0.4 < client.drip_until_cut() < 0.5 + SLACK


def test_a_connection_that_says_nothing_is_cut_in_time(door: Callable[..., SmallDoor]) -> None:
    assert door(head_seconds=0.5).client().ends_within(0.5 + SLACK)


def test_a_kept_connection_may_idle_but_its_next_head_may_not_drip(
    door: Callable[..., SmallDoor],
) -> None:
    small = door(head_seconds=0.3, idle_seconds=1.5)
    idle, dripping = small.client(), small.client()
    for client in (idle, dripping):
        client.ask()
        assert client.status() == 200
    began = time.monotonic()
    dripping.send(b"G")
    assert dripping.ends_within(1.2)
    assert idle.is_open()
    assert idle.ends_within(1.5 + SLACK)
    assert time.monotonic() - began > 1.2


@pytest.mark.parametrize("rest", [b"G", b"GET / HTTP/1.1\r\n"])
def test_a_head_that_came_with_the_request_before_it_may_not_drip_either(
    door: Callable[..., SmallDoor], rest: bytes
) -> None:
    client = door(head_seconds=0.3, idle_seconds=30).client()
    client.ask("/", body=rest)
    assert client.status() == 200
    assert client.ends_within(0.3 + SLACK)


def test_requests_that_come_together_are_answered_one_after_the_other(
    door: Callable[..., SmallDoor],
) -> None:
    client = door(head_seconds=1).client()
    one = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    client.send(one * 3 + b"GET / HTTP/1.1\r\n\r\n" * 2)
    assert [client.answer()[2]["bytes"] for _ in range(5)] == [3, 3, 3, 0, 0]


def test_what_is_being_answered_is_not_cut(door: Callable[..., SmallDoor]) -> None:
    small = door(head_seconds=0.2, idle_seconds=0.2, body_seconds=0.2)
    waiting, stream = small.client(), small.stream()
    waiting.ask("/hold")
    small.wait_for_held(1)
    assert small.client().ends_within(0.2 + SLACK)
    assert small.client().ends_within(0.2 + SLACK)
    assert waiting.is_open()
    stream.say(b"abc")
    assert stream.heard() == (1, b"3")


# Connections


def test_of_too_many_unfinished_heads_the_oldest_go(door: Callable[..., SmallDoor]) -> None:
    small = door(unfinished_heads=3, unfinished_seconds=0)
    dripping = [small.client() for _ in range(6)]
    for client in dripping:
        with suppress(OSError):
            client.send(b"GET")
    user = small.client()
    user.ask()
    assert user.status() == 200
    assert all(client.ends_within(SLACK) for client in dripping[:4])
    assert [client.is_open() for client in dripping[4:]] == [True, True]


def test_many_that_come_at_once_have_time_for_their_heads(door: Callable[..., SmallDoor]) -> None:
    small = door(unfinished_heads=3, unfinished_seconds=30)
    clients = [small.client() for _ in range(30)]
    for client in clients:
        client.ask()
    assert [client.status() for client in clients] == [200] * 30


@pytest.mark.parametrize("limit", ["connections", "connections_per_address"])
def test_when_it_is_full_those_go_that_only_hold_connections(
    door: Callable[..., SmallDoor], limit: str
) -> None:
    small = door(**{limit: 3})
    busy, idle, unfinished = (small.client() for _ in range(3))
    busy.ask("/hold")
    small.wait_for_held(1)
    idle.ask()
    assert idle.status() == 200
    unfinished.send(b"GET")

    users = [small.client() for _ in range(2)]
    assert idle.ends_within(SLACK)
    assert unfinished.ends_within(SLACK)
    for user in users:
        user.ask("/hold")
    small.wait_for_held(3)
    assert all(client.is_open() for client in [busy, *users])


@pytest.mark.parametrize("limit", ["connections", "connections_per_address"])
def test_when_all_others_are_at_work_a_new_client_is_told_to_come_again(
    door: Callable[..., SmallDoor], limit: str
) -> None:
    small = door(**{limit: 3})
    busy = [small.stream() for _ in range(2)]
    waiting = small.client()
    waiting.ask("/hold")

    small.wait_for_held(1)

    status, headers, error = small.client().answer()
    assert (status, error["code"]) == (503, "too-many-connections")
    assert int(headers["retry-after"]) > 0
    busy[0].say(b"abc")
    assert busy[0].heard() == (1, b"3")
    busy[0].close()
    until(small.has_room)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_when_too_many_are_being_told_so_the_others_are_cut(
    door: Callable[..., SmallDoor], tls: bool
) -> None:
    small = door(connections=1, refusals=1, linger_seconds=30, tls=tls)
    small.stream()
    told = small.client()
    assert told.status() == 503
    with pytest.raises(OSError, match=r"reset|EOF"):
        small.client().socket.recv(1)
    told.close()


def test_one_address_does_not_take_the_place_of_another(door: Callable[..., SmallDoor]) -> None:
    small = door(connections_per_address=2)
    for _ in range(2):
        small.stream()
    assert small.client().status() == 503
    other = small.client("127.0.0.2")
    other.ask()
    assert other.status() == 200


@pytest.mark.parametrize("proxy", ["127.0.0.1", "127.0.0.0/8"])
def test_a_trusted_proxy_may_bring_as_many_as_there_is_room_for(
    door: Callable[..., SmallDoor], proxy: str
) -> None:
    small = door(proxy, connections_per_address=2)
    for _ in range(5):
        small.stream()
    assert small.calls() == 6


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_connections_that_end_make_room(door: Callable[..., SmallDoor], tls: bool) -> None:
    small = door(connections=3, tls=tls)
    for count in range(1, 6):
        stream, waiting = small.stream(), small.client()
        waiting.ask("/hold")
        small.wait_for_held(count)
        stream.close()
        waiting.close()
        until(small.has_room)


# Live streams


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(b"\x81\xff" + struct.pack("!Q", 500_000_000) + b"mask", id="one frame"),
        pytest.param(
            (b"\x01\xfe" + struct.pack("!H", 600) + b"\0" * 604)
            + (b"\x00\xfe" + struct.pack("!H", 401) + b"\0" * 4),
            id="fragments",
        ),
    ],
)
def test_a_message_is_refused_when_it_announces_that_it_is_too_long(
    door: Callable[..., SmallDoor], frames: bytes
) -> None:
    stream = door(message_bytes=1000).stream()
    stream.send(frames)
    kind, payload = stream.heard()
    assert (kind, payload[:2]) == (8, struct.pack("!H", 1009))
    assert stream.drip_until_cut() < 1 + SLACK


def test_messages_up_to_the_bound_are_taken(door: Callable[..., SmallDoor]) -> None:
    stream = door(message_bytes=1000).stream()
    for _ in range(3):
        stream.say(b"x" * 1000)
        assert stream.heard() == (1, b"1000")


def test_what_the_server_says_is_not_bounded(door: Callable[..., SmallDoor]) -> None:
    stream = door(message_bytes=1000).stream("/large")
    stream.say(b"more")
    kind, payload = stream.heard()
    assert (kind, len(payload)) == (1, 2 * KIB * KIB)


def test_a_client_that_says_more_than_is_listened_to_has_to_wait(
    door: Callable[..., SmallDoor],
) -> None:
    small = door(waiting_messages=10)
    stream = small.stream("/deaf")
    stream.socket.settimeout(1)

    def say_200_megabytes() -> None:
        for _ in range(200 * KIB // 60):
            stream.say(b"x" * 60 * KIB)

    with pytest.raises(TimeoutError):
        say_200_megabytes()
    assert small.has_room()


def test_a_client_that_waited_is_heard_in_the_end(door: Callable[..., SmallDoor]) -> None:
    stream = door(waiting_messages=2).stream()
    for _ in range(100):
        stream.say(b"abc")
    assert [stream.heard() for _ in range(100)] == [(1, b"3")] * 100


# The end


def test_a_request_that_has_not_come_whole_does_not_keep_the_others_from_ending(
    door: Callable[..., SmallDoor],
) -> None:
    small = door()
    unfinished, waiting = small.client(), small.client()
    unfinished.send(b"GET / HTTP/1.1\r\nA")
    waiting.ask("/hold")
    small.wait_for_held(1)

    small.process.send_signal(signal.SIGTERM)
    assert small.process.wait(10) == 0
    assert small.output.read_text() == "held\ncancelled\n"


def test_who_has_asked_before_the_end_is_answered_and_nobody_else_is_let_in(
    door: Callable[..., SmallDoor],
) -> None:
    small = door()
    asking = small.client()
    body = b"x" * 1000
    asking.ask("/", f"Content-Length: {len(body)}", "Authorization: Bearer x", method="POST")
    until(lambda: small.has_room())

    small.process.send_signal(signal.SIGTERM)
    until(small.is_closed)
    with pytest.raises(subprocess.TimeoutExpired):
        small.process.wait(0.5)
    asking.send(body)

    assert asking.status() == 200
    assert small.process.wait(10) == 0


def test_a_live_stream_does_not_keep_the_door_from_ending(door: Callable[..., SmallDoor]) -> None:
    small = door()
    small.stream()
    since = time.monotonic()

    small.process.send_signal(signal.SIGTERM)

    assert small.process.wait(10) == 0
    # So long it waits for those who have asked.
    assert time.monotonic() - since < 2
