"""Verbs of a manager that is another process: asked and answered through the channel layer.

The layer loses messages, so a question is repeated until it is acknowledged, and answered again
when it comes again: each has an id and is carried out once. A manager's process has a name, its
incarnation, and carries out only what is meant for it. So a question that was sent to a process
that has been replaced since is never carried out twice without anybody knowing.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from django.db import Error

from sessions_app import exceptions
from sessions_app.exceptions import (
    HostSilent,
    InvalidRequest,
    ManagerUnavailable,
    OutcomeUnknown,
    SessionError,
    TooManyStarts,
)
from sessions_app.host_state import HostState, silent, silent_amid
from sessions_app.layer_calls import answered
from sessions_app.metrics import counts

logger = logging.getLogger(__name__)

MANAGERS = "managers"
# A host that acknowledges nothing for so long is silent; a question is repeated this often.
SILENT_SECONDS = 5.0
REPEAT_SECONDS = 1.0
# For so long a manager that has stopped may be one that is just being replaced.
REPLACED_SECONDS = 10.0
# Questions that were answered, kept to know them when they come again.
ANSWERED_KEPT = 4096

Verb = Callable[..., Awaitable[Any]]


class Kind(StrEnum):
    """What goes back and forth."""

    CALL = "host.call"
    ACKNOWLEDGEMENT = "host.acknowledgement"
    ANSWER = "host.answer"
    MOVED = "host.moved"  # meant for a process that has been replaced
    WAKE = "host.wake"


def channel_of(layer: Any, host: str) -> str:
    """Return the channel of a host's manager; names of hosts have more characters than channels."""
    digest = hashlib.sha256(host.encode()).hexdigest()[:24]
    return f"{getattr(layer, 'prefix', '')}.host.{digest}"


# Errors on the wire

_ERRORS = (error for error in vars(exceptions).values() if isinstance(error, type))
_BY_CODE = {error.code: error for error in _ERRORS if issubclass(error, SessionError)}


def _from_error(error: SessionError) -> dict[str, Any]:
    wire: dict[str, Any] = {"code": error.code, "sentence": str(error)}
    if isinstance(error, InvalidRequest):
        wire["fields"] = error.fields
    if isinstance(error, TooManyStarts):
        wire["retryAfter"] = error.retry_after
    return wire


def _to_error(wire: dict[str, Any]) -> SessionError:
    kind = _BY_CODE.get(wire["code"], ManagerUnavailable)
    if kind is InvalidRequest:
        return InvalidRequest(wire["sentence"], wire["fields"])
    if kind is TooManyStarts:
        return TooManyStarts(wire["sentence"], wire["retryAfter"])
    return kind(wire["sentence"])


# Asking


@dataclass
class _Open:
    """A question that has not been answered: what came last, and whether it was acknowledged."""

    heard: asyncio.Event
    received: Callable[[], None] | None
    acknowledged: bool = False
    moved_to: str | None = None
    answer: dict[str, Any] | None = None


