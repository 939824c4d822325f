"""Starts the manager and the fan-out with the server, before any request, and stops them with it.

uvicorn speaks the ASGI lifespan protocol. Daphne does not; it runs Twisted's reactor, which calls
when it begins to run and before it shuts down.
"""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from enum import StrEnum
from typing import Any, NoReturn, Protocol

from django.conf import settings

from sessions_app import audit, database_errors, rights_watch
from sessions_app.event_bridge import EventBridge
from sessions_app.events import CloseCode
from sessions_app.exceptions import CannotStart, EngineUnavailable, ManagerUnavailable, NeedsRedis
from sessions_app.fanout import FanOut, set_fan_out
from sessions_app.holders import Holders
from sessions_app.host_network import HostNetwork
from sessions_app.metrics import loop_delay
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.session_verbs import SessionVerbs, set_manager
from sessions_app.transport import Application, Receive, Scope, Send

logger = logging.getLogger(__name__)

READY_SECONDS = 10.0
# How long a thread may keep the interpreter from others. With Python's own 5 ms a key waits 20 ms
# for its way through the database's threads while another program prints.
SWITCH_SECONDS = 0.001
# With the next and what the front door waits for, a server under load has gone within 5 s.
STOP_SECONDS = 3.0
# For what a stop that took longer than that still has to record, and to let go of.
LET_GO_SECONDS = 1.0
FLUSH_SECONDS = 1.0


class Role(StrEnum):
    """What a process is for."""

    ALL = "all"
    WEB = "web"  # pages, API and live streams; sessions run elsewhere
    MANAGER = "manager"  # sessions; nobody reaches it but through the channel layer


class LiveStream(rights_watch.Stream, Protocol):
    """A live stream that is open."""

    def unsent(self) -> int:
        """Return how many bytes of it wait in the server's own buffers."""


consumers: set[LiveStream] = set()


class Server:
    """What runs beside the requests, once per process; `role` says what this process is for.

    Without a Redis it does everything itself, and is the only one.
    """

    def __init__(self, holders: Holders | None = None, role: Role = Role.ALL) -> None:
        if role is not Role.ALL and not settings.REDIS_URL:
            raise NeedsRedis(
                f"A server that is for the {role} only needs REDIS_URL: it is what carries "
                "commands and output between the web and the managers."
            )
        self.manager = PersistentSessionManager(holders) if role is not Role.WEB else None
        self.network = HostNetwork(self.manager) if settings.REDIS_URL else None
        self.bridge = EventBridge()
        self.fan_out = FanOut() if role is not Role.MANAGER else None
        self.journal = audit.Journal()
        self.started = asyncio.Event()
        self._watching_rights: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start listening before there is anything to hear.

        Raises StateFolderInUse, HostNameTaken and EngineUnavailable.
        """
        with _sentences_of_engines():
            await self._start()

    async def _start(self) -> None:
        if self.fan_out is not None:
            await self.fan_out.start()
        self.bridge.start()
        self._begin_recording()
        try:
            verbs = await self._start_manager()
        except BaseException:
            await self._end_recording()
            await self._stop_listening()
            raise
        audit.note(audit.Action.SERVER_STARTED, audit.SERVER, version=settings.VERSION)
        if self.fan_out is not None:
            self._watching_rights = asyncio.create_task(
                rights_watch.watch(consumers, self.fan_out.log), name="rights", context=Context()
            )
        loop_delay.start()
        set_fan_out(self.fan_out)
        set_manager(verbs)
        self.started.set()

    async def _start_manager(self) -> SessionVerbs:
        """Start the manager, if this process has one; return what answers for all sessions."""
        if self.manager is not None:
            await self.manager.start()
        if self.network is not None:
            return await self.network.start()
        assert self.manager is not None  # noqa: S101  # else there is a network
        return self.manager

    async def stop(self) -> None:
        """Close the live streams, write what is left to write, and leave the programs running."""
        try:
            await self._stop()
        finally:
            audit.note(audit.Action.SERVER_STOPPED, audit.SERVER)
            await self._end_recording()

    async def _stop(self) -> None:
        loop_delay.stop()
        set_manager(None)
        set_fan_out(None)
        if self._watching_rights is not None:
            self._watching_rights.cancel()
            await asyncio.gather(self._watching_rights, return_exceptions=True)
        closed = list(consumers)
        closing = (consumer.close(CloseCode.SERVER_STOPPING) for consumer in closed)
        await asyncio.gather(*closing, return_exceptions=True)
        if self.network is not None:
            await self.network.stop()
        if self.manager is not None:
            await self.manager.stop()
        await self.bridge.stop()
        await _until_sent(closed)
        if self.fan_out is not None:
            await self.fan_out.stop()

    async def _stop_listening(self) -> None:
        await self.bridge.stop()
        if self.fan_out is not None:
            await self.fan_out.stop()

    def _begin_recording(self) -> None:
        self.journal.start()
        audit.set_journal(self.journal)

    async def _end_recording(self) -> None:
        audit.set_journal(None)
        await self.journal.stop()


@contextmanager
def _sentences_of_engines() -> Iterator[None]:
    """Say which engine does not answer: most often it is not up yet, or was written wrongly."""
    try:
        yield
    except database_errors.Unusable as error:
        raise EngineUnavailable(database_errors.refusal(error)) from error
    except Exception as error:
        if not _is_of_redis(error):
            raise
        raise EngineUnavailable(
            f"Redis cannot be used: {f'{error}'.rstrip('.')}. Does it run, and is REDIS_URL right?"
        ) from error


def _is_of_redis(error: Exception) -> bool:
    """Tell errors of a package that is imported only where a Redis is set."""
    return type(error).__module__.split(".")[0] == "redis"


async def start_process(role: Role | None = None) -> None:
    """Start in a process that does nothing else: this changes how all of it runs."""
    sys.setswitchinterval(SWITCH_SECONDS)
    await start(role=role)
    # Garbage is looked for no longer in what was loaded: looking through it all takes 80 ms.
    gc.collect()
    gc.freeze()


async def _until_sent(closed: list[LiveStream]) -> None:
    """Wait until the clients have why they were closed: the process ends without looking back."""
    deadline = asyncio.get_running_loop().time() + FLUSH_SECONDS
    while any(each.unsent() for each in closed) and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)


_server: Server | None = None
_first: list[Callable[[], Awaitable[None]]] = []


def stop_first(stop_it: Callable[[], Awaitable[None]]) -> None:
    """Let this be stopped before everything else, under Daphne; uvicorn does so by itself."""
    _first.append(stop_it)


async def _stop_in_order() -> None:
    for stop_it in _first:
        await stop_it()
    await stop()


async def start(holders: Holders | None = None, role: Role | None = None) -> None:
    """Start the process's server, by default in the role that is set; a second call does nothing.

    Raises what Server and its `start` raise, all of them CannotStart.
    """
    global _server  # one per process
    if _server is None:
        _server = Server(holders, role or Role(settings.HARNESS_ROLE))
        await _server.start()


def manager() -> PersistentSessionManager:
    """Return this process's own manager; raises ManagerUnavailable where it has none."""
    if _server is None or _server.manager is None:
        raise ManagerUnavailable("This process runs no sessions.")
    return _server.manager


