"""Hosts over the API: who may see them, and who may drain them."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_app import hosts
from sessions_app.audit import Action, AuditRecord
from tests.cast import enter_host, make_session, scripted


@pytest.fixture(autouse=True)
def _a_host(db: None) -> None:
    enter_host()
    make_session(host="one", slot=2)


def drain(client: Client, name: str, draining: object) -> tuple[int, dict[str, object]]:
    body = {"draining": draining}
    answer = client.patch(f"/api/hosts/{name}", body, content_type="application/json")
    return answer.status_code, answer.json()


def test_hosts_are_listed_with_how_they_stand(api: Client) -> None:
    (host,) = api.get("/api/hosts").json()
    assert host == api.get("/api/hosts/one").json() | {"silentSeconds": host["silentSeconds"]}
    facts = {key: host[key] for key in ("name", "state", "slots", "used", "labels", "version")}
    assert facts == {
        "name": "one",
        "state": "ready",
        "slots": 2,
        "used": 1,
        "labels": ["gpu"],
        "version": "9.9",
    }


def test_an_administrator_drains_a_host_and_that_is_recorded(carol: User) -> None:
    client = scripted(carol)
    for draining, state in ((True, "draining"), (True, "draining"), (False, "ready")):
        status, host = drain(client, "one", draining)
        assert (status, host["state"]) == (200, state)
    actions = AuditRecord.objects.filter(action__startswith="host-").order_by("pk")
    assert [(one.action, one.details) for one in actions] == [
        (Action.HOST_DRAINED, {"host": "one"}),
        (Action.HOST_OPENED, {"host": "one"}),
    ]


def test_nobody_else_drains_a_host(api: Client, vera: User) -> None:
    for client in (api, scripted(vera)):
        assert drain(client, "one", True)[0] == 403
    assert not hosts.is_draining("one")


def test_what_is_no_host_or_no_answer_is_refused_with_a_sentence(carol: User, api: Client) -> None:
    status, answer = drain(scripted(carol), "two", True)
    assert (status, answer["code"]) == (404, "host-not-found")
    assert api.get("/api/hosts/two").json()["error"] == "There is no host two."
    assert drain(scripted(carol), "one", "yes")[0] == 400
    assert drain(scripted(carol), "one", None)[0] == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [("host", 1), ("labels", "gpu"), ("labels", [1]), ("labels", ["x"] * 17), ("priority", 101),
     ("priority", "1"), ("priority", True), ("host", "x" * 256)],
)  # fmt: skip
def test_a_start_names_its_host_in_the_stated_form(api: Client, field: str, value: object) -> None:
    body = {"command": "bash", field: value}
    answer = api.post("/api/sessions", body, content_type="application/json")
    assert answer.status_code == 400
    assert any(name.split(".")[0] == field for name in answer.json()["fields"])
