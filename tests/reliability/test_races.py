"""Requests that race each other over real HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from tests.real_server import Answer, RealServer

CAT = {"command": "cat", "workingDir": "/tmp"}


def at_once(count: int, request: Callable[[], Answer]) -> list[Answer]:
    """What so many equal requests are answered, all of them sent at one moment."""
    barrier = Barrier(count)

    def one(_: int) -> Answer:
        barrier.wait()
        return request()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_of_fifty_starts_that_race_for_the_last_slot_one_wins(daphne: RealServer) -> None:
    for _ in range(3):
        daphne.launch("cat")
    answers = at_once(50, lambda: daphne.answer("POST", "/api/sessions", CAT))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 49}
    assert {answer.json()["code"] for answer in answers if answer.status == 409} == {"no-free-slot"}
    listed = daphne.request("GET", "/api/sessions")
    assert sorted(session["slot"] for session in listed) == [1, 2, 3, 4]
    assert {session["status"] for session in listed} == {"running"}


def test_a_start_that_is_repeated_at_once_starts_one_session(daphne: RealServer) -> None:
    key = {"Idempotency-Key": "the same"}
    answers = at_once(20, lambda: daphne.answer("POST", "/api/sessions", CAT, key))
    assert {answer.status for answer in answers} <= {200, 201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    (session,) = daphne.request("GET", "/api/sessions")
    assert session["status"] == "running"
    assert {answer.json()["pid"] for answer in answers} == {session["pid"]}
