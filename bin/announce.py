"""Prints the link as soon as the server that is being started answers.

Usage: announce.py PID, with what `manage.py prepare` printed on the standard input: a line with
the host and port that the server is to listen on, then the text to print. Ends without a word when
the process ends first: the server has said why. Imports nothing but the standard library.
"""

import http.client
import os
import sys
import time

PATIENCE = 60.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where these are reached


def main() -> int:
    """Wait for the server, then print."""
    server = int(sys.argv[1])
    host, port = sys.stdin.readline().split()
    text = sys.stdin.read()
    answer = ""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not _is_alive(server):
            return 1
        status, answer = _health(ANY_ADDRESS.get(host, host), int(port))
        if status == http.client.OK:
            print(text, end="", flush=True)  # noqa: T201
            return 0
        time.sleep(0.05)
    print(  # noqa: T201
        f"The server has not become ready within {PATIENCE:.0f} seconds. {answer}", file=sys.stderr
    )
    return 1


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _health(host: str, port: int) -> tuple[int, str]:
    """Return the status and body of the answer, or 0 and nothing while there is none."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        return response.status, response.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
