"""How late the event loop is, as a histogram and as the last minute's percentile."""

import asyncio
import math
import time

from sessions_app.metrics.loop_delay import BUCKETS, EVERY_SECONDS, RECENT, LoopDelay
from tests.waiting_for import auntil


def number(delay: LoopDelay) -> int:
    return list(delay.buckets())[-1][1]


def no_longer_than(delay: LoopDelay, seconds: float) -> int:
    return dict(delay.buckets())[seconds]


async def test_a_loop_that_has_nothing_to_do_is_in_time() -> None:
    delay = LoopDelay()
    delay.start()
    # A machine with other work to do may hold it up at first.
    await auntil(lambda: number(delay) >= 2 and delay.percentile(0.5) < 0.1, timeout=60)
    delay.stop()
    assert delay.percentile(0.5) >= 0


async def test_a_loop_that_stands_still_is_late() -> None:
    delay = LoopDelay()
    delay.start()
    time.sleep(EVERY_SECONDS + 0.4)  # noqa: ASYNC251  # that is what is noticed
    await auntil(lambda: delay.percentile(1.0) >= 0.4)
    delay.stop()
    assert delay.total >= 0.4


async def test_nothing_is_noted_once_it_was_stopped() -> None:
    delay = LoopDelay()
    delay.start()
    delay.stop()
    other = LoopDelay()
    other.start()
    await auntil(lambda: number(other) >= 1)
    other.stop()
    assert number(delay) == 0


async def test_starting_twice_notes_no_more_than_starting_once() -> None:
    twice, once = LoopDelay(), LoopDelay()
    twice.start()
    twice.start()
    once.start()
    await auntil(lambda: number(once) >= 2)
    await asyncio.sleep(0)
    twice.stop()
    once.stop()
    assert number(twice) <= number(once)


def test_who_comes_while_the_loop_stands_still_waits_for_the_rest_of_that_time() -> None:
    delay = LoopDelay()
    delay.note(1.0)
    # At 1.0, 0.75, 0.5 and 0.25 s before its end.
    assert number(delay) == 4
    assert delay.total == 2.5
    assert no_longer_than(delay, 0.25) == 1
    assert no_longer_than(delay, 0.5) == 2


def test_a_machine_that_slept_for_hours_counts_as_a_minute() -> None:
    delay = LoopDelay()
    delay.note(36000.0)
    assert number(delay) == RECENT


def test_the_buckets_add_up_to_all() -> None:
    delay = LoopDelay()
    for late in (0.0, 0.001, 0.0011, 0.2, -0.5):
        delay.note(late)
    bounds = [bound for bound, _ in delay.buckets()]
    numbers = [reached for _, reached in delay.buckets()]
    assert bounds == [*BUCKETS, math.inf]
    assert numbers == sorted(numbers)
    # What is called too early is in time.
    assert no_longer_than(delay, 0.001) == 3
    assert numbers[-1] == 5


def test_the_percentile_is_that_of_the_last_minute() -> None:
    delay = LoopDelay()
    assert delay.percentile(0.99) == 0.0
    for _ in range(RECENT):
        delay.note(0.2)
    for hundredth in range(RECENT):
        delay.note(hundredth / 10000)
    assert delay.percentile(0.0) == 0.0
    assert delay.percentile(1.0) == (RECENT - 1) / 10000
    # 99 of 100 are no later.
    assert delay.percentile(0.99) == math.ceil(0.99 * RECENT - 1) / 10000
