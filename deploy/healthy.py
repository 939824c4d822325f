"""Exits with 0 while this container does its work, for Docker's health check.

A web process is asked for /health. A manager serves nothing; that it works shows in the lock on its
state folder, which goes with its process. Imports nothing but the standard library: Django takes
most of a second to load, and this is run every ten.
"""

import http.client
import os
import sys

SECONDS = 5
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where these are reached


def main() -> int:
    """Return 0, or say what is wrong and return 1."""
    is_manager = os.environ.get("HARNESS_ROLE") == "manager"
    trouble = _manager_trouble() if is_manager else _web_trouble()
    if trouble:
        print(trouble)  # noqa: T201  # Docker keeps it
    return 1 if trouble else 0


def _web_trouble() -> str:
    host = os.environ.get("HARNESS_HOST", "127.0.0.1").strip("[]")
    port = int(os.environ.get("HARNESS_PORT", "3333"))
    connection = http.client.HTTPConnection(ANY_ADDRESS.get(host, host), port, timeout=SECONDS)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        text = answer.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"The web process does not answer: {error}"
    finally:
        connection.close()
    return "" if answer.status == http.client.OK else text


def _manager_trouble() -> str:
    """Look the lock up: to try it would keep a manager out that starts at that moment."""
    try:
        inode = os.stat(os.path.join(os.environ["HARNESS_STATE_DIR"], "server.lock")).st_ino
    except FileNotFoundError:
        return "The manager has not begun."
    with open("/proc/locks", encoding="ascii") as file:
        locked = {line.split()[-3].rpartition(":")[2] for line in file}
    return "" if str(inode) in locked else "No manager works on the state folder."


if __name__ == "__main__":
    sys.exit(main())
