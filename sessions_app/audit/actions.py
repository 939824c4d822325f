"""What is recorded: a closed vocabulary."""

from enum import StrEnum


class Action(StrEnum):
    """What can be done."""

    LOGIN = "login"
    LOGIN_FAILED = "login-failed"
    LOGIN_REFUSED = "login-refused"
    LOGIN_LINK_MADE = "login-link-made"
    LOGOUT = "logout"
    TOKEN_MADE = "token-made"  # noqa: S105  # the name of an action
    TOKEN_REVOKED = "token-revoked"  # noqa: S105
    TOKEN_EXPIRED = "token-expired"  # noqa: S105
    PASSWORD_CHANGED = "password-changed"  # noqa: S105
    REFUSED = "refused"
    SESSION_STARTED = "session-started"
    SESSION_QUEUED = "session-queued"
    SESSION_TYPED_INTO = "session-typed-into"
    SESSION_RESIZED = "session-resized"
    SESSION_ENDED = "session-ended"
    SESSION_RENAMED = "session-renamed"
    SESSION_SHOWN = "session-shown"
    SESSION_HIDDEN = "session-hidden"
    SESSION_FORGOTTEN = "session-forgotten"
    CHECKPOINT_DECLARED = "checkpoint-declared"
    OUTPUT_DOWNLOADED = "output-downloaded"
    RECORDING_DOWNLOADED = "recording-downloaded"
    STREAM_OPENED = "stream-opened"
    SHARE_MADE = "share-made"
    SHARE_OPENED = "share-opened"
    SHARE_WITHDRAWN = "share-withdrawn"
    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"
    HOST_DRAINED = "host-drained"
    HOST_OPENED = "host-opened"
    RECOVERED = "recovered"
    SERVER_STARTED = "server-started"
    SERVER_STOPPED = "server-stopped"
    RECORDS_DROPPED = "records-dropped"
    RECORDS_EXPIRED = "records-expired"
