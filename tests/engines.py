"""Real servers of PostgreSQL and Redis, on free ports of the loopback address.

`python -m tests.engines COMMAND...` starts one of each and runs the command with `DATABASE_URL` and
`REDIS_URL` pointing there. Without both programs it ends with NOT_INSTALLED, with CI=true with 1.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import redis
from psycopg.sql import SQL, Identifier

from tests.waiting_for import until

S = TypeVar("S", bound="Server")

PROJECT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
USER = "harness"
_CLIENT_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
START_SECONDS = 30.0
_taken: list[socket.socket] = []
# As automake has it for a test that is skipped.
NOT_INSTALLED = 77


class NotInstalled(Exception):
    """A program is missing; the text says which package has it."""


def in_ci() -> bool:
    """Whether nothing may be skipped."""
    return os.environ.get("CI") == "true"


def free_port() -> int:
    """A port that nobody listens on, that no other test is given, and no client meanwhile.

    Of those that the kernel gives to clients, one that knocks at a server which is not there yet
    may be given that very port, and then talks to itself.
    """
    first_of_clients = (
        int(_CLIENT_PORTS.read_text().split()[0]) if _CLIENT_PORTS.exists() else 32768
    )
    while True:
        port = secrets.choice(range(10_240, first_of_clients))
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            _take(port)
            return port


def _take(port: int) -> None:
    """Keep it from all runs of the tests, for as long as this one goes on; raises OSError."""
    taken = socket.socket(socket.AF_UNIX)
    try:
        taken.bind(f"\0harness-tests-port-{port}")
    except OSError:
        taken.close()
        raise
    _taken.append(taken)


# Databases of a server, whoever has started that


class Databases:
    """Makes and drops databases of the server that a URL names, itself left alone."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)

    def url(self, name: str) -> str:
        """The URL of one of them."""
        return urlunsplit(self._url._replace(path=f"/{name}"))

    def create(self, name: str, template: str = "template1") -> str:
        """Make a database as a copy of another one, which nobody may use meanwhile; its URL."""
        statement = SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(statement.format(Identifier(name), Identifier(template)))
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop it, if it is there; who is connected to it is cut off."""
        self._execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))

    def _execute(self, statement: Any) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


# Servers


class Server:
    """One process in a folder of its own, which nobody else may read."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="harness-engine-"))
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """What starts it."""
        raise NotImplementedError

    def account(self) -> Mapping[str, Any]:
        """As whom it runs, as subprocess.Popen takes it."""
        return {}

    def answers(self) -> bool:
        """Whether it takes requests."""
        raise NotImplementedError

    def start(self) -> Self:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl+C is for the tests, which stop it then.
                start_new_session=True,
                **self.account(),
            )
        until(self._has_come_up, timeout=START_SECONDS)
        return self

    def _has_come_up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        return self.answers()

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it; SIGINT is in order and prompt, SIGKILL is a crash."""
        if self.process is not None:
            self.resume()
            self.process.send_signal(number)
            self.process.wait(START_SECONDS)
            self.process = None

    def restart(self) -> None:
        """Stop and start it; it forgets what it does not keep."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let it answer nobody, and keep every connection."""
        for process in self._processes():
            process.suspend()

    def resume(self) -> None:
        """Let it go on."""
        for process in self._processes():
            process.resume()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause it for a while."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def _processes(self) -> list[psutil.Process]:
        if self.process is None or not psutil.pid_exists(self.process.pid):
            return []
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def remove(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.remove()
            raise

    def __exit__(self, *_: object) -> None:
        self.remove()


class Postgres(Server):
    """A PostgreSQL cluster, in no hurry to write anything to the disk.

    `settings` are in the words of postgresql.conf. It does not run as root: the account `postgres`
    of Debian's package stands in.
    """

    def __init__(self, **settings: str) -> None:
        self._programs = postgresql_programs()
        super().__init__()
        self._settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "300",
            "shared_buffers": "64MB",
            **settings,
        }
        self._password = secrets.token_hex(16)
        try:
            self._make_cluster()
        except BaseException:
            self.remove()
            raise

    def _make_cluster(self) -> None:
        password = self.folder / "password"
        password.write_text(self._password)
        for path in (self.folder, password):
            path.chmod(0o700)
            if "user" in self.account():
                shutil.chown(path, self.account()["user"], self.account()["group"])
        options = [f"--username={USER}", f"--pwfile={password}", "--auth=scram-sha-256"]
        options += ["--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(
            [self._programs / "initdb", f"--pgdata={self.folder / 'data'}", *options],
            cwd=self.folder,
            check=True,
            capture_output=True,
            timeout=60,
            **self.account(),
        )

    def account(self) -> Mapping[str, Any]:
        """PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return {}
        return {"user": "postgres", "group": "postgres", "extra_groups": []}

    def command(self) -> Sequence[str]:
        """The server itself, so that it is our own child."""
        given = [f"-c{name}={value}" for name, value in self._settings.items()]
        return [str(self._programs / "postgres"), "-D", str(self.folder / "data"), *given]

    def answers(self) -> bool:
        """Whether it lets somebody in."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        """Where a database of it is."""
        return f"postgres://{USER}:{self._password}@{HOST}:{self.port}/{database}"

    @property
    def databases(self) -> Databases:
        """Its databases."""
        return Databases(self.url("postgres"))

    @cached_property
    def migrated(self) -> str:
        """The name of a database with this version's tables, to make copies of."""
        self.databases.create("migrated")
        migrate(self.url("migrated"))
        return "migrated"

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The URL of a new database, dropped afterwards; a copy of `migrated` if that is named."""
        name = f"test_{secrets.token_hex(4)}"
        try:
            yield self.databases.create(name, template)
        finally:
            self.databases.drop(name)


class Redis(Server):
    """A Redis that keeps nothing; `settings` are in the words of redis.conf."""

    def __init__(self, **settings: str) -> None:
        self._program = redis_program()
        super().__init__()
        self.password = secrets.token_hex(16)
        self._settings = {
            "bind": HOST,
            "port": str(self.port),
            "dir": str(self.folder),
            "requirepass": self.password,
            "save": '""',
            "appendonly": "no",
            **settings,
        }

    def command(self) -> Sequence[str]:
        """Its settings are in a file: arguments can be read by everybody."""
        file = self.folder / "redis.conf"
        lines = (f"{name.replace('_', '-')} {value}" for name, value in self._settings.items())
        file.write_text("\n".join(lines))
        return [self._program, str(file)]

    def answers(self) -> bool:
        """Whether it answers a ping."""
        try:
            return bool(self.ask("PING"))
        except redis.ConnectionError:
            return False

    def ask(self, *command: str) -> Any:
        """Give it a command; what it answers."""
        with redis.Redis(host=HOST, port=self.port, password=self.password) as client:
            return client.execute_command(*command)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://:{self.password}@{HOST}:{self.port}"


# Their programs


def postgresql_programs() -> Path:
    """The folder of PostgreSQL's programs, of the newest version; raises NotInstalled."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    elsewhere = shutil.which("initdb")
    initdb = found[-1] if found else Path(elsewhere).resolve() if elsewhere else None
    if initdb is None or not (initdb.parent / "postgres").exists():
        raise NotInstalled("PostgreSQL is not installed (Debian's package postgresql).")
    if os.geteuid() == 0 and not _is_account("postgres"):
        raise NotInstalled("PostgreSQL does not run as root, and there is no user postgres here.")
    return initdb.parent


