"""Several processes that work together, as on several machines: web servers, and managers.

They share a PostgreSQL and a Redis, and nothing else: each has a state folder of its own.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.engines import Postgres, Redis, free_port
from tests.real_server import PROJECT, RealServer


class Process(RealServer):
    """A web server or a manager of the site, spoken to with the site's token."""

    def __init__(self, site: Site, name: str, environment: Mapping[str, str]) -> None:
        self.state = site.folder / name
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.kind = "daphne"
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.public_url = f"http://harness.localhost:{self.port}"
        self.token = site.token
        self.process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **site.environment,
            "HARNESS_STATE_DIR": str(self.state),
            "HARNESS_PORT": str(self.port),
            **environment,
        }


class Web(Process):
    """A process that serves pages, API and live streams, and runs nothing."""

    def __init__(self, site: Site, name: str, **environment: str) -> None:
        super().__init__(site, name, {"HARNESS_ROLE": "web", **environment})
        self._site = site

    def folders(self) -> list[str]:
        """The ids of the sessions whose programs may still run, on whichever host."""
        return [name for manager in self._site.managers for name in manager.folders()]


class WholeSite(Web):
    """A web server that the other processes of its site crash with, and come back with."""

    def start(self) -> WholeSite:
        """Start what does not run, and wait until all of it is healthy."""
        super().start()
        for each in self._others():
            if each.process is None:
                each.start()
        return self

    def kill(self) -> None:
        """End all of it as a loss of power would."""
        super().kill()
        for each in self._others():
            each.kill()

    def _others(self) -> list[Process]:
        return [each for each in self._site.processes if each is not self]


class Manager(Process):
    """The manager of a host that has the name of this process."""

    def __init__(self, site: Site, name: str, **environment: str) -> None:
        role = {"HARNESS_ROLE": "manager", "HARNESS_HOST_NAME": name}
        super().__init__(site, name, {**role, **environment})
        self._site = site
        self._before: str | None = None

    def command(self) -> list[str]:
        """What starts it."""
        return [sys.executable, "-I", str(PROJECT / "manage.py"), "runmanager"]

    def spawn(self) -> None:
        """Start the process and wait for nothing."""
        self._before = self._incarnation()
        super().spawn()

    def is_healthy(self) -> bool:
        """Whether this very process has said that it is there."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()[-2000:]
        incarnation = self._incarnation()
        return incarnation is not None and incarnation != self._before

    def _incarnation(self) -> str | None:
        query = "SELECT incarnation FROM sessions_app_host WHERE name = %s AND NOT stopped"
        rows = self._site.rows(query, self.name)
        return str(rows[0][0]) if rows else None


class Site:
    """All of it; processes are stopped, and their programs ended, when it is left."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")},
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "HARNESS_SECRET_KEY": secrets.token_hex(32),
            "HARNESS_ROOTS": "/",
            "HARNESS_STARTS_PER_MINUTE": "0",
            "DJANGO_SETTINGS_MODULE": "harness_site.settings",
        }
        self.processes: list[Process] = []
        # What they stand on, taken away after them.
        self.beneath = ExitStack()
        self.token = ""
        self.token = self._make_token()

    def _make_token(self) -> str:
        first = Process(self, "first-login", {})
        subprocess.run(
            [sys.executable, "manage.py", "loginlink", "--write-token"],
            cwd=PROJECT,
            env=first.environment,
            check=True,
            capture_output=True,
            timeout=60,
        )
        return (first.state / "api-token").read_text().strip()

    @property
    def managers(self) -> list[Manager]:
        """Those of its hosts."""
        return [each for each in self.processes if isinstance(each, Manager)]

    def web(self, name: str, **environment: str) -> Web:
        """A web server that runs."""
        web = Web(self, name, **environment)
        self.start(web)
        return web

    def manager(self, name: str, **environment: str) -> Manager:
        """A host whose manager runs."""
        manager = Manager(self, name, **environment)
        self.start(manager)
        return manager

    def start(self, process: Process) -> None:
        """Start a process that is stopped with the site."""
        self.processes.append(process)
        process.start()

    def rows(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """What a statement finds in the database."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(statement.encode(), arguments).fetchall()

    def close(self) -> None:
        """End all programs and all processes."""
        try:
            for each in self.processes:
                if each.process is None or each.process.poll() is not None:
                    each.start()
            next(each for each in self.processes if isinstance(each, Web)).end_sessions()
        finally:
            for each in self.processes:
                if each.process is not None:
                    each.stop()
            self.beneath.close()


@contextmanager
def site(folder: Path, postgres: Postgres, redis_server: Redis) -> Iterator[Site]:
    """A site without any process yet, on a database of its own."""
    with postgres.database(postgres.migrated) as database_url:
        made = Site(folder, database_url, redis_server.url)
        try:
            yield made
        finally:
            made.close()
