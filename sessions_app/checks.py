"""System checks for combinations that cannot work."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


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


@checks.register()
def bound_to_loopback(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """A server that starts programs has no business on the network without TLS."""
    if settings.HARNESS_HOST in LOOPBACK or settings.HARNESS_HOST.startswith("127."):
        return []
    return [
        checks.Warning(
            f"HARNESS_HOST={settings.HARNESS_HOST} makes the server reachable from other machines, "
            "unencrypted.",
            hint="Leave it at 127.0.0.1 and forward the port through ssh.",
            id="sessions_app.W001",
        )
    ]
