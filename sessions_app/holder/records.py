"""The files of a session's folder that say what runs there and how it ended.

`spec.json` (what to run), `identity.json` (who runs it), `exit.json` (how it ended, written last).
Each is written under a temporary name, synced and renamed, so it is there completely or not at all.
Environment values are never among them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from .folders import ANYWHERE
from .processes import ProcessIdentity

VERSION = 1
SPEC = "spec.json"
IDENTITY = "identity.json"
EXIT = "exit.json"


class HolderSpec(NamedTuple):
    """What a holder is to run. `epoch` tells this output log from any other of the same session.

    Of more output than `quota` bytes the oldest segments of the spool go first; 0 keeps all. `cwd`
    must lie in one of `roots`, which are real paths. `run_as` names the user that the program
    becomes; empty, it stays the holder's.
    """

    session_id: str
    argv: list[str]
    cwd: str
    cols: int
    rows: int
    epoch: str
    umask: int = 0o022
    quota: int = 0
    roots: Sequence[str] = (ANYWHERE,)
    run_as: str = ""


class Identity(NamedTuple):
    boot_id: str
    epoch: str
    holder: ProcessIdentity
    child: ProcessIdentity


class ExitRecord(NamedTuple):
    """How a session ended.

    `code` or `signal` is set, neither if the program never ran. `size`: all of its output, in
    bytes. `at`: seconds since 1970. `cause`: "exited" (by itself), "ended" (it was asked to),
    "exec" (it could not be run) or "abandoned" (nobody waited for its start any more).
    """

    code: int | None
    signal: int | None
    size: int
    at: float
    cause: str
    error: str | None


def spec_from_json(content: dict[str, Any]) -> HolderSpec:
    """What an older server left out has its default."""
    return HolderSpec(**{name: content[name] for name in HolderSpec._fields if name in content})


def identity_to_json(identity: Identity) -> dict[str, Any]:
    return {
        "version": VERSION,
        "boot_id": identity.boot_id,
        "epoch": identity.epoch,
        "holder": identity.holder._asdict(),
        "child": identity.child._asdict(),
    }


def identity_from_json(content: dict[str, Any]) -> Identity:
    return Identity(
        boot_id=content["boot_id"],
        epoch=content["epoch"],
        holder=ProcessIdentity(**content["holder"]),
        child=ProcessIdentity(**content["child"]),
    )


def exit_to_json(record: ExitRecord) -> dict[str, Any]:
    content = {name: value for name, value in record._asdict().items() if value is not None}
    return {"version": VERSION, "bytes": content.pop("size"), **content}


def exit_from_json(content: dict[str, Any]) -> ExitRecord:
    return ExitRecord(
        code=content.get("code"),
        signal=content.get("signal"),
        size=content["bytes"],
        at=content["at"],
        cause=content["cause"],
        error=content.get("error"),
    )


def read_record(folder: str | os.PathLike[str], name: str) -> dict[str, Any] | None:
    """None if it was never written."""
    try:
        with open(os.path.join(folder, name), "rb") as file:
            content: dict[str, Any] = json.load(file)
            return content
    except FileNotFoundError:
        return None


def read_identity(folder: str | os.PathLike[str]) -> Identity | None:
    content = read_record(folder, IDENTITY)
    return None if content is None else identity_from_json(content)


def read_exit_record(folder: str | os.PathLike[str]) -> ExitRecord | None:
    content = read_record(folder, EXIT)
    return None if content is None else exit_from_json(content)


def write_record(folder: str | os.PathLike[str], name: str, content: dict[str, Any]) -> None:
    """Durable when it returns; raises OSError and then leaves what was there before."""
    temporary = os.path.join(folder, f"{name}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(temporary, flags, 0o600), "wb") as file:
        file.write(json.dumps(content).encode("ascii"))
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, os.path.join(folder, name))
    sync_folder(folder)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Make the names in a folder durable, which syncing the files themselves does not."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
