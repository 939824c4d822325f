"""The environment, read in one place with strict types: a value that makes no sense is refused.

Every setting of the project that comes from the environment is read here and nowhere else.
"""

import os
import pwd
import re
import socket
from ipaddress import ip_network
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from sessions_app.origins import Networks, parse_origin


def text(name: str, default: str = "") -> str:
    """Return the variable without surrounding white space; an empty one counts as not set."""
    return os.environ.get(name, "").strip() or default


def integer(name: str, default: int, *, least: int, most: int) -> int:
    """Return a whole number from `least` to `most`."""
    value = text(name)
    try:
        number = int(value) if value else default
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise ImproperlyConfigured(
            f"{name} must be a whole number from {least} to {most}, not {value!r}."
        )
    return number


def byte_size(name: str, default: str, *, least: int) -> int:
    """Return a number of bytes of at least `least`; `K`, `M` and `G` count in powers of 1024."""
    value = text(name, default).upper().removesuffix("IB").removesuffix("B")
    power = {"K": 1, "M": 2, "G": 3}.get(value[-1:], 0)
    digits = value[:-1] if power else value
    if not digits.isdecimal() or int(digits) * 1024**power < least:
        raise ImproperlyConfigured(
            f"{name} must be a size like 256M, of at least {least // 1024**2}M, not {text(name)!r}."
        )
    size: int = int(digits) * 1024**power
    return size


def flag(name: str, *, default: bool) -> bool:
    """Return a yes or no."""
    value = text(name).lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def folder(name: str, default: str) -> Path:
    """Return an absolute path; `~` is the user's home."""
    path = Path(text(name, default)).expanduser()
    if not path.is_absolute():
        raise ImproperlyConfigured(f"{name} must be an absolute path, not {str(path)!r}.")
    return path


def file(name: str) -> Path | None:
    """Return an absolute path, None if there is none; `~` is the user's home."""
    return folder(name, "") if text(name) else None


def user(name: str) -> str:
    """Return the name of a user of this machine, or nothing."""
    value = text(name)
    try:
        return pwd.getpwnam(value).pw_name if value else ""
    except KeyError:
        raise ImproperlyConfigured(f"{name}: there is no user {value!r}.") from None


def home(user_name: str = "") -> str:
    """Return a user's home, by default that of the user of this process."""
    return pwd.getpwnam(user_name).pw_dir if user_name else str(Path.home())


def folders(name: str, default: str, *, home: str) -> list[str]:
    """Return real paths of folders, separated by commas or colons; `~` is `home`."""
    words = [word.strip() for word in re.split("[,:]", text(name, default)) if word.strip()]
    paths = [home + word[1:] if word == "~" or word.startswith("~/") else word for word in words]
    if not paths or not all(os.path.isabs(path) for path in paths):
        raise ImproperlyConfigured(f"{name} must be absolute paths, not {text(name)!r}.")
    return [os.path.realpath(path) for path in paths]


def words(name: str, default: str = "") -> list[str]:
    """Return the comma-separated words of the variable."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def origin(name: str, default: str) -> str:
    """Return `http(s)://name[:port]`, in lower case and without a default port."""
    return _origin(name, text(name, default).removesuffix("/"))


def origins(name: str) -> list[str]:
    """Return the comma-separated origins of the variable, each as `origin` does."""
    return [_origin(name, word) for word in words(name)]


def _origin(name: str, value: str) -> str:
    found = parse_origin(value.encode("utf-8", "surrogateescape"))
    if found is None:
        raise ImproperlyConfigured(
            f"{name} must be like https://harness.example or http://name:8080, without a path, "
            f"not {value!r}."
        )
    return str(found)


def networks(name: str) -> Networks:
    """Return the comma-separated addresses and networks (`10.0.0.0/8`) of the variable."""
    try:
        return tuple(ip_network(word) for word in words(name))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be addresses like 127.0.0.1 or networks like 10.0.0.0/8: {error}."
        ) from None


def machine_name() -> str:
    """Return this machine's name, the default name of the host in the log."""
    return socket.gethostname() or "localhost"


def everything() -> dict[str, str]:
    """Return a copy of the whole environment, from which programs inherit an allowed part."""
    return dict(os.environ)
