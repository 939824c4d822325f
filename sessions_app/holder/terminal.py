"""The pseudo-terminal and the program in it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Iterator, Sequence
from typing import NamedTuple, NoReturn

from .account import Account, become, give_up_capabilities
from .folders import ANYWHERE, OutsideRoots, open_folder

_IUTF8 = 0o40000  # termios(3); the termios module has no name for it. The same value on macOS.
_WINSIZE = struct.Struct("HHHH")  # rows, columns, and two that nobody uses: ioctl_tty(2)
_FAILURE = struct.Struct(">ci")  # stage, errno
_AT_USER = b"u"
_AT_FOLDER = b"d"
_OUTSIDE = b"o"
_AT_EXEC = b"x"
_GO = b"g"
_MAX_SHOWN = 200  # bytes of a command's name in a sentence


class Command(NamedTuple):
    """Bytes as the kernel takes them; `environment` is all that the program gets.

    `cwd` must lie in one of `roots`; `account` is whose program it becomes.
    """

    argv: list[bytes]
    cwd: bytes
    environment: dict[bytes, bytes]
    umask: int
    roots: Sequence[bytes] = (ANYWHERE.encode(),)
    account: Account | None = None


class CommandFailed(Exception):
    """The program could not be started; the text is a sentence for people."""

    def __init__(self, sentence: str, number: int) -> None:
        super().__init__(sentence)
        self.errno = number


class Terminal:
    """The master's end of a pseudo-terminal, never blocking.

    It keeps the slave open too, so that a program which closes its own three descriptors and
    opens /dev/tty later does not look like the end of the output.
    """

    def __init__(self, cols: int, rows: int) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        self.resize(cols, rows)
        settings = termios.tcgetattr(self.slave)
        settings[0] |= _IUTF8  # so that erase removes a character, not a byte
        termios.tcsetattr(self.slave, termios.TCSANOW, settings)

    def resize(self, cols: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, _WINSIZE.pack(rows, cols, 0, 0))

    def close_slave(self) -> None:
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1

    def read_into(self, buffer: memoryview) -> tuple[int, bool]:
        """How many bytes were there, and whether more can ever come."""
        count = 0
        while count < len(buffer):
            try:
                piece = os.readv(self.master, [buffer[count:]])
            except BlockingIOError:
                return count, True
            except OSError:  # Linux reports the hang-up of the other side as EIO
                return count, False
            if not piece:
                return count, False
            count += piece
        return count, True


class Child:
    """A forked process that waits to be released before it becomes the program."""

    def __init__(self, command: Command, terminal: Terminal) -> None:
        self._command = command
        gate, self._gate = os.pipe()
        self._failure, failure = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._gate)  # else it would hold its own gate shut after its parent's death
            _become(command, terminal.slave, gate, failure)
        os.close(gate)
        os.close(failure)

    def release(self) -> None:
        """Let it run; raises CommandFailed, and then the process has ended."""
        os.write(self._gate, _GO)
        os.close(self._gate)
        failure = os.read(self._failure, _FAILURE.size)  # closed by a successful exec
        os.close(self._failure)
        if failure:
            stage, number = _FAILURE.unpack(failure)
            raise CommandFailed(_explain(self._command, stage, number), number)


def _become(command: Command, slave: int, gate: int, failure: int) -> NoReturn:
    stage = _AT_EXEC
    try:
        if os.read(gate, 1) == _GO:
            _take_terminal(slave)
            _reset_signals()
            os.umask(command.umask)
            stage = _AT_USER
            if command.account is None:
                give_up_capabilities()
            else:
                _hand_over(slave, command.account)
            stage = _AT_FOLDER
            os.fchdir(open_folder(command.cwd, command.roots))
            stage = _AT_EXEC
            _execute(command)
    except OutsideRoots:
        os.write(failure, _FAILURE.pack(_OUTSIDE, errno.EACCES))
    except OSError as error:
        os.write(failure, _FAILURE.pack(stage, error.errno or errno.EIO))
    except BaseException:
        os.write(failure, _FAILURE.pack(stage, errno.EINVAL))
    finally:
        os._exit(127)


def _take_terminal(slave: int) -> None:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for standard in (0, 1, 2):
        os.dup2(slave, standard)


def _hand_over(slave: int, account: Account) -> None:
    """From here on everything is done with that user's rights."""
    with contextlib.suppress(PermissionError):  # needed only by who opens the terminal by its name
        os.fchown(slave, account.uid, -1)
    become(account)


def _reset_signals() -> None:
    """Defaults for all: Python ignores two by itself, and ignored signals survive an exec."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _execute(command: Command) -> NoReturn:
    refusal: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in _candidates(command):
        try:
            os.execve(path, command.argv, command.environment)  # noqa: S606  (no shell, on purpose)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:  # as execvp(3) does: another folder may have it
            refusal = error
    raise refusal


def _candidates(command: Command) -> Iterator[bytes]:
    name = command.argv[0]
    if b"/" in name:
        yield name
        return
    for folder in command.environment.get(b"PATH", os.defpath.encode()).split(b":"):
        yield os.path.join(folder or b".", name)


def _explain(command: Command, stage: bytes, number: int) -> str:
    name = command.argv[0][:_MAX_SHOWN].decode("utf-8", "replace")
    cwd = command.cwd.decode("utf-8", "replace")
    if stage == _AT_USER:
        return _explain_user(command, number)
    if stage == _OUTSIDE:
        return f"The folder {cwd} is outside the folders that programs may work in."
    if stage == _AT_FOLDER:
        return _explain_folder(cwd, number)
    sentences = {
        errno.ENOENT: f"The command {name} was not found.",
        errno.EACCES: f"{name} is not an executable file, or may not be executed.",
        errno.ENOEXEC: f"{name} is not a program that this machine can run.",
        errno.E2BIG: "The command line and its environment are too long.",
        errno.EINVAL: f"The command {name} has an argument that cannot be passed to a program.",
    }
    script = os.path.join(command.cwd, command.argv[0])
    if number == errno.ENOENT and b"/" in command.argv[0] and os.path.exists(script):
        return f"{name} names an interpreter that was not found."
    return sentences.get(number, f"{name} could not be started: {os.strerror(number)}.")


def _explain_user(command: Command, number: int) -> str:
    name = command.account.name if command.account else ""
    return f"The program may not be started as the user {name}: {os.strerror(number)}."


def _explain_folder(cwd: str, number: int) -> str:
    sentences = {
        errno.ENOENT: f"The folder {cwd} does not exist.",
        errno.ENOTDIR: f"{cwd} is not a folder.",
        errno.EACCES: f"The folder {cwd} may not be entered.",
    }
    return sentences.get(number, f"The folder {cwd} cannot be used: {os.strerror(number)}.")
