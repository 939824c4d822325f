"""How the engines are used: SQLite or PostgreSQL for the log, memory or Redis between processes.

Nothing here waits for ever: an engine that is gone, stuck or unreachable is an error after seconds.
"""

import hashlib
import socket
from pathlib import Path
from typing import Any

# Lasting connections, which threads keep for as long as they are there (they are used again, see
# sessions_app.request_threads), and which are tried before a request uses them.
_LASTING = {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}


def sqlite(path: Path, test_path: Path) -> dict[str, Any]:
    """Return Django's settings of the database in this file; tests use the other."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            # A deferred transaction that writes late fails with "database is locked" whatever the
            # time-out is; one that takes the lock at its beginning waits its turn.
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
            # WAL lets readers go on while one writes. With it, synchronous=NORMAL cannot corrupt
            # the file; a power cut may lose the last commits, a crash of the server loses none.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
        **_LASTING,
        "TEST": {"NAME": test_path},
    }


# What a connection begins with, in the words of postgresql.conf. Moments are read as text in this
# form (sessions_app.session_row).
_POSTGRESQL_SESSION = {
    "lock_timeout": "10s",
    "statement_timeout": "20s",
    # A process that was stopped in the middle of a transaction must not keep its locks.
    "idle_in_transaction_session_timeout": "30s",
    "datestyle": "ISO",
    "timezone": "UTC",
}
_POSTGRESQL_CONNECTION = {
    "application_name": "session-harness",
    "connect_timeout": 5,
    # An end that vanished without a word is found after 10 + 3 * 5 s where nothing is sent, and
    # after 15 s where something is.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}


def postgresql(found: dict[str, Any]) -> dict[str, Any]:
    """Return Django's settings of a PostgreSQL database; what its URL says goes first."""
    given = found["OPTIONS"]
    ours = " ".join(f"-c {name}={value}" for name, value in _POSTGRESQL_SESSION.items())
    options = f"{ours} {given.get('options', '')}".strip()
    return {
        **found,
        "OPTIONS": {**_POSTGRESQL_CONNECTION, **given, "options": options},
        **_LASTING,
    }


def in_memory() -> dict[str, Any]:
    """Return Channels' settings of the layer within one process."""
    return {
        "BACKEND": "channels.layers.InMemoryChannelLayer",
        # One receiver per process reads the group; what does not fit is healed from the log.
        "CONFIG": {"capacity": 2000},
    }


# Of one answer, and of a connection. Who listens is not bound by it: messages are waited for with
# a time-out of their own (RedisSingleShardConnection of channels_redis.pubsub).
_REDIS_SECONDS = 2.0


def redis(url: str, secret_key: str) -> dict[str, Any]:
    """Return Channels' settings of the layer over this Redis.

    Pub/Sub knows no database numbers. So the names of channels begin with a part of the secret
    key's hash: deployments that share a Redis do not hear each other, and the processes of one
    deployment, which share the key, do.
    """
    digest = hashlib.sha256(secret_key.encode()).hexdigest()
    return {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [
                {
                    "address": url,
                    "socket_connect_timeout": _REDIS_SECONDS,
                    "socket_timeout": _REDIS_SECONDS,
                    "socket_keepalive": True,
                    "socket_keepalive_options": _keepalive_options(),
                }
            ],
            "prefix": f"harness-{digest[:8]}",
        },
    }


def _keepalive_options() -> dict[int, int]:
    """Return TCP options by which who only listens finds within 10 s that nobody speaks.

    Systems without one of them do with what they have.
    """
    wanted = {"TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}