async def stop() -> bool:
    """Stop it, in bounded time; False if that was cut short, and something may still go on."""
    global _server  # one per process
    server, _server = _server, None
    if server is None:
        return True
    # asyncio.wait_for would wait for its end, however long that takes.
    stopping = asyncio.create_task(server.stop(), name="stop")
    done, _ = await asyncio.wait([stopping], timeout=STOP_SECONDS)
    if done:
        stopping.result()
        return True
    logger.warning("stopping took too long; what is missing is archived at the next start")
    stopping.cancel()
    await asyncio.wait([stopping], timeout=LET_GO_SECONDS)
    return False


async def ready() -> None:
    """Wait until the server has started; raises ManagerUnavailable if it does not."""
    if _server is None:
        raise ManagerUnavailable("The server is not ready yet; try again in a moment.")
    try:
        await asyncio.wait_for(_server.started.wait(), READY_SECONDS)
    except TimeoutError as error:
        raise ManagerUnavailable("The server is not ready yet; try again in a moment.") from error


def with_lifespan(application: Application) -> Application:
    """Answer the lifespan protocol, as uvicorn speaks it."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await application(scope, receive, send)

    return wrapped


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    try:
        await start_process()
    except CannotStart as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    is_over = await stop()
    await send({"type": "lifespan.shutdown.complete"})
    if not is_over:
        leave()  # uvicorn would wait for it


def start_with_reactor() -> None:
    """Hook into Twisted's reactor, if this process has one (Daphne); else do nothing.

    A reactor that never runs (uvicorn with Daphne installed) never calls.
    """
    reactor: Any = sys.modules.get("twisted.internet.reactor")
    loop: asyncio.AbstractEventLoop | None = getattr(reactor, "_asyncioEventloop", None)
    if loop is None:
        return
    from twisted.internet.defer import Deferred

    tasks = []

    def begin() -> None:
        tasks.append(loop.create_task(_start_or_exit(), name="start-server"))

    def end() -> Any:
        return Deferred.fromFuture(loop.create_task(_stop_in_order(), name="stop-server"))

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", end)
    reactor.addSystemEventTrigger("after", "shutdown", leave)


async def _start_or_exit() -> None:
    """Start, or end the process with a sentence: a server without a manager serves nobody."""
    try:
        await start_process()
    except CannotStart as error:
        sys.stderr.write(f"{error}\n")
        _exit(1)
    except Exception:
        logger.exception("the session manager could not be started")
        _exit(1)


def leave() -> NoReturn:
    """Say that the server has stopped, and end the process."""
    logger.info("stopped; programs go on running")
    _exit(0)


def _exit(status: int) -> NoReturn:
    """End the process without waiting for tasks and threads.

    Some ask a loop that has stopped, some a database that does not answer: they never return.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
