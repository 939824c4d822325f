"""Whom this thread waits for at the database, and for how long."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error, connection


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Let a write fail with OperationalError where it would have to wait longer for a lock.

    SQLite locks the whole file for one writer, PostgreSQL a row or a table.
    """
    milliseconds = int(seconds * 1000)
    patience = _sqlite_patience if connection.vendor == "sqlite" else _postgresql_patience
    with patience(milliseconds):
        yield


@contextmanager
def _sqlite_patience(milliseconds: int) -> Iterator[None]:
    with connection.cursor() as cursor:
        before = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds:d}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before:d}")


@contextmanager
def _postgresql_patience(milliseconds: int) -> Iterator[None]:
    _execute(f"SET lock_timeout = {max(1, milliseconds):d}")  # 0 would mean to wait for ever
    try:
        yield
    finally:
        # A transaction that has failed takes the setting along when it is rolled back, and a
        # connection that is lost when it is replaced.
        with suppress(Error):
            _execute("RESET lock_timeout")


def take_turns(about: str) -> None:
    """Let only one transaction at a time go on that takes turns about the same; to its end.

    With SQLite a transaction has the whole database to itself anyway.
    """
    if connection.vendor == "postgresql":
        _execute(f"SELECT pg_advisory_xact_lock({_number_of(about):d})")


def is_alone(about: str) -> bool:
    """Tell whether no other process claims the same; then it is claimed until `not_alone`.

    A claim ends with the connection. With SQLite nobody is asked: processes of one machine have
    files to lock.
    """
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_lock({_number_of(about):d})")
        return bool(cursor.fetchone()[0])


def not_alone(about: str) -> None:
    """Give up the claim."""
    if connection.vendor == "postgresql":
        _execute(f"SELECT pg_advisory_unlock({_number_of(about):d})")


def without_time_limit(**kwargs: Any) -> None:
    """Let statements of this connection take as long as they take: a change of tables, an index."""
    if connection.vendor == "postgresql":
        _execute("SET statement_timeout = 0")


def with_time_limit(**kwargs: Any) -> None:
    """Bound them again."""
    if connection.vendor == "postgresql":
        _execute("RESET statement_timeout")


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _number_of(about: str) -> int:
    """Return the key by which PostgreSQL knows the lock; locks are per database."""
    return zlib.crc32(f"session-harness {about}".encode())
