"""The load generator: viewers in a process of their own, `python -m bench.generator`.

It reads its plan from the standard input, a line of JSON, and prints a line of JSON for each step:
`attached` once every viewer is, `done` when all have everything (or time is up, or the standard
input ends), and the report. One thread and one epoll; where its own CPU time comes near the time
measured, the plan is to be split over several of them (`Load`).
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from bench import websocket, wire
from bench.figures import Histogram
from bench.judges import Arrivals, Judge, judge_maker
from bench.machine import PROJECT
from bench.wire import Control, Message, Output, Told

CONNECTING_AT_ONCE = 16
ATTACH_SECONDS = 60.0
# As the pages acknowledge: every so many bytes, or when it goes quiet.
ACKNOWLEDGE_BYTES = 32 * 1024
ACKNOWLEDGE_NS = 100_000_000
# A server may tell that a program has ended before the last of its output.
AFTER_END_NS = 1_000_000_000

# One buffer for all: to have the kernel fill a new one for each message costs more than to read it.
_RECEIVED = memoryview(bytearray(256 * 1024))
# Viewers that are level receive the same bytes, so reading them once is enough. More than this is
# read anew: to tell whether it is the same costs as much.
CACHED_BYTES = 16 * 1024
_read_again = lru_cache(maxsize=64)(wire.read_stream)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What viewers do.

    Each says `hello` and is attached once it has been told `attached_kind` so many times. `expects`
    is "lines", "bulk" or "anything", `amount` how many lines or bytes of each of `sessions`.
    `deaf` viewers connect and never read.
    """

    host: str
    port: int
    path: str
    headers: Sequence[str]
    hello: Sequence[str]
    attached_kind: str
    attached_count: int
    sessions: Sequence[str]
    expects: str
    amount: int
    viewers: int
    deaf: int = 0
    acknowledges: bool = False
    seconds: float = 60.0

    @property
    def endpoint(self) -> websocket.Endpoint:
        """Return where to connect."""
        return websocket.Endpoint(self.host, self.port, self.path, tuple(self.headers))


