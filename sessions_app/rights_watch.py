"""Asks again and again whether those who watch still may.

A thousand streams of one login are one question, and so are the sessions that they show.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Protocol

from django.db import Error

from sessions_app.callers import Caller, Credential
from sessions_app.database_threads import DatabaseThreads
from sessions_app.events import CloseCode
from sessions_app.models import Session

logger = logging.getLogger(__name__)

# Before every input it is asked anyway.
EXAMINE_SECONDS = 10


class Stream(Protocol):
    """A live stream that is open."""

    @property
    def caller(self) -> Caller:
        """Who watches, as it was let in."""

    @property
    def credential(self) -> Credential:
        """By what it was let in."""

    async def close(self, code: int) -> None:
        """Close it with this code."""

    def watched(self) -> Collection[str]:
        """Return the ids of the sessions that it shows."""

    def look_at(self, session_id: str) -> None:
        """Find out what may be shown of this session by now."""


async def watch(streams: Iterable[Stream], log: DatabaseThreads) -> None:
    """Ask for ever; `streams` changes as clients come and go."""
    while True:
        await asyncio.sleep(EXAMINE_SECONDS)
        by_credential: dict[Credential, list[Stream]] = defaultdict(list)
        for stream in list(streams):
            by_credential[stream.credential].append(stream)
        for credential, several in by_credential.items():
            try:
                await _examine(credential, several, log)
            except Error as error:
                logger.warning("rights cannot be asked again: %s", error)


async def _examine(credential: Credential, streams: list[Stream], log: DatabaseThreads) -> None:
    by_now = await log.run(credential.examine)
    stay: list[Stream] = []
    go: list[Stream] = []
    for stream in streams:
        (stay if by_now and by_now.still_is(stream.caller) else go).append(stream)
    await asyncio.gather(
        *(stream.close(CloseCode.LOGIN_ENDED) for stream in go),
        return_exceptions=True,  # a client that is gone already is no trouble for the others
    )
    watched = {session_id for stream in stay for session_id in stream.watched()}
    if by_now is None or not watched:
        return
    hidden = watched - await log.run(_visible_of, by_now, watched)
    for stream in stay if hidden else ():
        for session_id in hidden.intersection(stream.watched()):
            stream.look_at(session_id)


def _visible_of(caller: Caller, watched: set[str]) -> set[str]:
    rows = Session.objects.visible_to(caller).filter(pk__in=watched)
    return {str(key) for key in rows.values_list("pk", flat=True)}
