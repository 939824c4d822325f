"""Print an API token for a monitoring system."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sessions_app import audit
from sessions_app.credentials import ApiToken
from sessions_app.management.commands.loginlink import first_user
from sessions_app.rights import Right, rights_of

MOST_DAYS = 36500
MOST_CHARACTERS = 100


class Command(BaseCommand):
    """`manage.py metricstoken [--user USER] [--name NAME] [--days DAYS] [--replace]`."""

    help = "Prints an API token that reads /metrics and nothing else."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whose it is, its name, and how long it lasts."""
        parser.add_argument("--user", help="an administrator; by default the first one")
        parser.add_argument("--name", default="metrics", help="what the token is called")
        parser.add_argument("--days", type=int, default=0, help="how long it lasts; 0 is for ever")
        parser.add_argument(
            "--replace", action="store_true", help="withdraw the token that has this name by now"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the token, one line."""
        user, name, days = _reader(options["user"]), options["name"], options["days"]
        if not 0 <= days <= MOST_DAYS:
            raise CommandError(f"A token lasts from 0 to {MOST_DAYS} days, not {days}.")
        if not 0 < len(name) <= MOST_CHARACTERS:
            raise CommandError(f"A name has from 1 to {MOST_CHARACTERS} characters.")
        taken = ApiToken.objects.filter(user=user, name=name).exists()
        if taken and not options["replace"]:
            raise CommandError(
                f"{user} has a token called {name}. Choose another --name, or withdraw that one "
                "with --replace."
            )
        life = timedelta(days=days) if days else None
        secret = ApiToken.issue(user, name, scopes=[Right.METRICS], life=life)
        who = audit.command("metricstoken")
        scopes = [str(Right.METRICS)]
        audit.note(audit.Action.TOKEN_MADE, who, user=str(user), name=name, scopes=scopes)
        self.stdout.write(secret)


def _reader(name: str | None) -> User:
    """Return the user of this name, who may read metrics."""
    user = User.objects.filter(username=name).first() if name else first_user()
    if user is None:
        raise CommandError(f"There is no user {name}.")
    if Right.METRICS not in rights_of(user):
        raise CommandError(f"{user} is no administrator and may not read metrics.")
    return user