class HostCalls:
    """Asks the managers of other hosts. Belongs to one event loop.

    `look_up` returns what is known of a host now, None if there is no such host.
    """

    def __init__(self, layer: Any, look_up: Callable[[str], Awaitable[HostState | None]]) -> None:
        self._layer = layer
        self._look_up = look_up
        self._channel = ""
        self._open: dict[str, _Open] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen for answers."""
        self._channel = await self._layer.new_channel()
        self._task = asyncio.create_task(self._listen(), name="host-calls", context=Context())

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ask(
        self,
        name: str,
        verb: str,
        *,
        repeatable: bool = False,
        received: Callable[[], None] | None = None,
        **details: Any,
    ) -> Any:
        """Have the host's manager do something; return what it returns.

        `repeatable`: to do it twice does no harm. `received` is called when the manager says that
        it has the question, perhaps more than once. Raises what the verb raises; HostSilent when
        the host does not answer; OutcomeUnknown when it does not, or was restarted before it did,
        though it may have been asked, and what was asked is not repeatable.
        """
        call_id = uuid4().hex
        question = {
            "type": str(Kind.CALL),
            "id": call_id,
            "verb": verb,
            "details": details,
            "repeatable": repeatable,
            "reply": self._channel,
        }
        state = self._open[call_id] = _Open(asyncio.Event(), received)
        try:
            answer = await self._asked(name, question, state)
        finally:
            del self._open[call_id]
        if "error" in answer:
            raise _to_error(answer["error"])
        return answer.get("result")

    async def _asked(self, name: str, question: dict[str, Any], state: _Open) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        host = await self._present(name)
        addressed, sent, went_out = host.incarnation, 0, False
        deadline = loop.time() + SILENT_SECONDS
        while loop.time() < deadline:
            state.heard.clear()
            sent += await self._send(name, {**question, "to": addressed})
            went_out = went_out or sent > 0
            await _heard(state.heard, REPEAT_SECONDS)
            if state.acknowledged:
                state.acknowledged = False
                deadline = loop.time() + SILENT_SECONDS
                # The host is at it, and says so as long as it is asked.
                await _heard(state.heard, REPEAT_SECONDS, state)
            if state.answer is not None:
                return state.answer
            if state.moved_to is not None:
                if sent > 1 and not question["repeatable"]:
                    raise OutcomeUnknown(
                        f"The host {name} was restarted before it answered. Look whether it has "
                        "been done before you try again."
                    )
                addressed, state.moved_to, sent = state.moved_to, None, 0
        if not went_out:
            raise ManagerUnavailable(f"The channel layer does not carry anything to {name} now.")
        # A host that stood still, or whose answers were lost, has done it or will.
        said = silent if question["repeatable"] else silent_amid
        raise said(await self._look_up(name) or host)

    async def _present(self, name: str) -> HostState:
        """Return the host once it is there: one that is just being replaced is waited for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SILENT_SECONDS
        while True:
            host = await self._look_up(name)
            if host is None:
                raise HostSilent(f"There is no host {name} any more.")
            if not host.is_silent:
                return host
            is_being_replaced = host.stopped and host.silent_seconds < REPLACED_SECONDS
            if not is_being_replaced or loop.time() > deadline:
                raise silent(host)
            await asyncio.sleep(0.1)

    async def _send(self, name: str, question: dict[str, Any]) -> int:
        """Send it; 0 where it cannot have gone out."""
        try:
            await answered(self._layer.send(channel_of(self._layer, name), question))
        except TimeoutError:
            return 1  # it may have
        except Exception as error:
            counts.layer_errors += 1
            logger.warning("the host %s could not be asked: %s", name, error)
            await asyncio.sleep(0.1)
            return 0
        return 1

    async def _listen(self) -> None:
        async for message in _messages(self._layer, self._channel):
            state = self._open.get(message["id"])
            if state is None:
                continue  # nobody waits for it any more
            match message["type"]:
                case Kind.ACKNOWLEDGEMENT:
                    state.acknowledged = True
                case Kind.MOVED:
                    state.moved_to = message["to"]
                case Kind.ANSWER:
                    state.answer = message
            state.heard.set()
            if state.received is not None and message["type"] != Kind.MOVED:
                state.received()


