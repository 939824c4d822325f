"""One server per state folder: the lock that says so, and what tells the folder from others."""

import fcntl
import os
import uuid
from pathlib import Path

from sessions_app.exceptions import StateFolderInUse


def lock_state_folder(folder: Path) -> int:
    """Return the descriptor that holds the folder's lock; raises StateFolderInUse.

    The lock goes with the process, so a server that crashed leaves none behind.
    """
    descriptor = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StateFolderInUse(
            f"Another server (process {holder or 'unknown'}) already works on {folder}. "
            "Use that one, stop it first, or set HARNESS_STATE_DIR to another folder."
        ) from None
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def folder_id(folder: Path) -> str:
    """Return 128 random bits in hexadecimal that the folder keeps; made at the first call.

    The caller holds the folder's lock.
    """
    path = folder / "folder-id"
    try:
        known = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        known = ""
    if not known:
        known = uuid.uuid4().hex
        new = path.with_suffix(".new")
        # As everything in this folder for this user alone; whole, or not there.
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(known)
        new.replace(path)
    return known
