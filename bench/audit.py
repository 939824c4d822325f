"""What the audit log costs those who type: a key, and a single action.

python -m bench.audit
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable

ROUNDS, WRITTEN = 100_000, 5000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"HARNESS_STATE_DIR": folder}
        os.environ["DJANGO_SETTINGS_MODULE"] = "harness_site.settings"
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        asyncio.run(measure())


async def measure() -> None:
    from sessions_app import audit
    from sessions_app.models import Session

    who, session = audit.Actor(name="alice", via="browser", address="127.0.0.1"), Session(name="a")
    journal = audit.Journal()
    audit.set_journal(journal)
    print(f"a key: {per_call(lambda: audit.typed(who, session, b'x'), ROUNDS):.1f} µs")
    note = per_call(lambda: audit.note(audit.Action.LOGIN, who, session), WRITTEN)
    print(f"a single action: {note:.1f} µs")
    since = time.perf_counter()
    journal.start()
    await journal.stop()
    print(f"written: {WRITTEN / (time.perf_counter() - since):.0f} records/s")


def per_call(call: Callable[[], None], rounds: int) -> float:
    since = time.perf_counter()
    for _ in range(rounds):
        call()
    return (time.perf_counter() - since) / rounds * 1e6


if __name__ == "__main__":
    main()
