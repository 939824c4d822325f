"""Two web servers and several managers are one harness: placement, commands, live output."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from tests.reliability.viewer_client import connected
from tests.site.processes import Manager, Site, Web
from tests.waiting_for import auntil, until

QUEUED = 200


def host_of(web: Web, session_id: str) -> str | None:
    host: str | None = web.session(session_id)["host"]
    return host


def state_of(web: Web, host: str) -> str:
    return str(web.request("GET", f"/api/hosts/{host}")["state"])


def ended(web: Web, session_id: str) -> bool:
    return web.session(session_id)["status"] in ("completed", "failed")


def test_sessions_go_to_the_emptiest_host_and_every_web_server_shows_them(site: Site) -> None:
    site.manager("one", HARNESS_SLOTS="2")
    site.manager("two", HARNESS_SLOTS="2")
    webs = [site.web("web-a"), site.web("web-b")]
    ids = [webs[number % 2].launch("cat") for number in range(4)]
    assert Counter(host_of(webs[0], key) for key in ids) == {"one": 2, "two": 2}
    for web in webs:
        assert {session["id"] for session in web.request("GET", "/api/sessions")} == set(ids)
        hosts = web.request("GET", "/api/hosts")
        assert [(host["name"], host["used"], host["state"]) for host in hosts] == [
            ("one", 2, "ready"),
            ("two", 2, "ready"),
        ]
    refused = webs[0].answer("POST", "/api/sessions", {"command": "cat", "workingDir": "/tmp"})
    assert (refused.status, refused.json()["code"]) == (409, "no-free-slot")
    assert "All 4 slots of 2 hosts are taken" in refused.json()["error"]


def test_a_session_runs_where_it_was_asked_to(site: Site) -> None:
    site.manager("one", HARNESS_LABELS="linux")
    site.manager("two", HARNESS_LABELS="linux,gpu")
    web = site.web("web")
    assert host_of(web, web.launch("cat", host="one")) == "one"
    assert host_of(web, web.launch("cat", labels=["gpu"])) == "two"
    for wanted, field in (({"host": "three"}, "host"), ({"labels": ["arm"]}, "labels")):
        body = {"command": "cat", "workingDir": "/tmp", **wanted}
        refused = web.answer("POST", "/api/sessions", body)
        assert refused.status == 400
        assert list(refused.json()["fields"]) == [field]


def test_what_a_host_refuses_is_refused_where_it_was_asked(site: Site) -> None:
    site.manager("one")
    web = site.web("web")
    body = {"command": "no-such-command", "workingDir": "/tmp"}
    refused = web.answer("POST", "/api/sessions", body)
    assert refused.status == 400
    assert list(refused.json()["fields"]) == ["command"]


async def test_every_verb_reaches_a_session_on_another_host(site: Site) -> None:
    await asyncio.to_thread(site.manager, "one")
    web: Web = await asyncio.to_thread(site.web, "web")
    session_id = await asyncio.to_thread(web.launch, "bash", "--norc", cols=80, rows=24)
    address = f"/api/sessions/{session_id}"

    def ask(method: str, path: str, body: object = None) -> int:
        return web.answer(method, f"{address}/{path}", body).status

    def screen() -> str:
        return "\n".join(web.request("GET", f"{address}/screen")["lines"])

    assert await asyncio.to_thread(ask, "POST", "input", {"text": "echo $((6*7))"}) == 202
    await auntil(lambda: asyncio.to_thread(lambda: "\n42" in screen()))
    assert await asyncio.to_thread(ask, "POST", "resize", {"cols": 100, "rows": 30}) == 200
    assert await asyncio.to_thread(ask, "POST", "input", {"data": "stty size\r"}) == 202
    await auntil(lambda: asyncio.to_thread(lambda: "30 100" in screen()))
    checkpoint = {"type": "human-action", "action": "Look.", "instructions": ""}
    declared = await asyncio.to_thread(web.answer, "POST", f"{address}/checkpoint", checkpoint)
    assert (declared.status, declared.json()["type"]) == (201, "session:checkpoint")
    # Nothing that was printed is missing, however soon it is asked for.
    assert await asyncio.to_thread(ask, "POST", "input", {"data": "printf 'last%s' word\r"}) == 202
    await auntil(lambda: asyncio.to_thread(lambda: "lastword" in screen()))
    assert b"lastword" in await asyncio.to_thread(web.output, session_id)
    assert await asyncio.to_thread(ask, "POST", "end", {"grace": 1}) == 202
    await auntil(lambda: asyncio.to_thread(ended, web, session_id), timeout=10)
    assert await asyncio.to_thread(ask, "POST", "input", {"data": "x"}) == 409
    assert "lastword" in await asyncio.to_thread(screen)


async def test_what_is_typed_on_one_web_server_is_seen_on_the_other(site: Site) -> None:
    await asyncio.to_thread(site.manager, "one")
    webs = [await asyncio.to_thread(site.web, name) for name in ("web-a", "web-b")]
    session_id = await asyncio.to_thread(webs[0].launch, "cat")
    async with connected(webs[0]) as typing, connected(webs[1]) as looking:
        for number in range(20):
            text = f"word-{number} "
            message = {"type": "input", "sessionId": session_id, "data": text, "id": number}
            await typing.send(orjson.dumps(message).decode())
            seen = ""
            async with asyncio.timeout(5):
                while text not in seen:
                    got = orjson.loads(await looking.recv())
                    seen += got.get("data") or ""
        receipts: list[int] = []
        async with asyncio.timeout(5):
            while len(receipts) < 20:
                got = orjson.loads(await typing.recv())
                receipts += [got["id"]] if got["type"] == "receipt" else []
        assert receipts == list(range(20))


def test_a_draining_host_finishes_what_runs_and_takes_nothing_new(site: Site) -> None:
    site.manager("one")
    site.manager("two")
    web = site.web("web")
    running = web.launch("cat", host="one")
    web.request("PATCH", "/api/hosts/one", {"draining": True})
    assert state_of(web, "one") == "draining"
    assert {host_of(web, web.launch("cat")) for _ in range(3)} == {"two"}
    body = {"command": "cat", "workingDir": "/tmp", "host": "one"}
    refused = web.answer("POST", "/api/sessions", body)
    assert (refused.status, refused.json()["code"]) == (409, "host-draining")
    assert web.session(running)["status"] == "running"
    web.request("PATCH", "/api/hosts/one", {"draining": False})
    assert host_of(web, web.launch("cat", host="one")) == "one"


def test_what_waits_is_started_by_whichever_host_has_room_first(site: Site) -> None:
    site.manager("one", HARNESS_SLOTS="1")
    two = site.manager("two", HARNESS_SLOTS="1")
    web = site.web("web")
    running = {host_of(web, key): key for key in (web.launch("cat"), web.launch("cat"))}
    low = web.launch("cat", queue=True, priority=-1)
    first = web.launch("cat", queue=True)
    assert web.session(first)["host"] is None
    web.request("POST", f"/api/sessions/{running['two']}/end", {"grace": 0})
    until(lambda: host_of(web, first) == "two", timeout=10)
    assert web.session(low)["status"] == "idle"
    taken_out = web.answer("POST", f"/api/sessions/{low}/end", {})
    assert taken_out.status == 202
    assert "Taken out of the queue" in web.session(low)["error"]
    assert low not in two.folders()


def test_of_many_that_wait_each_is_started_exactly_once(site: Site, tmp_path: Path) -> None:
    managers = [site.manager(name, HARNESS_SLOTS="4") for name in ("one", "two", "three")]
    web = site.web("web")
    for manager in managers:
        web.request("PATCH", f"/api/hosts/{manager.name}", {"draining": True})
    journal = tmp_path / "journal"
    script = 'echo "$HARNESS_SESSION_ID" >> "$0"'
    web.request("PATCH", "/api/hosts/one", {"draining": False})
    blockers = [web.launch("cat", host="one") for _ in range(4)]
    body = {"command": ["sh", "-c", script, str(journal)], "workingDir": "/tmp", "queue": True}
    with ThreadPoolExecutor(8) as pool:
        # Two of them wait in one user's queue no longer than there is room for.
        ids = list(pool.map(lambda _: web.request("POST", "/api/sessions", body)["id"], range(100)))
    for manager in managers[1:]:
        web.request("PATCH", f"/api/hosts/{manager.name}", {"draining": False})
    for blocker in blockers:
        web.request("POST", f"/api/sessions/{blocker}/end", {"grace": 0})
    with ThreadPoolExecutor(4) as pool:
        ids += pool.map(lambda _: _queued_soon(web, body), range(QUEUED - len(ids)))
    until(lambda: all(ended(web, key) for key in ids[-20:]), timeout=120)
    until(lambda: not web.request("GET", "/api/sessions?status=idle,running"), timeout=60)
    started = Counter(journal.read_text().split())
    assert started == dict.fromkeys(ids, 1)
    by_host = Counter(host for (host,) in site.rows("SELECT host FROM sessions_app_session"))
    assert len(by_host) == 3, by_host


def _queued_soon(web: Web, body: object) -> str:
    """Queue one more once there is room for it in the queue."""
    while True:
        answer = web.answer("POST", "/api/sessions", body)
        if answer.status == 201:
            return str(answer.json()["id"])
        assert answer.json()["code"] == "too-many-sessions", answer.body
        time.sleep(0.05)


def test_a_host_that_does_not_answer_is_named_with_since_when(site: Site) -> None:
    one = site.manager("one")
    web = site.web("web")
    session_id = web.launch("cat")
    one.kill()
    answer = web.answer("POST", f"/api/sessions/{session_id}/input", {"data": "x"})
    # Nobody knows yet whether it stands still or is gone.
    assert (answer.status, answer.json()["code"]) == (503, "outcome-unknown")
    assert "The host one does not answer; it was last heard of" in answer.json()["error"]
    assert "Retry-After" in answer.headers
    until(lambda: state_of(web, "one") == "silent", timeout=15)
    # What is in the log can be read all the same, and who is known to be silent costs no time.
    assert web.session(session_id)["status"] == "running"
    began = time.monotonic()
    answer = web.answer("POST", f"/api/sessions/{session_id}/input", {"data": "x"})
    assert (answer.status, answer.json()["code"]) == (503, "host-silent")
    assert time.monotonic() - began < 4
    body = {"command": "cat", "workingDir": "/tmp"}
    assert web.answer("POST", "/api/sessions", body).json()["code"] == "host-silent"


def test_a_web_server_tells_the_figures_of_every_manager(site: Site) -> None:
    for name in ("one", "two"):
        site.manager(name)
    web = site.web("web")
    web.launch("sh", "-c", "printf 0123456789; cat", host="two")

    def told(line: str) -> bool:
        return line in web.request_raw("GET", "/metrics").decode().splitlines()

    until(lambda: told('harness_output_bytes_total{host="two"} 10.0'), timeout=10)
    assert told('harness_output_bytes_total{host="one"} 0.0')
    assert told('harness_sessions_followed{host="two"} 1.0')
    assert told('harness_sessions{host="two",status="running"} 1.0')


def test_a_name_belongs_to_one_machine(site: Site, tmp_path: Path) -> None:
    site.manager("one")
    site.web("web")
    twin = Manager(site, "twin", HARNESS_HOST_NAME="one")
    twin.spawn()
    assert twin.process is not None
    assert twin.process.wait(20) != 0
    assert "Another machine that is running already has the name one" in twin.log()


@pytest.mark.parametrize("role", ["web", "manager"])
def test_a_process_of_one_role_is_not_started_without_redis(site: Site, role: str) -> None:
    kind: type[Web] | type[Manager] = Web if role == "web" else Manager
    made = kind(site, "lonely", REDIS_URL="")
    made.spawn()
    assert made.process is not None
    assert made.process.wait(30) != 0
    assert "REDIS_URL" in made.log()
    site.web("web")
