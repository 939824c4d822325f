"""Which engines the environment names, what is refused, and what several processes need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from harness_site import engines, env
from sessions_app.checks import processes_can_work_together, redis_is_no_open_door, refusal
from sessions_app.management.commands import prepare, serve
from tests.access.test_gate_settings import settings_with

SECRET = "hush-hush"  # noqa: S105  # of no database
KEY = "k" * 32


def read(monkeypatch: pytest.MonkeyPatch, reader: Callable[[str], Any], value: str) -> Any:
    """What the reader makes of a variable with this value."""
    monkeypatch.setenv("VARIABLE", value)
    return reader("VARIABLE")


def ids(messages: list[checks.CheckMessage]) -> list[str | None]:
    """The checks that had something to say."""
    return [message.id for message in messages]


# The database


def test_without_a_url_the_log_is_a_file_of_the_state_folder(tmp_path: Path) -> None:
    found = settings_with(tmp_path)["DATABASES"]["default"]
    assert found["ENGINE"] == "django.db.backends.sqlite3"
    assert found["NAME"] == str(tmp_path / "state" / "harness.sqlite3")
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_sqlite_may_be_elsewhere_and_is_used_in_the_same_way(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/elsewhere.sqlite3"
    usual = settings_with(tmp_path)["DATABASES"]["default"]
    found = settings_with(tmp_path, DATABASE_URL=url)["DATABASES"]["default"]
    assert found == {**usual, "NAME": f"{tmp_path}/elsewhere.sqlite3"}
    assert (tmp_path / "elsewhere.sqlite3").stat().st_mode & 0o077 == 0


def test_a_url_names_user_password_host_port_and_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "postgres://u%40x:p%2Fw@db.example:5433/harness?sslmode=require"
    assert read(monkeypatch, env.database, url) == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "harness",
        "USER": "u@x",
        "PASSWORD": "p/w",
        "HOST": "db.example",
        "PORT": 5433,
        "OPTIONS": {"sslmode": "require"},
    }


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://u:hush-hush@db/harness", "must begin with postgres:// or sqlite:///"),
        ("nonsense-hush-hush", "must be like postgres://"),
        ("postgres://u:hush-hush@db", "must name the database"),
        ("postgres://u:hush-hush@db:99999/harness", "must be like postgres://"),
        ("postgres://u:hush-hush@[::1/harness", "must be like postgres://"),
        ("postgres://u:hush-hush@db/harness?hurry=1", 'invalid connection option "hurry"'),
        ("postgres://u:hush-hush@db/harness?pool=true", 'invalid connection option "pool"'),
        ("sqlite:///hush-hush/file", "with four slashes"),
        ("sqlite://:memory:", "must be like postgres://"),
        ("sqlite://", "with four slashes"),
        ("sqlite:////srv/file?timeout=1", "with four slashes"),
    ],
)
def test_a_url_that_makes_no_sense_is_refused_without_repeating_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str, sentence: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read(monkeypatch, env.database, url)
    assert str(refused.value).startswith("VARIABLE")
    assert sentence in str(refused.value)
    assert SECRET not in str(refused.value)


def test_nothing_waits_for_postgresql_for_ever() -> None:
    options = engines.postgresql({"NAME": "harness", "OPTIONS": {}})["OPTIONS"]
    assert 0 < options["connect_timeout"] <= 10
    assert options["keepalives"] == 1
    assert options["tcp_user_timeout"] > 0
    for limit in ("lock_timeout=10s", "statement_timeout=20s"):
        assert f"-c {limit}" in options["options"]


def test_what_the_url_says_of_the_connection_goes_first() -> None:
    given = {"connect_timeout": 1, "options": "-c statement_timeout=1s"}
    options = engines.postgresql({"NAME": "harness", "OPTIONS": given})["OPTIONS"]
    assert options["connect_timeout"] == 1
    assert options["options"].endswith("-c statement_timeout=1s")  # of two the later one counts


def test_connections_to_postgresql_last_and_are_tried_before_a_request_uses_them() -> None:
    found = engines.postgresql({"NAME": "harness", "OPTIONS": {}})
    assert (found["CONN_MAX_AGE"], found["CONN_HEALTH_CHECKS"]) == (None, True)


# The layer


def test_without_a_url_messages_stay_in_the_process(tmp_path: Path) -> None:
    layer = settings_with(tmp_path)["CHANNEL_LAYERS"]["default"]
    assert layer["BACKEND"] == "channels.layers.InMemoryChannelLayer"


def test_with_a_url_they_go_through_redis_which_is_not_waited_for_long(tmp_path: Path) -> None:
    layer = settings_with(tmp_path, REDIS_URL="redis://:p@10.0.0.1")["CHANNEL_LAYERS"]["default"]
    assert layer["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer"
    (host,) = layer["CONFIG"]["hosts"]
    assert host["address"] == "redis://:p@10.0.0.1"
    assert host["socket_timeout"] == host["socket_connect_timeout"] == 2


def test_who_shares_a_key_shares_channels_and_nobody_else_does(tmp_path: Path) -> None:
    def prefix(name: str, **environment: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        found = settings_with(folder, REDIS_URL="redis://localhost", **environment)
        value: str = found["CHANNEL_LAYERS"]["default"]["CONFIG"]["prefix"]
        assert KEY not in value
        return value

    assert prefix("one", HARNESS_SECRET_KEY=KEY) == prefix("two", HARNESS_SECRET_KEY=KEY)
    assert len({prefix("three"), prefix("four"), prefix("five", HARNESS_SECRET_KEY=KEY)}) == 3


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://:hush-hush@host", "must be like redis://"),
        ("hush-hush", "must be like redis://"),
        ("redis://:hush-hush@", "must be like redis://"),
        ("redis://:hush-hush@host:0x7", "must be like redis://"),
        ("redis://:hush-hush@host/channel", "must end after the port"),
        ("redis://:hush-hush@host?socket_timeout=60", "'socket_timeout' cannot be set here"),
        ("redis://:hush-hush@host?ssl_certfile=/c", "'ssl_certfile' cannot be set here"),
    ],
)
def test_a_redis_that_makes_no_sense_is_refused_without_repeating_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str, sentence: str
) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read(monkeypatch, env.redis, url)
    assert sentence in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["", "redis://localhost", "redis://:p@h:6380/3", "rediss://u:p@h?ssl_ca_certs=/ca.pem"]
)
def test_a_redis_that_makes_sense_is_taken_as_it_is(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    assert read(monkeypatch, env.redis, url) == url


# Several processes


def test_a_key_of_the_environment_takes_the_place_of_the_file(tmp_path: Path) -> None:
    assert settings_with(tmp_path, HARNESS_SECRET_KEY=KEY)["SECRET_KEY"] == KEY
    assert not (tmp_path / "state" / "secret-key").exists()
    made = settings_with(tmp_path)["SECRET_KEY"]
    assert made == (tmp_path / "state" / "secret-key").read_text()


def test_a_key_that_can_be_guessed_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ImproperlyConfigured, match="at least 32 characters") as refused:
        read(monkeypatch, lambda name: env.secret(name, least=32), SECRET)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", []),
        ("gpu", ["gpu"]),
        (" gpu, zone=eu-1 ,gpu,a_b.c ", ["gpu", "zone=eu-1", "a_b.c"]),
    ],
)
def test_labels_are_words_each_once(
    monkeypatch: pytest.MonkeyPatch, value: str, found: list[str]
) -> None:
    assert read(monkeypatch, env.labels, value) == found


@pytest.mark.parametrize("value", ["a b", "ü", "a;b", "a\tb", "gpu,/"])
def test_a_label_of_other_characters_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match="letters, digits"):
        read(monkeypatch, env.labels, value)


def test_a_role_that_nobody_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def reader(name: str) -> str:
        return env.choice(name, "all", known=("all", "web", "manager"))

    assert read(monkeypatch, reader, "") == "all"
    assert read(monkeypatch, reader, "web") == "web"
    with pytest.raises(ImproperlyConfigured, match="one of all, web, manager, not 'both'"):
        read(monkeypatch, reader, "both")


def test_programs_of_a_manager_find_the_pages_where_everybody_does(tmp_path: Path) -> None:
    public = {"HARNESS_PUBLIC_URL": "https://harness.example"}
    assert settings_with(tmp_path, **public)["HARNESS_LOCAL_URL"] == "http://127.0.0.1:3333"
    found = settings_with(tmp_path, HARNESS_ROLE="manager", **public)
    assert found["HARNESS_LOCAL_URL"] == "https://harness.example"


@pytest.fixture
def together(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of one process among several, all in order."""
    settings.HARNESS_ROLE = "web"
    settings.REDIS_URL = "redis://:password@127.0.0.1"
    settings.HARNESS_SECRET_KEY = KEY
    monkeypatch.setitem(settings.DATABASES["default"], "NAME", "harness")
    return settings


