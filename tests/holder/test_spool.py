"""The output log: appended in segments, read by offset, cut off at its old end."""

from __future__ import annotations

from pathlib import Path

import pytest

from sessions_app.holder.spool import OutputGone, SpoolReader, SpoolWriter

DATA = bytes(range(256)) * 4


@pytest.fixture
def spool(tmp_path: Path) -> SpoolReader:
    """1,024 bytes in segments of 100."""
    writer = SpoolWriter(str(tmp_path), segment_size=100)
    for start in range(0, len(DATA), 37):
        writer.append(DATA[start : start + 37])
    writer.sync()
    return SpoolReader(tmp_path)


def test_it_knows_where_it_begins_and_ends(spool: SpoolReader) -> None:
    assert (spool.base, spool.size) == (0, 1024)


@pytest.mark.parametrize(("offset", "limit"), [(0, 5000), (99, 2), (100, 100), (950, 1), (3, 777)])
def test_it_is_read_across_its_segments(spool: SpoolReader, offset: int, limit: int) -> None:
    assert spool.read(offset, limit) == DATA[offset : offset + limit]


def test_there_is_nothing_at_its_end_and_after_it(spool: SpoolReader) -> None:
    assert spool.read(1024, 10) == b""
    assert spool.read(5000, 10) == b""


def test_discarding_removes_whole_segments_and_offsets_stay_true(spool: SpoolReader) -> None:
    spool.discard_before(350)
    assert spool.base == 300
    assert spool.read(300, 2000) == DATA[300:]
    with pytest.raises(OutputGone) as gone:
        spool.read(299, 1)
    assert gone.value.base == 300


def test_the_newest_segment_is_never_discarded(spool: SpoolReader) -> None:
    spool.discard_before(10**9)
    assert (spool.base, spool.size) == (1000, 1024)


def test_a_spool_without_files_is_empty(tmp_path: Path) -> None:
    nothing = SpoolReader(tmp_path)
    assert (nothing.base, nothing.size, nothing.read(0, 10)) == (0, 0, b"")


def test_a_folder_has_only_one_writer(spool: SpoolReader, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        SpoolWriter(str(tmp_path))


def test_beyond_its_quota_the_oldest_segments_go_and_offsets_stay(tmp_path: Path) -> None:
    writer = SpoolWriter(str(tmp_path), segment_size=100, quota=250)
    whole = bytes(range(256)) * 4
    for start in range(0, len(whole), 30):
        writer.append(whole[start : start + 30])
    reader = SpoolReader(tmp_path)
    assert reader.size == len(whole)
    assert 250 <= reader.size - reader.base <= 350
    assert reader.read(reader.base, 2000) == whole[reader.base :]
    with pytest.raises(OutputGone):
        reader.read(reader.base - 1, 1)
