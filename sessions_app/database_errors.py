"""What goes wrong with the database, and what that means to whoever asked for something."""

from django.db import DataError, Error, InterfaceError, InternalError, OperationalError, connection

# It is locked, full, gone or starting anew, or has ended the connection: not the caller's fault,
# and worth another try.
Unavailable = (OperationalError, InterfaceError, InternalError)
# What was asked for can be stored nowhere: a NUL in a text, a number beyond its column.
Unstorable = DataError


def told(error: Error) -> str:
    """Return what went wrong, for everybody to read.

    SQLite's own words; of PostgreSQL, whose words name hosts, users and statements, the kind.
    """
    if connection.vendor == "sqlite" or error.__cause__ is None:
        return str(error)
    return f"PostgreSQL: {type(error.__cause__).__name__}"
