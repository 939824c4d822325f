"""How the log is written: as lines for people, or as JSON for programs.

Whatever a message holds, a record is one line, or with a traceback one line and what belongs to it:
what programs, clients and other servers say is quoted in messages, and could begin a new line.
"""

import logging
import re
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter

from sessions_app import log_ids

# What ends a line or steers a terminal: C0 but tab, DEL, C1, and Unicode's own ends of lines.
_CONTROLS = {
    code: ascii(chr(code))[1:-1]
    for code in (*range(0x09), *range(0x0A, 0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)
}
_CONTROLS_BUT_LINE_FEEDS = {code: text for code, text in _CONTROLS.items() if code != ord("\n")}
# How a record begins.
_BEGINNING = re.compile(r"^(?=\d{4}-\d\d-\d\d )", re.MULTILINE)


class Lines(logging.Formatter):
    """`2026-01-31 12:00:00,000 LEVEL logger: message [session=… request=…]`.

    The ids are there where they are known. Control characters in a message are escaped; no line of
    a traceback can be taken for the beginning of another record.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Return the first line."""
        line = super().formatMessage(record).translate(_CONTROLS)
        known = [f"{name}={value}" for name, value in _ids_of(record).items()]
        return f"{line} [{' '.join(known)}]" if known else line

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and on further ones a traceback."""
        line, end, more = super().format(record).partition("\n")
        return line + end + _BEGINNING.sub(" ", more.translate(_CONTROLS_BUT_LINE_FEEDS))


class JsonLines(JsonFormatter):
    """One object per line: `time`, `level`, `logger`, `message`, `host` and, where there are any,
    `session`, `request`, `exception` and `stack`.

    What is not ASCII is escaped, so nothing but the end of the object ends the line.
    """

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """Put our fields together, and none of those that a library attaches to its records."""
        log_data.update(
            time=_iso(record.created),
            level=record.levelname,
            logger=record.name,
            message=record.message,
            host=self._host,
            **_ids_of(record),
        )
        for name, key in (("exception", "exc_info"), ("stack", "stack_info")):
            if text := message_dict.get(key):
                log_data[name] = text


def _ids_of(record: logging.LogRecord) -> dict[str, str]:
    return {name: value for name, value in log_ids.current()._asdict().items() if value}


def _iso(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
