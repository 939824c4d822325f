"""What can go wrong in the domain, named once and translated to HTTP or a message at the edge.

Every error's text is a sentence that a person understands and that says what to do.
"""


class SessionError(Exception):
    """Base class of the domain's errors; `code` is the slug that clients see."""

    code = "error"


class InvalidRequest(SessionError):
    """What was asked for cannot be: `fields` maps a field's name to its sentences."""

    code = "invalid"

    def __init__(self, sentence: str, fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(sentence)
        self.fields = fields or {}


class SessionNotFound(SessionError):
    """No such session, or none that this user may see."""

    code = "not-found"


class NotAllowed(SessionError):
    """The caller may see it, but not do that."""

    code = "not-allowed"


class SessionNotRunning(SessionError):
    """The session has ended or has not begun, so its terminal cannot be used."""

    code = "not-running"


class SessionStillActive(SessionError):
    """Only a session that has ended can be forgotten."""

    code = "still-active"


class InvalidTransition(SessionError):
    """The session's status changed meanwhile, so this change no longer applies."""

    code = "invalid-transition"


class NoFreeSlot(SessionError):
    """All slots of this machine are taken."""

    code = "no-free-slot"


class TooManySessions(SessionError):
    """The user has as many sessions as one may have."""

    code = "too-many-sessions"


class TooManyStarts(SessionError):
    """The user starts sessions too quickly; `retry_after` is in seconds."""

    code = "too-many-starts"

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class InputQueueFull(SessionError):
    """The program does not read what is typed into it, and the queue is full."""

    code = "input-full"


class ManagerUnavailable(SessionError):
    """The session manager of this process is not running, or does not answer in time."""

    code = "manager-unavailable"


class CannotStart(SessionError):
    """The server cannot work as it is set up; its sentence is printed and the process ends."""

    code = "cannot-start"


class StateFolderInUse(CannotStart):
    """Another server already works on this state folder."""

    code = "state-folder-in-use"


class HolderUnresponsive(SessionError):
    """The process that keeps the session's terminal runs, but does not answer."""

    code = "holder-unresponsive"


class HostNameTaken(CannotStart):
    """Another machine has this name in the same database."""

    code = "host-name-taken"


class EngineUnavailable(CannotStart):
    """The database or Redis does not answer, or not as it has to."""

    code = "engine-unavailable"


class NeedsRedis(CannotStart):
    """Several machines work together, and nothing carries messages between them."""

    code = "needs-redis"


class HostNotFound(SessionError):
    """No host has this name."""

    code = "host-not-found"


class HostDraining(SessionError):
    """The host finishes what runs on it and takes nothing new."""

    code = "host-draining"


class HostSilent(ManagerUnavailable):
    """The host of the session, or the one that was named, does not answer."""

    code = "host-silent"


class OutcomeUnknown(ManagerUnavailable):
    """Who was asked did not answer, or was restarted first: it may have been done, or not."""

    code = "outcome-unknown"
