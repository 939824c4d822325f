"""nginx takes the configuration, with the files of places that are shipped too."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sessions_app.front_door.limits import Limits
from tests.deployment.files import DEPLOY, PAGE, tried
from tests.deployment.proxy import command_for, pid_of
from tests.engines import free_port

CONFIGURATION = (DEPLOY / "nginx/nginx.conf").read_text(encoding="utf-8")
PLACES = sorted(folder.name for folder in (DEPLOY / "nginx").iterdir() if folder.is_dir())


def put_together(folder: Path, places: str) -> None:
    """Lay the files out as they are installed, with the certificate that the page makes.

    Only the ports are others: these may be taken here, or reserved.
    """
    shutil.copy(DEPLOY / "nginx/nginx.conf", folder)
    shutil.copytree(DEPLOY / "nginx" / places, folder / "places")
    for file in (folder / "places").iterdir():
        text = file.read_text(encoding="utf-8")
        text = re.sub(r"(?m)^listen \d+", lambda _: f"listen 127.0.0.1:{free_port()}", text)
        text = re.sub(r"(?m)^(\w+_log) /var/log/nginx/", rf"\1 {folder}/", text)
        file.write_text(text, encoding="utf-8")
    (folder / "certificates").mkdir()
    commands = tried("make a certificate").replace("/etc/nginx/", f"{folder}/")
    subprocess.run(["/bin/sh", "-eu", "-c", commands], check=True, capture_output=True, timeout=30)


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    """Let nginx look at the configuration in this folder."""
    command = [*command_for(folder), "-t", "-g", pid_of(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("places", PLACES)
def test_nginx_takes_what_is_shipped_for(places: str, tmp_path: Path) -> None:
    put_together(tmp_path, places)

    checked = check(tmp_path)

    assert checked.returncode == 0, checked.stderr
    warnings = [line for line in checked.stderr.splitlines() if "[warn]" in line]
    # How many files may be open, and whether root tries it, is the machine's affair.
    expected = re.compile("open file resource limit|super-user privileges")
    assert [each for each in warnings if not expected.search(each)] == []


def test_debians_nginx_serves_as_a_user_who_is_nobody_elses() -> None:
    user = (DEPLOY / "nginx/debian/user.conf").read_text(encoding="utf-8")
    assert re.search(r"(?m)^user www-data;$", user)


def test_nginx_finds_what_is_wrong_with_a_configuration(tmp_path: Path) -> None:
    put_together(tmp_path, PLACES[0])
    (tmp_path / "places/web-processes.conf").write_text("server;\n", encoding="utf-8")

    assert check(tmp_path).returncode != 0


def test_the_configuration_names_the_files_of_places_and_no_others() -> None:
    included = re.findall(r"include (\S+);", CONFIGURATION)
    for places in PLACES:
        files = {f"places/{file.name}" for file in (DEPLOY / "nginx" / places).iterdir()}
        assert set(included) == files
        assert all(file in CONFIGURATION.partition("worker_processes")[0] for file in files)
    assert "deploy/nginx/debian" in PAGE.read_text(encoding="utf-8")


def test_all_places_know_the_same_kinds_of_web_processes() -> None:
    for places in PLACES:
        text = (DEPLOY / "nginx" / places / "web-processes.conf").read_text(encoding="utf-8")
        kinds = dict.fromkeys(re.findall(r"(?m)^server \S+ (.*)$", text))
        assert list(kinds) == ["max_fails=2 fail_timeout=5s;", "max_fails=0 backup;"]


def directive(name: str) -> str:
    """Return what the only directive of this name says."""
    (found,) = re.findall(rf"(?m)^ *{name} (.*);", CONFIGURATION)
    return str(found)


def test_the_bounds_are_those_that_the_web_processes_have_for_who_comes_without_a_proxy() -> None:
    limits = Limits()
    assert directive("limit_conn") == f"by_address {limits.connections_per_address}"
    assert directive("client_header_timeout") == f"{limits.head_seconds:.0f}s"
    assert directive("client_body_timeout") == f"{limits.body_seconds:.0f}s"
    assert directive("keepalive_timeout") == f"{limits.idle_seconds:.0f}s"
    number, size = directive("large_client_header_buffers").split()
    kibibytes = int(size.removesuffix("k"))
    assert kibibytes * 1024 == limits.head_line_bytes
    assert int(number) * kibibytes * 1024 == limits.head_bytes
    # The web processes say how much they take.
    assert int(directive("client_max_body_size").removesuffix("m")) * 1024**2 > limits.body_bytes
    assert f"At most {limits.body_bytes // 1024} KiB" in CONFIGURATION


def test_old_versions_of_tls_are_refused() -> None:
    assert directive("ssl_protocols") == "TLSv1.2 TLSv1.3"


def test_no_client_is_believed_what_it_says_about_itself() -> None:
    told = dict(re.findall(r"proxy_set_header (\S+) (\S+);", CONFIGURATION))
    assert told["X-Forwarded-For"] == "$remote_addr"
    assert told["X-Forwarded-Proto"] == "$scheme"
    assert told["X-Forwarded-Host"] == "$http_host"
    assert told["Forwarded"] == '""'
    assert told["X-Request-ID"] == "$request_id"
    # A location with one of its own would have none of these.
    assert "proxy_set_header" not in CONFIGURATION.partition("location / {")[2]
