"""Secrets are where they belong and nowhere else, after a whole run with a crash in it."""

from __future__ import annotations

import http.client
import json
import os
import stat
import urllib.parse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
import zstandard
from django.apps import apps

from sessions_app.credentials import digest
from tests.deployment.conftest import collect_static_files
from tests.real_server import RealServer, running
from tests.waiting_for import until

PASSWORD = "canary-password-8dd1f2"  # noqa: S105  # of a user of this test
VARIABLE = "canary-variable-5b7c91"
TYPED = "canary-typed-0c44ae"
MADE = ("HARNESS_CANARY", "DJANGO_CANARY", "SECRET_CANARY")
# Not compared with how it is stored: these name what everything is stored in.
URLS = ("DATABASE_URL", "REDIS_URL")


class Browser:
    """Keeps cookies and comes by the server's public name, as a browser does."""

    def __init__(self, server: RealServer) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}
        self.pages: list[str] = []

    def send(self, method: str, path: str, form: dict[str, str] | None = None) -> int:
        """Send a request; the page is kept, the status returned."""
        public = f"harness.localhost:{self.server.port}"
        headers = {
            "Host": public,
            "Origin": f"http://{public}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port)) as connection:
            connection.request(method, path, urllib.parse.urlencode(form or {}), headers)
            answer = connection.getresponse()
            self.pages.append(answer.read().decode())
            for cookie in answer.headers.get_all("Set-Cookie") or []:
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status

    def cookie(self, part: str) -> str:
        """The value of the cookie whose name has this part."""
        return next(value for name, value in self.cookies.items() if part in name)

    def log_in(self, username: str, password: str) -> None:
        """Send the form with name and password."""
        assert self.send("GET", "/login") == 200
        token = self.pages[-1].split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        form = {"username": username, "password": password, "csrfmiddlewaretoken": token}
        assert self.send("POST", "/login", form) == 302


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RealServer]:
    secrets = dict.fromkeys(MADE, VARIABLE)
    with running(tmp_path / "state", HARNESS_PASS_ENV="*", **secrets) as server:
        yield server


def children_of(server: RealServer) -> list[psutil.Process]:
    """The holders and their programs."""
    mine = str(server.state)
    holders = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(mine in word for word in process.info["cmdline"] or [])
        and process.pid != (server.process.pid if server.process else 0)
    ]
    return [each for holder in holders for each in (holder, *holder.children(recursive=True))]


def everything_stored(server: RealServer) -> bytes:
    """All files of the state folder, all of the database, and what is packed in it."""
    paths = [path for path in server.state.rglob("*") if path.is_file()]
    kept = [path.read_bytes() for path in paths if path.name not in ("secret-key", "api-token")]
    tables = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
    found = server.rows(*(f"SELECT * FROM {table}" for table in tables))  # noqa: S608
    kept += [repr(row).encode() for rows in found for row in rows]
    (packed,) = server.rows("SELECT data FROM sessions_app_outputsegment")
    return b"\n".join([*kept, *(zstandard.decompress(row[0]) for row in packed)])


def log_of(server: RealServer) -> Path:
    """The one file there that the server has not made."""
    return server.state / "server.log"


def private(path: Path) -> bool:
    return stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0


def test_after_a_whole_run_secrets_are_nowhere_but_where_they_belong(server: RealServer) -> None:
    collect_static_files()
    server.manage("shell", "-c", NEW_USER)
    browser = Browser(server)
    browser.log_in("walter", PASSWORD)
    link = server.manage("loginlink").strip()
    one_time = link.partition("#token=")[2]

    # A program that prints its whole environment, then more than one file of the spool holds.
    script = "env; cat /proc/$PPID/environ; head -c 20000000 /dev/zero | tr '\\0' x; exec cat"
    session_id = server.launch("sh", "-c", script)
    until(lambda: server.session(session_id)["outputBytes"] > 20_000_000, timeout=60)
    server.request("POST", f"/api/sessions/{session_id}/input", {"data": f"{TYPED}\r"})
    share = server.request("POST", f"/api/sessions/{session_id}/shares", {"hours": 1})
    shared = share["url"].partition("#token=")[2]
    for path in ("/", "/history", f"/sessions/{session_id}"):
        assert browser.send("GET", path) == 200

    secret_key = (server.state / "secret-key").read_text().strip()
    cookie = browser.cookie("session")
    ours = {
        "the secret key": secret_key,
        "the API token": server.token,
        "the password": PASSWORD,
        "the one-time link": one_time,
        "the link that shows the session": shared,
        "variables of the server's own": VARIABLE,
    }
    processes = children_of(server)
    assert len(processes) >= 2
    environments = "\n".join(json.dumps(process.environ()) for process in processes)
    lines = "\n".join(
        " ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])
    )
    pages = "\n".join(browser.pages)
    output = server.output(session_id).decode()
    urls = {name: server.environment[name] for name in URLS if name in server.environment}
    for name, secret in (ours | urls | {"the login cookie": cookie}).items():
        for place, text in {
            "a program's environment": environments,
            "ps": lines,
            "the log": server.log(),
            "what the program could print": output,
            "a page": pages,
        }.items():
            assert secret not in text, f"{name} is in {place}"

    server.kill()
    until(lambda: not server.is_healthy(), timeout=5)
    server.start()
    stored = everything_stored(server)
    for name, secret in ours.items():
        assert secret.encode() not in stored, f"{name} is stored in clear"
    # What stands for them is there: the search looks at the right place.
    assert digest(server.token).encode() in stored
    assert TYPED.encode() in stored
    assert [path for path in server.state.rglob("*") if not private(path)] == [log_of(server)]


NEW_USER = (
    "from django.contrib.auth.models import User; "
    f"User.objects.create_superuser('walter', password='{PASSWORD}')"
)


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with running(tmp_path / "state") as server:
            session_id = server.launch("sh", "-c", "head -c 20000000 /dev/zero; exec cat")
            until(lambda: server.session(session_id)["outputBytes"] > 10_000_000, timeout=60)
            server.kill()
            server.start()
            found = [server.state, *server.state.rglob("*")]
            assert [path for path in found if not private(path)] == [log_of(server)]
    finally:
        os.umask(before)
