"""A program for a terminal that prints what the bench can check, and nothing else.

printer.py lines GUN COUNT RATE     numbered lines at a steady rate, then stays
printer.py bulk GUN BYTES           that many bytes as fast as possible, then ends
printer.py history GUN BYTES        the same, then stays
printer.py flood GUN                as fast as possible, for ever

It begins when the starting gun is fired (bench.starting_gun). A line carries the time at which it
was *due* by the monotonic clock, which all processes of a machine share: whoever makes the program
wait cannot hide the delay. Standard library only: it runs isolated, beside any server.
"""

import fcntl
import os
import signal
import sys
import time
import tty

LINE_BYTES = 100
FILLER = b"the quick brown fox jumps over the lazy dog and runs on through the quiet fields all day"
PIECE_LINES = 655


def timed_line(due: int, number: int) -> bytes:
    """Return a line of `LINE_BYTES`: when it was due (ns) and its number."""
    head = b"@%018d %08d " % (due, number)
    return head + FILLER[: LINE_BYTES - len(head) - 2] + b"\r\n"


def bulk_lines(first: int, count: int) -> bytes:
    """Return that many numbered lines of `LINE_BYTES`."""
    filler = b" " + FILLER[: LINE_BYTES - 14] + b"\r\n"
    return b"".join(b"#%010d%b" % (number, filler) for number in range(first, first + count))


def bulk_text(size: int) -> bytes:
    """Return all that `bulk` prints: whole lines, `size` bytes at most."""
    return bulk_lines(0, size // LINE_BYTES)


def await_gun(gun: str) -> int:
    """Say that this program is ready, wait until it is to begin, and return when that was (ns)."""
    with open(gun, "rb") as file:
        os.close(os.open(f"{gun}.ready.{os.getpid()}", os.O_CREAT | os.O_WRONLY, 0o600))
        fcntl.flock(file, fcntl.LOCK_SH)
        begin = int(file.read())
    time.sleep(max(0, begin - time.monotonic_ns()) / 1e9)
    return begin


def write(data: bytes) -> None:
    """Write all of it to the terminal."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]


def print_lines(gun: str, count: int, rate: float) -> None:
    begin = await_gun(gun)
    for number in range(count):
        due = begin + int(number * 1e9 / rate)
        ahead = due - time.monotonic_ns()
        if ahead > 0:
            time.sleep(ahead / 1e9)
        write(timed_line(due, number))


def print_bulk(gun: str, size: int) -> None:
    lines = size // LINE_BYTES
    firsts = range(0, lines, PIECE_LINES)
    pieces = [bulk_lines(first, min(PIECE_LINES, lines - first)) for first in firsts]
    await_gun(gun)
    for piece in pieces:
        write(piece)


def flood(gun: str) -> None:
    piece = bulk_lines(0, PIECE_LINES)
    await_gun(gun)
    while True:
        write(piece)


def main(what: str, gun: str, *numbers: str) -> None:
    tty.setraw(0)
    if what == "lines":
        print_lines(gun, int(numbers[0]), float(numbers[1]))
    elif what == "flood":
        flood(gun)
    else:
        print_bulk(gun, int(numbers[0]))
    while what != "bulk":
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
