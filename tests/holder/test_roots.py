"""A program works in a folder inside the roots, whatever its path turns into meanwhile."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from sessions_app.holder import folders, records
from sessions_app.holder.folders import OutsideRoots
from sessions_app.holder_client import HolderSpec, LaunchFailed, launch_holder, read_exit_record

from .conftest import Start, plain_environment

STARTS = 300


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a folder in it; beside it lies `outside`."""
    (tmp_path / "root" / "project").mkdir(parents=True)
    (tmp_path / "outside" / "below").mkdir(parents=True)
    return tmp_path / "root"


async def refusal(root: Path, cwd: Path) -> LaunchFailed:
    spec = HolderSpec(
        session_id="1", argv=["pwd"], cwd=str(cwd), cols=80, rows=24, epoch="e", roots=[str(root)]
    )
    with pytest.raises(LaunchFailed) as caught:
        await launch_holder(root.parent / "session", spec, plain_environment())
    return caught.value


@pytest.mark.parametrize("place", [".", "project", "project/../project"])
async def test_a_program_runs_in_a_folder_inside_the_roots(
    start: Start, root: Path, place: str
) -> None:
    session = await start("pwd", "-P", cwd=root / place, roots=["/no/such/root", str(root)])
    await session.ends()
    assert session.output().decode().strip() == str((root / place).resolve())


@pytest.mark.parametrize("place", ["../outside", "..", "project/../../outside", "/", "/etc"])
async def test_a_folder_outside_the_roots_is_refused(root: Path, place: str) -> None:
    failure = await refusal(root, root / place)
    assert failure.errno == errno.EACCES
    assert "is outside the folders that programs may work in" in str(failure)
    record = read_exit_record(root.parent / "session")
    assert record is not None
    assert record.error == str(failure)


async def test_a_folder_whose_name_only_begins_like_a_root_is_outside(root: Path) -> None:
    (root.parent / "root-of-evil").mkdir()
    assert "is outside" in str(await refusal(root, root.parent / "root-of-evil"))


async def test_a_link_that_leads_outside_is_refused(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside")
    assert "is outside" in str(await refusal(root, root / "link"))
    (root.parent / "session").rename(root.parent / "first")
    assert "is outside" in str(await refusal(root, root / "link" / "below"))


async def test_a_link_that_stays_inside_is_followed(start: Start, root: Path) -> None:
    (root / "link").symlink_to(root / "project")
    session = await start("pwd", "-P", cwd=root / "link", roots=[str(root)])
    await session.ends()
    assert session.output().decode().strip() == str(root / "project")


async def test_a_root_that_was_replaced_by_a_link_is_no_root_any_more(root: Path) -> None:
    replace_by_link(root, root.parent / "outside")
    assert "is outside" in str(await refusal(root, root / "below"))


def replace_by_link(folder: Path, target: Path) -> None:
    folder.rename(folder.parent / "moved")
    folder.symlink_to(target)


def test_a_descriptor_stays_with_the_folder_that_was_judged(root: Path) -> None:
    link = root / "link"
    link.symlink_to(root / "project")
    descriptor = folders.open_folder(os.fsencode(link), [os.fsencode(root)])
    try:
        link.unlink()
        link.symlink_to(root.parent / "outside")
        assert folders.real_path(descriptor) == os.fsencode(root / "project")
    finally:
        os.close(descriptor)


def test_nothing_is_inside_no_roots(root: Path) -> None:
    with pytest.raises(OutsideRoots):
        folders.open_folder(os.fsencode(root), [])


def test_what_an_older_server_wrote_is_read() -> None:
    spec = HolderSpec(session_id="1", argv=["cat"], cwd="/", cols=80, rows=24, epoch="e")
    written = spec._asdict()
    del written["roots"], written["run_as"]
    assert records.spec_from_json(json.loads(json.dumps(written))) == spec


SWAPPER = """
import os, sys
inside, outside, link = sys.argv[1:]
print("swapping", flush=True)
while True:
    for target in (inside, outside):
        os.symlink(target, link + ".new")
        os.replace(link + ".new", link)
"""
STARTER = """
import sys
from sessions_app.holder.terminal import Child, Command, CommandFailed, Terminal
root, link, count = sys.argv[1:]
for _ in range(int(count)):
    terminal = Terminal(300, 24)
    command = Command([b"pwd", b"-P"], link.encode(), {}, 0o22, [root.encode()])
    child = Child(command, terminal)
    try:
        child.release()
    except CommandFailed as failure:
        print("refused" if "is outside" in str(failure) else failure)
        continue
    finally:
        terminal.close_slave()
    output, more = b"", True
    buffer = memoryview(bytearray(4096))
    while more:
        size, more = terminal.read_into(buffer)
        output += buffer[:size]
    print(output.decode().strip())
"""


def test_swapping_a_link_during_the_start_never_leads_outside(root: Path) -> None:
    inside, outside, link = root / "project", root.parent / "outside", root / "link"
    link.symlink_to(inside)
    swapper = [sys.executable, "-I", "-S", "-c", SWAPPER, str(inside), str(outside), str(link)]
    with subprocess.Popen(swapper, stdout=subprocess.PIPE, text=True) as swapping:
        try:
            assert swapping.stdout is not None
            assert swapping.stdout.readline() == "swapping\n"
            started = subprocess.run(
                [sys.executable, "-c", STARTER, root, link, str(STARTS)],
                cwd=Path(__file__).parents[2],
                stdout=subprocess.PIPE,
                text=True,
                timeout=60,
                check=True,
            )
        finally:
            swapping.kill()
    places = Counter(started.stdout.splitlines())
    assert places.keys() == {str(inside), "refused"}, places
    assert places.total() == STARTS
