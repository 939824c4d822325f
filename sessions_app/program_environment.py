"""The variables that a program starts with: what it inherits, and what a caller may add."""

import fnmatch
import os
import pwd
from collections.abc import Mapping, Sequence

from sessions_app.exceptions import InvalidRequest

MAX_BYTES = 64 * 1024
_INHERITED = (
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
# What the server itself is configured with. No pattern of HARNESS_PASS_ENV lets them through.
_OWN = ("HARNESS_*", "DJANGO_*", "SECRET*", "DATABASE_URL", "REDIS_URL")
# Folders that are private to the server's user.
_PRIVATE = ("TMPDIR", "XDG_RUNTIME_DIR")
# Documented, each in the manual of its program, to choose code that the program runs.
_CHOOSES_CODE = (
    "PATH",
    *("LD_*", "DYLD_*", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "MALLOC_*", "NLSPATH"),
    *("HOME", "XDG_CONFIG_*", "ZDOTDIR", "INPUTRC"),
    *("BASH_ENV", "BASH_FUNC_*", "BASHOPTS", "SHELLOPTS", "SHELL", "ENV", "IFS", "PS4"),
    *("PROMPT_COMMAND", "FPATH"),
    *(
        "PYTHON*",
        "VIRTUAL_ENV",
        "PIP_*",
        "PERL5*",
        "PERLLIB",
        "RUBY*",
        "GEM_*",
        "BUNDLE_*",
        "LUA_*",
    ),
    *("NODE_OPTIONS", "NODE_PATH", "NPM_CONFIG_*", "npm_config_*", "PHPRC", "PHP_INI_SCAN_DIR"),
    *("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_*", "CLASSPATH", "MAVEN_OPTS", "GRADLE_OPTS"),
    *("RUSTC*", "CARGO_*", "GOFLAGS", "MAKEFLAGS", "MAKEFILES", "CC", "CXX", "OPENSSL_*"),
    *("PAGER", "MANPAGER", "LESS", "LESSOPEN", "LESSCLOSE", "EDITOR", "VISUAL", "BROWSER"),
    *("VIMINIT", "EXINIT", "SSH_ASKPASS", "SUDO_ASKPASS", "RSYNC_RSH", "CVS_RSH", "TAR_OPTIONS"),
)
# Dozens of git's variables name programs, hooks or configuration; these do not.
_HARMLESS_GIT = ("GIT_AUTHOR_*", "GIT_COMMITTER_*", "GIT_TERMINAL_PROMPT", "GIT_OPTIONAL_LOCKS")


def child_environment(
    inherited: Mapping[str, str], passed: Sequence[str], run_as: str = ""
) -> dict[str, str]:
    """Return a clean environment: basic variables, and those that match `passed`.

    With `run_as`, the name of a user, what is personal is that user's. The server's own variables
    are never inherited; they hold what is not the program's. Raises KeyError for an unknown user.
    """
    personal = _personal(pwd.getpwnam(run_as)) if run_as else _own_personal(inherited)
    taken = {
        name: value
        for name, value in inherited.items()
        if _matches(name, (*_INHERITED, *passed))
        and not _matches(name.upper(), _OWN)
        and not (run_as and name in _PRIVATE)
    }
    return {
        **personal,
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        **taken,
        **(personal if run_as else {}),
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    }


def _personal(account: pwd.struct_passwd) -> dict[str, str]:
    return {
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": account.pw_shell or "/bin/sh",
    }


def _own_personal(inherited: Mapping[str, str]) -> dict[str, str]:
    try:
        return _personal(pwd.getpwuid(os.getuid()))
    except KeyError:  # a container may run under a number that has no name
        number, home = str(os.getuid()), inherited.get("HOME", "/")
        return {"HOME": home, "USER": number, "LOGNAME": number, "SHELL": "/bin/sh"}


def check_added(environment: Mapping[str, str]) -> None:
    """Raise InvalidRequest for variables that a caller may not add.

    Whoever may start any command gains nothing by `LD_PRELOAD` or `PATH`: `env LD_PRELOAD=...
    command` does the same, and is let through, because the command line shows it and is recorded.
    The refusal protects where a command is fixed or was read and approved and only its variables
    come from elsewhere: there `PATH` decides as much as `LD_PRELOAD` what runs, and is refused like
    it. It is a list of what is known, and no wall around somebody who may choose the command.
    """
    for name in environment:
        if not name or "=" in name:
            raise _refusal(f"{name!r} is not the name of a variable.")
        if name.startswith("HARNESS_"):
            raise _refusal(f"{name} is set by the harness; choose another name.")
        if chooses_code(name):
            raise _refusal(
                f"{name} decides which code runs, so it cannot be set here. If that is what you "
                f"want, make it part of the command: env {name}=... command"
            )
    if sum(len(f"{name}={value}".encode()) for name, value in environment.items()) > MAX_BYTES:
        raise _refusal(f"The variables take more than {MAX_BYTES} bytes.")


def chooses_code(name: str) -> bool:
    """Tell whether a variable of that name is known to choose code that programs run."""
    if name.startswith("GIT_"):
        return not _matches(name, _HARMLESS_GIT)
    return _matches(name, _CHOOSES_CODE)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _refusal(sentence: str) -> InvalidRequest:
    return InvalidRequest(sentence, {"env": [sentence]})
