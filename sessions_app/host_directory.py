"""What this process knows of all hosts: read once a second at most, and when one falls silent."""

import asyncio
import logging
from dataclasses import replace

from sessions_app import hosts, session_rows
from sessions_app.database_threads import DatabaseThreads
from sessions_app.host_state import SILENT_SECONDS, HostState

logger = logging.getLogger(__name__)

FRESH_SECONDS = 1.0


class HostDirectory:
    """Belongs to one event loop; `log` are threads that read the database.

    While the database does not answer, what was known last counts: hosts are not silent because
    nobody can look.
    """

    def __init__(self, log: DatabaseThreads) -> None:
        self._log = log
        self._hosts: dict[str, HostState] = {}
        self._fresh_until = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def hosts(self) -> list[HostState]:
        """Return all hosts by name."""
        if asyncio.get_running_loop().time() >= self._fresh_until:
            await self._read_once()
        return list(self._hosts.values())

    async def find(self, name: str) -> HostState | None:
        """Return one host, None if there is none of that name."""
        return next((host for host in await self.hosts() if host.name == name), None)

    async def refresh(self) -> None:
        """Read everything that was written before this was called."""
        if self._reading is not None and not self._reading.done():
            # Begun earlier: it may not see the last of what was written.
            await asyncio.wait([self._reading])
        await self._read_once()

    async def _read_once(self) -> None:
        """Read; who asks while it is being read waits for the same answer."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="read-hosts")
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        begun, seconds = asyncio.get_running_loop().time(), FRESH_SECONDS
        try:
            found = await self._log.run(hosts.all_hosts)
        except session_rows.DatabaseTrouble as error:
            if not self._hosts:
                raise
            logger.warning("the hosts cannot be read: %s", error)
        else:
            self._hosts = {host.name: host for host in found}
            heard = (host.silent_seconds for host in found if not host.is_silent)
            seconds = min(seconds, SILENT_SECONDS - max(heard, default=0.0))
        self._fresh_until = begun + seconds

    def taken(self, name: str) -> None:
        """Count a slot as taken until the hosts are read again."""
        if host := self._hosts.get(name):
            self._hosts[name] = replace(host, used=host.used + 1)
