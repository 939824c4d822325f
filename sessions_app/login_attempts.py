"""Attempts to log in, counted in the database, so that they count for every server process."""

from datetime import timedelta

from django.db import models, transaction
from django.utils import timezone

from sessions_app.database_locks import take_turns
from sessions_app.plain_text import plain
from sessions_app.storable import storable

# Of one address within a minute, and at one name within ten: a guesser from many addresses meets
# the second bound, and whoever shares a name with the guessed one can still use a one-time link.
PER_ADDRESS, ADDRESS_WINDOW = 20, timedelta(minutes=1)
PER_NAME, NAME_WINDOW = 30, timedelta(minutes=10)
RETRY_SECONDS = int(ADDRESS_WINDOW.total_seconds())


class LoginAttempt(models.Model):
    """One that failed, or whose outcome is not known yet."""

    address = models.CharField(max_length=64, db_index=True)
    username = models.CharField(max_length=150, blank=True, db_index=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{plain(self.username) or 'a link'} from {self.address}"

    @classmethod
    def begin(cls, address: str, username: str = "") -> "LoginAttempt | None":
        """Count an attempt before it is made; None if there were too many.

        Counted first, so that a thousand at once are not all let through.
        """
        now, address, username = timezone.now(), storable(address), storable(username)
        with transaction.atomic():
            take_turns("attempts to log in")
            cls.objects.exclude(at__range=(now - NAME_WINDOW, now + NAME_WINDOW)).delete()
            if cls._is_too_many(address, username):
                return None
            return cls.objects.create(address=address[:64], username=username[:150], at=now)

    @classmethod
    def _is_too_many(cls, address: str, username: str) -> bool:
        since = timezone.now() - ADDRESS_WINDOW
        of_address = cls.objects.filter(address=address[:64], at__gt=since).count()
        of_name = cls.objects.filter(username=username[:150]).count() if username else 0
        return of_address >= PER_ADDRESS or of_name >= PER_NAME

    def succeeded(self) -> None:
        """Take it back: only those that fail count."""
        self.delete()
