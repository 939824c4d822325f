#!/usr/bin/env python3
"""Django's command line for this project."""

import faulthandler
import os
import sys

PROJECT = os.path.dirname(os.path.realpath(__file__))


def main() -> None:
    """Run one management command."""
    # A crash in a library, or SIGABRT, leaves on the standard error where each thread was.
    faulthandler.enable()
    # A link that leads to the newest version may lead elsewhere while this process runs: what it
    # imports or starts later is to be of its own version.
    sys.path[:] = [os.path.realpath(folder) for folder in sys.path]
    # An isolated Python (-I) looks only where it is installed.
    if PROJECT not in sys.path:
        sys.path.insert(0, PROJECT)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "harness_site.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from sessions_app import database_errors

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"{error}")
    except database_errors.Unusable as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(database_errors.refusal(error))


if __name__ == "__main__":
    main()
