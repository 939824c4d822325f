"""What clients say on the live stream, checked and typed. Nothing that comes in makes it raise
anything but BadMessage.
"""

import uuid
from dataclasses import dataclass
from reprlib import Repr
from typing import Any

import orjson

from sessions_app.events import ClientMessage
from sessions_app.exceptions import SessionError
from sessions_app.positions import Position

MAX_OFFSET = 2**63 - 1
# How something that a client wrote is named to it: by as much as it can be known by.
_words = Repr()
_words.maxstring = _words.maxother = 100


class BadMessage(SessionError):
    """The message is not one that the protocol knows; `message_id` is its id, if it had one."""

    code = "bad-message"

    def __init__(self, sentence: str, message_id: str | int | None = None) -> None:
        super().__init__(sentence)
        self.message_id = message_id


@dataclass(frozen=True, kw_only=True)
class Subscribe:
    """`sessions` None means everything; `output` is for all, or for the named sessions."""

    sessions: list[str] | None
    positions: dict[str, Position]
    output: bool | set[str]


@dataclass(frozen=True, kw_only=True)
class Acknowledge:
    """The client has drawn the output up to `offset`."""

    session_id: str
    offset: int


@dataclass(frozen=True, kw_only=True)
class Input:
    """Keys for the terminal."""

    session_id: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Resize:
    """Another size for the terminal; its bounds are the manager's business."""

    session_id: str
    cols: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Ping:
    """Asks for a pong."""


Message = Subscribe | Acknowledge | Input | Resize | Ping


def parse(text: str) -> tuple[Message, str | int | None]:
    """Return the message and its `id` (or None); raises BadMessage."""
    try:
        content = orjson.loads(text)
    except ValueError as error:
        raise BadMessage(f"The message is not JSON: {error}.") from error
    if not isinstance(content, dict):
        raise BadMessage('The message must be a JSON object with a "type".')
    message_id = content.get("id")
    if not isinstance(message_id, str | int | None) or isinstance(message_id, bool):
        raise BadMessage("The id must be a string or a number.")
    try:
        return _parse(content), message_id
    except BadMessage as error:
        error.message_id = message_id
        raise


def _parse(content: dict[str, Any]) -> Message:
    match content.get("type"):
        case ClientMessage.SUBSCRIBE:
            return _subscribe(content)
        case ClientMessage.ACK:
            return Acknowledge(
                session_id=_session_id(content.get("sessionId")),
                offset=_offset("offset", content.get("offset")),
            )
        case ClientMessage.INPUT:
            return _input(content)
        case ClientMessage.RESIZE:
            return Resize(
                session_id=_session_id(content.get("sessionId")),
                cols=_integer("cols", content.get("cols")),
                rows=_integer("rows", content.get("rows")),
            )
        case ClientMessage.PING:
            return Ping()
        case kind:
            known = ", ".join(ClientMessage)
            raise BadMessage(f"There is no message type {_words.repr(kind)}; known are {known}.")


def _input(content: dict[str, Any]) -> Input:
    data = content.get("data")
    if not isinstance(data, str):
        raise BadMessage("The data to type must be a string.")
    try:
        encoded = data.encode()
    except UnicodeEncodeError as error:
        raise BadMessage("The data is not valid text (a lone surrogate).") from error
    return Input(session_id=_session_id(content.get("sessionId")), data=encoded)


def _subscribe(content: dict[str, Any]) -> Subscribe:
    wanted = content.get("sessions", "*")
    if wanted != "*" and not isinstance(wanted, list):
        raise BadMessage('The sessions must be "*" or a list of ids.')
    cursors = content.get("cursors") or {}
    if not isinstance(cursors, dict):
        raise BadMessage("The cursors must be an object: a session's id and where you are in it.")
    return Subscribe(
        sessions=None if wanted == "*" else [_session_id(one) for one in wanted],
        positions={_session_id(key): _position(value) for key, value in cursors.items()},
        output=_output(content.get("output", True)),
    )


def _output(value: Any) -> bool | set[str]:
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return {_session_id(one) for one in value}
    raise BadMessage("The output must be true, false or a list of session ids.")


def _position(value: Any) -> Position:
    if not isinstance(value, dict):
        raise BadMessage('A cursor looks like {"seq": 3, "offset": 1024}.')
    epoch = value.get("epoch")
    if not isinstance(epoch, str | None):
        raise BadMessage("The epoch must be a string.")
    return Position(
        seq=_offset("seq", value.get("seq", 0)),
        offset=_offset("offset", value.get("offset", 0)),
        epoch=epoch,
    )


def _session_id(value: Any) -> str:
    try:
        return str(uuid.UUID(value))
    except (ValueError, TypeError, AttributeError) as error:
        raise BadMessage(f"{_words.repr(value)} is not the id of a session.") from error


def _integer(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadMessage(f"{name} must be a whole number.")
    return value


def _offset(name: str, value: Any) -> int:
    number = _integer(name, value)
    if not 0 <= number <= MAX_OFFSET:
        raise BadMessage(f"{name} must be a whole number from 0 on.")
    return number
