"""Starting programs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench import wire
from bench.figures import Measured, percentile
from bench.scenario import HARNESS, SEVERAL, Scenario, Usage
from bench.servers.base import Server
from bench.websocket import Connection

OUTPUT_SECONDS = 60.0
AT_ONCE = 8


class Onlooker:
    """Somebody who watches whatever there is, and waits for certain words."""

    def __init__(self, server: Server) -> None:
        stream = server.stream([], everything=True)
        self._connection = Connection(stream.endpoint)
        for text in stream.hello:
            self._connection.send(text)
        self._texts = self._connection.texts(OUTPUT_SECONDS)
        next(self._texts)  # what there is already

    def wait_for(self, words: set[bytes]) -> None:
        """Return when each of the words has been printed; raises TimeoutError."""
        missing = set(words)
        for text in self._outputs():
            missing -= {word for word in missing if word in text}
            if not missing:
                return

    def _outputs(self) -> Iterator[bytes]:
        for payload in self._texts:
            message = wire.read(payload)
            if isinstance(message, wire.Output):
                yield message.text

    def close(self) -> None:
        """Leave."""
        self._connection.close()


@dataclass(frozen=True, kw_only=True)
class Start(Scenario):
    """How long from the request for a program until a viewer sees its first output?

    One after another, then all at once.
    """

    name = "start"
    servers = (*HARNESS, "reference", SEVERAL)

    starts: int = 100

    @classmethod
    def smallest(cls) -> Start:
        """Return a few."""
        return cls(starts=3)

    @property
    def settings(self) -> dict[str, str]:
        """Return a slot for each, though the programs end at once."""
        return {"HARNESS_SLOTS": str(2 * self.starts)}

    def measure(self, server: Server) -> Measured:
        """Measure once."""
        measured = Measured()
        onlooker = Onlooker(server)
        usage = Usage(server)
        try:
            self._one_after_another(server, onlooker, measured)
            self._at_once(server, onlooker, measured)
        except TimeoutError:
            measured.faults.append("a program's output did not come")
        usage.add_to(measured)
        onlooker.close()
        return measured

    def _one_after_another(self, server: Server, onlooker: Onlooker, measured: Measured) -> None:
        times = []
        for number in range(self.starts):
            word = b"first-%04d" % number
            begun = time.monotonic()
            server.launch(["/bin/echo", word.decode()])
            onlooker.wait_for({word})
            times.append((time.monotonic() - begun) * 1000)
        measured.add("first output, p50", percentile(times, 50), "ms")
        measured.add("first output, p99", percentile(times, 99), "ms")
        measured.add("all, one after another", sum(times) / 1000, "s")

    def _at_once(self, server: Server, onlooker: Onlooker, measured: Measured) -> None:
        words = [b"again-%04d" % number for number in range(self.starts)]
        begun = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = pool.map(lambda word: server.launch(["/bin/echo", word.decode()]), words)
            onlooker.wait_for(set(words))
            list(asked)
        measured.add("all at once", time.monotonic() - begun, "s")