async def _heard(event: asyncio.Event, seconds: float, state: _Open | None = None) -> None:
    """Wait until something comes; with `state` until it is the answer, or something worse."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
            while state is not None and state.answer is None and state.moved_to is None:
                event.clear()
                await event.wait()
    except TimeoutError:
        return


async def _messages(layer: Any, channel: str) -> AsyncIterator[dict[str, Any]]:
    """Yield what comes for the channel, whatever becomes of the layer meanwhile."""
    while True:
        try:
            message = await layer.receive(channel)
        except Exception as error:
            counts.layer_errors += 1
            logger.warning("the channel layer cannot be listened to: %s", error)
            await asyncio.sleep(0.5)
            continue
        yield message


# Answering


class HostDesk:
    """Carries out what other processes ask of this host's manager. Belongs to one event loop.

    `verbs` are coroutine functions by name; `wake` is called when a session may be waiting in the
    queue.
    """

    def __init__(
        self,
        layer: Any,
        host: str,
        incarnation: str,
        verbs: dict[str, Verb],
        wake: Callable[[], None],
    ) -> None:
        self._layer = layer
        self._host = host
        self._incarnation = incarnation
        self._verbs = verbs
        self._wake = wake
        self._group_channel = ""
        self._tasks: set[asyncio.Task[None]] = set()
        # The questions that are being carried out, and the answers of those that were lately.
        self._at_it: set[str] = set()
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()

    async def start(self) -> None:
        """Begin to listen."""
        self._group_channel = await self._layer.new_channel()
        await self._layer.group_add(MANAGERS, self._group_channel)
        self._own(self._listen(channel_of(self._layer, self._host)), "host-desk")
        self._own(self._listen(self._group_channel), "host-desk-group")

    async def stop(self) -> None:
        """Listen no more, and leave undone what is being done."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(Exception):  # a layer that is gone has forgotten us as well
            await answered(self._layer.group_discard(MANAGERS, self._group_channel))

    def _own(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, channel: str) -> None:
        async for message in _messages(self._layer, channel):
            if message["type"] == Kind.WAKE:
                self._wake()
            elif message["type"] == Kind.CALL:
                # In the order in which they come: a task begins when its turn comes.
                self._own(self._take(message), f"host-call-{message['verb']}")

    async def _take(self, question: dict[str, Any]) -> None:
        call_id = question["id"]
        if question["to"] != self._incarnation:
            await self._tell(question, {"type": str(Kind.MOVED), "to": self._incarnation})
            return
        if call_id in self._at_it:
            await self._tell(question, {"type": str(Kind.ACKNOWLEDGEMENT)})
            return
        if call_id in self._answers:
            await self._tell(question, self._answers[call_id])
            return
        self._at_it.add(call_id)
        try:
            answer = await self._answer(question)
        finally:
            self._at_it.discard(call_id)
        if not question["repeatable"]:  # else carried out anew if it comes again; it may be large
            self._answers[call_id] = answer
            if len(self._answers) > ANSWERED_KEPT:
                self._answers.popitem(last=False)
        await self._tell(question, answer)

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Carry it out and return the answer; acknowledge what takes longer than a moment."""
        working = asyncio.ensure_future(self._carry_out(question))
        try:
            # Most are done by then: their answer is acknowledgement enough.
            async with asyncio.timeout(REPEAT_SECONDS / 4):
                return await asyncio.shield(working)
        except TimeoutError:
            await self._tell(question, {"type": str(Kind.ACKNOWLEDGEMENT)})
            return await working

    async def _carry_out(self, question: dict[str, Any]) -> dict[str, Any]:
        try:
            result = await self._verbs[question["verb"]](**question["details"])
        except SessionError as error:
            return {"type": str(Kind.ANSWER), "error": _from_error(error)}
        except Error as error:
            logger.warning("%s: the log cannot be used: %s", question["verb"], error)
            refusal = ManagerUnavailable(f"The host {self._host} cannot use the database now.")
            return {"type": str(Kind.ANSWER), "error": _from_error(refusal)}
        except Exception:
            logger.exception("what another process asked (%s) failed", question["verb"])
            refusal = ManagerUnavailable(f"The host {self._host} failed; its log says why.")
            return {"type": str(Kind.ANSWER), "error": _from_error(refusal)}
        return {"type": str(Kind.ANSWER), "result": result}

    async def _tell(self, question: dict[str, Any], message: dict[str, Any]) -> None:
        try:
            await answered(self._layer.send(question["reply"], {**message, "id": question["id"]}))
        except Exception as error:  # it is asked again if the answer is still wanted
            counts.layer_errors += 1
            logger.warning("an answer could not be sent: %s", error)


async def wake_all(layer: Any) -> None:
    """Let every manager look into the queue; they look by themselves soon, too."""
    try:
        await answered(layer.group_send(MANAGERS, {"type": str(Kind.WAKE)}))
    except Exception as error:
        counts.layer_errors += 1
        logger.warning("the managers could not be woken: %s", error)
