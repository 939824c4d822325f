"""Somebody else holds the database's lock: nobody can write, everybody can read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.apps import apps
from django.db import connection

from tests.real_server import ON_POSTGRESQL, RealServer


def locked_database() -> AbstractContextManager[None]:
    """Keep everybody else from writing to the database of this process."""
    if connection.vendor == "sqlite":
        return _locked_file(connection.settings_dict["NAME"])
    return _locked_tables(**connection.get_connection_params())


def locked_server(server: RealServer) -> AbstractContextManager[None]:
    """Keep everybody else from writing to a server's database."""
    if ON_POSTGRESQL:
        return _locked_tables(conninfo=server.environment["DATABASE_URL"])
    return _locked_file(server.state / "harness.sqlite3")


@contextmanager
def _locked_file(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _locked_tables(**parameters: Any) -> Iterator[None]:
    tables = [model._meta.db_table for model in apps.get_app_config("sessions_app").get_models()]
    with closing(psycopg.connect(**parameters)) as other:
        other.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE".encode())
        yield
