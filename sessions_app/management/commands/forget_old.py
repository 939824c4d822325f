"""Forget sessions that ended long ago, with their events and output."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from sessions_app import audit, session_rows


class Command(BaseCommand):
    """Works beside a running server too: only ended sessions are deleted, each in one step."""

    help = "Forget sessions that ended more than so many days ago, with their output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the days, and whether only to say what would go."""
        parser.add_argument("--days", type=int, required=True, help="keep what is younger")
        parser.add_argument("--dry-run", action="store_true", help="only say how many")

    def handle(self, *args: Any, days: int, dry_run: bool, **options: Any) -> None:
        """Forget them and say how many."""
        old = session_rows.forgettable(days)
        if dry_run:
            self.stdout.write(f"{len(old)} sessions would be forgotten.")
            return
        for session_id in old:
            session = session_rows.forget(session_id)
            who = audit.command("forget_old")
            audit.note(audit.Action.SESSION_FORGOTTEN, who, session, days=days)
        self.stdout.write(f"{len(old)} sessions forgotten.")
