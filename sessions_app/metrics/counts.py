"""What has happened in this process since it began."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """Numbers that only grow; the event loop's thread alone adds to them, any thread reads them.

    To add takes some 50 ns: this is done for every piece of output and every frame.
    """

    output_bytes: int = 0  # taken in from programs
    sent_bytes: int = 0  # to live streams, as frames
    sent_messages: int = 0
    layer_errors: int = 0  # of the channel layer
    events_lost: int = 0  # because the layer did not keep up
    gaps_healed: int = 0  # messages that did not come, found in the log
    starts: int = 0  # of programs
    start_failures: int = 0
    completed: int = 0  # sessions
    failed: int = 0

    def ended(self, *, failed: bool) -> None:
        """Count a session that has ended."""
        if failed:
            self.failed += 1
        else:
            self.completed += 1


counts = Counts()
