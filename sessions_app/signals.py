"""The signal by which the session manager tells what happened, after it is in the log."""

from django.dispatch import Signal

# Sent with `event`: an Announcement of sessions_app.events.
session_event = Signal()
