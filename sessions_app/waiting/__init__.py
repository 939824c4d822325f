"""Is the session waiting for somebody? The sources that say so, and what becomes of it.

Standard library only: takes rendered lines and signals, knows neither terminal nor framework.
"""

from sessions_app.waiting.reports import Checkpoint, Report, Resumed, Wait, Waiting
from sessions_app.waiting.sources import Source
from sessions_app.waiting.tracker import WaitingTracker

__all__ = ["Checkpoint", "Report", "Resumed", "Source", "Wait", "Waiting", "WaitingTracker"]
