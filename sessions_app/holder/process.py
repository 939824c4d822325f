"""The holder at work: output into the spool, input into the terminal, and the end of it all."""

from __future__ import annotations

import json
import os
import signal
import struct
import time
from typing import Any

from . import frames, records
from .clients import Client, Clients
from .ending import Ending
from .input_queue import InputQueue
from .loop import READ, WRITE, Loop
from .output import Output
from .processes import ProcessIdentity
from .records import ExitRecord, HolderSpec, Identity
from .spool import segment_bases
from .terminal import Terminal

INPUT_INTERVAL = 0.1  # seconds; at least so often is a terminal asked again that took no more
LEFTOVER_GRACE = 1.0  # what a program leaves running when it ends by itself
DRAIN_TIME = 2.0  # how long a stranger that still writes can hold up the end
FAREWELL_TIME = 1.0
_LEAVING_INTERVAL = 0.004  # seconds between looks at who is still connected
_BUFFER_SIZE = 64 << 10
_MAX_GRACE = 3600.0
_SIZES = range(1, 1001)


class Holder:
    """Made before the program runs, so that all that can fail has failed by then."""

    identity: Identity  # set once the program's process exists, before it is released

    def __init__(self, spec: HolderSpec, terminal: Terminal, loop: Loop) -> None:
        self._spec = spec
        self._terminal = terminal
        self._loop = loop
        self._input = InputQueue()
        self._clients = Clients(loop, self._hello, lambda: self._output.size, self._handle)
        self._output = Output(loop, self._clients.broadcast_size, self._stall_changed, spec.quota)
        self._size_of_terminal = (spec.cols, spec.rows)
        self._buffer = memoryview(bytearray(_BUFFER_SIZE))
        self._answered = 0
        self._output_over = False
        self._child_status: int | None = None
        self._ending: Ending | None = None
        self._tree_gone = False
        self._survivors: list[ProcessIdentity] = []
        self._cause = "exited"
        self._record: ExitRecord | None = None
        self._requests = {
            frames.INPUT: self._take_input,
            frames.ANSWER: self._take_answer,
            frames.RESIZE: self._take_resize,
            frames.END: self._take_end,
        }
        self._wakeup = _wake_up_on(signal.SIGCHLD, signal.SIGUSR1)

    def run(self) -> None:
        """Until the session is over and its record durable."""
        self._loop.watch(self._wakeup, READ, self._take_signals)
        self._watch_terminal()
        self._reap()
        self._loop.run()
        self._clients.stop_listening()

    def abandon(self) -> None:
        """End it because nobody waited for its start."""
        self._end("abandoned", LEFTOVER_GRACE)

    def record_failure(self, sentence: str) -> None:
        """The program never ran: leave a record of why; raises OSError."""
        self._clients.stop_listening()
        record = ExitRecord(None, None, 0, time.time(), "exec", sentence)
        records.write_record(".", records.EXIT, records.exit_to_json(record))

    # Output

    def _watch_terminal(self) -> None:
        wanted = 0 if self._output.stalled or self._output_over else READ
        if self._input:
            wanted |= WRITE
            self._loop.call_in(INPUT_INTERVAL, "input", self._write_input)
        self._loop.watch(self._terminal.master, wanted, self._terminal_ready)

    def _terminal_ready(self, events: int) -> None:
        if events & READ:
            self._read_output()
        if events & WRITE:
            self._write_input()

    def _read_output(self) -> None:
        count, more = self._terminal.read_into(self._buffer)
        if count:
            self._output.store(self._buffer[:count])
        if not more:
            self._output_over = True
            self._watch_terminal()
            self._advance()

    def _stall_changed(self) -> None:
        self._watch_terminal()
        reason = (self._output.stalled or "").encode()
        self._clients.broadcast(frames.encode(frames.STALLED, reason))
        if self._output.stalled is None:
            self._loop.cancel("drain")  # nothing could be drained while the disk was full
            self._advance()

    # Requests

    def _hello(self) -> bytes:
        content = {
            "version": frames.VERSION,
            "epoch": self._spec.epoch,
            "base": segment_bases(".")[0],
            "size": self._output.size,
            "state": self._state(),
            "stalled": self._output.stalled,
            "cols": self._size_of_terminal[0],
            "rows": self._size_of_terminal[1],
            "answered": self._answered,
            "holder": self.identity.holder._asdict(),
            "child": self.identity.child._asdict(),
        }
        return frames.encode(frames.HELLO, json.dumps(content).encode("ascii"))

    def _state(self) -> str:
        return "running" if self._ending is None and self._child_status is None else "ending"

    def _handle(self, client: Client, kind: bytes, payload: bytes) -> None:
        try:
            number, body = frames.decode_request(payload)
        except struct.error:
            self._refuse(client, 0, "bad-request")
            return
        handler = self._requests.get(kind)
        if handler is None:
            self._refuse(client, number, "unknown-kind")
        else:
            handler(client, number, body)

    def _acknowledge(self, client: Client, number: int, body: bytes = b"") -> None:
        self._clients.send(client, frames.encode_request(frames.ACKNOWLEDGED, number, body))

    def _refuse(self, client: Client, number: int, word: str) -> None:
        self._clients.send(
            client, frames.encode_request(frames.REFUSED, number, word.encode("ascii"))
        )

    def _take_input(self, client: Client, number: int, body: bytes) -> None:
        def done(taken: bool) -> None:
            if taken:
                self._acknowledge(client, number)
            else:
                self._refuse(client, number, "ended")

        if self._child_status is not None:
            done(False)
        elif self._input.add(body, done):
            self._write_input()
        else:
            self._refuse(client, number, "full")

    def _take_answer(self, client: Client, number: int, body: bytes) -> None:
        """Remember it, for whoever answers after this client must not answer again."""
        try:
            (offset,) = frames.OFFSET.unpack_from(body)
        except struct.error:
            self._refuse(client, number, "bad-request")
            return
        self._answered = max(self._answered, offset)
        self._take_input(client, number, body[frames.OFFSET.size :])

    def _write_input(self) -> None:
        try:
            self._input.write_to(self._terminal.master)
        except OSError:  # the terminal has hung up
            self._input.refuse_all()
        self._watch_terminal()

    def _take_resize(self, client: Client, number: int, body: bytes) -> None:
        try:
            cols, rows = frames.SIZE_OF_TERMINAL.unpack(body)
        except struct.error:
            cols = rows = 0
        if cols not in _SIZES or rows not in _SIZES:
            self._refuse(client, number, "bad-request")
            return
        self._terminal.resize(cols, rows)
        self._size_of_terminal = (cols, rows)
        self._acknowledge(client, number, frames.OFFSET.pack(self._output.size))

    def _take_end(self, client: Client, number: int, body: bytes) -> None:
        try:
            grace: float = frames.GRACE.unpack(body)[0]
        except struct.error:
            grace = -1.0
        if not 0 <= grace <= _MAX_GRACE:
            self._refuse(client, number, "bad-request")
            return
        self._acknowledge(client, number)
        self._end("ended", grace)

    # The end

    def _end(self, cause: str, grace: float) -> None:
        if self._tree_gone:
            return
        if self._child_status is None and self._ending is None:
            self._cause = cause
        if self._ending is None:
            self._ending = Ending(grace)
        else:
            self._ending.ask_again(grace)
        self._reap()

    def _take_signals(self, _events: int) -> None:
        if signal.SIGUSR1 in os.read(self._wakeup, 4096):
            self._clients.listen_again()
        self._reap()

    def _reap(self) -> None:
        """Wait for every process that has ended, adopted ones included."""
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.identity.child.pid:
                    self._child_ended(ended[1])
        except ChildProcessError:
            self._tree_gone = True
        self._advance()

    def _child_ended(self, status: int) -> None:
        self._child_status = status
        self._terminal.close_slave()
        self._input.refuse_all()
        self._watch_terminal()
        if self._ending is None:
            self._ending = Ending(LEFTOVER_GRACE)

    def _advance(self) -> None:
        """Take the next step towards the end, if one is due."""
        if self._ending is not None and not self._tree_gone:
            self._loop.call_in(self._ending.wait(), "ending", self._kill)
        if self._child_status is None or not self._tree_gone:
            return
        if self._output_over and not self._output.stalled:
            self._finish()
        elif not self._output_over and not self._loop.is_due_later("drain"):
            self._loop.call_in(DRAIN_TIME, "drain", self._stop_draining)

    def _kill(self) -> None:
        if self._ending is None or self._tree_gone:
            return
        self._ending.step()
        self._survivors = self._ending.survivors()
        if self._survivors and self._child_status is not None:
            self._tree_gone = True
        self._reap()

    def _stop_draining(self) -> None:
        self._output_over = not self._output.stalled
        self._watch_terminal()
        self._advance()

    def _finish(self) -> None:
        """Write the record, the last of all; on a full disk once it is no longer full."""
        if self._record is not None:
            return
        record = self._exit_record()
        try:
            self._output.sync()
            records.write_record(".", records.EXIT, records.exit_to_json(record))
        except FileNotFoundError:  # the folder was removed: there is nobody left to tell
            self._loop.stop()
            return
        except OSError as error:
            self._output.stall(error, self._finish)
            return
        self._record = record
        self._output.recover()
        self._say_farewell(record)

    def _exit_record(self) -> ExitRecord:
        outcome: dict[str, Any] = {"code": None, "signal": None, "error": None}
        code = os.waitstatus_to_exitcode(self._child_status or 0)
        outcome["signal" if code < 0 else "code"] = abs(code)
        if self._survivors:
            numbers = ", ".join(str(process.pid) for process in self._survivors)
            outcome["error"] = f"These processes could not be ended: {numbers}."
        return ExitRecord(size=self._output.size, at=time.time(), cause=self._cause, **outcome)

    def _say_farewell(self, record: ExitRecord) -> None:
        self._output.announce_last_size()
        content = json.dumps(records.exit_to_json(record))
        self._clients.broadcast(frames.encode(frames.EXIT, content.encode("ascii")))
        self._clients.stop_listening()
        self._loop.call_in(FAREWELL_TIME, "farewell", self._loop.stop)
        self._stop_when_alone()

    def _stop_when_alone(self) -> None:
        if not self._clients:
            self._loop.stop()
        else:
            self._loop.call_in(_LEAVING_INTERVAL, "alone", self._stop_when_alone)


def _wake_up_on(*numbers: signal.Signals) -> int:
    """A descriptor that gives the number of each such signal as one byte."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return readable
