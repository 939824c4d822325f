"""Machines of a site as the network has them: each in a network namespace, reached by a cable.

What listens on our loopback address is not there for them; a relay at the near end of the cable is.
That end is in a namespace as well: where the network of this machine changes, browsers break off
what they load.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from tests.engines import HOST
from tests.site.processes import Manager, Site

PIECE = 64 * 1024
IP = shutil.which("ip") or "/usr/sbin/ip"
NEAR, FAR = "10.213.0.1", "10.213.0.2"
CLONE_NEWNET = 0x40000000  # linux/sched.h


def _ip(*arguments: str) -> None:
    subprocess.run([IP, *arguments], check=True, capture_output=True, timeout=10)


def _listening(namespace: str) -> socket.socket:
    """A socket at the near end of a cable; it stays in the namespace in which it was made."""

    def make() -> socket.socket:
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{namespace}") as network:
            if libc.setns(network.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        return socket.create_server((NEAR, 0))

    # A thread of its own, which ends: only itself is moved.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result(10)


class Relay:
    """Passes connections to the near end of a cable on to a port of our loopback address."""

    def __init__(self, namespace: str, port: int) -> None:
        self._namespace = namespace
        self._target = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay")
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        listening = asyncio.start_server(self._pass_on, sock=_listening(self._namespace))
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result(10)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            other_reader, other_writer = await asyncio.open_connection(HOST, self._target)
            await asyncio.gather(
                _copy(reader, other_writer), _copy(other_reader, writer), return_exceptions=True
            )
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


class Machine:
    """A namespace with one cable, whose other end is in the namespace `near`."""

    def __init__(self) -> None:
        self.name = f"hx{secrets.token_hex(3)}"
        self.near = f"{self.name}-near"

    def __enter__(self) -> Self:
        for name in (self.name, self.near):
            _ip("netns", "add", name)
        peer = ("peer", "name", "far", "netns", self.name)
        _ip("-n", self.near, "link", "add", "near", "type", "veth", *peer)
        _ip("-n", self.near, "address", "add", f"{NEAR}/30", "dev", "near")
        _ip("-n", self.name, "address", "add", f"{FAR}/30", "dev", "far")
        _ip("-n", self.name, "link", "set", "lo", "up")
        _ip("-n", self.name, "link", "set", "far", "up")
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        for name in (self.name, self.near):
            _ip("netns", "del", name)

    def unplug(self) -> None:
        """Let nothing through any more, without a word to either side."""
        _ip("-n", self.near, "link", "set", "near", "down")

    def plug(self) -> None:
        """Let everything through."""
        _ip("-n", self.near, "link", "set", "near", "up")

    def can_reach(self, address: str, port: int) -> bool:
        """Whether a connection from this machine is answered."""
        script = f"import socket; socket.create_connection(({address!r}, {port}), 2)"
        command = [IP, "netns", "exec", self.name, "python3", "-c", script]
        return subprocess.run(command, capture_output=True, timeout=10).returncode == 0


class FarManager(Manager):
    """A manager on a machine of its own."""

    def __init__(self, site: Site, machine: Machine, name: str, **environment: str) -> None:
        super().__init__(site, name, **environment)
        self._machine = machine

    def command(self) -> list[str]:
        """What starts it there."""
        return [IP, "netns", "exec", self._machine.name, *super().command()]


def why_not() -> str | None:
    """Why there can be no such machines here, None if there can."""
    if os.geteuid() != 0 or not os.path.exists(IP):
        return "needs root and Debian's package iproute2"
    try:
        with Machine():
            return None
    except subprocess.CalledProcessError as error:
        return f"this machine allows no network namespaces: {error.stderr.decode().strip()}"


def far_manager(site: Site, name: str) -> Machine:
    """A machine on which a manager runs; both are there for as long as the site is."""
    urls = {key: site.environment[key] for key in ("DATABASE_URL", "REDIS_URL")}
    machine = site.beneath.enter_context(Machine())
    relayed = {}
    for key, url in urls.items():
        relay = site.beneath.enter_context(Relay(machine.near, urlsplit(url).port or 0))
        relayed[key] = _at(url, NEAR, relay.port)
    site.start(FarManager(site, machine, name, **relayed))
    return machine


def _at(url: str, address: str, port: int) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{address}:{port}"))
