"""This project's server as two processes: one for the web, one for programs, over engines."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack

import psycopg

from bench.machine import PROJECT, cpu_seconds, wait_for
from bench.servers.base import START_SECONDS
from bench.servers.harness import MANAGE, HarnessServer, environment_of
from tests.engines import Postgres, Redis

HOST_NAME = "bench"


class SeveralProcesses(HarnessServer):
    """A web server and a manager that share a PostgreSQL and a Redis of their own.

    The CPU time is that of both processes, engines apart.
    """

    def __init__(self, kind: str, settings: Mapping[str, str]) -> None:
        super().__init__(kind, settings)
        self._manager: subprocess.Popen[bytes] | None = None
        self._engines = ExitStack()
        try:
            self._set_up(settings)
        except BaseException:
            self._engines.close()
            raise

    def _set_up(self, settings: Mapping[str, str]) -> None:
        postgres = self._engines.enter_context(Postgres())
        redis = self._engines.enter_context(Redis())
        self._database = postgres.databases.create("bench", postgres.migrated)
        shared = {
            "DATABASE_URL": self._database,
            "REDIS_URL": redis.url,
            "HARNESS_SECRET_KEY": secrets.token_hex(32),
            **settings,
        }
        folder = self.state / "manager"
        folder.mkdir(mode=0o700)
        role = {"HARNESS_ROLE": "manager", "HARNESS_HOST_NAME": HOST_NAME}
        self._of_manager = environment_of(folder, self.port, {**shared, **role})
        self.environment = environment_of(self.state, self.port, {**shared, "HARNESS_ROLE": "web"})
        self.manage("loginlink", "--write-token")
        self.token = (self.state / "api-token").read_text().strip()
        self._sessions = folder / "sessions"

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start both processes and wait for nothing."""
        with (self.state / "manager.log").open("ab") as log:
            self._manager = subprocess.Popen(
                [*MANAGE, "runmanager"], cwd=PROJECT, env=self._of_manager, stdout=log, stderr=log
            )
        return super().spawn()

    def _command(self) -> list[str]:
        return [*MANAGE, "serve"]

    def answers(self) -> bool:
        """Tell whether it is well, and the host has come."""
        if not super().answers():
            return False
        hosts = self.request("GET", "/api/hosts").json()
        return [host["state"] for host in hosts] == ["ready"]

    def end(self, number: int) -> None:
        """End the web server, the manager and the engines."""
        super().end(number)
        if self._manager is not None:
            self._manager.send_signal(signal.SIGTERM)
            self._manager.wait(START_SECONDS)
            self._manager = None
        self._engines.close()

    def end_sessions(self) -> None:
        """End every session and wait until no program and no holder is left."""
        super().end_sessions()
        wait_for(lambda: not os.listdir(self._sessions), "all sessions have ended", START_SECONDS)

    def cpu_seconds(self) -> float:
        """Return the CPU time that both processes have used."""
        return cpu_seconds([self.pid, *([self._manager.pid] if self._manager else [])])

    def _stored(self) -> dict[str, int]:
        with psycopg.connect(self._database) as connection:
            rows = connection.execute("SELECT id, output_bytes FROM sessions_app_session")
            return {key.hex: size for key, size in rows}
