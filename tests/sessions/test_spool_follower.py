"""Reading on at the end of a spool gives what reading it anew would give."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions_app.holder.spool import OutputGone, SpoolWriter
from sessions_app.spool_follower import SpoolFollower

SEGMENT = 100
DATA = bytes(range(256)) * 8


@given(
    st.lists(st.tuples(st.integers(1, 250), st.integers(1, 120)), min_size=1, max_size=20),
    st.lists(st.integers(0, 2000), max_size=5),
)
def test_whoever_follows_gets_every_byte_and_as_much_as_there_is(
    steps: list[tuple[int, int]], detours: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        writer, follower = SpoolWriter(folder, SEGMENT), SpoolFollower(folder, SEGMENT)
        written = read = 0
        for size, limit in steps:
            piece = DATA[written : written + size]
            writer.append(piece)
            written += len(piece)
            got = follower.read(read, limit)
            assert got == DATA[read : min(read + limit, written)]
            read += len(got)
        for offset in detours:
            assert follower.read(offset, 77) == DATA[offset : min(offset + 77, written)]
        follower.close()
        assert follower.read(read, 5000) == DATA[read:written]
        follower.close()
        writer.sync()


def test_what_was_removed_is_gone(tmp_path: Path) -> None:
    writer, follower = SpoolWriter(str(tmp_path), SEGMENT), SpoolFollower(tmp_path, SEGMENT)
    writer.append(DATA[:350])
    assert follower.read(0, 1000) == DATA[:350]
    (tmp_path / "spool.00000000000000000000").unlink()
    with pytest.raises(OutputGone) as gone:
        follower.read(50, 10)
    assert gone.value.base == 100
    follower.close()
    writer.sync()


def test_a_folder_that_was_removed_is_told(tmp_path: Path) -> None:
    follower = SpoolFollower(tmp_path / "nowhere", SEGMENT)
    with pytest.raises(FileNotFoundError):
        follower.read(0, 10)
