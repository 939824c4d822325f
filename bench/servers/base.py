"""What every server that is measured can do."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from bench import machine
from bench.machine import wait_for
from bench.websocket import Endpoint
from tests.engines import free_port

HOST = "127.0.0.1"
START_SECONDS = 30.0
COLS, ROWS = 120, 32


@dataclass(frozen=True)
class Stream:
    """How a viewer opens the live stream of some sessions, from their first byte.

    It is attached once it has been told `attached_kind` so many times.
    """

    endpoint: Endpoint
    hello: Sequence[str]
    attached_kind: str
    attached_count: int


@dataclass(frozen=True)
class Answer:
    """What an HTTP request was answered with."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


class Server(ABC):
    """One server process on a free port; `tells_offsets`: output carries where it stands."""

    kind: str
    tells_offsets = False
    process: subprocess.Popen[bytes] | None = None

    def __init__(self) -> None:
        self.port = free_port()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.discard()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    # Its life

    @abstractmethod
    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process and wait for nothing."""

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.process = self.spawn()
        wait_for(self.answers, f"{self.kind} answers", START_SECONDS)

    def answers(self) -> bool:
        """Tell whether it answers requests; raises RuntimeError if it has ended."""
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"{self.kind} has ended instead of answering. {self.last_words()}")
        try:
            return self.request("GET", "/health").status < http.client.INTERNAL_SERVER_ERROR
        except OSError:
            return False

    def last_words(self) -> str:
        """Return the end of what it printed, where that is kept."""
        return ""

    def stop(self) -> None:
        """End the process."""
        self.end(signal.SIGTERM)

    def discard(self) -> None:
        """End a process that has not come up."""
        self.end(signal.SIGKILL)

    def end(self, number: int) -> None:
        """Send the process this signal and wait until it has ended."""
        if self.process is not None:
            self.process.send_signal(number)
            try:
                self.process.wait(START_SECONDS)
            finally:
                self.process.kill()
                self.process = None

    # Its use

    @abstractmethod
    def launch(self, argv: list[str]) -> str:
        """Start a program; return the session's id as the live stream names it."""

    @abstractmethod
    def stream(self, sessions: Sequence[str], *, everything: bool = False) -> Stream:
        """Return how to watch these; `everything`: as those do who watch whatever there is."""

    @abstractmethod
    def typing(self, session: str, text: str) -> str:
        """Return the message that types."""

    def settled(self, sizes: Mapping[str, int]) -> bool:
        """Tell whether so much output of each session is stored, where output is stored."""
        return True

    def headers(self) -> dict[str, str]:
        """Return what every request carries."""
        return {}

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection for requests."""
        return http.client.HTTPConnection(HOST, self.port, timeout=60)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        connection: http.client.HTTPConnection | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a request, on a connection of its own unless one is given."""
        used = connection or self.connect()
        try:
            given = {"Content-Type": "application/json", **(headers or self.headers())}
            data = None if body is None else json.dumps(body)
            used.request(method, path, data, given)
            answer = used.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.headers))
        finally:
            if connection is None:
                used.close()

    # What it costs

    @property
    def pid(self) -> int:
        """Return the process's number. Each of these servers is one process, with its threads."""
        assert self.process is not None
        return self.process.pid

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used, holders and programs apart."""
        return machine.cpu_seconds([self.pid])

    def holder_pids(self) -> list[int]:
        """Return the processes that keep terminals for it."""
        return []


def inherited_environment() -> dict[str, str]:
    """Return this process's environment without what would set up a harness otherwise."""
    unwanted = ("HARNESS_", "DJANGO_", "PYTHON", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
