"""Run the manager of this machine without a web server."""

import asyncio
import os
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions_app import lifecycle
from sessions_app.exceptions import CannotStart


class Command(BaseCommand):
    """`manage.py runmanager`: runs sessions that web processes elsewhere show and command."""

    help = "Runs this machine's sessions, commanded through Redis, until it is asked to stop."
    requires_system_checks: list[str] = []  # noqa: RUF012  # they cost a good part of a second

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        # Programs write to the folder that this was called from.
        os.chdir("/")
        try:
            asyncio.run(_run())
        except CannotStart as error:
            raise CommandError(str(error)) from None


async def _run() -> None:
    loop = asyncio.get_running_loop()
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop.set)
    await lifecycle.start_process(lifecycle.Role.MANAGER)
    try:
        await asked_to_stop.wait()
    finally:
        await lifecycle.stop()
    lifecycle.leave()
