"""System checks for combinations that cannot work."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
