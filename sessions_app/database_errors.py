"""What goes wrong with the database, and what that means to whoever asked for something."""

from django.db import (
    DataError,
    Error,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
)

# It is locked, full, gone or starting anew, or has ended the connection: not the caller's fault,
# and worth another try.
Unavailable = (OperationalError, InterfaceError, InternalError)
# Nothing can be begun with it: besides the above, it is not what this version works with.
Unusable = (*Unavailable, ProgrammingError)
# What was asked for can be stored nowhere: a NUL in a text, a number beyond its column.
Unstorable = DataError


def told(error: Error) -> str:
    """Return what went wrong, for everybody to read.

    SQLite's own words; of PostgreSQL, whose words name hosts, users and statements, the kind.
    """
    if connection.vendor == "sqlite" or error.__cause__ is None:
        return str(error)
    return f"PostgreSQL: {type(error.__cause__).__name__}"


def refusal(error: Error) -> str:
    """Return why nothing can be begun with the database, and what to look at, for its operator."""
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    return (
        f"The database {connection.settings_dict['NAME']} cannot be used: {reason}. "
        f"{_advice(error)}"
    )


def _advice(error: Error) -> str:
    # PostgreSQL's kind of error, and SQLite's words, for a table or column that is not there.
    if isinstance(error, ProgrammingError) or str(error).startswith("no such"):
        return "Does `manage.py migrate` have to prepare it for this version?"
    if connection.vendor == "sqlite":
        return "Is the disk full, or another program at work on the file?"
    return "Does PostgreSQL run, and is DATABASE_URL right?"