@pytest.mark.parametrize("role", ["web", "manager"])
def test_several_processes_with_one_log_one_redis_and_one_key_are_in_order(
    together: Settings, role: str
) -> None:
    together.HARNESS_ROLE = role
    assert processes_can_work_together(None) == []
    assert refusal() == ""


@pytest.mark.parametrize("role", ["web", "manager"])
def test_each_thing_that_several_processes_lack_is_an_error(
    together: Settings, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    together.HARNESS_ROLE = role
    together.REDIS_URL = ""
    assert ids(processes_can_work_together(None)) == ["sessions_app.E030"]
    own = together.HARNESS_STATE_DIR / "harness.sqlite3"
    monkeypatch.setitem(together.DATABASES["default"], "NAME", own)
    together.HARNESS_SECRET_KEY = ""
    found = processes_can_work_together(None)
    assert ids(found) == ["sessions_app.E030", "sessions_app.E031", "sessions_app.E032"]
    assert all(message.is_serious() and message.hint for message in found)


def test_one_process_that_does_everything_needs_none_of_it(settings: Settings) -> None:
    settings.HARNESS_ROLE, settings.REDIS_URL, settings.HARNESS_SECRET_KEY = "all", "", ""
    assert processes_can_work_together(None) == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", []),
        ("redis://localhost", []),
        ("redis://127.0.0.2:6380", []),
        ("redis://[::1]", []),
        ("redis://10.0.0.1", ["sessions_app.E033", "sessions_app.W030"]),
        ("redis://user@10.0.0.1", ["sessions_app.E033", "sessions_app.W030"]),
        ("redis://:password@10.0.0.1", ["sessions_app.W030"]),
        ("rediss://redis.example", ["sessions_app.E033"]),
        ("rediss://:password@redis.example", []),
        ("rediss://redis.example?ssl_certfile=/c.pem&ssl_keyfile=/k.pem", []),
    ],
)
def test_a_redis_that_other_machines_reach_needs_a_password_and_better_has_tls(
    settings: Settings, url: str, said: list[str]
) -> None:
    settings.REDIS_URL = url
    assert ids(redis_is_no_open_door(None)) == said


@pytest.mark.parametrize("command", [prepare.Command, serve.Command])
def test_the_server_refuses_to_start_on_what_cannot_work(
    together: Settings, monkeypatch: pytest.MonkeyPatch, command: type
) -> None:
    together.REDIS_URL = ""
    monkeypatch.setattr(prepare, "check_address", lambda host, port: None)
    monkeypatch.setattr(prepare, "running_server", lambda folder: None)
    with pytest.raises(CommandError, match="HARNESS_ROLE=web: without Redis") as refused:
        call_command(command())
    assert "Set REDIS_URL for all of them" in str(refused.value)
