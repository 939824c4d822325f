"""Print a one-time link into the dashboard."""

import os
import pwd
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from sessions_app import audit
from sessions_app.credentials import ApiToken, LoginLink


class Command(BaseCommand):
    """`manage.py loginlink [--write-token]`."""

    help = "Prints a link that lets one browser in, once, within ten minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the flag."""
        parser.add_argument(
            "--write-token",
            action="store_true",
            help="also write an API token to <HARNESS_STATE_DIR>/api-token, unless a good one "
            "is there",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the link, one line."""
        user = first_user()
        if options["write_token"]:
            write_token(user, settings.HARNESS_STATE_DIR / "api-token")
        self.stdout.write(login_link(user))


def first_user() -> User:
    """Return the user who is called as the operating system's one; made if there is none.

    It may do everything and has no password: it logs in by links.
    """
    name = _account_name()
    user = User.objects.filter(username=name).first() or _made(name)
    if not user.is_active:
        raise CommandError(f"The user {name} is switched off; switch it on in the administration.")
    return user


def _made(name: str) -> User:
    try:
        with transaction.atomic():
            return User.objects.create_superuser(name)
    except IntegrityError:  # another machine was quicker
        return User.objects.get(username=name)


def login_link(user: User) -> str:
    """Return an address that logs this user in; its fragment never reaches a server's log."""
    link = f"{settings.HARNESS_PUBLIC_URL}/login#token={LoginLink.issue(user)}"
    user_name = user.get_username()
    audit.note(audit.Action.LOGIN_LINK_MADE, audit.command("loginlink"), user=user_name)
    return link


def write_token(user: User, path: Path) -> None:
    """Make the file hold a token that is valid, readable by this account only."""
    if _holds_valid_token(path):
        path.chmod(0o600)
        return
    # Of each machine's own: a new token takes the place of an older one of the same name.
    name = f"token file of {settings.HARNESS_HOST_NAME}"[:100]
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(ApiToken.issue(user, name) + "\n")
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
    who, user_name = audit.command("loginlink"), user.get_username()
    audit.note(audit.Action.TOKEN_MADE, who, user=user_name, name=name)


def _holds_valid_token(path: Path) -> bool:
    try:
        return ApiToken.find(path.read_text(encoding="ascii").strip()) is not None
    except (OSError, UnicodeDecodeError):
        return False


def _account_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        return f"user-{os.getuid()}"
