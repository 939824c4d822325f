"""Run the server, as bin/run does."""

import os
from typing import Any

from channels.routing import get_default_application
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sessions_app import checks, lifecycle, network_exposure
from sessions_app.front_door.limits import Limits, descriptors_for_clients
from sessions_app.front_door.server import CannotListenError, Certificate, FrontDoor

# For each program: the holder's socket and pidfd, its output, and what is read of it meanwhile.
DESCRIPTORS_PER_PROGRAM = 8


class Command(BaseCommand):
    """`manage.py serve`: Daphne on HARNESS_HOST and HARNESS_PORT, with bounds."""

    help = "Serves on HARNESS_HOST and HARNESS_PORT until it is asked to stop."
    requires_system_checks: list[str] = []  # noqa: RUF012  # they cost a good part of a second

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve."""
        if sentences := checks.refusal():
            raise CommandError(sentences)
        if missing := network_exposure.missing():
            raise CommandError(network_exposure.refusal(missing))
        # Programs write to the folder that this was called from.
        os.chdir("/")
        limits = Limits(body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        others = settings.HARNESS_SLOTS * DESCRIPTORS_PER_PROGRAM
        server = FrontDoor(
            get_default_application(),
            network_exposure.listening_addresses(settings.HARNESS_HOST),
            settings.HARNESS_PORT,
            limits.within(descriptors_for_clients(limits, others)),
            settings.HARNESS_TRUSTED_PROXIES,
            self._tls(),
        )
        lifecycle.stop_first(server.finish)
        try:
            server.run()
        except CannotListenError as refusal:
            raise CommandError(
                f"The address cannot be listened on: {refusal.socketError}"
            ) from None

    def _tls(self) -> Certificate | None:
        certificate, key = settings.HARNESS_TLS_CERTIFICATE, settings.HARNESS_TLS_KEY
        return Certificate(certificate, key) if certificate and key else None
