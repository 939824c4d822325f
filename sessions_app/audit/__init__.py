"""The audit log: who did what, when and from where. It is written and read, never changed.

`note` takes one action, `repeated`, `typed` and `resized` take what comes in bursts. None of them
waits for the database while the server runs: its journal writes within a second.
"""

from sessions_app.audit.actions import Action
from sessions_app.audit.journal import Journal
from sessions_app.audit.notes import SERVER, Actor
from sessions_app.audit.noting import (
    actor_of,
    address_in,
    address_of,
    command,
    note,
    note_expired_token,
    repeated,
    resized,
    set_journal,
    typed,
    visitor,
)
from sessions_app.audit.records import AuditRecord

__all__ = [
    "SERVER",
    "Action",
    "Actor",
    "AuditRecord",
    "Journal",
    "actor_of",
    "address_in",
    "address_of",
    "command",
    "note",
    "note_expired_token",
    "repeated",
    "resized",
    "set_journal",
    "typed",
    "visitor",
]
