"""What somebody may do: rights, and the roles that bundle them.

Django keeps them: a right is a permission on Session, a role is the group of the same name. Groups
may be changed in the administration; they are only made where they are missing. METRICS has no
permission: administrators have it, and so may a token that an administrator made for nothing else.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User


class Right(StrEnum):
    """What a role or an API token allows."""

    VIEW = "view"  # look at sessions that one may see
    INPUT = "input"  # type into one's own, give them another size, declare checkpoints
    START = "start"  # start sessions; end, rename, show, share and forget one's own
    ADMIN = "admin"  # all of that with everybody's
    METRICS = "metrics"  # read how the server does, without looking at sessions


class Role(StrEnum):
    """The names under which rights are given to users."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


ALL_RIGHTS = frozenset(Right)
ROLES: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.VIEW}),
    Role.OPERATOR: frozenset({Right.VIEW, Right.INPUT, Right.START}),
    Role.ADMIN: ALL_RIGHTS,
}
CODENAMES: Mapping[Right, str] = {
    Right.VIEW: "view_session",
    Right.INPUT: "type_into_session",
    Right.START: "start_session",
    Right.ADMIN: "administer_session",
}
# What the administration shows and does, which Django asks for by its own names.
_SITE_CODENAMES = (
    "view_sessionevent",
    "view_outputsegment",
    "change_session",
    "delete_session",
    "view_apitoken",
    "delete_apitoken",
)


def with_implied(rights: Iterable[Right]) -> frozenset[Right]:
    """Return these rights and what goes with them: everything with ADMIN, to look with most."""
    given = frozenset(rights)
    if Right.ADMIN in given:
        return ALL_RIGHTS
    return given | {Right.VIEW} if given - {Right.METRICS} else given


def rights_of(user: "User | AnonymousUser") -> frozenset[Right]:
    """Return what the user's groups and own permissions allow; nothing once switched off."""
    if not user.is_active:
        return frozenset()
    return with_implied(
        right for right, name in CODENAMES.items() if user.has_perm(f"sessions_app.{name}")
    )


def role_of(rights: frozenset[Right]) -> str:
    """Return the name of the largest role whose rights these include; "none" without any."""
    for role in reversed(Role):
        if rights >= ROLES[role]:
            return str(role)
    return "none"


def make_groups(**kwargs: Any) -> None:
    """Make the group of each role, with its permissions, unless it is there."""
    from django.contrib.auth.models import Group, Permission

    for role, rights in ROLES.items():
        group, is_new = Group.objects.get_or_create(name=role)
        if is_new:
            names = [name for right, name in CODENAMES.items() if right in rights]
            names += _SITE_CODENAMES if role is Role.ADMIN else ()
            permissions = Permission.objects.filter(
                content_type__app_label="sessions_app", codename__in=names
            )
            group.permissions.set(permissions)
