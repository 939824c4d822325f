"""The signal by which the session manager tells what happened, after it is in the log."""

import logging

from django.dispatch import Signal

from sessions_app.events import Announcement

logger = logging.getLogger(__name__)

# Sent with `event`: an Announcement of sessions_app.events. Receivers are called in the server's
# event loop for every piece of output, so they note it and return.
session_event = Signal()


def announce(sender: type, event: Announcement) -> None:
    """Tell the world what is in the log by now."""
    for receiver, outcome in session_event.send_robust(sender, event=event):
        if isinstance(outcome, Exception):
            logger.error("%s failed on an event", receiver, exc_info=outcome)
