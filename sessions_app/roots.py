"""The folders that programs may work in, as the server sees them.

Roots are real paths: absolute, without symbolic links.
"""

import os
from collections.abc import Sequence

from sessions_app.holder import folders
from sessions_app.holder.folders import OutsideRoots

__all__ = ["OutsideRoots", "expand_home", "leads_inside", "open_in_roots"]


def open_in_roots(path: str, roots: Sequence[str], *, to_list: bool = False) -> int:
    """Return a descriptor of a folder that lies in one of the roots, or is one.

    It stays with the folder that was judged, wherever `path` leads later. Raises OutsideRoots,
    OSError and, for what cannot be a path, ValueError.
    """
    flags = folders.LIST if to_list else folders.SEARCH
    return folders.open_folder(os.fsencode(path), _encoded(roots), flags)


def leads_inside(path: str, roots: Sequence[str]) -> bool:
    """Tell whether a path leads into one of the roots, as far as it exists."""
    return folders.is_inside(os.fsencode(os.path.realpath(path)), _encoded(roots))


def expand_home(path: str, home: str) -> str:
    """Return the path with `~` replaced by `home`, and `~name` by that user's home if it exists."""
    if path == "~" or path.startswith("~/"):
        return home + path[1:]
    return os.path.expanduser(path)


def _encoded(roots: Sequence[str]) -> list[bytes]:
    return [os.fsencode(root) for root in roots]
