"""What connects this process with the managers of other hosts, where there can be any."""

import asyncio
from typing import Any

from channels.layers import get_channel_layer

from sessions_app.database_threads import DatabaseThreads
from sessions_app.events import Announcement
from sessions_app.host_calls import HostCalls, HostDesk
from sessions_app.host_directory import HostDirectory
from sessions_app.host_router import HostRouter, verbs_of
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.signals import announce
from sessions_app.stored_sessions import StoredSessions


class HostNetwork:
    """Owns what listens to the channel layer for commands. Belongs to one event loop.

    `manager` is this process's own, None in a process that only serves the web.
    """

    def __init__(self, manager: PersistentSessionManager | None) -> None:
        self._manager = manager
        self._log = DatabaseThreads("hosts", 2)
        self._calls: HostCalls | None = None
        self._desk: HostDesk | None = None

    async def start(self) -> HostRouter:
        """Begin to listen; return what answers for all sessions."""
        layer: Any = get_channel_layer()
        directory = HostDirectory(self._log)
        self._calls = HostCalls(layer, directory.find)
        await self._calls.start()
        if self._manager is not None:
            self._desk = HostDesk(
                layer,
                self._manager.host,
                self._manager.presence.incarnation,
                verbs_of(self._manager),
                self._manager.look_into_queue,
            )
            await self._desk.start()
        stored = StoredSessions(self._log, _announce)
        return HostRouter(self._manager, stored, directory, self._calls, layer)

    async def stop(self) -> None:
        """Listen no more."""
        if self._desk is not None:
            await self._desk.stop()
        if self._calls is not None:
            await self._calls.stop()
        await asyncio.to_thread(self._log.close)


def _announce(event: Announcement) -> None:
    announce(HostNetwork, event)
