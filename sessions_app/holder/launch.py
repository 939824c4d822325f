"""From a started interpreter to a holder at work, in the order that a crash cannot confuse.

The environment of the program arrives as JSON on standard input, the outcome leaves as one line of
JSON on standard output; then both are closed, and only standard error stays.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
from typing import Any

from . import account, records
from .loop import Loop
from .process import Holder
from .processes import LINUX, ProcessIdentity, boot_id, identify
from .records import HolderSpec, Identity
from .terminal import Child, Command, CommandFailed, Terminal

_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
_PR_SET_DUMPABLE = 4  # prctl(2)
_PR_SET_CHILD_SUBREAPER = 36


def main(folder: str) -> int:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        os.chdir(folder)
        environment = _read_environment()
        _close_inherited()
        _detach()
        holder = _start(environment)
    except CommandFailed as failure:
        _report({"ok": False, "error": str(failure), "errno": failure.errno})
        return 1
    except Exception as error:
        sentence = f"The session could not be set up: {getattr(error, 'strerror', None) or error}."
        _report({"ok": False, "error": sentence, "errno": getattr(error, "errno", None) or 0})
        raise
    del environment
    if not _report({"ok": True, **records.identity_to_json(holder.identity)}):
        holder.abandon()
    holder.run()
    return 0


def _read_environment() -> dict[str, str]:
    with open(0, "rb", closefd=False) as file:
        environment: dict[str, str] = json.load(file)
        return environment


def _close_inherited() -> None:
    """Whatever the server had open must not stay open for as long as the program runs."""
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the one that listed them is among them
                os.close(int(name))


def _detach() -> None:
    """No longer the server's child, in a session of its own, and the one that adopts orphans."""
    _go_on_as_a_child()
    os.setsid()
    _go_on_as_a_child()  # no longer the session's leader, so no terminal can become its own
    os.umask(0o077)
    if LINUX:
        process = ctypes.CDLL(None)
        process.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        process.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _go_on_as_a_child() -> None:
    if os.fork():
        os._exit(0)


def _start(environment: dict[str, str]) -> Holder:
    """Raises CommandFailed and OSError; in both cases no program is left running."""
    content = records.read_record(".", records.SPEC)
    if content is None:
        raise FileNotFoundError(errno.ENOENT, "there is no spec.json in its folder")
    spec = records.spec_from_json(content)
    command = _command(spec, environment)
    terminal = Terminal(spec.cols, spec.rows)
    holder = Holder(spec, terminal, Loop())
    child = Child(command, terminal)
    holder.identity = Identity(boot_id(), spec.epoch, _living(os.getpid()), _living(child.pid))
    records.write_record(".", records.IDENTITY, records.identity_to_json(holder.identity))
    try:
        child.release()
    except CommandFailed as failure:
        with contextlib.suppress(OSError):  # whoever waits for the start is told in any case
            holder.record_failure(str(failure))
        raise
    return holder


def _command(spec: HolderSpec, environment: dict[str, str]) -> Command:
    if not spec.argv or not spec.argv[0]:
        raise CommandFailed("No command was given.", errno.ENOENT)
    try:
        return Command(
            argv=[_to_bytes(argument) for argument in spec.argv],
            cwd=_to_bytes(spec.cwd),
            environment={_to_bytes(k): _to_bytes(v) for k, v in environment.items()},
            umask=spec.umask,
            roots=[_to_bytes(root) for root in spec.roots],
            account=account.look_up(spec.run_as) if spec.run_as else None,
        )
    except KeyError:
        raise CommandFailed(
            f"There is no user {spec.run_as} on this machine; see HARNESS_RUN_AS.", errno.ESRCH
        ) from None
    except UnicodeEncodeError:
        raise CommandFailed(
            "The command contains characters that do not exist.", errno.EINVAL
        ) from None


def _to_bytes(text: str) -> bytes:
    """UTF-8 whatever the locale; bytes that are not come and go as lone surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _living(pid: int) -> ProcessIdentity:
    process = identify(pid)
    if process is None:
        raise ProcessLookupError(errno.ESRCH, "the new process ended before it began")
    return process


def _report(outcome: dict[str, Any]) -> bool:
    """Whether somebody was there to hear it."""
    try:
        os.write(1, json.dumps(outcome).encode("ascii") + b"\n")
        heard = True
    except OSError:
        heard = False
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for standard in (0, 1):
        os.dup2(null, standard)
    os.close(null)
    return heard
