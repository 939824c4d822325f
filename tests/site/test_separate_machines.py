"""Hosts in networks of their own, of which a cable is pulled and plugged in again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.reliability.programs import Printer
from tests.reliability.viewer_client import ViewerClient
from tests.site import machines
from tests.site.processes import Site, Web
from tests.waiting_for import auntil

REFUSAL = machines.why_not()
pytestmark = pytest.mark.skipif(REFUSAL is not None, reason=str(REFUSAL))


def state_of(web: Web, host: str) -> str:
    return str(web.request("GET", f"/api/hosts/{host}")["state"])


async def test_a_host_whose_cable_is_pulled_loses_nothing_and_is_back_when_it_is_plugged_in(
    site: Site, printer: Callable[..., Printer]
) -> None:
    web: Web = await asyncio.to_thread(site.web, "web")
    machine = await asyncio.to_thread(machines.far_manager, site, "far")
    database = urlsplit(site.database_url).port or 0
    assert not machine.can_reach("127.0.0.1", database)
    one = printer("program", pause=0.005)
    session_id = await asyncio.to_thread(web.launch, *one.argv)
    server: Any = web
    viewer = ViewerClient(server, [session_id], acknowledges=True)
    watching = asyncio.create_task(viewer.run())
    await auntil(lambda: viewer.received > 20_000, timeout=15)

    machine.unplug()
    body = {"data": "x"}
    address = f"/api/sessions/{session_id}/input"
    refused = await asyncio.to_thread(web.answer, "POST", address, body)
    # It may arrive yet: it is on its way when the cable is plugged in again.
    assert (refused.status, refused.json()["code"]) == (503, "outcome-unknown")
    await auntil(lambda: asyncio.to_thread(lambda: state_of(web, "far") == "silent"), 20)
    printed = len(one.printed())
    machine.plug()

    await auntil(lambda: asyncio.to_thread(lambda: state_of(web, "far") == "ready"), 40)
    await auntil(lambda: viewer.received > printed, timeout=20)
    one.stop()
    await asyncio.wait_for(watching, 60)
    assert viewer.faults == []
    assert viewer.connections == 1
    digest = viewer.watched[session_id].digest.digest()
    assert digest == hashlib.sha256(one.printed()).digest()
    assert await asyncio.to_thread(web.output, session_id) == one.printed()
