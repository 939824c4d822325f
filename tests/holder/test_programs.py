"""Real programs in a session's terminal."""

from __future__ import annotations

from pathlib import Path

from .conftest import Start, python


async def test_bash_runs_what_is_typed_and_its_exit_code_is_recorded(start: Start) -> None:
    bash = await start("bash", "--norc")
    await bash.client.write(b"echo $((6*7))\n")
    await bash.prints(b"\r42\r\n")
    await bash.client.write(b"exit 3\n")
    record = await bash.ends()
    assert (record.code, record.signal, record.cause) == (3, None, "exited")
    assert record.size == len(bash.output())


async def test_python_answers_at_its_prompt(start: Start) -> None:
    interpreter = await start("/usr/bin/python3", "-I", "-q")
    await interpreter.prints(b">>> ")
    await interpreter.client.write(b"print('a' * 5)\n")
    await interpreter.prints(b"aaaaa\r\n")
    await interpreter.client.write(b"\x04")
    assert (await interpreter.ends()).code == 0


async def test_vim_writes_a_file(start: Start, tmp_path: Path) -> None:
    vim = await start("vim", "-u", "NONE", "-n", "letter.txt")
    await vim.prints(b"letter.txt")
    await vim.client.write(b"ihello from vim\x1b:wq\r")
    assert (await vim.ends()).code == 0
    assert (tmp_path / "letter.txt").read_text() == "hello from vim\n"


async def test_cat_echoes_and_ends_at_end_of_file(start: Start) -> None:
    cat = await start("cat")
    await cat.client.write(b"hello\n")
    await cat.prints(b"hello\r\nhello\r\n")
    await cat.client.write(b"\x04")
    assert (await cat.ends()).code == 0


async def test_erasing_removes_a_whole_character(start: Start) -> None:
    cat = await start("cat")
    await cat.client.write("aä\x7fb\n\x04".encode())
    await cat.ends()
    assert cat.output().endswith(b"\r\nab\r\n")


async def test_the_signal_that_killed_a_program_is_recorded(start: Start) -> None:
    victim = await start(*python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    record = await victim.ends()
    assert (record.code, record.signal, record.cause) == (None, 9, "exited")


async def test_a_program_that_closes_its_terminal_goes_on(start: Start) -> None:
    program = """
import os, time
for standard in (0, 1, 2):
    os.close(standard)
time.sleep(0.2)
os.write(os.open("/dev/tty", os.O_RDWR), b"back again")
"""
    quiet = await start(*python(program))
    assert (await quiet.ends()).code == 0
    assert quiet.output() == b"back again"


async def test_the_last_words_of_a_program_are_kept(start: Start) -> None:
    program = "import os; os.write(1, b'x' * 3000 + b'end'); os._exit(0)"
    for _ in range(5):
        speaker = await start(*python(program))
        assert (await speaker.ends()).size == 3003
        assert speaker.output() == b"x" * 3000 + b"end"
