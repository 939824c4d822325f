"""The scenarios, in the order of the tables."""

from __future__ import annotations

from bench.scenario import Scenario
from bench.scenarios.audit import AuditCost
from bench.scenarios.bulk import Bulk, BulkWithDeafViewer
from bench.scenarios.echo import BusyEcho, Echo
from bench.scenarios.fanout import Fanout
from bench.scenarios.holder import Holder
from bench.scenarios.late import LateViewer
from bench.scenarios.limit import Limit
from bench.scenarios.listing import Listing, Search
from bench.scenarios.memory import Memory
from bench.scenarios.page import HomePage
from bench.scenarios.restart import Restart
from bench.scenarios.screen import ScreenCost
from bench.scenarios.start import Start
from bench.scenarios.startup import Startup
from bench.scenarios.wall import Wall

SCENARIOS: dict[str, type[Scenario]] = {
    scenario.name: scenario
    for scenario in (
        Fanout,
        Echo,
        BusyEcho,
        Bulk,
        BulkWithDeafViewer,
        Wall,
        LateViewer,
        Restart,
        Start,
        Listing,
        Search,
        Memory,
        HomePage,
        Limit,
        Holder,
        ScreenCost,
        AuditCost,
        Startup,
    )
}
