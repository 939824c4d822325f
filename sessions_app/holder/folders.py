"""Folders that programs work in, judged by where an open descriptor leads.

What a path names may be another folder the next moment; a descriptor stays with the folder that
was judged, so whoever goes on with the descriptor cannot be led elsewhere in between.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# To work in a folder takes leave to search it, not to list it.
SEARCH = getattr(os, "O_PATH", os.O_RDONLY)
LIST = os.O_RDONLY
ANYWHERE = "/"
_MAX_PATH = 1024  # MAXPATHLEN, which F_GETPATH fills at most: fcntl(2) of macOS


class OutsideRoots(Exception):
    """The folder exists, and lies in none of the roots."""


def open_folder(path: bytes, roots: Sequence[bytes], flags: int = SEARCH) -> int:
    """Return a descriptor of a folder that lies in one of `roots`, or is one.

    `roots` are real paths: absolute, without symbolic links. Raises OSError and OutsideRoots.
    """
    descriptor = os.open(path, flags | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not is_inside(real_path(descriptor), roots):
            raise OutsideRoots
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_inside(path: bytes, roots: Sequence[bytes]) -> bool:
    """Whether the real path is one of the roots or below one."""
    return any(path == root or path.startswith(root.rstrip(b"/") + b"/") for root in roots)


def real_path(descriptor: int) -> bytes:
    """Where the kernel says that an open folder lies; raises OSError."""
    if sys.platform == "darwin":
        import fcntl

        return fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(_MAX_PATH)).rstrip(b"\0")
    return os.readlink(b"/proc/self/fd/%d" % descriptor)
