"""How long `bin/run` takes until the server answers, the first start and the next ones.

Usage: .venv/bin/python bench/startup.py [--fresh] [--starts N]

Each start uses a state folder of the benchmark's own. With --fresh the first start is that of a
copy of the committed project with nothing installed, as after `git clone`.
"""

import argparse
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PATIENCE = 600.0


def main() -> int:
    """Print one line per start and the median of all but the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="begin with nothing installed")
    parser.add_argument("--starts", type=int, default=6, help="how many starts (default 6)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = clone(Path(folder) / "clone") if options.fresh else PROJECT
        took = [start_once(project, Path(folder) / "state") for _ in range(options.starts)]
    for number, seconds in enumerate(took, start=1):
        print(f"start {number}: {seconds:6.2f} s")
    if took[1:]:
        print(f"median of the later starts: {statistics.median(took[1:]):.2f} s")
    return 0


def clone(folder: Path) -> Path:
    """Clone what is committed."""
    subprocess.run(["git", "clone", "--quiet", PROJECT, folder], check=True)  # noqa: S607
    return folder


def start_once(project: Path, state: Path) -> float:
    """Return the seconds from the command to the first answer; the server is stopped again."""
    port = free_port()
    environment = os.environ | {"HARNESS_STATE_DIR": str(state), "HARNESS_PORT": str(port)}
    began = time.monotonic()
    server = subprocess.Popen(
        [project / "bin/run"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(port):
            if server.poll() is not None or time.monotonic() - began > PATIENCE:
                sys.exit("bin/run did not bring up a server; run it by hand to see why.")
            time.sleep(0.01)
        return time.monotonic() - began
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=30)
        finally:
            server.kill()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Tell whether the server says that it is well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
