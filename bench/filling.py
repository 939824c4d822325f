"""Fills the log with ended sessions: `python -m bench.filling COUNT`, in a server's environment.

Prints JSON: a login cookie's `name` and `value`. The words that a search finds are in
`NEEDLE_EVERY`th names.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta

import django

BATCH = 1000
NEEDLE = "needle"
NEEDLE_EVERY = 1000
PROGRAMS = ("claude --continue", "codex exec 'fix the tests'", "make -j8 check", "bash -l", "htop")


def fill(count: int) -> None:
    """Store that many sessions, one a minute, the newest now."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from sessions_app.events import Status
    from sessions_app.models import Session

    owner, now = User.objects.get(), timezone.now()

    def row(number: int) -> Session:
        moment = now - timedelta(minutes=count - number)
        session = Session(
            name=f"{NEEDLE} {number}" if number % NEEDLE_EVERY == 0 else f"session {number}",
            status=Status.FAILED if number % 7 == 0 else Status.COMPLETED,
            host="bench",
            owner=owner,
            working_dir=f"/home/somebody/projects/project-{number % 50}",
            cols=120,
            rows=32,
            created_at=moment,
            started_at=moment,
            ended_at=moment + timedelta(seconds=50),
            last_activity_at=moment,
            exit_code=1 if number % 7 == 0 else 0,
            last_seq=2,
            output_bytes=number,
        )
        session.set_command(PROGRAMS[number % len(PROGRAMS)].split())
        return session

    for first in range(0, count, BATCH):
        last = min(first + BATCH, count)
        Session.objects.bulk_create(row(number) for number in range(first, last))


def login_cookie() -> dict[str, str]:
    """Log the only user in, as its browser would be."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    user = User.objects.get()
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return {"name": settings.SESSION_COOKIE_NAME, "value": str(store.session_key)}


def main() -> None:
    """Do both."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "harness_site.settings")
    django.setup()
    fill(int(sys.argv[1]))
    print(json.dumps(login_cookie()))


if __name__ == "__main__":
    main()
