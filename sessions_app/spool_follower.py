"""Reads a spool at its end, again and again."""

import contextlib
import os

from sessions_app.holder.spool import SEGMENT_SIZE, SpoolReader, segment_name


class SpoolFollower:
    """A reader that keeps the segment open that it read last. For one thread."""

    def __init__(self, folder: str | os.PathLike[str], segment_size: int = SEGMENT_SIZE) -> None:
        self._folder = folder
        self._reader = SpoolReader(folder)
        self._segment_size = segment_size
        self._base = 0
        self._descriptor = -1

    @property
    def size(self) -> int:
        """The offset after the newest byte."""
        return self._reader.size

    def read(self, offset: int, limit: int) -> bytes:
        """At most `limit` bytes from `offset`, b"" at the end; raises OutputGone."""
        data = self._read_on(offset, limit)
        reached = offset + len(data)
        if len(data) == limit or (data and reached < self._base + self._segment_size):
            return data
        rest = self._reader.read(reached, limit - len(data))
        if rest:
            self._keep_open(reached + len(rest))
        return data + rest

    def close(self) -> None:
        """Let go of the segment; it is opened again where need be."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read_on(self, offset: int, limit: int) -> bytes:
        if self._descriptor < 0 or not self._base <= offset < self._base + self._segment_size:
            return b""
        return os.pread(self._descriptor, limit, offset - self._base)

    def _keep_open(self, offset: int) -> None:
        self.close()
        self._base = offset - offset % self._segment_size
        path = os.path.join(self._folder, segment_name(self._base))
        with contextlib.suppress(OSError):  # not made yet, or removed: it is found by listing
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
