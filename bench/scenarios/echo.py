"""Typing: from a key to its echo at the one who typed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import ClassVar

from bench import wire
from bench.figures import Measured, percentile
from bench.scenario import EVERY_SERVER, HARNESS, SEVERAL, Scenario, Usage, Watching, note
from bench.scenarios.limit import SHELL
from bench.servers.base import Server
from bench.starting_gun import StartingGun
from bench.websocket import Connection

KEY = "k"
KEYS_PER_LINE = 40
CLEAR = "\x15"  # Ctrl+U
PROMPT_SECONDS = 10.0
KEY_SECONDS = 10.0
QUIET_SECONDS = 0.3
# Before the first key, so that the other sessions print by then.
NOISE_SECONDS = 0.5


class Typist:
    """Somebody at a shell, who watches it and waits for each echo."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.session = server.launch(SHELL)
        stream = server.stream([self.session])
        self._connection = Connection(stream.endpoint)
        for text in stream.hello:
            self._connection.send(text)
        self._press("\r")
        for _ in self._outputs(PROMPT_SECONDS):
            break
        # No other output may be taken for an echo later on.
        self._quieten()

    def type(self, keys: int, pause: float) -> list[float]:
        """Type so many keys; return the milliseconds from each to its echo."""
        times = []
        for number in range(1, keys + 1):
            begun = time.monotonic_ns()
            self._press(KEY)
            self._hear(KEY.encode())
            times.append((time.monotonic_ns() - begun) / 1e6)
            if number % KEYS_PER_LINE == 0:
                self._press(CLEAR)
                self._quieten()
            time.sleep(pause)
        return times

    def _press(self, key: str) -> None:
        self._connection.send(self._server.typing(self.session, key))

    def _hear(self, text: bytes) -> None:
        for heard in self._outputs(KEY_SECONDS):
            if text in heard:
                return

    def _quieten(self) -> None:
        try:
            for _ in self._outputs(QUIET_SECONDS):
                pass
        except TimeoutError:
            return

    def _outputs(self, seconds: float) -> Iterator[bytes]:
        """Yield this session's output; raises TimeoutError when it does not end in that time."""
        for text in self._connection.texts(seconds):
            message = wire.read(text)
            if isinstance(message, wire.Output) and message.session == self.session:
                yield message.text

    def close(self) -> None:
        """Leave."""
        self._connection.close()


@dataclass(frozen=True, kw_only=True)
class Echo(Scenario):
    """How long from a key to its echo through a shell, while nothing else happens?"""

    name = "echo"
    servers: ClassVar[tuple[str, ...]] = (*EVERY_SERVER, SEVERAL)

    keys: int = 200
    pause: float = 0.03

    @classmethod
    def smallest(cls) -> Echo:
        """Return a few keys."""
        return cls(keys=5, pause=0.0)

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        measured = Measured()
        typist = Typist(server)
        usage = Usage(server)
        self._type(typist, measured)
        usage.add_to(measured)
        typist.close()
        return measured

    def _type(self, typist: Typist, measured: Measured) -> None:
        try:
            times = typist.type(self.keys, self.pause)
        except TimeoutError:
            measured.faults.append(f"a key was not echoed within {KEY_SECONDS:.0f} seconds")
            return
        for name, percent in (("p50", 50), ("p99", 99), ("longest", 100)):
            measured.add(name, percentile(times, percent), "ms")


@dataclass(frozen=True, kw_only=True)
class BusyEcho(Echo):
    """The same while another session prints as fast as it can and others print steadily?

    Somebody else watches them all, and acknowledges as the pages do.
    """

    name = "echo-busy"
    servers = (*HARNESS, "reference")

    keys: int = 200
    pause: float = 0.03
    sessions: int = 20
    rate: int = 20

    @classmethod
    def smallest(cls) -> BusyEcho:
        """Return a few keys beside two other sessions."""
        return cls(keys=5, pause=0.0, sessions=2)

    @property
    def settings(self) -> dict[str, str]:
        """Return a slot for each, and those of the shell and of the loud one."""
        return {"HARNESS_SLOTS": str(self.sessions + 2)}

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        measured = Measured()
        with ExitStack() as stack:
            typist = Typist(server)
            stack.callback(typist.close)
            stack.enter_context(self._noise(server, measured))
            usage = Usage(server)
            self._type(typist, measured)
            usage.add_to(measured)
        return measured

    @contextmanager
    def _noise(self, server: Server, measured: Measured) -> Iterator[None]:
        """Have the other sessions print, and somebody watch them."""
        with StartingGun() as gun:
            steady = gun.program("lines", 1_000_000, self.rate)
            commands = [gun.program("flood"), *[steady] * self.sessions]
            sessions = [server.launch(command) for command in commands]
            gun.wait_until_ready(len(commands))
            watching = Watching(
                viewers=1, expects="anything", amount=0, seconds=600.0, acknowledges=True
            )
            with watching.load(server, sessions) as load:
                load.wait_until_attached()
                gun.fire()
                time.sleep(NOISE_SECONDS)
                yield
                load.finish()
                load.wait_until_done()
                report = load.report()
        note(report, measured)
        megabytes = report.text_bytes / 1e6
        measured.add("seen by the other viewer", megabytes, "MB")
        measured.expect(megabytes > 0, "the other viewer saw nothing")
