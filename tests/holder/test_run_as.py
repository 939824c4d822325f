"""A program that runs as another user has that user's rights and no way back to the server's."""

from __future__ import annotations

import ast
import errno
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions_app import holder as holder_package
from sessions_app.holder.account import look_up
from sessions_app.holder_client import HolderSpec, LaunchFailed, launch_holder
from tests.waiting_for import auntil

from .conftest import Running, Start, plain_environment
from .test_child import has_only_its_terminal, process_file

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
NOBODY = pwd.getpwnam("nobody")
# The interpreter of these tests may lie where only root can look.
PYTHON = shutil.which("python3", path="/usr/bin:/bin")
needs_python = pytest.mark.skipif(PYTHON is None, reason="there is no Python for every user")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are for this user only."""
    folder = Path(tempfile.mkdtemp(prefix="harness-run-as-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def as_nobody(start: Start, expression: str, folder: Path) -> object:
    """What `expression` is worth in a session of the user nobody."""
    program = f"import os, ctypes\nprint(repr({expression}))"
    assert PYTHON is not None
    session = await start(PYTHON, "-I", "-S", "-c", program, cwd=folder, run_as="nobody")
    await session.ends()
    return ast.literal_eval(session.output().decode())


async def running_cat(start: Start, folder: Path) -> Running:
    session = await start("cat", cwd=folder, run_as="nobody")
    await auntil(lambda: process_file(session.identity.child.pid, "comm") == b"cat\n")
    return session


async def test_it_has_that_users_ids_and_groups_and_no_capability(
    start: Start, open_folder: Path
) -> None:
    session = await running_cat(start, open_folder)
    lines = process_file(session.identity.child.pid, "status").decode().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    assert status["Gid"].split() == [str(NOBODY.pw_gid)] * 4
    assert set(status["Groups"].split()) == {str(group) for group in look_up("nobody").groups}
    for mask in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[mask], 16) == 0, mask
    assert status["NoNewPrivs"] == "1"


async def test_its_holder_stays_the_servers(start: Start, open_folder: Path) -> None:
    session = await running_cat(start, open_folder)
    status = process_file(session.identity.holder.pid, "status").decode()
    assert f"Uid:\t{os.geteuid()}\t" in status


@needs_python
async def test_it_cannot_signal_or_look_into_its_holder(start: Start, open_folder: Path) -> None:
    program = """
import os
def outcome(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return type(error).__name__
holder = os.getppid()
print([
    outcome(os.kill, holder, 9),
    outcome(open, f"/proc/{holder}/environ"),
    outcome(os.listdir, f"/proc/{holder}/fd"),
])
"""
    assert PYTHON is not None
    session = await start(PYTHON, "-I", "-S", "-c", program, cwd=open_folder, run_as="nobody")
    await session.ends()
    assert ast.literal_eval(session.output().decode()) == ["PermissionError"] * 3


async def test_it_cannot_read_its_sessions_folder(open_folder: Path, start: Start) -> None:
    state = open_folder / "state"
    session = await start("ls", str(state), cwd=open_folder, folder=state, run_as="nobody")
    assert (await session.ends()).code != 0
    assert b"Permission denied" in session.output()


async def test_it_has_the_terminal_and_no_other_descriptor(start: Start, open_folder: Path) -> None:
    session = await running_cat(start, open_folder)
    child = session.identity.child.pid

    await auntil(lambda: has_only_its_terminal(child))


@needs_python
async def test_it_may_open_its_terminal_by_name(start: Start, open_folder: Path) -> None:
    opened = "os.isatty(os.open(os.ttyname(0), os.O_RDWR))"
    assert await as_nobody(start, opened, open_folder) is True


async def test_it_can_be_typed_into_and_ended(start: Start, open_folder: Path) -> None:
    session = await running_cat(start, open_folder)
    await session.client.write(b"hello\n")
    await session.prints(b"hello\r\nhello")
    await session.client.end(0.1)
    assert (await session.ends()).signal is not None


async def refusal(tmp_path: Path, cwd: Path, run_as: str) -> LaunchFailed:
    spec = HolderSpec(
        session_id="1", argv=["pwd"], cwd=str(cwd), cols=80, rows=24, epoch="e", run_as=run_as
    )
    with pytest.raises(LaunchFailed) as caught:
        await launch_holder(tmp_path / "session", spec, plain_environment())
    return caught.value


async def test_a_folder_is_entered_with_that_users_rights(
    tmp_path: Path, open_folder: Path
) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    failure = await refusal(tmp_path, closed, "nobody")
    assert (str(failure), failure.errno) == (
        f"The folder {closed} may not be entered.",
        errno.EACCES,
    )


async def test_a_user_that_does_not_exist_is_named(tmp_path: Path) -> None:
    assert "There is no user nosuchuser" in str(await refusal(tmp_path, Path("/"), "nosuchuser"))


async def test_a_change_that_changes_nothing_is_refused(tmp_path: Path) -> None:
    failure = await refusal(tmp_path, Path("/"), "root")
    assert failure.errno == errno.EPERM
    assert "may not be started as the user root" in str(failure)


SHOW_STATUS = """
import sys
sys.path.insert(0, sys.argv[1])
from sessions_app import holder as holder_package
from sessions_app.holder.account import look_up
from sessions_app.holder.terminal import Child, Command, Terminal
terminal = Terminal(200, 24)
command = [b"grep", b"-E", b"^(Uid|Cap(Inh|Prm|Eff|Amb)):", b"/proc/self/status"]
account = look_up(sys.argv[2]) if sys.argv[2] else None
Child(Command(command, b"/", {}, 0o22, [b"/"], account), terminal).release()
terminal.close_slave()
output, more = b"", True
buffer = memoryview(bytearray(4096))
while more:
    size, more = terminal.read_into(buffer)
    output += buffer[:size]
print(output.decode())
"""


@needs_python
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
@pytest.mark.parametrize("run_as", ["nobody", ""])
def test_the_capabilities_of_a_server_that_is_not_root_are_not_passed_on(
    open_folder: Path, run_as: str
) -> None:
    holder = Path(holder_package.__file__).parent
    shutil.copytree(holder, open_folder / "sessions_app" / "holder")
    needed = "+setuid,+setgid,+kill,+chown"
    daemon = ["setpriv", "--reuid", "1", "--regid", "1", "--clear-groups"]
    daemon += ["--inh-caps", needed, "--ambient-caps", needed]
    shown = subprocess.run(
        [*daemon, str(PYTHON), "-I", "-B", "-c", SHOW_STATUS, str(open_folder), run_as],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    lines = dict(line.split(":\t", 1) for line in shown.stdout.split("\n") if line)
    uid = NOBODY.pw_uid if run_as else 1
    assert lines.pop("Uid").split() == [str(uid)] * 4
    assert len(lines) == 4
    assert {int(mask, 16) for mask in lines.values()} == {0}
