"""The compose files say what the documentation says about them."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.files import (
    DEPLOY,
    PAGE,
    PROJECT,
    MissingVariable,
    assignments,
    compose,
    harness_variables,
    known_variables,
)

SECRET = "0123456789abcdef" * 4
FILLED_IN = {
    **assignments(DEPLOY / "compose.env.example"),
    "POSTGRES_PASSWORD": SECRET,
    "REDIS_PASSWORD": SECRET,
    "HARNESS_SECRET_KEY": SECRET,
}
SERVICES: dict[str, dict[str, Any]] = compose("compose.yaml", FILLED_IN)["services"]
NETWORKS: dict[str, dict[str, Any]] = compose("compose.yaml")["networks"]
OURS = sorted(name for name, each in SERVICES.items() if each["image"].startswith("session-"))
WEB = sorted(name for name in SERVICES if name.startswith("web-"))


def test_these_are_the_services() -> None:
    assert sorted(SERVICES) == ["manager", "postgres", "proxy", "redis", "web-1", "web-2"]


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    assert [name for name, each in SERVICES.items() if "ports" in each] == ["proxy"]
    assert not any("network_mode" in each for each in SERVICES.values())


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_looked_after(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries"} <= set(service["healthcheck"])
    # What it prints must not fill the disk.
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", OURS)
def test_what_needs_the_engines_waits_until_they_are_well(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }


def test_the_engines_are_in_a_network_that_leads_nowhere() -> None:
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["back"]
    assert NETWORKS["back"]["internal"] is True
    assert "back" not in SERVICES["proxy"]["networks"]


def test_programs_reach_the_world_and_not_the_web_processes_behind_the_proxys_back() -> None:
    assert set(SERVICES["manager"]["networks"]) == {"back", "outside"}
    assert not (NETWORKS["outside"] or {}).get("internal")
    for name in WEB:
        listening = SERVICES[name]["environment"]["HARNESS_HOST"]
        assert listening == SERVICES[name]["networks"]["front"]["ipv4_address"]


def test_the_web_processes_believe_the_proxy_alone() -> None:
    proxy = SERVICES["proxy"]["networks"]["front"]["ipv4_address"]
    for name in WEB:
        assert SERVICES[name]["environment"]["HARNESS_TRUSTED_PROXIES"] == proxy


def test_the_proxy_asks_every_web_process_where_it_listens() -> None:
    places = (DEPLOY / "nginx/compose/web-processes.conf").read_text(encoding="utf-8")
    told = [SERVICES[name]["environment"] for name in WEB]
    listening = [f"{each['HARNESS_HOST']}:{each['HARNESS_PORT']}" for each in told]
    assert re.findall(r"^server (\S+) max_fails=2 ", places, re.MULTILINE) == listening
    assert re.findall(r"^server (\S+) .* backup;", places, re.MULTILINE) == listening


def test_the_fixed_addresses_lie_in_the_network_and_are_no_gateway() -> None:
    (subnet,) = (
        ipaddress.ip_network(each["subnet"]) for each in NETWORKS["front"]["ipam"]["config"]
    )
    fixed = [
        ipaddress.ip_address(each["networks"]["front"]["ipv4_address"])
        for each in SERVICES.values()
        if "front" in each["networks"]
    ]
    first_is_the_gateways = next(subnet.hosts())
    assert len(fixed) == len(set(fixed)) == 3
    assert all(address in subnet and address != first_is_the_gateways for address in fixed)


@pytest.mark.parametrize("name", OURS)
def test_the_settings_know_every_variable_that_is_set(name: str) -> None:
    assert harness_variables(SERVICES[name]["environment"]) == set(SERVICES[name]["environment"])
    assert set(SERVICES[name]["environment"]) <= known_variables()


@pytest.mark.parametrize("name", ["compose.host.yaml"])
def test_the_settings_know_every_variable_of_another_host(name: str) -> None:
    environment = compose(name)["services"]["manager"]["environment"]
    assert set(environment) <= known_variables()


@pytest.mark.parametrize("name", OURS)
def test_all_processes_share_engines_key_and_public_url(name: str) -> None:
    shared = ("DATABASE_URL", "REDIS_URL", "HARNESS_SECRET_KEY", "HARNESS_PUBLIC_URL")
    first = SERVICES[OURS[0]]["environment"]
    for variable in shared:
        assert SERVICES[name]["environment"][variable] == first[variable]
    role = "manager" if name == "manager" else "web"
    assert SERVICES[name]["environment"]["HARNESS_ROLE"] == role
    assert SERVICES[name]["command"] == ["runmanager" if role == "manager" else "serve"]


@pytest.mark.parametrize(
    "name", ["POSTGRES_PASSWORD", "REDIS_PASSWORD", "HARNESS_SECRET_KEY", "HARNESS_PUBLIC_URL"]
)
def test_nothing_starts_without(name: str) -> None:
    with pytest.raises(MissingVariable, match=name):
        compose("compose.yaml", {**FILLED_IN, name: ""})


def test_the_example_has_every_variable_and_no_secret() -> None:
    example = assignments(DEPLOY / "compose.env.example")
    used = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    assert set(example) == used
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "HARNESS_SECRET_KEY"):
        assert example[name] == ""


def test_a_file_with_secrets_is_never_committed() -> None:
    ignored = (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"deploy/.env", "deploy/certificates/"} <= set(ignored)


def test_redis_takes_nobody_without_a_password_and_no_list_of_processes_shows_it() -> None:
    redis = SERVICES["redis"]
    assert redis["environment"] == {"REDISCLI_AUTH": SECRET}
    assert SECRET not in json.dumps(redis["command"])
    assert "requirepass" in redis["command"][-1]


def test_the_web_processes_can_change_nothing_but_their_state() -> None:
    for name in WEB:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service  # the image's own, who is nobody
        assert [each.partition(":")[2] for each in service["volumes"]] == ["/var/lib/harness"]


def test_two_web_processes_share_no_state_folder() -> None:
    folders = [SERVICES[name]["volumes"] for name in WEB]
    assert len({str(each) for each in folders}) == len(folders)


def test_programs_become_somebody_else_who_cannot_read_the_managers_secrets() -> None:
    manager = SERVICES["manager"]
    assert manager["environment"]["HARNESS_RUN_AS"] == "agent"
    assert manager["cap_drop"] == ["ALL"]
    assert sorted(manager["cap_add"]) == ["CHOWN", "KILL", "SETGID", "SETUID"]


def test_another_host_is_the_same_manager_with_the_engines_elsewhere() -> None:
    environment = {**FILLED_IN, "HARNESS_ENGINES": "10.0.0.1", "HARNESS_HOST_NAME": "host-2"}
    other = compose("compose.host.yaml", environment)["services"]["manager"]
    here = dict(SERVICES["manager"])
    del here["depends_on"], here["networks"]
    elsewhere = {
        **here["environment"],
        "DATABASE_URL": f"postgres://harness:{SECRET}@10.0.0.1:5432/harness",
        "REDIS_URL": f"redis://:{SECRET}@10.0.0.1:6379/0",
        "HARNESS_HOST_NAME": "host-2",
    }
    assert other == {**here, "environment": elsewhere}


@pytest.mark.parametrize("name", ["HARNESS_ENGINES", "HARNESS_HOST_NAME"])
def test_another_host_does_not_start_without(name: str) -> None:
    environment = {**FILLED_IN, "HARNESS_ENGINES": "10.0.0.1", "HARNESS_HOST_NAME": "host-2"}
    with pytest.raises(MissingVariable, match=name):
        compose("compose.host.yaml", {**environment, name: ""})


def test_the_engines_are_offered_at_one_private_address_only_when_that_is_asked_for() -> None:
    offered = compose("compose.private.yaml", {"HARNESS_PRIVATE_ADDRESS": "10.0.0.1"})["services"]
    ports = {name: each["ports"] for name, each in offered.items()}
    assert ports == {"postgres": ["10.0.0.1:5432:5432"], "redis": ["10.0.0.1:6379:6379"]}
    with pytest.raises(MissingVariable):
        compose("compose.private.yaml", {})


SETTINGS_AS_IN_THE_CONTAINER = """
import json
import django
from django.core.management import call_command
django.setup()
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User
User.objects.create_superuser("harness", password="correct horse battery")
from sessions_app import network_exposure
from sessions_app.gate import configured_places
print(json.dumps({
    "exposed": network_exposure.is_exposed(),
    "missing": network_exposure.missing(),
    "others": sorted(f"{host.name}:{host.port}" for host in configured_places().others),
}))
"""


@pytest.mark.parametrize("name", WEB)
def test_a_web_process_may_be_reached_as_it_is_set_up_and_knows_its_own_address(
    name: str, tmp_path: Path
) -> None:
    # Without the engines; where it listens, and for whom, does not depend on them.
    told = SERVICES[name]["environment"]
    alone = {
        k: v for k, v in told.items() if k not in ("DATABASE_URL", "REDIS_URL", "HARNESS_ROLE")
    }
    printed = subprocess.run(
        [sys.executable, "-c", SETTINGS_AS_IN_THE_CONTAINER],
        cwd=PROJECT,
        env={
            **alone,
            "HOME": str(tmp_path),
            "HARNESS_STATE_DIR": str(tmp_path / "state"),
            "DJANGO_SETTINGS_MODULE": "harness_site.settings",
        },
        capture_output=True,
        check=True,
        timeout=60,
    )
    found = json.loads(printed.stdout)
    assert found["exposed"] is True
    assert found["missing"] == []
    # The health check asks there.
    assert f"{told['HARNESS_HOST']}:{told['HARNESS_PORT']}" in found["others"]


def test_the_page_tells_the_service_names_and_files_that_there_are() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in re.findall(
        r"docker compose (?:run --rm|up .*--no-deps(?: --wait)?) ([\w-]+)", page
    ):
        assert name in SERVICES
    for name in re.findall(r"COMPOSE_FILE=(\S+)", page):
        assert all((DEPLOY / each).exists() for each in name.split(":"))
