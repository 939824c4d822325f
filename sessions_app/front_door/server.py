"""Daphne's server with bounded protocols."""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

# Installs Twisted's reactor over asyncio's loop, so it goes before everything else of Twisted.
from daphne import server as daphne_server
from OpenSSL import SSL
from twisted.internet import reactor as twisted_reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import globalLogBeginner

from sessions_app.front_door.connections import Connections
from sessions_app.front_door.http_protocol import Factory
from sessions_app.front_door.limits import Limits
from sessions_app.front_door.websocket_protocol import WebSocketFactory, WebSocketProtocol

reactor: Any = twisted_reactor

# How many that want to connect the kernel keeps in the meantime; it cuts this to its own bound.
BACKLOG = 128
# A live stream is let in by a thread of which there are few: a thousand that come at once wait.
LET_IN_SECONDS = 15
# How long those who have asked are waited for when the server is to stop, and for how long nobody
# has to ask before it is believed that nobody will: who has just connected has not asked yet.
FINISH_SECONDS = 2.0
SILENCE_SECONDS = 0.1


class FrontDoor(daphne_server.Server):
    """Serves one ASGI application on these TCP addresses until the process is asked to stop."""

    def __init__(
        self,
        application: Any,
        hosts: Sequence[str],
        port: int,
        limits: Limits,
        proxies: Iterable[object] = (),
        tls: "Certificate | None" = None,
    ) -> None:
        """`proxies` are the addresses and networks of trusted proxies: any number may come.

        Without `tls`, what is sent can be read on the way.
        """
        super().__init__(
            application,
            endpoints=[f"{host}:{port}" for host in hosts],
            # By the wall clock, and no live stream ends for its age.
            websocket_timeout=-1,
            websocket_connect_timeout=LET_IN_SECONDS,
            websocket_handshake_timeout=LET_IN_SECONDS,
            server_name=None,
            # Nothing that a client sends gets into a log.
            verbosity=0,
        )
        self._hosts = [host.strip("[]") for host in hosts]
        self._port = port
        self._limits = limits
        self._proxies = proxies
        self._tls = tls
        self._ports: list[Any] = []
        self._finishing: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Serve; raises CannotListenError."""
        loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
        asyncio.set_event_loop(loop)
        self.connections: dict[Any, dict[str, Any]] = {}
        self.clients = Connections(self._limits, self._proxies)
        self.ws_factory = WebSocketFactory(self, self._limits, loop.call_later)
        self.http_factory = Factory(self, self._limits, self.clients, loop.call_later)
        # Twisted's log names addresses and quotes what was received.
        nobody: Any = [lambda event: None]
        globalLogBeginner.beginLoggingTo(nobody, redirectStandardIO=False, discardBuffer=True)
        self._ports = [self._listen(host) for host in self._hosts]
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        reactor.run()

    def _listen(self, host: str) -> Any:
        if self._tls is None:
            return reactor.listenTCP(self._port, self.http_factory, BACKLOG, host)
        return reactor.listenSSL(self._port, self.http_factory, self._tls, BACKLOG, host)

    async def finish(self) -> None:
        """Take no more connections, and answer those who have asked; for a moment at most.

        A proxy asks somebody else from then on, so nobody notices that this process stops.
        """
        if self._finishing is None:
            self._finishing = asyncio.ensure_future(self._finish())
        await self._finishing

    async def _finish(self) -> None:
        for port in self._ports:
            port.stopListening()
        now = asyncio.get_running_loop().time
        deadline, silent_since = now() + FINISH_SECONDS, now()
        while now() < min(deadline, silent_since + SILENCE_SECONDS):
            await asyncio.sleep(SILENCE_SECONDS / 5)
            if self.clients.asking():
                silent_since = now()

    def kill_all_applications(self) -> Any:
        """Finish, and end what is still being answered.

        Daphne's own stumbles over requests that are not whole, and cuts off live streams before
        they can say why they close.
        """
        return Deferred.fromFuture(asyncio.ensure_future(self._kill()))

    async def _kill(self) -> None:
        await self.finish()
        running = [
            details["application_instance"]
            for protocol, details in self.connections.items()
            if "application_instance" in details and not isinstance(protocol, WebSocketProtocol)
        ]
        for application in running:
            application.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class Certificate:
    """Gives Twisted what it needs to speak TLS 1.2 and later (IOpenSSLContextFactory)."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """`certificate` is a PEM file that holds its chain too."""
        self._context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)
        self._context.use_certificate_chain_file(str(certificate))
        self._context.use_privatekey_file(str(key))

    def getContext(self) -> SSL.Context:  # noqa: N802  # Twisted's name for it
        """Return the one context of all connections."""
        return self._context


__all__ = ["CannotListenError", "Certificate", "FrontDoor"]
