"""How a session starts, and how it says that it cannot."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from sessions_app import holder_client
from sessions_app.holder.processes import boot_id, identify
from sessions_app.holder_client import (
    HolderSpec,
    LaunchFailed,
    is_alive,
    launch_holder,
    read_exit_record,
    read_identity,
)
from tests.waiting_for import until

from .conftest import Start, plain_environment, python

ROOT = Path(__file__).parents[2]


async def refusal(folder: Path, argv: list[str], cwd: str = "/") -> LaunchFailed:
    spec = HolderSpec(session_id="1", argv=argv, cwd=cwd, cols=80, rows=24, epoch="e")
    with pytest.raises(LaunchFailed) as caught:
        await launch_holder(folder, spec, plain_environment())
    return caught.value


async def test_a_started_session_is_identified_on_disk_as_it_was_announced(start: Start) -> None:
    session = await start("cat")
    assert read_identity(session.folder) == session.identity
    assert session.identity.epoch == "epoch-1"
    assert session.identity.boot_id == boot_id()
    assert is_alive(session.identity.holder, session.identity.boot_id)
    assert is_alive(session.identity.child, session.identity.boot_id)
    assert not is_alive(session.identity.child, "another boot")
    hello = session.client.hello
    assert (hello.holder, hello.child) == (session.identity.holder, session.identity.child)


async def test_nothing_in_the_folder_is_for_others(start: Start) -> None:
    session = await start("cat")
    assert stat.S_IMODE(session.folder.stat().st_mode) == 0o700
    for entry in session.folder.iterdir():
        assert stat.S_IMODE(entry.stat().st_mode) == 0o600, entry.name


async def test_a_folder_deeper_than_a_socket_address_can_say(start: Start, tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a long name of a folder"] * 12)
    session = await start("cat", folder=folder)
    assert len(str(folder)) > 250
    await session.client.write(b"deep\n")
    await session.prints(b"deep")


@pytest.mark.parametrize(
    ("argv", "number", "sentence"),
    [
        (["no-such-command"], errno.ENOENT, "The command no-such-command was not found."),
        (["/no/such/file"], errno.ENOENT, "The command /no/such/file was not found."),
        (["/tmp"], errno.EACCES, "/tmp is not an executable file"),
        (["cat", "a\0b"], errno.EINVAL, "an argument that cannot be passed"),
        (["cat", "\ud800"], errno.EINVAL, "characters that do not exist"),
        (["cat", "x" * (1 << 20)], errno.E2BIG, "too long"),
        (["cat/cat"], errno.ENOENT, "The command cat/cat was not found."),
        ([""], errno.ENOENT, "No command was given."),
        ([], errno.ENOENT, "No command was given."),
    ],
)
async def test_a_command_that_cannot_be_run(
    tmp_path: Path, argv: list[str], number: int, sentence: str
) -> None:
    failure = await refusal(tmp_path / "s", argv)
    assert sentence in str(failure)
    assert failure.errno == number
    assert not (tmp_path / "s" / "sock").exists()


async def test_a_command_that_cannot_be_run_leaves_a_record(tmp_path: Path) -> None:
    failure = await refusal(tmp_path / "s", ["no-such-command"])
    record = read_exit_record(tmp_path / "s")
    assert record is not None
    assert (record.code, record.signal, record.size, record.cause) == (None, None, 0, "exec")
    assert record.error == str(failure)


async def test_a_script_without_its_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o700)
    assert "interpreter that was not found" in str(await refusal(tmp_path / "s", [str(script)]))


async def test_a_file_that_may_not_be_executed(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear reader\n")
    failure = await refusal(tmp_path / "s", ["./letter"], str(tmp_path))
    assert (failure.errno, str(failure)) == (
        errno.EACCES,
        "./letter is not an executable file, or may not be executed.",
    )


async def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("just text\n")
    text.chmod(0o700)
    failure = await refusal(tmp_path / "s", [str(text)])
    assert (failure.errno, "not a program" in str(failure)) == (errno.ENOEXEC, True)


@pytest.mark.parametrize(
    ("cwd", "number", "sentence"),
    [
        ("/no/such/folder", errno.ENOENT, "The folder /no/such/folder does not exist."),
        ("/etc/hostname", errno.ENOTDIR, "/etc/hostname is not a folder."),
    ],
)
async def test_a_folder_that_cannot_be_worked_in(
    tmp_path: Path, cwd: str, number: int, sentence: str
) -> None:
    failure = await refusal(tmp_path / "s", ["cat"], cwd)
    assert (str(failure), failure.errno) == (sentence, number)


async def test_a_command_is_found_relative_to_its_folder(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "here.sh"
    script.write_text("#!/bin/sh\npwd\n")
    script.chmod(0o700)
    session = await start("./here.sh")
    await session.ends()
    assert session.output().decode().strip() == str(tmp_path)


async def test_a_session_is_started_only_once_in_a_folder(start: Start, tmp_path: Path) -> None:
    await start("cat", folder=tmp_path / "s")
    failure = await refusal(tmp_path / "s", ["cat"])
    assert failure.errno == errno.EEXIST


async def test_a_state_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    failure = await refusal(tmp_path / "file" / "s", ["cat"])
    assert "folder cannot be used" in str(failure)


async def test_a_size_that_cannot_be_is_a_failure_and_not_a_hanging_start(tmp_path: Path) -> None:
    spec = HolderSpec(session_id="1", argv=["cat"], cwd="/", cols=100000, rows=1, epoch="e")
    with pytest.raises(LaunchFailed):
        await launch_holder(tmp_path / "s", spec, plain_environment())


async def test_a_holder_that_does_not_answer_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = tmp_path / "sleeper.py"
    sleeper.write_text("import time; time.sleep(1000)")
    monkeypatch.setattr(holder_client, "_MAIN", sleeper)
    monkeypatch.setattr(holder_client, "LAUNCH_TIMEOUT", 0.3)
    assert "did not start" in str(await refusal(tmp_path / "s", ["cat"]))


def test_a_session_whose_starter_is_gone_ends_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir(0o700)
    spec = HolderSpec(session_id="1", argv=["cat"], cwd="/", cols=80, rows=24, epoch="e")
    (folder / "spec.json").write_text(json.dumps(spec._asdict()))
    main = ROOT / "sessions_app" / "holder" / "__main__.py"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", main, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(json.dumps(plain_environment()).encode())
        process.stdin.close()
    record = until(lambda: read_exit_record(folder))
    assert record is not None
    assert (record.cause, record.size) == ("abandoned", 0)
    identity = read_identity(folder)
    assert identity is not None
    until(lambda: identify(identity.holder.pid) != identity.holder)


def test_a_program_never_runs_when_its_holder_dies_before_releasing_it(tmp_path: Path) -> None:
    program = f"""
