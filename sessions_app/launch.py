"""What may be started: the request, and the checks that it passes before anything is stored."""

import fnmatch
import os
import pwd
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sessions_app.events import MAX_SIZE, MIN_SIZE
from sessions_app.exceptions import InvalidRequest

DEFAULT_COLS, DEFAULT_ROWS = 120, 32
# Linux takes 128 KiB per argument (MAX_ARG_STRLEN in execve(2)); the same bound is put on all
# arguments together, which is far more than a person or an agent means.
MAX_COMMAND_BYTES = 128 * 1024
MAX_ENVIRONMENT_BYTES = 64 * 1024
MAX_NAME = 200
_BASIC_VARIABLES = (
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


@dataclass(frozen=True, kw_only=True)
class LaunchRequest:
    """What somebody wants to run; `owner_id` is the user's key, `environment` extra variables.

    Of an owner's requests with the same `idempotency_key` only the first starts something.
    """

    argv: list[str]
    working_dir: str
    name: str = ""
    cols: int = DEFAULT_COLS
    rows: int = DEFAULT_ROWS
    environment: dict[str, str] = field(default_factory=dict)
    queue: bool = False
    owner_id: int | None = None
    team: bool = False
    idempotency_key: str | None = None


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


def check_launch(request: LaunchRequest, environment: Mapping[str, str]) -> LaunchRequest:
    """Return the request with its folder made absolute, or raise InvalidRequest with the fields.

    `environment` is what the program would start with: its PATH says where commands are found.
    """
    _refuse_nul(request)
    _check_size("cols", request.cols)
    _check_size("rows", request.rows)
    if len(request.name) > MAX_NAME:
        raise _refusal("name", f"The name is longer than {MAX_NAME} characters.")
    _check_environment(request.environment)
    folder = _check_folder(request.working_dir)
    argv = [os.path.expanduser(word) for word in request.argv[:1]] + request.argv[1:]
    _check_command(argv, folder, request.environment.get("PATH", environment["PATH"]))
    return replace(request, argv=argv, working_dir=str(folder))


def child_environment(inherited: Mapping[str, str], passed: Sequence[str]) -> dict[str, str]:
    """Return a clean environment: basic variables, and those that match `passed`.

    Variables of the harness itself are never inherited; they hold what is not the program's.
    """
    patterns = (*_BASIC_VARIABLES, *passed)
    account = pwd.getpwuid(os.getuid())
    environment = {
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": account.pw_shell or "/bin/sh",
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
    }
    environment |= {
        name: value
        for name, value in inherited.items()
        if not name.startswith("HARNESS_")
        and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }
    return {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}


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


def _check_environment(environment: Mapping[str, str]) -> None:
    for name in environment:
        if not name or "=" in name:
            raise _refusal("env", f"{name!r} is not the name of a variable.")
        if name.startswith("HARNESS_"):
            raise _refusal("env", f"{name} is set by the harness; choose another name.")
    if sum(len(f"{k}={v}".encode()) for k, v in environment.items()) > MAX_ENVIRONMENT_BYTES:
        raise _refusal("env", f"The variables take more than {MAX_ENVIRONMENT_BYTES} bytes.")


def _check_folder(path: str) -> Path:
    try:
        folder = Path(path).expanduser()
    except RuntimeError as error:
        raise _refusal("workingDir", f"There is no such home folder: {path}.") from error
    if not folder.is_absolute():
        raise _refusal("workingDir", f"Give the folder's whole path, not {path!r}.")
    try:
        if not folder.exists():
            raise _refusal("workingDir", f"There is no folder {folder}. Create it or choose one.")
        if not folder.is_dir():
            raise _refusal("workingDir", f"{folder} is not a folder.")
    except OSError as error:
        raise _refusal("workingDir", f"{folder} cannot be used: {error.strerror}.") from error
    if not os.access(folder, os.X_OK):
        raise _refusal("workingDir", f"You may not enter the folder {folder}.")
    return folder


def _check_command(argv: Sequence[str], folder: Path, search_path: str) -> None:
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
        if shutil.which(program, path=search_path) is None:
            raise _refusal(
                "command", f"There is no command {program} on the PATH. Is it installed?"
            )
        return
    path = folder / program
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
