"""Becoming another user for good, as a program must that is not trusted with the server's files."""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import struct
from collections.abc import Callable
from typing import NamedTuple

from .processes import LINUX

_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
# capset(2): version 3 of the interface and the calling thread; then three masks, in two halves.
_CAPABILITY_HEADER = struct.pack("Ii", 0x20080522, 0)
_NO_CAPABILITIES = bytes(24)
# capabilities(7): to hand the terminal over, to end the program, to change group and user.
_CAP_CHOWN, _CAP_KILL, _CAP_SETGID, _CAP_SETUID = 0, 5, 6, 7


class Account(NamedTuple):
    name: str
    uid: int
    gid: int
    groups: list[int]


def look_up(name: str) -> Account:
    """Raises KeyError if the system knows no such user."""
    entry = pwd.getpwnam(name)
    groups = os.getgrouplist(name, entry.pw_gid)
    return Account(name, entry.pw_uid, entry.pw_gid, groups)


def become(account: Account) -> None:
    """Give up this process's user, groups and capabilities, and the means to get any back.

    Raises OSError if it may not, or if there would be a way back.
    """
    former = os.geteuid()
    os.setgroups(account.groups)
    os.setgid(account.gid)
    os.setuid(account.uid)
    if LINUX:
        _drop_capabilities()
    # A user that was root all along has given up nothing.
    if os.getuid() != account.uid or _can_be(former) or _can_be(0):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def give_up_capabilities() -> None:
    """Of a server that is not root: else its programs would have what a service manager gave it.

    Without any to inherit there are no ambient ones either (capset(2)).
    """
    if LINUX and os.geteuid():
        system = ctypes.CDLL(None, use_errno=True)
        _call(system.capset, _CAPABILITY_HEADER, _NO_CAPABILITIES)


def may_become_others() -> bool:
    """Whether a program that this process executes may start programs as other users."""
    if not LINUX:
        return os.geteuid() == 0
    # Of somebody who is not root, a program that is executed has only the ambient ones.
    line = "CapAmb:" if os.geteuid() else "CapEff:"
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        mask = next(int(text.split()[1], 16) for text in file if text.startswith(line))
    needed = (_CAP_CHOWN, _CAP_KILL, _CAP_SETGID, _CAP_SETUID)
    return all(mask >> number & 1 for number in needed)


def _drop_capabilities() -> None:
    """Those of a user that was not root outlive the change; set-user-ID programs give none."""
    system = ctypes.CDLL(None, use_errno=True)
    _call(system.prctl, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    _call(system.capset, _CAPABILITY_HEADER, _NO_CAPABILITIES)
    _call(system.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _call(function: Callable[..., int], *arguments: int | bytes) -> None:
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _can_be(uid: int) -> bool:
    """Whether this process can change to that user."""
    try:
        os.setuid(uid)
    except PermissionError:
        return False
    return True
