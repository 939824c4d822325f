"""What is found of earlier sessions, and what becomes of it: at start, every 10 s and on demand.

`decide` is the whole table. Nothing here signals a process; a session is only ever adopted, closed
with the truth, or reported. Every step is a compare-and-set, so to recover twice changes nothing.
"""

import asyncio
import logging
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from django.utils import timezone

from sessions_app import event_log, log_ids, session_rows
from sessions_app.database_threads import DatabaseThreads
from sessions_app.events import ENDED, Status, iso
from sessions_app.exceptions import HolderUnresponsive
from sessions_app.holder.processes import boot_id
from sessions_app.holder_client import is_alive, read_exit_record, read_identity
from sessions_app.models import Session

logger = logging.getLogger(__name__)

NEVER_RELEASED = (
    "The server stopped, or failed, before the program was started. Start the session again."
)
# A start takes no longer; a folder that is younger may still become a session.
START_SECONDS = 10.0
RECOVER_SECONDS = 10.0
# While a start that a crash cut off may still turn out to have succeeded.
RECOVER_UNDECIDED_SECONDS = 1.0


class Row(StrEnum):
    """What the database says about a session."""

    NONE = "none"
    STARTING = "starting"
    ALIVE = "alive"
    ENDED = "ended"


class Outcome(StrEnum):
    """What becomes of it."""

    ADOPT = "adopt"  # go on where the log ends; a holder that is gone closes it
    NEVER_STARTED = "never-started"  # failed, with the reason
    WAIT = "wait"  # its start may still be under way
    SWEEP = "sweep"  # all of it is in the log: the folder has served
    STRAY = "stray"  # reported and never touched
    ORPHAN = "orphan"  # reported: processes without a session


@dataclass(frozen=True, kw_only=True)
class Found:
    """A row and a folder of the same id; the processes are told from others by their start."""

    row: Row
    folder: bool = False
    identity: bool = False
    exit_record: bool = False
    holder_runs: bool = False
    child_runs: bool = False
    is_young: bool = False


def decide(found: Found) -> Outcome | None:
    """Return what becomes of it; None for what is as it should be.

    | row      | folder, processes                     | outcome       |
    |----------|---------------------------------------|---------------|
    | alive    | whatever there is                     | adopt         |
    | starting | identity or exit record               | adopt         |
    | starting | neither, made a moment ago            | wait          |
    | starting | neither                               | never started |
    | ended    | holder or child runs                  | orphan        |
    | ended    | folder                                | sweep         |
    | none     | folder                                | stray         |
    """
    match found.row:
        case Row.ALIVE:
            return Outcome.ADOPT
        case Row.STARTING if found.identity or found.exit_record:
            return Outcome.ADOPT
        case Row.STARTING:
            return Outcome.WAIT if found.is_young else Outcome.NEVER_STARTED
        case Row.ENDED if found.holder_runs or found.child_runs:
            return Outcome.ORPHAN
        case Row.ENDED if found.folder:
            return Outcome.SWEEP
        case Row.NONE if found.folder:
            return Outcome.STRAY
    return None


class Adopter(Protocol):
    """What recovery needs of the session manager."""

    @property
    def host(self) -> str:
        """This machine's name."""

    def is_followed(self, session_id: str) -> bool:
        """Tell whether the session is being started or followed already."""

    async def adopt(self, session: Session) -> bool:
        """Go on with a session; False if its holder was gone. Raises HolderUnresponsive."""

    async def fail(self, session_id: str, sentence: str) -> None:
        """Close the log of a session without a program."""


@dataclass
class Report:
    """What the last recovery did, as session ids; `strays` are folders without a session."""

    at: str | None = None
    adopted: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    never_started: list[str] = field(default_factory=list)
    unresponsive: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether anything was done."""
        return bool(self.adopted or self.ended or self.never_started)

    def to_wire(self) -> dict[str, Any]:
        """Return the report as /health and the admin show it."""
        return {
            "at": self.at,
            "adopted": self.adopted,
            "ended": self.ended,
            "neverStarted": self.never_started,
            "unresponsive": self.unresponsive,
            "orphans": self.orphans,
            "strays": self.strays,
        }

    def summary(self) -> str:
        """Return one line for the server's log."""
        return (
            f"{len(self.adopted)} sessions adopted, {len(self.ended)} had ended, "
            f"{len(self.never_started)} never started, {len(self.strays)} stray folders"
        )


