"""Threads that own connections: none keeps one that is of no use, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import Error, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import pre_migrate

from sessions_app.database_locks import waiting_at_most
from sessions_app.database_threads import DatabaseThreads
from sessions_app.models import LoginAttempt
from tests.locked_database import locked_database

pytestmark = pytest.mark.usefixtures("transactional_db")
needs_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="only PostgreSQL ends connections and statements"
)


@pytest.fixture
async def threads() -> AsyncIterator[DatabaseThreads]:
    threads = DatabaseThreads("test", 1)
    yield threads
    await asyncio.to_thread(threads.close)


def ask(statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[0])


def my_process() -> str:
    return ask("SELECT pg_backend_pid()")


def end(process: str) -> str:
    return ask(f"SELECT pg_terminate_backend({process})")


@needs_postgresql
async def test_a_connection_that_was_ended_amid_a_statement_is_replaced(
    threads: DatabaseThreads,
) -> None:
    before = await threads.run(my_process)
    with pytest.raises(Error):
        await threads.run(end, before)
    assert await threads.run(my_process) != before


@needs_postgresql
async def test_a_connection_whose_end_was_borne_in_silence_is_replaced(
    threads: DatabaseThreads,
) -> None:
    def end_in_silence() -> str:
        process = my_process()
        with suppress(Error):
            end(process)
        return process

    assert await threads.run(end_in_silence) != await threads.run(my_process)


@needs_postgresql
async def test_a_connection_that_was_ended_while_it_was_idle_fails_nobody(
    threads: DatabaseThreads,
) -> None:
    others = DatabaseThreads("others", 1)
    before = await threads.run(my_process)
    await others.run(end, before)
    assert await threads.run(my_process) != before
    await asyncio.to_thread(others.close)


@needs_postgresql
async def test_a_statement_that_takes_too_long_is_cut_off_and_the_next_one_works(
    threads: DatabaseThreads,
) -> None:
    await threads.run(ask, "SELECT set_config('statement_timeout', '10ms', false)")
    with pytest.raises(OperationalError, match="statement timeout"):
        await threads.run(ask, "SELECT pg_sleep(20)")
    assert await threads.run(ask, "SHOW statement_timeout") == "20s"


@needs_postgresql
def test_patience_is_short_within_and_as_before_afterwards() -> None:
    assert ask("SHOW lock_timeout") == "10s"
    with waiting_at_most(0.25):
        assert ask("SHOW lock_timeout") == "250ms"
    with waiting_at_most(0):
        assert ask("SHOW lock_timeout") == "1ms"
    assert ask("SHOW lock_timeout") == "10s"


async def test_threads_that_end_leave_no_connection_behind() -> None:
    threads = DatabaseThreads("test", 3)
    together = threading.Barrier(3, timeout=10)

    def connect() -> BaseDatabaseWrapper:
        connection.ensure_connection()
        together.wait()
        return connections["default"]

    wrappers = await asyncio.gather(*(threads.run(connect) for _ in range(3)))
    assert len(set(wrappers)) == 3
    await asyncio.to_thread(threads.close)
    assert [wrapper.connection for wrapper in wrappers] == [None, None, None]


@needs_postgresql
def test_a_change_of_tables_may_take_its_time() -> None:
    limits: list[str] = []

    def look(**_: object) -> None:
        limits.append(ask("SHOW statement_timeout"))

    pre_migrate.connect(look, sender=apps.get_app_config("sessions_app"))
    try:
        call_command("migrate", verbosity=0)
    finally:
        pre_migrate.disconnect(look, sender=apps.get_app_config("sessions_app"))
    assert [*limits, ask("SHOW statement_timeout")] == ["0", "20s"]


def store_attempt() -> None:
    LoginAttempt.objects.create(address="10.0.0.1")


async def test_work_that_is_tried_again_gives_up_soon_while_the_database_is_locked(
    threads: DatabaseThreads,
) -> None:
    with locked_database():
        with pytest.raises(OperationalError):
            await asyncio.wait_for(threads.run_in_background(store_attempt), 5)
        assert await threads.run(LoginAttempt.objects.count) == 0
    await threads.run_in_background(store_attempt)
    assert await threads.run(LoginAttempt.objects.count) == 1
