"""What the server-side screen costs: feed speed, snapshot time, memory per session.

python bench/screen.py
"""

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from sessions_app.screen import Screen  # noqa: E402

COLS, ROWS, PIECE, SESSIONS = 120, 40, 1 << 14, 20
PLAIN = b"".join(
    b"%06d the quick brown fox jumps over the lazy dog again\r\n" % n for n in range(9999)
)
COLOURED = b"".join(
    b"\x1b[38;5;%dm%04d\x1b[0m \x1b[1;48;2;%d;9;9mword\x1b[0m\r\n" % (n % 256, n, n % 256)
    for n in range(9999)
)


def main() -> None:
    recordings = sorted((ROOT / "tests" / "recordings").glob("*.raw"))
    outputs = [("plain lines", PLAIN), ("coloured words", COLOURED)]
    outputs += [(path.stem, path.read_bytes()) for path in recordings]
    for name, output in outputs:
        report(name, output)
    print(f"memory per session with 1,000 lines of scrollback: {memory_per_session():.2f} MB")


def report(name: str, output: bytes) -> None:
    whole = output * max(1, (1 << 20) // len(output))
    screen = Screen(COLS, ROWS)
    pieces = [whole[start : start + PIECE] for start in range(0, len(whole), PIECE)]
    speed = len(whole) / 1e6 / cpu_seconds(lambda: [screen.feed(piece) for piece in pieces])
    snapshot = screen.snapshot()
    took = cpu_seconds(lambda: [screen.snapshot() for _ in range(20)]) / 20
    print(f"{name:16} {speed:6.0f} MB/s   snapshot {len(snapshot):7,} bytes {took * 1e3:6.2f} ms")


def cpu_seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def memory_per_session() -> float:
    before = megabytes_in_use()
    screens = [Screen(COLS, ROWS) for _ in range(SESSIONS)]
    for screen in screens:
        screen.feed(PLAIN)
    return (megabytes_in_use() - before) / len(screens)


def megabytes_in_use() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    main()