class Recoverer:
    """Recovers, one at a time; `report` is of the last time that anything was done."""

    def __init__(self, manager: Adopter, log: DatabaseThreads) -> None:
        self.report = Report()
        self._manager = manager
        self._log = log
        self._recovering = asyncio.Lock()
        self._undecided = False

    async def recover(self) -> Report:
        """Look for what should not have been there to find; that is logged."""
        report = await self.look()
        if report:
            logger.warning("recovered: %s", report.summary())
        return report

    async def look(self) -> Report:
        """Look for what nobody follows, and return what became of it."""
        async with self._recovering:
            report = await _recover(self._manager, self._log)
        self._undecided = bool(report.undecided)
        if report or not self.report:
            self.report = report
        return report

    async def recover_again(self) -> None:
        """Look every ten seconds, or sooner while there is something to decide."""
        while True:
            await asyncio.sleep(RECOVER_UNDECIDED_SECONDS if self._undecided else RECOVER_SECONDS)
            try:
                await self.recover()
            except (*session_rows.DatabaseTrouble, OSError) as error:
                logger.warning("recovery was put off: %s", error)
            except Exception:
                logger.exception("recovery failed, and is tried again")


async def _recover(manager: Adopter, log: DatabaseThreads) -> Report:
    """Bring rows, folders and processes together again; say what was found."""
    report = Report(at=iso(timezone.now()))
    for session_id, session, found in await log.run(_survey, manager):
        # What was started since the survey is not to be judged by it.
        if not manager.is_followed(session_id):
            with log_ids.about(session=session_id):
                try:
                    await _carry_out(decide(found), session_id, session, manager, report)
                except session_rows.DatabaseTrouble:
                    raise  # none of the others can be recovered either
                except Exception:  # which keeps no other session from being recovered
                    logger.exception("session %s could not be recovered", session_id)
    return report


def _survey(manager: Adopter) -> list[tuple[str, Session | None, Found]]:
    """Return every session that holds a slot, and every folder, that nobody follows."""
    known = {
        str(session.pk): session
        for session in Session.objects.on_host(manager.host).holding_a_slot().order_by("created_at")
    }
    folders = [each.name for each in event_log.sessions_folder().iterdir() if _is_readable(each)]
    known |= _rows_of(name for name in folders if name not in known)
    names = [*known, *(name for name in sorted(folders) if name not in known)]
    return [
        (name, known.get(name), _look(known.get(name), event_log.session_folder(name)))
        for name in names
        if not manager.is_followed(name)
    ]


def _is_readable(folder: Path) -> bool:
    """Tell whether it may be a session's; a file, or another's `lost+found`, is none."""
    return folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)


def _rows_of(names: Iterable[str]) -> dict[str, Session]:
    ids = [name for name in names if _is_id(name)]
    return {str(session.pk): session for session in Session.objects.filter(pk__in=ids)}


def _is_id(name: str) -> bool:
    try:
        Session._meta.pk.to_python(name)
    except Exception:  # what Django raises depends on the type of the key
        return False
    return True


def _look(session: Session | None, folder: Path) -> Found:
    identity, boot = read_identity(folder), boot_id()
    runs = identity is not None and identity.boot_id == boot
    try:
        age = time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        age = None
    return Found(
        row=_row_of(session),
        folder=age is not None,
        identity=identity is not None,
        exit_record=read_exit_record(folder) is not None,
        holder_runs=runs and identity is not None and is_alive(identity.holder, boot),
        child_runs=runs and identity is not None and is_alive(identity.child, boot),
        # The clock may have been set back since: what is from the future is not young.
        is_young=age is not None and abs(age) < START_SECONDS,
    )


def _row_of(session: Session | None) -> Row:
    if session is None:
        return Row.NONE
    if session.status in ENDED:
        return Row.ENDED
    return Row.STARTING if session.status == Status.IDLE else Row.ALIVE


async def _carry_out(
    outcome: Outcome | None,
    session_id: str,
    session: Session | None,
    manager: Adopter,
    report: Report,
) -> None:
    match outcome:
        case Outcome.ADOPT if session is not None:
            await _adopt(session, manager, report)
        case Outcome.NEVER_STARTED:
            await manager.fail(session_id, NEVER_RELEASED)
            _sweep(session_id)
            report.never_started.append(session_id)
        case Outcome.WAIT:
            report.undecided.append(session_id)
        case Outcome.SWEEP:
            _sweep(session_id)
        case Outcome.STRAY:
            report.strays.append(session_id)
        case Outcome.ORPHAN:
            report.orphans.append(session_id)


async def _adopt(session: Session, manager: Adopter, report: Report) -> None:
    session_id = str(session.pk)
    try:
        adopted = await manager.adopt(session)
    except HolderUnresponsive:
        # Left as it is, for its program runs; the next round tries again.
        logger.warning("the holder of session %s runs and does not answer", session_id)
        report.unresponsive.append(session_id)
    else:
        (report.adopted if adopted else report.ended).append(session_id)


def _sweep(session_id: str) -> None:
    shutil.rmtree(event_log.session_folder(session_id), ignore_errors=True)
