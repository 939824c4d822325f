"""Completion of folders' paths, inside the roots and no further."""

import heapq
import os
from collections.abc import Sequence

from sessions_app.launch import LaunchRules
from sessions_app.roots import OutsideRoots, expand_home, leads_inside, open_in_roots

MOST = 50


def directories_under(prefix: str, rules: LaunchRules) -> list[str]:
    """Return at most 50 absolute paths of folders that begin with `prefix`, in order.

    They are in the roots, or are roots. Hidden ones only if the last part begins with a dot; what
    cannot be read has none.
    """
    path = expand_home(prefix, rules.home)
    roots = [root for root in rules.roots if root.startswith(path) and root != path]
    return heapq.nsmallest(MOST, {*roots, *_below(path, rules.roots)})


def _below(path: str, roots: Sequence[str]) -> list[str]:
    parent, start = os.path.split(path)
    if not os.path.isabs(parent):
        return []
    try:
        descriptor = open_in_roots(parent, roots, to_list=True)
    except (OutsideRoots, OSError, ValueError):
        return []

    def is_offered(entry: os.DirEntry[str]) -> bool:
        hidden = entry.name.startswith(".") and not start.startswith(".")
        return entry.name.startswith(start) and not hidden and _is_folder(entry)

    def stays_inside(entry: os.DirEntry[str]) -> bool:
        return not entry.is_symlink() or leads_inside(os.path.join(parent, entry.name), roots)

    try:
        with os.scandir(descriptor) as entries:
            names = (entry.name for entry in entries if is_offered(entry) and stays_inside(entry))
            return [os.path.join(parent, name) for name in heapq.nsmallest(MOST, names)]
    finally:
        os.close(descriptor)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether it is a folder, whose name can be written as text."""
    try:
        entry.name.encode()
        return entry.is_dir()
    except (OSError, UnicodeEncodeError):
        return False
