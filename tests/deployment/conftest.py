"""The arrangements of the deployment files, as processes of this machine."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.deployment.proxy import Proxy, place, stand_behind
from tests.real_server import PROJECT, RealServer
from tests.site import processes as sites


@dataclass(frozen=True)
class Arrangement:
    """A proxy and the web processes behind it; any of these answers for all."""

    proxy: Proxy
    webs: Sequence[RealServer]

    @property
    def web(self) -> RealServer:
        """The first one."""
        return self.webs[0]


COLLECT = "from sessions_app.management.commands import prepare; prepare.collect_static_files()"


@cache
def collect_static_files() -> None:
    """Collect what pages load unless that is done; without it there are no pages."""
    with tempfile.TemporaryDirectory() as state:
        subprocess.run(
            [sys.executable, "manage.py", "shell", "-v0", "-c", COLLECT],
            cwd=PROJECT,
            env={"HARNESS_STATE_DIR": state, "HOME": state},
            check=True,
            timeout=120,
        )


ONE, SEVERAL = "one process", "two web processes and a manager"


@pytest.fixture(scope="module", params=[ONE, SEVERAL])
def arrangement(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arrangement]:
    """One process that does everything; and the whole, over PostgreSQL and Redis."""
    make = {ONE: one_process, SEVERAL: several_processes}[request.param]
    with make(request, tmp_path_factory.mktemp("arrangement")) as made:
        yield made


@contextmanager
def one_process(request: pytest.FixtureRequest, folder: Path) -> Iterator[Arrangement]:
    """Behind the proxy, one process with a database in its state folder."""
    collect_static_files()
    proxy = Proxy(folder / "nginx")
    state = folder / "state"
    state.mkdir(mode=0o700)
    web = RealServer(state)
    stand_behind(proxy, web)
    web.start()
    proxy.start([web.port])
    yield Arrangement(proxy, [web])
    proxy.stop()
    if web.process is None:
        web.start()
    web.end_sessions()
    web.stop()


@contextmanager
def several_processes(
    request: pytest.FixtureRequest, folder: Path, first: type[sites.Web] = sites.Web
) -> Iterator[Arrangement]:
    """What compose.yaml has: proxy, two web processes, a manager, PostgreSQL and Redis."""
    collect_static_files()
    engines = (request.getfixturevalue(name) for name in ("postgres", "redis_server"))
    with sites.site(folder, *engines) as site:
        proxy = Proxy(folder / "nginx")
        site.manager("host-1", HARNESS_PUBLIC_URL=proxy.public_url)
        kinds = {"web-1": first, "web-2": sites.Web}
        webs = [kind(site, name, **place(proxy)) for name, kind in kinds.items()]
        for web in webs:
            web.public_url = proxy.public_url
            site.start(web)
        proxy.start([web.port for web in webs])
        yield Arrangement(proxy, webs)
        proxy.stop()
