"""What this process measures of itself, as plain numbers; no framework is imported here.

Whoever has something to count adds to `counts` or lets itself be followed. How the numbers are read
is the affair of `sessions_app.exposition`, and of the manager that reports `stats` of its machine.
"""

from sessions_app.metrics.counts import counts
from sessions_app.metrics.figures import FIGURES, SILENT_SECONDS, Figure
from sessions_app.metrics.loop_delay import LoopDelay, loop_delay
from sessions_app.metrics.manager_stats import follow, stats

__all__ = [
    "FIGURES",
    "SILENT_SECONDS",
    "Figure",
    "LoopDelay",
    "counts",
    "follow",
    "loop_delay",
    "stats",
]
