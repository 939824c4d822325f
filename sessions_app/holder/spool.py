"""The output of one session as an append-only byte log in segment files.

`spool.<base>` holds the bytes from offset <base> (20 digits, so that names sort as numbers do). A
segment is SEGMENT_SIZE long, only the newest is shorter. One process appends; any number read.
"""

from __future__ import annotations

import contextlib
import os
from itertools import pairwise, zip_longest

from .records import sync_folder

SEGMENT_SIZE = 8 << 20
_PREFIX = "spool."


class OutputGone(Exception):
    """What was asked for lies before `base`, the oldest byte that is still kept."""

    def __init__(self, base: int) -> None:
        super().__init__(f"output before byte {base} is no longer kept")
        self.base = base


def segment_name(base: int) -> str:
    return f"{_PREFIX}{base:020}"


def segment_bases(folder: str | os.PathLike[str]) -> list[int]:
    """Where each segment begins, oldest first."""
    names = (name for name in os.listdir(folder) if name.startswith(_PREFIX))
    return sorted(int(name.removeprefix(_PREFIX)) for name in names)


class SpoolWriter:
    """The appending end. What could not be written is kept and written first by `retry`.

    `size` counts the bytes that are in the files; `pending` are the ones that are not yet. Of more
    than `quota` bytes the oldest whole segments are removed, and offsets stay; 0 keeps all.
    """

    def __init__(self, folder: str, segment_size: int = SEGMENT_SIZE, quota: int = 0) -> None:
        """Raises FileExistsError if the folder already has a spool."""
        self._quota = quota
        self.size = 0
        self.pending = b""
        self._folder = folder
        self._segment_size = segment_size
        self._unsynced: list[int] = []
        self._segment = self._open_segment()

    @property
    def dirty(self) -> bool:
        return bool(self._unsynced)

    def append(self, data: memoryview | bytes) -> None:
        """Raises OSError when the disk refuses, after keeping the rest in `pending`."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._write(rest) :]
        except OSError:
            self.pending += bytes(rest)
            raise

    def retry(self) -> None:
        rest, self.pending = self.pending, b""
        self.append(rest)

    def _write(self, data: memoryview) -> int:
        room = self._segment_size - self.size % self._segment_size
        if room == self._segment_size and self.size > self._base:
            self._next_segment()
        written = os.write(self._segment, data[:room])
        self.size += written
        if self._segment not in self._unsynced:
            self._unsynced.append(self._segment)
        return written

    def _open_segment(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        path = os.path.join(self._folder, segment_name(self.size))
        descriptor = os.open(path, flags, 0o600)
        self._base = self.size
        return descriptor

    def _next_segment(self) -> None:
        finished, self._segment = self._segment, self._open_segment()
        if self._quota:
            SpoolReader(self._folder).discard_before(self.size - self._quota)
        if finished not in self._unsynced:
            os.close(finished)

    def sync(self) -> None:
        """Make all that `size` counts durable; raises OSError and may then be called again."""
        while self._unsynced:
            descriptor = self._unsynced[0]
            _sync_data(descriptor)
            self._unsynced.pop(0)
            if descriptor != self._segment:
                os.close(descriptor)
        sync_folder(self._folder)


def _sync_data(descriptor: int) -> None:
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


class SpoolReader:
    """The reading end; it keeps no file open, and several may read at once, from any thread."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = folder

    @property
    def base(self) -> int:
        """The offset of the oldest byte that is kept."""
        return next(iter(segment_bases(self._folder)), 0)

    @property
    def size(self) -> int:
        """The offset after the newest byte."""
        bases = segment_bases(self._folder)
        return bases[-1] + os.stat(self._path(bases[-1])).st_size if bases else 0

    def read(self, offset: int, limit: int) -> bytes:
        """At most `limit` bytes from `offset`, b"" at the end; raises OutputGone."""
        bases = segment_bases(self._folder)
        if bases and offset < bases[0]:
            raise OutputGone(bases[0])
        pieces = []
        for base, following in zip_longest(bases, bases[1:]):
            if following is None or offset < following:
                piece = self._read_segment(base, offset, limit)
                pieces.append(piece)
                offset += len(piece)
                limit -= len(piece)
            if not limit:
                break
        return b"".join(pieces)

    def _read_segment(self, base: int, offset: int, limit: int) -> bytes:
        try:
            descriptor = os.open(self._path(base), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # discarded since the folder was listed
            raise OutputGone(self.base) from None
        try:
            return os.pread(descriptor, limit, offset - base) if offset >= base else b""
        finally:
            os.close(descriptor)

    def discard_before(self, offset: int) -> None:
        """Remove the segments that end at or before `offset`, but never the newest one."""
        bases = segment_bases(self._folder)
        for base, following in pairwise(bases):
            if following <= offset:
                with contextlib.suppress(FileNotFoundError):  # both ends remove what has served
                    os.unlink(self._path(base))

    def _path(self, base: int) -> str:
        return os.path.join(self._folder, segment_name(base))
