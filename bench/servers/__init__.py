"""The servers that are measured, each started as its users start it."""

from __future__ import annotations

from collections.abc import Callable

from bench.servers.base import Server
from bench.servers.harness import HarnessServer
from bench.servers.nothing import Nothing
from bench.servers.reference import ReferenceServer
from bench.servers.several import SeveralProcesses
from bench.servers.terminado import TerminadoServer

KINDS: dict[str, Callable[[dict[str, str]], Server]] = {
    "daphne": lambda settings: HarnessServer("daphne", settings),
    "uvicorn": lambda settings: HarnessServer("uvicorn", settings),
    "several": lambda settings: SeveralProcesses("several", settings),
    "reference": lambda settings: ReferenceServer(),
    "terminado": lambda settings: TerminadoServer(),
    "none": lambda settings: Nothing(),
}
"""What makes each kind, from the settings that a scenario wants of the harness."""
