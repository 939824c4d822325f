"""The logins of browsers: rows of Django's sessions that carry a user."""

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as Login
from django.utils import timezone


def end_logins(user: User, *, but: str | None = None) -> int:
    """Log the user out of every browser, except of the login with the key `but`; say how many.

    Live streams that were opened with those logins end within seconds.
    """
    good = Login.objects.filter(expire_date__gt=timezone.now()).exclude(pk=but)
    # Whose they are stands inside the signed data alone.
    keys = [login.pk for login in good if login.get_decoded().get(SESSION_KEY) == str(user.pk)]
    return Login.objects.filter(pk__in=keys).delete()[0]
