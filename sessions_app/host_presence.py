"""What keeps the row of this machine's host true while its manager runs.

A host that is not heard of is taken for silent, so what goes wrong here is logged and tried again
with the next beat.
"""

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from uuid import uuid4

from django.conf import settings

from sessions_app import hosts, metrics, session_rows
from sessions_app.database_threads import DatabaseThreads
from sessions_app.exceptions import HostNameTaken, NeedsRedis
from sessions_app.hosts import Beat, Presence

logger = logging.getLogger(__name__)


class HostPresence:
    """One process's; `incarnation` tells it from earlier ones of the same name."""

    def __init__(self, name: str, slots: int, labels: Sequence[str], log: DatabaseThreads) -> None:
        self.incarnation = uuid4().hex
        self._name = name
        self._slots = slots
        self._labels = labels
        self._log = log

    async def enter(self, folder: str) -> None:
        """Say that the manager is there, with the state folder of this id.

        Raises HostNameTaken when another machine has the name, and NeedsRedis when there are others
        at all and nothing carries messages to them.
        """
        presence = Presence(
            name=self._name,
            folder=folder,
            incarnation=self.incarnation,
            slots=self._slots,
            version=settings.VERSION,
            labels=self._labels,
        )
        await self._log.run(_enter, presence)

    async def beat(self, problem: str) -> None:
        """Say that it is still there, what it counts, and what is wrong ("" if nothing is)."""
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        news = Beat(load=load, problem=problem, stats=metrics.stats())
        try:
            await self._log.run_in_background(hosts.beat, self._name, self.incarnation, news)
        except HostNameTaken as error:
            logger.error("%s", error)
        except session_rows.DatabaseTrouble as error:
            logger.warning("the host could not be kept fresh: %s", error)

    async def leave(self) -> None:
        """Say that the manager leaves, if the database takes it; it will be missed soon enough."""
        with suppress(*session_rows.DatabaseTrouble):
            await self._log.run_in_background(hosts.leave, self._name, self.incarnation)


def _enter(presence: Presence) -> None:
    others = [] if settings.REDIS_URL else hosts.others(presence)
    if others:
        raise NeedsRedis(
            f"The host {others[0]} works on the same database, and without REDIS_URL neither "
            "can hear of the other's sessions. Set it to the same Redis on all machines."
        )
    hosts.enter(presence)
