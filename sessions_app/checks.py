"""System checks for combinations that cannot work."""

import os
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from sessions_app import network_exposure
from sessions_app.holder.account import look_up, may_become_others
from sessions_app.origins import LOOPBACK_NAMES, parse_origin


@checks.register()
def state_folder_is_private(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """The state folder holds a key and tokens: nobody else may look into it."""
    folder: Path = settings.HARNESS_STATE_DIR
    if folder.stat().st_mode & 0o077:
        return [
            checks.Error(
                f"The state folder {folder} can be read by other users.",
                hint=f"chmod 700 {folder}",
                id="sessions_app.E001",
            )
        ]
    return []


@checks.register(checks.Tags.database)
def may_be_exposed(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """A server that starts programs has no business on the network unless all is in order."""
    sentences = network_exposure.missing() if kwargs.get("databases") else []
    return [checks.Error(sentence, id="sessions_app.E002") for sentence in sentences]


@checks.register()
def login_goes_to_nobody_else(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Cookies ignore ports, so they need a name that nothing else serves pages by."""
    public = parse_origin(settings.HARNESS_PUBLIC_URL.encode())
    if public is None or public.scheme == "https" or public.name not in LOOPBACK_NAMES:
        return []
    return [
        checks.Warning(
            f"Whatever else serves a page at {public.name} receives the login of whoever opens it.",
            hint="Leave HARNESS_PUBLIC_URL empty if your browser knows harness.localhost.",
            id="sessions_app.W020",
        )
    ]


@checks.register()
def not_everybody_is_a_proxy(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Whoever is believed can be anybody, as far as limits and records go."""
    if all(network.prefixlen for network in settings.HARNESS_TRUSTED_PROXIES):
        return []
    return [
        checks.Error(
            "HARNESS_TRUSTED_PROXIES names every address there is.",
            hint="Name the proxy's own address.",
            id="sessions_app.E020",
        )
    ]


@checks.register()
def programs_have_somewhere_to_work(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """A root that does not exist is a slip of the pen, or a disk that is not there yet."""
    if settings.HARNESS_ROLE == "web":
        return []  # programs run elsewhere
    roots: list[str] = settings.HARNESS_ROOTS
    hint = "Set HARNESS_ROOTS to the folders that programs may work in, for example ~/projects"
    missing = [root for root in roots if not Path(root).is_dir()]
    if missing == roots:
        sentence = f"There is no folder {' or '.join(roots)}, so no program can be started."
        return [checks.Error(sentence, hint=hint, id="sessions_app.E010")]
    if missing:
        sentence = f"There is no folder {' and no folder '.join(missing)}, named by HARNESS_ROOTS."
        return [checks.Warning(sentence, hint=hint, id="sessions_app.W010")]
    if "/" in roots:
        sentence = "Programs may be started in every folder of this machine."
        return [checks.Warning(sentence, hint=hint, id="sessions_app.W011")]
    return []


@checks.register()
def programs_can_become_another_user(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """A separation that is asked for and does not work is worse than none."""
    name: str = settings.HARNESS_RUN_AS
    if not name:
        return []
    if look_up(name).uid in {0, os.geteuid()}:
        return [
            checks.Error(
                f"HARNESS_RUN_AS={name} names root or the user that the server runs as.",
                hint="Name another user, made for programs, or leave it empty.",
                id="sessions_app.E011",
            )
        ]
    if not may_become_others():
        return [
            checks.Error(
                f"The server may not start programs as the user {name}.",
                hint="Run it as root (or with the capabilities chown, kill, setgid and setuid as "
                "ambient ones), or leave HARNESS_RUN_AS empty.",
                id="sessions_app.E012",
            )
        ]
    return []


@checks.register()
def processes_can_work_together(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Of several processes each does a part: they need one log, one messenger and one key."""
    return list(_what_several_lack()) if settings.HARNESS_ROLE != "all" else []


def _what_several_lack() -> Iterator[checks.CheckMessage]:
    role = f"HARNESS_ROLE={settings.HARNESS_ROLE}"
    if not settings.REDIS_URL:
        yield checks.Error(
            f"{role}: without Redis this process hears nothing of the others.",
            hint="Set REDIS_URL for all of them, for example redis://:password@127.0.0.1:6379",
            id="sessions_app.E030",
        )
    file = settings.HARNESS_STATE_DIR / "harness.sqlite3"
    if str(settings.DATABASES["default"]["NAME"]) == str(file):
        yield checks.Error(
            f"{role}: the database {file} is this process's own, so the others would not see it.",
            hint="Set DATABASE_URL for all of them, for example "
            "postgres://harness:password@127.0.0.1:5432/harness",
            id="sessions_app.E031",
        )
    if not settings.HARNESS_SECRET_KEY:
        yield checks.Error(
            f"{role}: with a key of its own this process takes what the others sign for forged.",
            hint="Set HARNESS_SECRET_KEY to the same random text for all of them, for example to "
            "what this prints: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'",
            id="sessions_app.E032",
        )


@checks.register()
def redis_is_no_open_door(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Whoever may speak to Redis reads what is printed, and tells viewers what was not."""
    url = urlsplit(settings.REDIS_URL)
    if not url.hostname or _is_this_machine(url.hostname):
        return []
    found: list[checks.CheckMessage] = []
    if not url.password and "ssl_certfile=" not in url.query:
        found.append(
            checks.Error(
                f"The Redis at {url.hostname} takes commands from everybody who reaches it: "
                "REDIS_URL has no password.",
                hint="Set one (requirepass in redis.conf), and REDIS_URL to "
                f"{url.scheme}://:password@{url.netloc.rpartition('@')[2]}",
                id="sessions_app.E033",
            )
        )
    if url.scheme == "redis":
        found.append(
            checks.Warning(
                f"What is printed and typed travels to the Redis at {url.hostname} unencrypted.",
                hint="Use rediss:// (TLS), unless nobody else can listen on that network.",
                id="sessions_app.W030",
            )
        )
    return found


def _is_this_machine(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def refusal() -> str:
    """Return why this process cannot work as it is set up, nothing if it can.

    For commands that leave out Django's checks because these take long.
    """
    every = (
        programs_have_somewhere_to_work,
        programs_can_become_another_user,
        processes_can_work_together,
        redis_is_no_open_door,
    )
    found = [message for check in every for message in check(None) if message.is_serious()]
    return "\n".join(f"{message.msg}\n{message.hint}" for message in found)