import os
from sessions_app.holder.terminal import Child, Command, Terminal
terminal = Terminal(80, 24)
command = Command([b"touch", {os.fsencode(tmp_path / "touched")!r}], b"/", {{}}, 0o22)
child = Child(command, terminal)
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    outcome = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True)
    assert outcome.returncode == -signal.SIGKILL
    until(lambda: identify(int(outcome.stdout)) is None)
    assert not (tmp_path / "touched").exists()


async def test_a_program_hears_of_its_holders_death(start: Start) -> None:
    session = await start("cat")
    os.kill(session.identity.holder.pid, signal.SIGKILL)
    until(lambda: not is_alive(session.identity.child, boot_id()))
    assert read_exit_record(session.folder) is None


def test_the_holder_is_made_of_the_standard_library_alone() -> None:
    program = """
import sys
sys.path.append(".")
import sessions_app.holder.launch
print(*sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names))
"""
    outcome = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=ROOT, capture_output=True, check=True
    )
    assert outcome.stdout.split() == [b"__main__", b"sessions_app"]


async def test_a_holder_that_goes_well_reports_nothing(start: Start) -> None:
    session = await start(*python("input()"))
    await session.client.write(b"\n")
    await session.ends()
    assert (session.folder / "holder.log").read_bytes() == b""
