"""The threads of requests: one each, used again, with the connection to the database."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.utils.deprecation import MiddlewareMixin

from sessions_app.request_threads import OneThreadHandler, RequestThreads
from tests.access.asking import http_scope
from tests.waiting_for import auntil

Seen = list[Any]


async def nothing(*_: Any) -> None:
    """Neither receive nor send anything."""


async def ask(threads: RequestThreads, call: Callable[[], object]) -> None:
    """Answer a request by this call in its thread."""

    async def application(*_: Any) -> None:
        await sync_to_async(call)()

    await threads.around(application)({}, nothing, nothing)  # type: ignore[arg-type]  # none is used


def idle(threads: RequestThreads, count: int) -> Callable[[], bool]:
    return lambda: len(threads._idle) == count


def close_connections(threads: RequestThreads) -> None:
    """Close those of the threads that wait, as the end of the process would."""
    for thread in threads._idle:
        thread.submit(connections.close_all).result()


async def test_requests_one_after_another_share_a_thread_and_its_connection(
    transactional_db: None,
) -> None:
    threads, seen = RequestThreads(), []

    def look() -> None:
        connection.ensure_connection()
        seen.append((threading.get_ident(), id(connection.connection)))

    for _ in range(3):
        await ask(threads, look)
        await auntil(idle(threads, 1))
    assert len(set(seen)) == 1
    close_connections(threads)


async def test_requests_at_the_same_time_do_not_wait_for_each_other() -> None:
    threads, together = RequestThreads(), threading.Barrier(20, timeout=10)
    await asyncio.gather(*(ask(threads, together.wait) for _ in range(20)))


async def test_threads_that_nobody_needs_end_with_their_connections(
    transactional_db: None,
) -> None:
    threads, together = RequestThreads(idle=2), threading.Barrier(6, timeout=10)
    used: Seen = []

    def look() -> None:
        connection.ensure_connection()
        used.append(threading.current_thread())
        together.wait()

    def alive() -> int:
        return sum(thread.is_alive() for thread in used)

    close = connections.close_all
    with patch("sessions_app.request_threads.connections.close_all", wraps=close) as closed:
        await asyncio.gather(*(ask(threads, look) for _ in range(6)))
        await auntil(lambda: alive() == 2)
    assert (len(threads._idle), closed.call_count) == (2, 4)
    close_connections(threads)


async def test_a_thread_is_not_lent_while_it_still_works_for_who_went_away() -> None:
    threads, goes_on, busy = RequestThreads(), threading.Event(), threading.Event()

    def work() -> None:
        busy.set()
        goes_on.wait(10)

    leaving = asyncio.create_task(ask(threads, work))
    await auntil(busy.is_set)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    begun = time.monotonic()
    await asyncio.wait_for(ask(threads, lambda: None), 5)
    assert not goes_on.is_set()
    goes_on.set()
    await auntil(idle(threads, 2))
    assert time.monotonic() - begun < 5


class NoticingMiddleware(MiddlewareMixin):
    """Notes its threads."""

    seen: Seen = []  # noqa: RUF012  # shared on purpose

    def process_request(self, request: HttpRequest) -> None:
        self.seen.append(threading.get_ident())

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        self.seen.append(threading.get_ident())
        return response


def view(request: HttpRequest) -> HttpResponse:
    NoticingMiddleware.seen.append(threading.get_ident())
    return HttpResponse("seen")


async def slow_view(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return HttpResponse("waited")


urlpatterns = [path("view", view), path("waiting", slow_view)]


async def answered(handler: OneThreadHandler, address: str) -> tuple[bytes, int]:
    """Return the body, and how often the event loop handed something to a thread."""
    sent: Seen = []
    received = [{"type": "http.request", "body": b""}]
    loop = asyncio.get_running_loop()

    async def receive() -> Any:
        return received.pop() if received else await loop.create_future()

    async def send(message: Any) -> None:
        sent.append(message)

    with patch.object(loop, "run_in_executor", wraps=loop.run_in_executor) as handed:
        await handler(http_scope("GET", address, [(b"host", b"127.0.0.1")]), receive, send)
    return sent[1]["body"], handed.call_count


@pytest.fixture
def handler() -> Any:
    middleware = [f"{__name__}.NoticingMiddleware"] * 5
    NoticingMiddleware.seen.clear()
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=middleware):
        yield OneThreadHandler()


async def test_middleware_and_view_run_in_one_go(handler: OneThreadHandler) -> None:
    body, handed = await answered(handler, "/view")
    assert body == b"seen"
    assert len(NoticingMiddleware.seen) == 5 + 1 + 5
    assert set(NoticingMiddleware.seen) != {threading.get_ident()}
    assert handed <= 3  # what begins a request, the request, what ends it


async def test_a_view_that_waits_does_so_in_the_event_loop(handler: OneThreadHandler) -> None:
    body, _ = await answered(handler, "/waiting")
    assert body == b"waited"
