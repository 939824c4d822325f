"""What a live stream shows to whom, and that it ends when the right to it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session as Login
from django.test import Client as Browser
from django.utils import timezone

from sessions_app import fanout, rights_watch
from sessions_app.callers import Caller, CookieCredential, Credential, TokenCredential
from sessions_app.credentials import ApiToken, ShareLink
from sessions_app.launch import LaunchRequest
from sessions_app.rights import Right, Role
from sessions_app.session_manager import PersistentSessionManager
from sessions_app.viewer import Viewer
from tests.cast import browsing, with_role
from tests.sessions.stream_client import Client, opened_streams
from tests.waiting_for import auntil

Connect = Callable[[Credential], Awaitable[Client]]


@pytest.fixture(autouse=True)
def _asked_often(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    case = getattr(request.node, "callspec", None)
    seconds = 3600 if case and case.params.get("how") == "at a key" else 0.05
    monkeypatch.setattr(rights_watch, "EXAMINE_SECONDS", seconds)


@pytest.fixture
async def connect(manager: PersistentSessionManager) -> AsyncIterator[Connect]:
    async with opened_streams() as streams:

        async def connect(credential: Credential) -> Client:
            caller = await sync_to_async(credential.examine)()
            client = await streams.open({"caller": caller, "credential": credential})
            await client.round_trip()
            return client

        yield connect


@sync_to_async
def user(name: str, role: Role = Role.OPERATOR) -> User:
    return with_role(name, role)


@sync_to_async
def login(somebody: User) -> CookieCredential:
    key = browsing(somebody).session.session_key
    assert key
    return CookieCredential(key)


@sync_to_async
def token(somebody: User, *scopes: Right) -> TokenCredential:
    return TokenCredential(ApiToken.issue(somebody, "+".join(scopes), scopes=scopes))


@sync_to_async
def guest(session_id: str, owner: User) -> CookieCredential:
    browser = Browser()
    _, secret = ShareLink.issue(session_id, owner.pk, timedelta(hours=1))  # type: ignore[arg-type]  # a UUID as text
    browser.post("/shared/link", {"token": secret})
    key = browser.session.session_key
    assert key
    return CookieCredential(key)


async def start(manager: PersistentSessionManager, owner: User, **details: Any) -> str:
    request = LaunchRequest(argv=["cat"], working_dir="/tmp", owner_id=owner.pk, **details)
    return await manager.create(request)


def typing(session_id: str, data: str = "hello\r") -> dict[str, Any]:
    return {"type": "input", "sessionId": session_id, "data": data, "id": 1}


async def answer(client: Client) -> dict[str, Any]:
    return await client.until(lambda message: message["type"] in ("receipt", "error"))


async def test_a_stream_of_everything_shows_only_what_may_be_seen(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    alice, bob = await user("alice"), await user("bob")
    hidden, shown = await start(manager, alice), await start(manager, alice, team=True)
    stranger = await connect(await login(bob))
    assert [one["id"] for one in stranger.received[0]["sessions"]] == [shown]
    later = await start(manager, alice)
    for session_id in (hidden, later, shown):
        await manager.write(session_id, b"hello\r")
    await stranger.until_text("hello\r\nhello")
    assert {m["sessionId"] for m in stranger.received if "sessionId" in m} == {shown}
    await stranger.send({"type": "subscribe", "sessions": [hidden]})
    assert (await answer(stranger))["code"] == "not-found"
    await stranger.send(typing(hidden))
    assert (await answer(stranger))["code"] == "not-found"


@pytest.mark.parametrize("message", ["input", "resize"])
async def test_who_may_only_look_cannot_steer(
    manager: PersistentSessionManager, connect: Connect, message: str
) -> None:
    alice, vera = await user("alice"), await user("vera", Role.VIEWER)
    session_id = await start(manager, alice, team=True)
    lookers = [
        await connect(await login(vera)),
        await connect(await token(alice, Right.VIEW)),
        await connect(await token(alice, Right.START)),
        await connect(await guest(session_id, alice)),
    ]
    size = {"type": "resize", "sessionId": session_id, "cols": 99, "rows": 9, "id": 1}
    for client in lookers:
        await client.send(typing(session_id) if message == "input" else size)
        assert (await answer(client))["code"] == "not-allowed"
    state = await manager.screen(session_id)
    assert (state.cols, state.offset) == (120, 0)
    for client in lookers:
        await manager.write(session_id, b"x")
        await client.until_text("x")


async def test_what_is_no_longer_shown_to_the_team_goes_from_other_streams(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    alice, bob = await user("alice"), await user("bob")
    session_id = await start(manager, alice, team=True)
    owner, member = await connect(await login(alice)), await connect(await login(bob))
    await manager.change(session_id, team=False)
    assert (await member.until_type("session:forgotten"))["sessionId"] == session_id
    await manager.write(session_id, b"secret\r")
    await owner.until_text("secret\r\nsecret")
    while not await member.nothing_follows():
        await member.receive()
    told = [message["type"] for message in member.received]
    assert "session:output" not in told[told.index("session:forgotten") :]
    await manager.change(session_id, team=True)
    updated = await member.until_type("session:updated")
    assert (updated["session"]["id"], updated["session"]["access"]) == (session_id, "view")


async def test_nobody_hears_of_the_end_of_what_he_could_not_see(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    alice, bob = await user("alice"), await user("bob")
    owner, stranger = await connect(await login(alice)), await connect(await login(bob))
    session_id = await start(manager, alice)
    await manager.end(session_id, grace=0)
    await owner.until_type("session:failed")
    await manager.forget(session_id)
    await owner.until_type("session:forgotten")
    other = await start(manager, bob)
    await stranger.until_type("session:started")
    about = {
        m["session"]["id"] if "session" in m else m["sessionId"] for m in stranger.received[1:]
    }
    assert about == {other}


async def leaves(alice: User, credential: Any) -> None:
    await Login.objects.filter(pk=credential.session_key).adelete()


async def changes_the_password(alice: User, credential: Any) -> None:
    alice.set_password("another one")
    await alice.asave()


async def becomes_a_viewer(alice: User, credential: Any) -> None:
    await alice.groups.aset([await Group.objects.aget(name=Role.VIEWER)])


async def is_switched_off(alice: User, credential: Any) -> None:
    await User.objects.filter(pk=alice.pk).aupdate(is_active=False)


async def is_deleted(alice: User, credential: Any) -> None:
    await User.objects.filter(pk=alice.pk).adelete()


ENDS = [leaves, changes_the_password, becomes_a_viewer, is_switched_off, is_deleted]


@pytest.mark.parametrize("ending", ENDS)
@pytest.mark.parametrize("how", ["by itself", "at a key"])
async def test_a_stream_ends_when_the_login_does(
    manager: PersistentSessionManager,
    connect: Connect,
    ending: Callable[[User, Any], Awaitable[None]],
    how: str,
) -> None:
    alice = await user("alice")
    session_id = await start(manager, alice)
    credential = await login(alice)
    client = await connect(credential)
    await ending(alice, credential)
    if how == "at a key":
        await client.send(typing(session_id))
    assert await client.close_code() == 4401
    assert (await manager.screen(session_id)).offset == 0


async def test_a_stream_ends_when_its_token_is_withdrawn_or_expires(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    alice = await user("alice")
    withdrawn = await connect(await token(alice, Right.VIEW))
    expiring = await connect(await token(alice, Right.INPUT))
    await ApiToken.objects.filter(name="view").adelete()
    assert await withdrawn.close_code() == 4401
    await ApiToken.objects.filter(name="input").aupdate(expires_at=timezone.now())
    assert await expiring.close_code() == 4401


async def test_a_guests_stream_ends_with_the_link(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    alice = await user("alice")
    session_id = await start(manager, alice)
    client = await connect(await guest(session_id, alice))
    assert client.received[0]["role"] == "guest"
    assert [one["id"] for one in client.received[0]["sessions"]] == [session_id]
    await ShareLink.objects.all().adelete()
    assert await client.close_code() == 4401


async def test_another_link_does_not_end_the_stream_that_one_has_already(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await user("alice")
    first, second = await start(manager, alice), await start(manager, alice)
    credential = await guest(first, alice)
    client = await connect(credential)

    def open_second() -> None:
        _, secret = ShareLink.issue(second, alice.pk, timedelta(hours=1))  # type: ignore[arg-type]  # a UUID as text
        browser = Browser()
        browser.cookies[settings.SESSION_COOKIE_NAME] = credential.session_key
        assert browser.post("/shared/link", {"token": secret}).status_code == 200

    await sync_to_async(open_second)()
    asked: list[Caller | None] = []
    examine = CookieCredential.examine

    def noted(self: CookieCredential) -> Caller | None:
        asked.append(examine(self))
        return asked[-1]

    monkeypatch.setattr(CookieCredential, "examine", noted)
    await auntil(lambda: len(asked) >= 2)
    await manager.write(first, b"still here\r")
    await client.until_text("still here")


async def test_keys_stay_in_order_although_rights_are_asked_before_each(
    manager: PersistentSessionManager, connect: Connect
) -> None:
    alice = await user("alice")
    session_id = await start(manager, alice)
    client = await connect(await login(alice))
    text = "".join(f"{number:03} " for number in range(60))
    for at in range(0, len(text), 4):
        await client.send(typing(session_id, text[at : at + 4]))
    await client.until_text(text)


async def test_a_stream_stays_open_while_the_database_cannot_be_asked(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    alice = await user("alice")
    session_id = await start(manager, alice)
    client = await connect(await login(alice))
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def fail(self: object) -> None:
        loop.call_soon_threadsafe(asked.set)
        raise OperationalError("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(CookieCredential, "examine", fail)
        await asyncio.wait_for(asked.wait(), 5)
        await client.send(typing(session_id))
        assert (await answer(client))["code"] == "manager-unavailable"
    await client.send(typing(session_id))
    assert (await answer(client))["type"] == "receipt"


async def test_what_may_not_be_seen_is_not_asked_for_again_and_again(
    manager: PersistentSessionManager, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await user("alice"), await user("bob")
    stranger, owner = await connect(await login(bob)), await connect(await login(alice))
    await start(manager, alice)
    # What comes after it has been told: notices go in order.
    await start(manager, alice, team=True)
    for viewer in (owner, stranger):
        await viewer.until_type("session:started")
    await owner.until_type("session:started")
    compared: list[int] = []
    looks: list[Collection[str]] = []
    heads, rows = fanout._heads, Viewer._rows

    def counted_heads(watched: list[str]) -> list[fanout.Head]:
        compared.append(len(watched))
        return heads(watched)

    def counted_rows(self: Viewer, sessions: Collection[str]) -> list[Any]:
        looks.append(sessions)
        return rows(self, sessions)

    monkeypatch.setattr(fanout, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(fanout, "_heads", counted_heads)
    monkeypatch.setattr(Viewer, "_rows", counted_rows)
    await auntil(lambda: len(compared) >= 4, timeout=10)
    assert looks == []
