"""The signal by which the session manager tells what happened, after it is in the log."""

from django.dispatch import Signal

# Sent with `event`: an Announcement of sessions_app.events. Receivers are called in the server's
# event loop for every piece of output, so they note it and return.
session_event = Signal()
