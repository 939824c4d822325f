"""`manage.py metricstoken`: a token for a monitoring system, on one line."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from sessions_app.audit import Action, AuditRecord
from sessions_app.credentials import ApiToken
from sessions_app.rights import Right


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("metricstoken", *arguments, stdout=out)
    return out.getvalue()


def status_with(secret: str) -> int:
    client = Client(headers={"Authorization": f"Bearer {secret.strip()}"})
    return int(client.get("/metrics").status_code)


def test_the_token_reads_metrics_and_nothing_else(db: None) -> None:
    line = printed()
    assert line.startswith("hrn_")
    assert line.count("\n") == 1
    assert status_with(line) == 200
    assert ApiToken.objects.get().rights == {Right.METRICS}
    assert ApiToken.objects.get().expires_at is None


def test_a_token_that_something_uses_is_not_replaced_unasked(db: None) -> None:
    first = printed()
    with pytest.raises(CommandError, match="--replace"):
        printed()
    assert status_with(first) == 200
    other = printed("--name", "another")
    second = printed("--replace")
    assert [status_with(secret) for secret in (first, second, other)] == [401, 200, 200]


def test_it_lasts_as_long_as_was_asked_for(db: None) -> None:
    printed("--days", "30")
    expires = ApiToken.objects.get().expires_at
    assert expires is not None
    assert abs(expires - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "arguments", [("--days", "-1"), ("--days", "99999"), ("--name", "x" * 101)]
)
def test_what_makes_no_sense_is_refused(db: None, arguments: tuple[str, str]) -> None:
    with pytest.raises(CommandError, match=r"\.$"):
        printed(*arguments)
    assert not ApiToken.objects.exists()


def test_it_is_an_administrators(alice: User, carol: User) -> None:
    with pytest.raises(CommandError, match="alice is no administrator"):
        printed("--user", "alice")
    with pytest.raises(CommandError, match="There is no user nobody"):
        printed("--user", "nobody")
    printed("--user", "carol")
    assert ApiToken.objects.get().user == carol


def test_it_is_recorded_who_made_it(carol: User) -> None:
    printed("--user", "carol")
    record = AuditRecord.objects.get(action=Action.TOKEN_MADE)
    assert record.via == "command metricstoken"
    assert record.details == {"user": "carol", "name": "metrics", "scopes": ["metrics"]}
