"""What may be started: the request, and the checks that it passes before anything is stored."""

import errno
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sessions_app.audit import SERVER, Actor
from sessions_app.events import MAX_SIZE, MIN_SIZE
from sessions_app.exceptions import InvalidRequest
from sessions_app.program_environment import check_added
from sessions_app.roots import OutsideRoots, expand_home, leads_inside, open_in_roots

DEFAULT_COLS, DEFAULT_ROWS = 120, 32
# Linux takes 128 KiB per argument (MAX_ARG_STRLEN in execve(2)); the same bound is put on all
# arguments together, which is far more than a person or an agent means.
MAX_COMMAND_BYTES = 128 * 1024
MAX_NAME = 200
# In bytes: PostgreSQL keeps no longer text in an index, and no folder that people make is as long.
MAX_FOLDER = 2500


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """What somebody wants to run; `owner_id` is the user's key, `environment` extra variables.

    `host` names the machine that it is to run on, "" is any that has all `labels`. In the queue
    the higher `priority` goes first. Of an owner's requests with the same `idempotency_key` only
    the first starts something.
    """

    argv: list[str]
    working_dir: str
    name: str = ""
    cols: int = DEFAULT_COLS
    rows: int = DEFAULT_ROWS
    environment: dict[str, str] = field(default_factory=dict)
    queue: bool = False
    host: str = ""
    labels: Sequence[str] = ()
    priority: int = 0
    owner_id: int | None = None
    team: bool = False
    idempotency_key: str | None = None
    asked_by: Actor = SERVER


def parse_command(command: str | Sequence[str]) -> list[str]:
    """Split a command line as a shell splits words; a list is taken as it is.

    Raises InvalidRequest when quotes are not closed.
    """
    if not isinstance(command, str):
        return list(command)
    try:
        return shlex.split(command)
    except ValueError as error:
        raise _refusal("command", f"The command cannot be split into words: {error}.") from error


@dataclass(frozen=True, kw_only=True)
class LaunchRules:
    """What may be started on this machine.

    `environment` is what a program starts with before its own variables: PATH says where commands
    are found and HOME what `~` is. `roots` are the real paths of the folders in which, or below
    which, programs may work. `run_as` names the user that programs become, if it is another one.
    """

    environment: Mapping[str, str]
    roots: Sequence[str]
    run_as: str = ""

    @property
    def home(self) -> str:
        """The folder that `~` is."""
        return self.environment["HOME"]


def check_launch(request: LaunchRequest, rules: LaunchRules) -> LaunchRequest:
    """Return the request with its folder made absolute, or raise InvalidRequest with the fields.

    This is for a quick and friendly answer. What it finds may have changed when the program is
    started; the folder is judged again then, by the process that goes on to work in it.
    """
    _refuse_nul(request)
    _check_size("cols", request.cols)
    _check_size("rows", request.rows)
    if len(request.name) > MAX_NAME:
        raise _refusal("name", f"The name is longer than {MAX_NAME} characters.")
    check_added(request.environment)
    folder = _check_folder(request.working_dir or default_folder(rules), rules)
    argv = [expand_home(word, rules.home) for word in request.argv[:1]] + request.argv[1:]
    _check_command(argv, folder, rules)
    return replace(request, argv=argv, working_dir=str(folder))


def default_folder(rules: LaunchRules) -> str:
    """Return where a program works whose caller names no folder."""
    return rules.home if leads_inside(rules.home, rules.roots) else rules.roots[0]


def _refusal(name: str, sentence: str) -> InvalidRequest:
    return InvalidRequest(sentence, {name: [sentence]})


def _refuse_nul(request: LaunchRequest) -> None:
    texts = {
        "command": request.argv,
        "workingDir": [request.working_dir],
        "name": [request.name],
        "env": [*request.environment.keys(), *request.environment.values()],
    }
    for name, values in texts.items():
        if any("\0" in value for value in values):
            raise _refusal(name, "A NUL character cannot be passed to a program; remove it.")
        try:
            "".join(values).encode()
        except UnicodeEncodeError as error:
            raise _refusal(name, "This is not valid text (a lone surrogate).") from error


def _check_size(name: str, value: int) -> None:
    if not MIN_SIZE <= value <= MAX_SIZE:
        raise _refusal(name, f"A terminal has from {MIN_SIZE} to {MAX_SIZE} {name}, not {value}.")


def _check_folder(path: str, rules: LaunchRules) -> Path:
    folder = Path(expand_home(path, rules.home))
    if str(folder).startswith("~"):
        raise _refusal("workingDir", f"There is no such home folder: {path}.")
    if len(os.fsencode(folder)) > MAX_FOLDER:
        raise _refusal("workingDir", f"The folder's path is longer than {MAX_FOLDER} bytes.")
    if not folder.is_absolute():
        raise _refusal("workingDir", f"Give the folder's whole path, not {path!r}.")
    outside = _refusal(
        "workingDir",
        f"{folder} is outside the folders that programs may work in. Choose a folder in "
        f"{' or '.join(rules.roots)}, or let HARNESS_ROOTS name another one.",
    )
    if not leads_inside(str(folder), rules.roots):
        raise outside  # first, so that what lies there is not told from what does not exist
    try:
        os.close(open_in_roots(str(folder), rules.roots))
    except OutsideRoots:
        raise outside from None
    except OSError as error:
        raise _refusal("workingDir", _why_not(folder, error)) from error
    if not rules.run_as and not os.access(folder, os.X_OK):
        raise _refusal("workingDir", f"You may not enter the folder {folder}.")
    return folder


def _why_not(folder: Path, error: OSError) -> str:
    sentences = {
        errno.ENOENT: f"There is no folder {folder}. Create it or choose one.",
        errno.ENOTDIR: f"{folder} is not a folder.",
        errno.EACCES: f"You may not enter the folder {folder}.",
    }
    return sentences.get(error.errno or 0, f"{folder} cannot be used: {error.strerror}.")


def _check_command(argv: Sequence[str], folder: Path, rules: LaunchRules) -> None:
    if not argv or not argv[0]:
        raise _refusal("command", "Say which command to run, for example: bash")
    if sum(len(word.encode()) + 1 for word in argv) > MAX_COMMAND_BYTES:
        raise _refusal(
            "command",
            f"The command takes more than {MAX_COMMAND_BYTES // 1024} KiB; "
            "put long input into a file or type it in.",
        )
    program = argv[0]
    if "/" not in program:
        if shutil.which(program, path=rules.environment["PATH"]) is None:
            raise _refusal(
                "command", f"There is no command {program} on the PATH. Is it installed?"
            )
        return
    if not rules.run_as:  # only that user's own eyes can tell
        _check_program(folder / program)


def _check_program(path: Path) -> None:
    try:
        is_file = path.is_file()
    except OSError:
        is_file = False
    if not is_file:
        raise _refusal("command", f"There is no program {path}.")
    if not os.access(path, os.X_OK):
        raise _refusal(
            "command", f"{path} is not executable. Try: chmod +x {shlex.quote(str(path))}"
        )
