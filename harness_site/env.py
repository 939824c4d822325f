"""The environment, read in one place with strict types: a value that makes no sense is refused.

Every setting of the project that comes from the environment is read here and nowhere else.
"""

import os
import pwd
import re
import socket
from collections.abc import Collection
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

import dj_database_url
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


def choice(name: str, default: str, *, known: Collection[str]) -> str:
    """Return one of the known words."""
    value = text(name, default)
    if value not in known:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(known)}, not {value!r}.")
    return value


def labels(name: str) -> list[str]:
    """Return the comma-separated words of the variable, each once: letters, digits, and `-_.=`."""
    found = words(name)
    if bad := [word for word in found if not re.fullmatch(r"[A-Za-z0-9_.=-]+", word)]:
        raise ImproperlyConfigured(
            f"{name} must be words of letters, digits, '-', '_', '.' and '=', with commas between "
            f"them, not {bad[0]!r}."
        )
    return list(dict.fromkeys(found))


def secret(name: str, *, least: int) -> str:
    """Return a text of at least `least` characters, or nothing; a refusal does not repeat it."""
    value = text(name)
    if value and len(value) < least:
        raise ImproperlyConfigured(f"{name} must have at least {least} characters.")
    return value


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


# Engines. Their URLs hold passwords, so no refusal repeats them.

_DATABASES = "postgres://user:password@host:5432/database or sqlite:////folder/file"
_REDIS = "redis://:password@host:6379"
# What redis-py reads of the address of a Redis behind TLS.
_REDIS_TLS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}


def database(name: str) -> dict[str, Any] | None:
    """Return what Django has to know of the database that the URL names, None without a URL.

    For SQLite that is `ENGINE` and `NAME`, for PostgreSQL how to connect as well; its `OPTIONS`
    are the URL's parameters, in the words of libpq.
    """
    if not text(name):
        return None
    url = _url(name, _DATABASES)
    try:
        found: dict[str, Any] = {**dj_database_url.parse(text(name))}
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be like {_DATABASES}.") from None
    if url.scheme == "sqlite":
        return _sqlite(name, url, found)
    if url.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured(
            f"{name} must begin with postgres:// or sqlite:///; no other engine is supported."
        )
    if not found["NAME"]:
        raise ImproperlyConfigured(f"{name} must name the database: {_DATABASES}.")
    kept = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT")
    return {**{key: found[key] for key in kept}, "OPTIONS": _libpq_options(name, found)}


def _sqlite(name: str, url: SplitResult, found: dict[str, Any]) -> dict[str, Any]:
    path = Path(found["NAME"])
    if url.netloc or url.query or not path.is_absolute():
        raise ImproperlyConfigured(
            f"{name} must name SQLite's file by an absolute path and nothing else: "
            "sqlite:////folder/file, with four slashes."
        )
    return {"ENGINE": found["ENGINE"], "NAME": path}


def _libpq_options(name: str, found: dict[str, Any]) -> dict[str, Any]:
    from psycopg import Error
    from psycopg.conninfo import make_conninfo

    options: dict[str, Any] = found.get("OPTIONS", {})
    try:
        make_conninfo("", **options)
    except Error as error:
        raise ImproperlyConfigured(f"{name}: {str(error).strip()}.") from None
    return options


def redis(name: str) -> str:
    """Return the URL of a Redis, or nothing."""
    if not text(name):
        return ""
    url = _url(name, _REDIS)
    if url.scheme not in ("redis", "rediss") or not url.hostname or url.fragment:
        raise ImproperlyConfigured(f"{name} must be like {_REDIS}, or rediss:// for TLS.")
    if not re.fullmatch("/?[0-9]*", url.path):
        raise ImproperlyConfigured(f"{name} must end after the port, or with a database's number.")
    allowed = _REDIS_TLS if url.scheme == "rediss" else set()
    if bad := [key for key, _ in parse_qsl(url.query, True) if key not in allowed]:
        raise ImproperlyConfigured(f"{name}: {bad[0]!r} cannot be set here.")
    return text(name)


def _url(name: str, example: str) -> SplitResult:
    try:
        url = urlsplit(text(name))
        _ = url.port  # a number that is none is only noticed here
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be like {example}.") from None
    return url


def machine_name() -> str:
    """Return this machine's name, the default name of the host in the log."""
    return socket.gethostname() or "localhost"


def everything() -> dict[str, str]:
    """Return a copy of the whole environment, from which programs inherit an allowed part."""
    return dict(os.environ)
