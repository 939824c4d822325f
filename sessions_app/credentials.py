"""Proofs of who somebody is: one-time login links, tokens of scripts, tokens of sessions.

Only hashes are stored. Every secret carries 32 random bytes, so an unsalted SHA-256 cannot be
guessed back.
"""

import hashlib
import secrets
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.db import DatabaseError, models
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from sessions_app.database_locks import waiting_at_most

LOGIN_LINK_LIFE = timedelta(minutes=10)
API_TOKEN_PREFIX = "hrn_"  # noqa: S105  # recognisable by scanners for leaked secrets


def digest(secret: str) -> str:
    """Return the SHA-256 of a secret in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


class LoginLink(models.Model):
    """Lets one browser in, once, within ten minutes."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    token_hash = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"for {self.user}, until {self.expires_at:%H:%M}"

    @classmethod
    def issue(cls, user: User) -> str:
        """Return a new secret for this user; links that have expired are swept away."""
        cls.objects.filter(expires_at__lte=timezone.now()).delete()
        secret = secrets.token_urlsafe(32)
        cls.objects.create(
            user=user, token_hash=digest(secret), expires_at=timezone.now() + LOGIN_LINK_LIFE
        )
        return secret

    @classmethod
    def redeem(cls, secret: str) -> User | None:
        """Return whose link it is and use it up; None if it is unknown, used or too old."""
        link = (
            cls.objects.filter(token_hash=digest(secret), expires_at__gt=timezone.now())
            .select_related("user")
            .first()
        )
        # Of two browsers that redeem at once only one deletes the row.
        if link is None or cls.objects.filter(pk=link.pk).delete()[0] != 1:
            return None
        return link.user if link.user.is_active else None


class ApiToken(models.Model):
    """Lets scripts in as a user, through `Authorization: Bearer`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=100)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, user: User, name: str) -> str:
        """Return a new secret; an older token of this user and name is withdrawn."""
        cls.objects.filter(user=user, name=name).delete()
        secret = API_TOKEN_PREFIX + secrets.token_urlsafe(32)
        cls.objects.create(user=user, name=name, token_hash=digest(secret))
        return secret

    @classmethod
    def user_of(cls, secret: str) -> User | None:
        """Return whose token it is, or None; notes the use, at most once a minute."""
        token = cls.objects.filter(token_hash=digest(secret)).select_related("user").first()
        if token is None or not token.user.is_active:
            return None
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1):
            # A database that is locked or full must not keep anybody from looking.
            with suppress(DatabaseError), waiting_at_most(0):
                cls.objects.filter(pk=token.pk).update(last_used_at=now)
        return token.user


def session_token(session_id: str, epoch: str) -> str:
    """Return the secret by which a program speaks for its own session and nothing else."""
    return Signer(salt="session-token").signature(f"{session_id}:{epoch}")


def is_session_token(secret: str, session_id: str, epoch: str) -> bool:
    """Tell whether the secret is that session's, in constant time."""
    return constant_time_compare(secret, session_token(session_id, epoch))
