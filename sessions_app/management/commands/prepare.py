"""Makes everything ready for the server: database, static files, a link to log in by."""

import contextlib
import errno
import fcntl
import hashlib
import os
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor

from sessions_app import checks, database_errors, network_exposure
from sessions_app.credentials import LOGIN_LINK_LIFE
from sessions_app.database_locks import is_alone, not_alone

ALREADY_RUNNING = 3
"""The exit status that says: there is nothing to start."""

MIGRATION_SECONDS = 600.0
MINUTES = round(LOGIN_LINK_LIFE.total_seconds() / 60)


class Command(BaseCommand):
    """Prints the host and port to listen on, then on further lines what the user is to read.

    Progress goes to the standard error. What is up to date already is left alone.
    """

    help = "Make database, static files and a login link ready, then print what bin/run needs."
    requires_system_checks: list[str] = []  # noqa: RUF012  # they cost a good part of a second

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the one choice there is."""
        parser.add_argument(
            "--link-only", action="store_true", help="print a new login link and nothing else"
        )

    def handle(self, **options: Any) -> None:
        """Do whatever of it is needed."""
        if options["link_only"]:
            migrate()
            self._print_link_only()
            return
        if server := running_server(settings.HARNESS_STATE_DIR):
            self._print_running(server)
            sys.exit(ALREADY_RUNNING)
        for host in network_exposure.listening_addresses(settings.HARNESS_HOST):
            check_address(host, settings.HARNESS_PORT)
        if sentences := checks.refusal():
            raise CommandError(sentences)
        migrate()
        if missing := network_exposure.missing():
            raise CommandError(network_exposure.refusal(missing))
        collect_static_files()
        link = login_link()
        scheme = "https" if settings.HARNESS_TLS_CERTIFICATE else "http"
        self.stdout.write(f"{scheme} {settings.HARNESS_HOST} {settings.HARNESS_PORT}")
        self.stdout.write(f"Session harness is running at {settings.HARNESS_PUBLIC_URL}")
        self.stdout.write(f"Open this link within {MINUTES} minutes: {link}")
        self.stdout.write(f"API token for scripts: {settings.HARNESS_STATE_DIR / 'api-token'}")
        self.stdout.write("Stop with Ctrl+C; programs go on running.")

    def _print_link_only(self) -> None:
        self.stdout.write(login_link())
        if running_server(settings.HARNESS_STATE_DIR) is None:
            self.stderr.write("The server is not running; bin/run starts it.")

    def _print_running(self, server: psutil.Process) -> None:
        ports = listening_ports(server)
        if ports and settings.HARNESS_PORT not in ports:
            raise CommandError(
                f"A server (process {server.pid}) already works on {settings.HARNESS_STATE_DIR}, "
                f"at port {ports[0]}. Use that one (HARNESS_PORT={ports[0]} bin/run link prints a "
                "link), stop it first, or set HARNESS_STATE_DIR to another folder."
            )
        link = login_link()
        self.stdout.write(
            f"Session harness is running already (process {server.pid}) at "
            f"{settings.HARNESS_PUBLIC_URL}"
        )
        self.stdout.write(f"Open this link within {MINUTES} minutes: {link}")


def login_link() -> str:
    """Return a new one-time link; makes sure of the first user and of the scripts' token."""
    printed = StringIO()
    call_command("loginlink", write_token=True, stdout=printed)
    return printed.getvalue().strip()


# Who is there already


def running_server(folder: Path) -> psutil.Process | None:
    """Return the server that works on this state folder, told by the lock that it holds."""
    try:
        descriptor = os.open(folder / "server.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with contextlib.suppress(ValueError, psutil.NoSuchProcess):
            return psutil.Process(int(os.pread(descriptor, 32, 0)))
    finally:
        os.close(descriptor)
    return None


def listening_ports(server: psutil.Process) -> list[int]:
    """Return the TCP ports that the process listens on; none where that cannot be known."""
    with contextlib.suppress(psutil.Error):
        connections = server.net_connections(kind="tcp")
        return [each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN]
    return []


def check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, with a sentence that says what to do."""
    try:
        family, kind, _, _, where = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as refusal:
        raise CommandError(_why_not(refusal, host, port)) from None


def _why_not(refusal: OSError, host: str, port: int) -> str:
    if refusal.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use by another program. Stop that one, or choose "
            f"another port: HARNESS_PORT={port + 1 if port < 65535 else port - 1} bin/run"
        )
    if refusal.errno == errno.EACCES:
        return f"Port {port} is reserved for the system. Choose one above 1023 as HARNESS_PORT."
    return f"{host} is not an address of this machine ({refusal.strerror}). Change HARNESS_HOST."


# Database and static files


def migrate() -> None:
    """Bring the database to this version's tables."""
    lock = settings.HARNESS_STATE_DIR / "prepare.lock"
    with only_one(lock), sentence_for_database_errors(), nobody_else_migrates():
        executor = MigrationExecutor(connection)
        if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return
        with progress("Preparing the database"):
            call_command("migrate", interactive=False, verbosity=0)


@contextlib.contextmanager
def sentence_for_database_errors() -> Iterator[None]:
    """Say which database it was."""
    try:
        yield
    except Error as error:
        raise CommandError(database_errors.refusal(error)) from error


@contextlib.contextmanager
def nobody_else_migrates() -> Iterator[None]:
    """Keep others waiting who prepare the same database, on whatever machine."""
    deadline = time.monotonic() + MIGRATION_SECONDS
    while not is_alone("migration"):
        if time.monotonic() > deadline:
            raise CommandError("Another process has been preparing the database for ten minutes.")
        time.sleep(0.1)
    try:
        yield
    finally:
        with contextlib.suppress(Error):  # a connection that is lost claims nothing
            not_alone("migration")


def collect_static_files() -> None:
    """Bring `STATIC_ROOT` to the sources' content."""
    root = Path(settings.STATIC_ROOT)
    root.mkdir(exist_ok=True)
    stamp = root / "sources.sha256"
    with only_one(root / "collect.lock"):
        wanted = static_sources_digest()
        if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
            return
        with progress("Collecting static files"):
            call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(wanted, encoding="ascii")


def static_sources_digest() -> str:
    """Return the SHA-256 over every static file's name and content and how they are stored."""
    storage = settings.STORAGES["staticfiles"]["BACKEND"]
    digest = hashlib.sha256(f"{settings.VERSION} {storage}".encode())
    for finder in get_finders():
        for name, source in finder.list([]):
            content = Path(source.path(name)).read_bytes()
            digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Keep others who prepare the same thing waiting."""
    descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def progress(what: str) -> Iterator[None]:
    """Say on the standard error what goes on and how long it took."""
    print(f"{what} ... ", end="", file=sys.stderr, flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", file=sys.stderr)
        raise
    print(f"done ({time.monotonic() - began:.0f} s)", file=sys.stderr)