def redis_program() -> str:
    """Redis's program; raises NotInstalled."""
    found = shutil.which("redis-server")
    if found is None:
        raise NotInstalled("Redis is not installed (Debian's package redis-server).")
    return found


def _is_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def migrate(url: str) -> None:
    """Bring the database to this version's tables, and let go of it."""
    with tempfile.TemporaryDirectory() as state:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"],
            cwd=PROJECT,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("HARNESS_")},
                "HARNESS_STATE_DIR": state,
                "DATABASE_URL": url,
                "DJANGO_SETTINGS_MODULE": "harness_site.settings",
            },
            check=True,
            capture_output=True,
            timeout=120,
        )


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    with subprocess.Popen(command, env=environment) as running:
        try:
            return running.wait()
        except SystemExit:
            running.send_signal(signal.SIGINT)  # so that it ends what it has started itself
            raise


def main() -> int:
    """Run the command with both servers; its exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with Postgres() as postgres, Redis() as layer:
            engines = {"DATABASE_URL": postgres.databases.create(USER), "REDIS_URL": layer.url}
            return _run(sys.argv[1:], {**os.environ, **engines})
    except NotInstalled as reason:
        sys.stderr.write(f"{reason}\n")
        return 1 if in_ci() else NOT_INSTALLED


if __name__ == "__main__":
    sys.exit(main())
