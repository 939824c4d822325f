"""Users in the administration: roles are given, nobody rises above himself, links let them in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from sessions_app.credentials import LoginLink
from sessions_app.rights import Role, rights_of, role_of
from tests.cast import browsing, with_role

USERS = "/admin/auth/user/"


@pytest.fixture
def superuser(carol: User) -> Client:
    """Carol, who may do everything."""
    return browsing(carol)


@pytest.fixture
def dora(db: None) -> User:
    """An administrator by role, no superuser."""
    dora = with_role("dora", Role.ADMIN)
    dora.is_staff = True
    dora.save()
    return dora


@pytest.fixture
def administrator(dora: User) -> Client:
    """Dora in the administration."""
    return browsing(dora)


def role_key(role: Role) -> int:
    return Group.objects.get(name=role).pk


def facts_of(user: User, **changes: Any) -> dict[str, Any]:
    """Return what the page of a user sends when it is saved."""
    facts = {
        "username": user.username,
        "is_active": "on",
        "is_staff": "on" if user.is_staff else "",
        "groups": [group.pk for group in user.groups.all()],
        "date_joined_0": f"{user.date_joined:%Y-%m-%d}",
        "date_joined_1": f"{user.date_joined:%H:%M:%S}",
        **changes,
    }
    return {name: value for name, value in facts.items() if value not in ("", None)}


def links_in(answer: Any) -> list[str]:
    return re.findall(r"/login#token=([\w-]+)", answer.content.decode())


def test_a_new_user_needs_a_role_and_gets_no_password(superuser: Client) -> None:
    assert superuser.post(f"{USERS}add/", {"username": "nina"}).status_code == 200
    assert not User.objects.filter(username="nina").exists()
    added = superuser.post(f"{USERS}add/", {"username": "nina", "role": role_key(Role.OPERATOR)})
    assert added.status_code == 302
    nina = User.objects.get(username="nina")
    assert (role_of(rights_of(nina)), nina.is_staff) == (Role.OPERATOR, False)
    assert not nina.has_usable_password()


def test_a_new_administrator_may_enter_the_administration(superuser: Client) -> None:
    superuser.post(f"{USERS}add/", {"username": "nina", "role": role_key(Role.ADMIN)})
    nina = User.objects.get(username="nina")
    assert browsing(nina).get("/admin/").status_code == 200
    assert not nina.is_superuser


def test_the_list_says_who_has_which_role(superuser: Client, alice: User, vera: User) -> None:
    shown = superuser.get(USERS).content.decode()
    assert re.findall(r'class="field-role">(\w+)', shown) == ["operator", "admin", "viewer"]


def test_a_link_is_shown_once_and_lets_that_user_in(superuser: Client, alice: User) -> None:
    answer = superuser.post(f"{USERS}{alice.pk}/login-link/")
    (secret,) = links_in(answer)
    assert "no-store" in answer["Cache-Control"]
    browser = Client()
    assert browser.post("/login/link", {"token": secret}).status_code == 204
    assert browser.get("/").context["user"] == alice
    assert superuser.get(f"{USERS}{alice.pk}/login-link/").status_code == 405


def test_links_are_made_for_several_users_at_once(
    superuser: Client, alice: User, bob: User
) -> None:
    chosen = {"action": "login_links", "_selected_action": [alice.pk, bob.pk]}
    secrets = links_in(superuser.post(USERS, chosen))
    assert {LoginLink.redeem(secret) for secret in secrets} == {alice, bob}


def test_nobody_gets_a_link_who_is_switched_off(superuser: Client, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    answer = superuser.post(f"{USERS}{alice.pk}/login-link/")
    assert links_in(answer) == []
    assert "switched off" in answer.content.decode()


def test_a_user_can_be_logged_out_everywhere(superuser: Client, alice: User) -> None:
    browser = browsing(alice)
    assert browser.get("/").status_code == 200
    superuser.post(USERS, {"action": "log_out", "_selected_action": [alice.pk]})
    assert browser.get("/").status_code == 302
    assert superuser.get(USERS).status_code == 200


def test_who_is_no_administrator_finds_no_users(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    browser = browsing(User.objects.get(pk=alice.pk))
    for path in ("", f"{alice.pk}/change/", "add/"):
        assert browser.get(f"{USERS}{path}").status_code == 403
    assert browser.post(f"{USERS}{alice.pk}/login-link/").status_code == 403
    assert browser.get("/admin/auth/group/").status_code == 403
    for model in ("apitoken", "sharelink", "loginattempt"):
        assert browser.get(f"/admin/sessions_app/{model}/").status_code == 403


def test_an_administrator_changes_roles(administrator: Client, vera: User) -> None:
    facts = facts_of(vera, groups=[role_key(Role.OPERATOR)])
    assert administrator.post(f"{USERS}{vera.pk}/change/", facts).status_code == 302
    assert role_of(rights_of(User.objects.get(pk=vera.pk))) == Role.OPERATOR


@pytest.mark.parametrize("target", ["dora", "vera"])
def test_an_administrator_makes_nobody_a_superuser(
    administrator: Client, vera: User, dora: User, target: str
) -> None:
    user = User.objects.get(username=target)
    right = Permission.objects.get(codename="delete_user")
    facts = facts_of(user, is_superuser="on", user_permissions=[right.pk])
    assert administrator.post(f"{USERS}{user.pk}/change/", facts).status_code == 302
    user = User.objects.get(pk=user.pk)
    assert not user.is_superuser
    assert not user.user_permissions.exists()


def test_an_administrator_gives_no_group_that_has_more_than_he(
    administrator: Client, vera: User
) -> None:
    mighty = Group.objects.create(name="mighty")
    mighty.permissions.add(Permission.objects.get(codename="delete_user"))
    answer = administrator.post(f"{USERS}{vera.pk}/change/", facts_of(vera, groups=[mighty.pk]))
    assert "is not one of the available choices" in answer.content.decode()
    assert not vera.groups.filter(name="mighty").exists()


def test_an_administrator_widens_no_group(administrator: Client) -> None:
    group = Group.objects.get(name=Role.ADMIN)
    page = f"/admin/auth/group/{group.pk}/change/"
    assert administrator.get(page).status_code == 200
    everything = [right.pk for right in Permission.objects.all()]
    answer = administrator.post(page, {"name": group.name, "permissions": everything})
    assert answer.status_code == 403
    assert group.permissions.count() < len(everything)


def test_an_administrator_takes_over_no_superuser(administrator: Client, carol: User) -> None:
    for active in (True, False):
        User.objects.filter(pk=carol.pk).update(is_active=active)
        new = {"usable_password": "true", "password1": "x9-Kl.mm2", "password2": "x9-Kl.mm2"}
        base = f"{USERS}{carol.pk}/"
        for page, facts in (("password", new), ("change", facts_of(carol)), ("login-link", {})):
            assert administrator.post(f"{base}{page}/", facts).status_code == 403, page
        chosen = {"action": "login_links", "_selected_action": [carol.pk]}
        assert links_in(administrator.post(USERS, chosen)) == []
        administrator.post(USERS, {**chosen, "action": "log_out"})
    assert administrator.post(f"{base}delete/", {"post": "yes"}).status_code == 403
    assert User.objects.get(pk=carol.pk).check_password("correct horse")


def test_a_link_for_a_mightier_user_is_refused_with_the_reason(
    administrator: Client, alice: User
) -> None:
    alice.user_permissions.add(Permission.objects.get(codename="delete_user"))
    chosen = {"action": "login_links", "_selected_action": [alice.pk]}
    assert "may do more than you" in administrator.post(USERS, chosen).content.decode()
