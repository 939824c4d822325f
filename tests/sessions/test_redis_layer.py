"""The layer over Redis: who hears whom, and what is left when Redis stands still or starts anew."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis.exceptions
from channels_redis.pubsub import RedisPubSubChannelLayer

from harness_site import engines
from tests.engines import Redis
from tests.waiting_for import auntil

GROUP = "sessions"
# Longer than Redis is waited for.
SECONDS = 5.0

Join = Callable[..., Awaitable["Member"]]


class Member:
    """One process's end of the group."""

    def __init__(self, layer: Any) -> None:
        self.heard: list[int] = []
        self._layer = layer
        self._listening: asyncio.Task[None] | None = None

    async def join(self) -> None:
        """Listen to the group."""
        channel = await self._layer.new_channel()
        await self._layer.group_add(GROUP, channel)
        self._listening = asyncio.create_task(self._listen(channel))

    async def _listen(self, channel: str) -> None:
        while True:
            message = await self._layer.receive(channel)
            self.heard.append(message["number"])

    async def tell(self, number: int) -> None:
        """Send to the group."""
        await self._layer.group_send(GROUP, {"type": "news", "number": number})

    async def hears(self, teller: Member, number: int) -> None:
        """Wait until something is heard, which is told again and again: a message may be lost."""

        async def is_heard() -> bool:
            try:
                await teller.tell(number)
            except redis.exceptions.RedisError:
                return False
            return number in self.heard

        await auntil(is_heard, timeout=2 * SECONDS)

    async def leave(self) -> None:
        """Let go of Redis."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._layer.flush()


@pytest.fixture
async def join(redis_server: Redis) -> AsyncIterator[Join]:
    """join(key) makes a member of the group of those who have this key."""
    members: list[Member] = []

    async def join(key: str = "k" * 32) -> Member:
        configuration = engines.redis(redis_server.url, key)["CONFIG"]
        members.append(Member(RedisPubSubChannelLayer(**configuration)))
        await members[-1].join()
        return members[-1]

    yield join
    for member in members:
        await member.leave()


async def test_those_who_share_a_key_hear_each_other_and_nobody_else_does(join: Join) -> None:
    one, other, stranger = await join(), await join(), await join("another key")
    await other.hears(one, 1)
    await stranger.hears(stranger, 2)
    assert set(one.heard) == {1}
    assert set(stranger.heard) == {2}


async def test_a_redis_that_stands_still_is_waited_for_for_two_seconds(
    join: Join, redis_server: Redis
) -> None:
    one, other = await join(), await join()
    await other.hears(one, 1)
    with redis_server.paused():
        begun = time.monotonic()
        with pytest.raises(redis.exceptions.TimeoutError):
            await one.tell(2)
        assert 1 < time.monotonic() - begun < SECONDS
    await other.hears(one, 3)


async def test_who_only_listens_is_not_given_up_while_nothing_is_said(
    join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = await join(), await join()
    await other.hears(one, 1)
    await asyncio.sleep(2.5)  # longer than an answer is waited for
    await one.tell(2)
    await auntil(lambda: 2 in other.heard)
    assert caplog.records == []


async def test_a_redis_that_is_started_anew_is_heard_again(
    join: Join, redis_server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "channels_redis.pubsub")  # it tells what it could not read
    one, other = await join(), await join()
    await other.hears(one, 1)
    await asyncio.to_thread(redis_server.restart)
    await other.hears(one, 2)
    await one.hears(other, 3)