@dataclass
class Report:
    """What a load generator has seen; times in ns by the monotonic clock.

    `finished` has for each viewer when it had everything, or its last message came.
    """

    complete: int = 0
    viewers: int = 0
    resets: int = 0
    messages: int = 0
    text_bytes: int = 0
    cpu: float = 0.0
    finished: list[int] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    latency: dict[int, int] = field(default_factory=dict)

    def merge(self, other: Report) -> None:
        """Add what another one has seen."""
        for name in ("complete", "viewers", "resets", "messages", "text_bytes", "cpu"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.finished += other.finished
        self.faults += other.faults
        merged = Histogram(self.latency)
        merged.merge(other.latency)
        self.latency = merged.counts


class Acknowledging:
    """How far one session of one viewer has been drawn and acknowledged."""

    __slots__ = ("drawn", "since", "told")

    def __init__(self) -> None:
        self.drawn = self.told = self.since = 0


class Viewer:
    """One connection and its judges."""

    def __init__(self, plan: Plan, make_judge: Callable[[], Judge]) -> None:
        self.connection = websocket.Connection(plan.endpoint)
        for text in plan.hello:
            self.connection.send(text)
        self.connection.socket.setblocking(False)
        self.missing = plan.attached_count
        self.done = False
        self.resets = self.messages = self.text_bytes = self.last = self.finished = 0
        self._attached_kind = plan.attached_kind
        self._judges = {session: make_judge() for session in plan.sessions}
        self._acks = {each: Acknowledging() for each in plan.sessions} if plan.acknowledges else {}
        self._ended: set[str] = set()
        # Of a frame that is not whole yet, and how much of it is missing at least.
        self._pieces: list[bytes] = []
        self._wanted = 0
        # The first message may have come together with the handshake's answer.
        self._take(b"", time.monotonic_ns())

    @property
    def faults(self) -> list[str]:
        """Return what was wrong in any session."""
        return [fault for judge in self._judges.values() for fault in judge.faults]

    @property
    def complete(self) -> bool:
        """Tell whether everything has come, and nothing wrong."""
        return all(judge.complete for judge in self._judges.values()) and not self.faults

    def receive(self) -> None:
        """Take what the kernel has; raises Disconnected."""
        size = self.connection.socket.recv_into(_RECEIVED)
        now = time.monotonic_ns()
        if not size:
            raise websocket.Disconnected
        self._take(_RECEIVED[:size].tobytes(), now)

    def _take(self, data: bytes, now: int) -> None:
        for message in self._messages(data):
            if type(message) is Output:
                self._take_output(message, now)
            elif type(message) is Told:
                self._take_told(message)
            elif type(message) is Control:
                self._take_control(message)
        self.last = now

    def _messages(self, data: bytes) -> tuple[Message, ...]:
        """Return the messages that are whole by now."""
        connection = self.connection
        if self._pieces:
            self._pieces.append(data)
            self._wanted -= len(data)
            if self._wanted > 0:
                return ()
            data = b"".join(self._pieces)
            self._pieces.clear()
        elif connection.rest:
            data, connection.rest = connection.rest + data, b""
        read = _read_again if len(data) < CACHED_BYTES else wire.read_stream
        messages, rest = read(data)
        if rest:
            self._pieces.append(rest)
            self._wanted = websocket.missing(rest)
        return messages

    def _take_output(self, message: Output, now: int) -> None:
        self.messages += 1
        self.text_bytes += len(message.text)
        judge = self._judges.get(message.session)
        if judge is None or message.redraws:
            return
        judge.take(message.text, now)
        if judge.complete and not self.done:
            self.done = all(judge.complete for judge in self._judges.values())
            self.finished = now
        if self._acks:
            self._drawn(message.session, message.end, now)

    def has_nothing_to_come(self) -> bool:
        """Tell whether this viewer has everything, or what it lacks has been given up."""
        if self.done:
            return True
        if time.monotonic_ns() - self.last < AFTER_END_NS:
            return False
        return all(judge.complete or each in self._ended for each, judge in self._judges.items())

    def _take_told(self, message: Told) -> None:
        if message.kind == self._attached_kind:
            self.missing -= 1
        elif message.kind in wire.ENDS:
            self._ended.add(message.session)
        elif message.kind == wire.RESET:
            self.resets += 1

    def _take_control(self, message: Control) -> None:
        if message.opcode == websocket.CLOSE:
            raise websocket.Disconnected(int.from_bytes(message.payload[:2], "big"))
        if message.opcode == websocket.PING:
            self._send(websocket.frame(websocket.PONG, message.payload))

    def _drawn(self, session: str, end: int, now: int) -> None:
        ack = self._acks[session]
        ack.since = ack.since or now
        ack.drawn = end
        if end - ack.told >= ACKNOWLEDGE_BYTES or now - ack.since >= ACKNOWLEDGE_NS:
            self._acknowledge(session, ack)

    def _acknowledge(self, session: str, ack: Acknowledging) -> None:
        ack.told, ack.since = ack.drawn, 0
        text = json.dumps({"type": "ack", "sessionId": session, "offset": ack.drawn})
        self._send(websocket.frame(websocket.TEXT, text.encode()))

    def acknowledge_what_is_drawn(self, now: int) -> None:
        """Acknowledge what went quiet."""
        for session, ack in self._acks.items():
            if ack.since and now - ack.since >= ACKNOWLEDGE_NS:
                self._acknowledge(session, ack)

    def _send(self, data: bytes) -> None:
        # These messages are small; a socket that takes none of them is a fault worth dying of.
        self.connection.socket.sendall(data)


class Generator:
    """All viewers of this process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._arrivals = Arrivals()
        self._poll = select.epoll()
        make_judge = judge_maker(plan.expects, plan.amount, self._arrivals)
        with ThreadPoolExecutor(CONNECTING_AT_ONCE) as pool:
            made = pool.map(lambda _: Viewer(plan, make_judge), range(plan.viewers + plan.deaf))
            self._all = list(made)
        self._viewers = {
            each.connection.socket.fileno(): each for each in self._all[: plan.viewers]
        }
        for descriptor in self._viewers:
            self._poll.register(descriptor, select.EPOLLIN)
        self._lost: list[str] = []
        self._closing = False

    def attach(self) -> None:
        """Return once every viewer is attached."""
        deadline = time.monotonic() + ATTACH_SECONDS
        for viewer in self._viewers.values():
            while viewer.missing > 0 and viewer.connection.socket.fileno() in self._viewers:
                if time.monotonic() > deadline:
                    raise TimeoutError("the viewers are not attached")
                self._turn()

    def view(self) -> Report:
        """Return what was seen when all viewers have everything, or time is up."""
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        begun = time.process_time()
        deadline = time.monotonic() + self._plan.seconds
        waiting = list(self._viewers.values())
        while time.monotonic() < deadline and not self._closing:
            while waiting and waiting[-1].has_nothing_to_come():
                waiting.pop()
            if not waiting and self._plan.expects != "anything":
                break
            self._turn()
        cpu = time.process_time() - begun
        say("done")
        return self._report(cpu)

    def _turn(self) -> None:
        for descriptor, _ in self._poll.poll(0.05):
            viewer = self._viewers.get(descriptor)
            if viewer is None:
                self._closing = True
                self._poll.unregister(descriptor)
                continue
            try:
                viewer.receive()
            except (websocket.Disconnected, OSError) as error:
                self._lose(descriptor, error)
        if self._plan.acknowledges:
            now = time.monotonic_ns()
            for viewer in self._viewers.values():
                viewer.acknowledge_what_is_drawn(now)

    def _lose(self, descriptor: int, error: Exception) -> None:
        viewer = self._viewers.pop(descriptor)
        self._poll.unregister(descriptor)
        viewer.connection.close()
        if not viewer.done:
            viewer.done = True
            self._lost.append(f"a viewer was cut off: {error!r}")

    def _report(self, cpu: float) -> Report:
        viewers = self._all[: self._plan.viewers]
        return Report(
            complete=sum(viewer.complete for viewer in viewers),
            viewers=len(viewers),
            resets=sum(viewer.resets for viewer in viewers),
            messages=sum(viewer.messages for viewer in viewers),
            text_bytes=sum(viewer.text_bytes for viewer in viewers),
            cpu=cpu,
            finished=[viewer.finished or viewer.last for viewer in viewers],
            faults=[*self._lost, *(fault for viewer in viewers for fault in viewer.faults)][:20],
            latency=self._arrivals.histogram().counts,
        )


def say(step: str, **more: Any) -> None:
    """Print one line for whoever started this process."""
    print(json.dumps({"step": step, **more}), flush=True)


class Load:
    """The other end: load generators as processes, of which each has its share of the viewers."""

    def __init__(self, plan: Plan, generators: int = 1) -> None:
        shares = [
            plan.viewers // generators + (number < plan.viewers % generators)
            for number in range(generators)
        ]
        self._processes = [self._start(plan, share) for share in shares]

    @staticmethod
    def _start(plan: Plan, viewers: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.generator"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(plan) | {"viewers": viewers}) + "\n")
        process.stdin.flush()
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()

    def wait_until_attached(self) -> None:
        """Wait for all viewers."""
        self._each("attached")

    def finish(self) -> None:
        """Tell them to stop looking; for viewers that would look for ever."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()

    def wait_until_done(self) -> None:
        """Wait until all viewers have everything, or time is up."""
        self._each("done")

    def report(self) -> Report:
        """Return what was seen, all together."""
        report = Report()
        for answer in self._each("report"):
            latency = {int(bucket): count for bucket, count in answer["report"]["latency"].items()}
            report.merge(Report(**(answer["report"] | {"latency": latency})))
        return report

    def _each(self, step: str) -> list[dict[str, Any]]:
        answers = []
        for process in self._processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"a load generator ended before it was {step}")
            answers.append(json.loads(line))
            assert answers[-1]["step"] == step
        return answers


def main() -> None:
    """Do what the standard input says."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    generator = Generator(plan)
    generator.attach()
    say("attached")
    say("report", report=asdict(generator.view()))


if __name__ == "__main__":
    main()
