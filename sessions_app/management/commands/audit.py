"""Export the audit log."""

import csv
import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from sessions_app.audit import AuditRecord
from sessions_app.plain_text import plain_text

CHUNK = 1000
# Spreadsheets take such a cell for a formula, which may send away what stands beside it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class Command(BaseCommand):
    """`manage.py audit --since 2026-01-01`: the records, oldest first, on the standard output."""

    help = "Prints who did what, when and from where, oldest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what narrows the records, and the format."""
        parser.add_argument("--since", type=_moment, help="a date, or date and time, in UTC")
        parser.add_argument("--until", type=_moment, help="not including this one")
        parser.add_argument("--session", type=_session, help="the id of one session")
        parser.add_argument("--format", choices=WRITERS, default="jsonl")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them, a few at a time."""
        chosen = {name: options[name] for name in ("since", "until", "session") if options[name]}
        records = AuditRecord.objects.narrowed(**chosen).order_by("at", "id")
        WRITERS[options["format"]](records.iterator(chunk_size=CHUNK), self.stdout)


def write_lines(records: Iterable[AuditRecord], file: Any) -> None:
    """Write a JSON object per line; control characters are escaped in it."""
    for record in records:
        file.write(json.dumps(record.to_wire()))


def write_table(records: Iterable[AuditRecord], file: Any) -> None:
    """Write a CSV table that no spreadsheet calculates with."""
    # The command's own output adds line feeds where they are missing.
    writer = csv.writer(file, lineterminator="\n")
    names = ("at", "actor", "via", "address", "action", "session", "sessionName", "details")
    writer.writerow(names)
    for record in records:
        wire = record.to_wire() | {"details": json.dumps(record.details)}
        writer.writerow([_cell(wire[name]) for name in names])


WRITERS: dict[str, Callable[[Iterable[AuditRecord], Any], None]] = {
    "jsonl": write_lines,
    "csv": write_table,
}


def _cell(value: str | None) -> str:
    text = plain_text((value or "").encode("utf-8", "replace"))
    return f"'{text}" if text.startswith(FORMULA) else text


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        sentence = f"{text!r} is no date like 2026-01-31 or 2026-01-31T12:00:00Z."
        raise CommandError(sentence) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _session(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise CommandError(f"{text!r} is no id of a session.") from None
