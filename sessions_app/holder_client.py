"""The manager's end of a holder: start one, talk to it, read what it leaves behind.

Runs in the server's event loop. A holder outlives this process, so nothing here owns it: a client
may come, go and come again, and what the program wrote is read from the spool, not from the socket.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from .exceptions import InputQueueFull, SessionError
from .holder import frames, records
from .holder.clients import NAME as SOCKET_NAME
from .holder.processes import ProcessIdentity, is_alive, send_signal
from .holder.records import (
    ExitRecord,
    HolderSpec,
    Identity,
    read_exit_record,
    read_identity,
)
from .holder.spool import OutputGone, SpoolReader

__all__ = [
    "ExitRecord",
    "Hello",
    "HolderClient",
    "HolderGone",
    "HolderListener",
    "HolderSpec",
    "Identity",
    "LaunchFailed",
    "OutputGone",
    "ProcessIdentity",
    "SpoolReader",
    "is_alive",
    "launch_holder",
    "read_exit_record",
    "read_identity",
    "send_signal",
]

LAUNCH_TIMEOUT = 10.0
CONNECT_TIMEOUT = 5.0
PIECE = 64 << 10  # bytes of input that are typed without anybody else's in between
LOG_NAME = "holder.log"
_MAIN = Path(__file__).parent / "holder" / "__main__.py"


class LaunchFailed(SessionError):
    """The program was not started. `errno` is 0 where no system call was to blame."""

    code = "launch-failed"

    def __init__(self, sentence: str, errno: int = 0) -> None:
        super().__init__(sentence)
        self.errno = errno


class HolderGone(SessionError):
    """Nobody answers at the session's socket: see its exit record and its identity for why."""

    code = "holder-gone"


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a holder says first.

    `stalled` is why output cannot be stored, None while it can. Whatever the program asked its
    terminal in the output before `answered` has been answered. A holder that was started by an
    older server may not know what that is; what is typed in its stead is an answer too.
    """

    version: int
    epoch: str
    base: int
    size: int
    state: str
    stalled: str | None
    cols: int
    rows: int
    holder: ProcessIdentity
    child: ProcessIdentity
    answered: int = 0
    takes_answers: bool = True


class HolderListener(Protocol):
    """Called in the event loop; none of these may block."""

    def size_changed(self, size: int) -> None: ...
    def stalled_changed(self, stalled: str | None) -> None: ...
    def exited(self, record: ExitRecord) -> None: ...
    def disconnected(self) -> None:
        """The connection was lost, neither by `close` nor after `exited`."""


async def launch_holder(folder: Path, spec: HolderSpec, environment: dict[str, str]) -> Identity:
    """Make the folder and run `spec` in it; raises LaunchFailed, within about LAUNCH_TIMEOUT.

    `environment` is all that the program gets, and is never stored. A caller that is cancelled
    meanwhile leaves a session that runs, to be found by its folder.
    """
    return await asyncio.to_thread(_launch, folder, spec, environment)


def _launch(folder: Path, spec: HolderSpec, environment: dict[str, str]) -> Identity:
    try:
        _prepare_folder(folder, spec)
        answer = _run_holder(folder, json.dumps(environment).encode("ascii"))
    except OSError as error:
        sentence = f"The session's folder cannot be used: {error.strerror or error}."
        raise LaunchFailed(sentence, error.errno or 0) from error
    if not answer.endswith(b"\n"):
        raise LaunchFailed(f"The session's holder did not start; see {folder / LOG_NAME}.")
    outcome = json.loads(answer)
    if not outcome["ok"]:
        raise LaunchFailed(outcome["error"], outcome["errno"])
    return records.identity_from_json(outcome)


def _prepare_folder(folder: Path, spec: HolderSpec) -> None:
    folder.mkdir(mode=0o700, parents=True)
    records.sync_folder(folder.parent)
    content = {"version": records.VERSION, **spec._asdict(), "created": time.time()}
    records.write_record(folder, records.SPEC, content)


def _run_holder(folder: Path, request: bytes) -> bytes:
    """What it says on its standard output; less than a line if it died or took too long."""
    log = os.open(folder / LOG_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_MAIN), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=folder,
            env=_holder_environment(),
            start_new_session=True,
        )
    finally:
        os.close(log)
    with process:
        try:
            return process.communicate(request, timeout=LAUNCH_TIMEOUT)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            return b""  # its report will find nobody listening, and it ends what it has started


def _holder_environment() -> dict[str, str]:
    """None of the server's secrets; only what a Python outside the system's folders may need."""
    name = "LD_LIBRARY_PATH"
    return {name: os.environ[name]} if name in os.environ else {}


class HolderClient:
    """One connection to a holder; any number may be open at once."""

    hello: Hello

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls, folder: Path, listener: HolderListener) -> HolderClient:
        """Raises HolderGone. `listener` may be called before this returns."""
        loop = asyncio.get_running_loop()
        connection = _Connection(listener)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await loop.create_unix_connection(lambda: connection, sock=_open_socket(folder))
                hello = await connection.hello
        except (OSError, TimeoutError) as error:
            connection.close()
            raise HolderGone("The session's holder does not answer.") from error
        client = cls(connection)
        client.hello = hello
        return client

    async def write(self, data: bytes) -> None:
        """Type `data`; returns once the program's terminal has taken all of it.

        Pieces of up to PIECE bytes are typed whole. Raises InputQueueFull (the pieces before the
        refused one have been typed) and HolderGone.
        """
        for start in range(0, len(data), PIECE):
            await self._connection.request(frames.INPUT, data[start : start + PIECE])

    async def answer(self, data: bytes, offset: int) -> None:
        """Type what the terminal answers to the queries in the output before `offset`.

        At most PIECE bytes. Raises as `write` does.
        """
        if self.hello.takes_answers:
            await self._connection.request(frames.ANSWER, frames.OFFSET.pack(offset) + data)
        else:
            await self.write(data)

    async def resize(self, cols: int, rows: int) -> int:
        """1 to 1000 each, else ValueError. Returns the output's size at that moment."""
        if not (1 <= cols <= 1000 and 1 <= rows <= 1000):
            raise ValueError(f"a terminal of {cols} x {rows}")
        body = frames.SIZE_OF_TERMINAL.pack(cols, rows)
        answer = await self._connection.request(frames.RESIZE, body)
        size: int = frames.OFFSET.unpack(answer)[0]
        return size

    async def end(self, grace: float) -> None:
        """Ask the whole tree to end, and kill it after `grace` seconds (0 to 3600).

        Returns at once; asking again may shorten the grace, never prolong it.
        """
        await self._connection.request(frames.END, frames.GRACE.pack(grace))

    async def close(self) -> None:
        """Leave; the session goes on."""
        self._connection.close()
        await asyncio.wait([self._connection.lost])


