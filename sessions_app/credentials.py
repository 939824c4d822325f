"""Proofs: one-time login links, tokens of scripts, links that show a session, session tokens.

Only hashes are stored. Every secret carries 32 random bytes, so an unsalted SHA-256 cannot be
guessed back.
"""

import hashlib
import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import User
from django.core.signing import Signer
from django.db import Error, models, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from sessions_app.database_locks import waiting_at_most
from sessions_app.plain_text import plain
from sessions_app.rights import ALL_RIGHTS, Right, with_implied

LOGIN_LINK_LIFE = timedelta(minutes=10)
# Recognisable by scanners for leaked secrets.
API_TOKEN_PREFIX = "hrn_"  # noqa: S105
SHARE_PREFIX = "hrs_"


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


def all_rights() -> list[str]:
    """Return what a token without limits has."""
    return sorted(ALL_RIGHTS)


class ApiToken(models.Model):
    """Lets scripts in as a user, through `Authorization: Bearer`, with at most these `scopes`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=100)
    token_hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=all_rights, help_text="Rights of the user that it has.")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Never, if empty.")
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"

    def __str__(self) -> str:
        return plain(self.name)

    @property
    def rights(self) -> frozenset[Right]:
        """Return the rights that it does not take away."""
        return with_implied(right for right in Right if right in self.scopes)

    @classmethod
    def issue(
        cls,
        user: User,
        name: str,
        *,
        scopes: Collection[Right] = ALL_RIGHTS,
        life: timedelta | None = None,
    ) -> str:
        """Return a new secret; an older token of this user and name is withdrawn."""
        secret = API_TOKEN_PREFIX + secrets.token_urlsafe(32)
        with transaction.atomic():
            cls.objects.filter(user=user, name=name).delete()
            cls.objects.create(
                user=user,
                name=name,
                token_hash=digest(secret),
                scopes=sorted(scopes),
                expires_at=timezone.now() + life if life else None,
            )
        return secret

    def is_good(self, now: datetime) -> bool:
        """Tell whether it lets its user in at this moment."""
        return self.user.is_active and (self.expires_at is None or self.expires_at > now)

    @classmethod
    def known(cls, secret: str) -> "ApiToken | None":
        """Return the token, good or not."""
        # There is one at most. This is asked before every key that is typed: `first` would sort.
        rows = cls.objects.filter(token_hash=digest(secret)).select_related("user")
        return next(iter(rows), None)

    @classmethod
    def find(cls, secret: str) -> "ApiToken | None":
        """Return the token if it and its user are good; notes the use, at most once a minute."""
        now = timezone.now()
        token = cls.known(secret)
        if token is None or not token.is_good(now):
            return None
        if token.last_used_at is None or now - token.last_used_at > timedelta(minutes=1):
            # A database that is locked or full must not keep anybody from looking.
            with suppress(Error), waiting_at_most(0):
                cls.objects.filter(pk=token.pk).update(last_used_at=now)
        return token


class ShareLink(models.Model):
    """Shows one session to whoever has the link, until it expires or is withdrawn."""

    session = models.ForeignKey(
        "sessions_app.Session", on_delete=models.CASCADE, related_name="share_links"
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"by {self.created_by}, until {self.expires_at:%Y-%m-%d %H:%M}"

    @classmethod
    def issue(cls, session_id: UUID, user_id: int, life: timedelta) -> tuple["ShareLink", str]:
        """Return a new link and its secret; links that have expired are swept away."""
        now = timezone.now()
        cls.objects.filter(expires_at__lte=now).delete()
        secret = SHARE_PREFIX + secrets.token_urlsafe(32)
        link = cls.objects.create(
            session_id=session_id,
            created_by_id=user_id,
            token_hash=digest(secret),
            created_at=now,
            expires_at=now + life,
        )
        return link, secret

    @classmethod
    def good(cls) -> "models.QuerySet[ShareLink]":
        """Return the links that have not expired, of users who are not switched off."""
        return cls.objects.filter(expires_at__gt=timezone.now(), created_by__is_active=True)

    @classmethod
    def find(cls, secret: str) -> "ShareLink | None":
        """Return the link that has this secret, if it is good; notes the use."""
        link = cls.good().filter(token_hash=digest(secret)).first()
        if link is not None:
            cls.objects.filter(pk=link.pk).update(last_used_at=timezone.now())
        return link

    @classmethod
    def sessions_of(cls, keys: Collection[int]) -> dict[int, UUID]:
        """Return the sessions that those of these links show that are good."""
        if not keys:
            return {}
        return dict(cls.good().filter(pk__in=keys).values_list("pk", "session_id"))


def session_token(session_id: str, epoch: str) -> str:
    """Return the secret by which a program speaks for its own session and nothing else."""
    return Signer(salt="session-token").signature(f"{session_id}:{epoch}")


def is_session_token(secret: str, session_id: str, epoch: str) -> bool:
    """Tell whether the secret is that session's, in constant time."""
    return constant_time_compare(secret, session_token(session_id, epoch))
