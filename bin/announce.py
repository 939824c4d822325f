"""Prints the link as soon as the server that is being started answers.

Usage: announce.py PID, with what `manage.py prepare` printed on the standard input: a line with
the scheme (http or https), host and port that the server is to be reached by, then the text to
print. Ends without a word when the process ends first: the server has said why. Imports nothing but
the standard library.
"""

import http.client
import os
import ssl
import sys
import time

PATIENCE = 60.0
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where these are reached


def main() -> int:
    """Wait for the server, then print."""
    server = int(sys.argv[1])
    scheme, host, port = sys.stdin.readline().split()
    text = sys.stdin.read()
    answer = ""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not _is_alive(server):
            return 1
        status, answer = _health(scheme, ANY_ADDRESS.get(host, host), int(port))
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


def _health(scheme: str, host: str, port: int) -> tuple[int, str]:
    """Return the status and body of the answer, or 0 and nothing while there is none."""
    connection = _connection(scheme, host, port)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        return response.status, response.read(2000).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=5)
    # Its certificate is for the public name, and nothing secret is said here.
    context = ssl._create_unverified_context()  # noqa: S323
    return http.client.HTTPSConnection(host, port, timeout=5, context=context)


if __name__ == "__main__":
    sys.exit(main())