def _open_socket(folder: Path) -> socket.socket:
    """Connected, non-blocking; raises OSError. A folder's path may be too long for unix(7)."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            shortcut = Path(f"/proc/self/fd/{descriptor}")
            connection.connect(str((shortcut if shortcut.exists() else folder) / SOCKET_NAME))
        finally:
            os.close(descriptor)
    except OSError:
        connection.close()
        raise
    return connection


class _Connection(asyncio.Protocol):
    """Frames in both directions, and the requests that wait for their answers."""

    def __init__(self, listener: HolderListener) -> None:
        loop = asyncio.get_running_loop()
        self.hello: asyncio.Future[Hello] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self._listener = listener
        self._loop = loop
        self._reader = frames.FrameReader()
        self._transport: asyncio.Transport | None = None
        self._requests: dict[int, asyncio.Future[bytes]] = {}
        self._last_number = 0
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for kind, payload in self._reader.feed(data):
            self._receive(kind, payload)

    def connection_lost(self, exc: Exception | None) -> None:
        gone = HolderGone("The connection to the session's holder was lost.")
        for answer in self._requests.values():
            if not answer.done():
                answer.set_exception(gone)
        self.lost.set_result(None)
        if not self.hello.done():
            self.hello.set_exception(gone)
        elif not self._over:
            self._listener.disconnected()

    def close(self) -> None:
        self._over = True
        if self._transport is not None:
            self._transport.close()

    async def request(self, kind: bytes, body: bytes) -> bytes:
        """The body of the answer; raises InputQueueFull, HolderGone, ValueError."""
        if self._transport is None or self._transport.is_closing():
            raise HolderGone("The connection to the session's holder is closed.")
        self._last_number = (self._last_number + 1) % (1 << 32)
        number, answer = self._last_number, self._loop.create_future()
        self._requests[number] = answer
        self._transport.write(frames.encode_request(kind, number, body))
        try:
            received: bytes = await answer
            return received
        finally:
            del self._requests[number]

    def _receive(self, kind: bytes, payload: bytes) -> None:
        match kind:
            case frames.SIZE:
                self._listener.size_changed(frames.OFFSET.unpack(payload)[0])
            case frames.ACKNOWLEDGED | frames.REFUSED:
                self._answered(kind, payload)
            case frames.HELLO:
                self.hello.set_result(_hello_from_json(json.loads(payload)))
            case frames.STALLED:
                self._listener.stalled_changed(payload.decode() or None)
            case frames.EXIT:
                self._exited(records.exit_from_json(json.loads(payload)))

    def _answered(self, kind: bytes, payload: bytes) -> None:
        number, body = frames.decode_request(payload)
        answer = self._requests.get(number)
        if answer is None or answer.done():
            return
        if kind == frames.ACKNOWLEDGED:
            answer.set_result(body)
        else:
            answer.set_exception(_refusal(body.decode("ascii")))

    def _exited(self, record: ExitRecord) -> None:
        self.close()
        self._listener.exited(record)


def _hello_from_json(content: dict[str, Any]) -> Hello:
    processes = {name: ProcessIdentity(**content[name]) for name in ("holder", "child")}
    known = {name: content[name] for name in Hello.__dataclass_fields__ if name in content}
    return Hello(**{**known, **processes, "takes_answers": "answered" in content})


def _refusal(word: str) -> Exception:
    match word:
        case "full":
            return InputQueueFull("The program does not read what is typed into it; try again.")
        case "ended":
            return HolderGone("The program has ended.")
        case _:
            return ValueError(f"the holder refused a request: {word}")
