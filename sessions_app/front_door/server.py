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
from sessions_app.front_door.websocket_protocol import WebSocketFactory

reactor: Any = twisted_reactor

# How many that want to connect the kernel keeps in the meantime; it cuts this to its own bound.
BACKLOG = 128
# A live stream is let in by a thread of which there are few: a thousand that come at once wait.
LET_IN_SECONDS = 15


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

    def run(self) -> None:
        """Serve; raises CannotListenError."""
        loop: asyncio.AbstractEventLoop = reactor._asyncioEventloop
        asyncio.set_event_loop(loop)
        self.connections: dict[Any, dict[str, Any]] = {}
        self.ws_factory = WebSocketFactory(self, self._limits, loop.call_later)
        self.http_factory = Factory(
            self, self._limits, Connections(self._limits, self._proxies), loop.call_later
        )
        # Twisted's log names addresses and quotes what was received.
        nobody: Any = [lambda event: None]
        globalLogBeginner.beginLoggingTo(nobody, redirectStandardIO=False, discardBuffer=True)
        for host in self._hosts:
            self._listen(host)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        reactor.run()

    def _listen(self, host: str) -> None:
        if self._tls is None:
            reactor.listenTCP(self._port, self.http_factory, BACKLOG, host)
        else:
            reactor.listenSSL(self._port, self.http_factory, self._tls, BACKLOG, host)

    def kill_all_applications(self) -> Any:
        """End what is being answered; Daphne's own stumbles over requests that are not whole."""
        running = [
            details["application_instance"]
            for details in self.connections.values()
            if "application_instance" in details
        ]
        for application in running:
            application.cancel()
        return Deferred.fromFuture(asyncio.gather(*running, return_exceptions=True))


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
