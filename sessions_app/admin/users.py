"""Users and their roles in the administration. Nobody gives away more than he has.

Django itself lets whoever may change users make anybody a superuser. Here only superusers touch
that, single permissions and groups; other administrators give the roles that they outrank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.db.models import ManyToManyField, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST

from sessions_app import audit
from sessions_app.admin.audit import Audited
from sessions_app.audit import Action
from sessions_app.callers import caller_of
from sessions_app.credentials import LoginLink
from sessions_app.logins import end_logins
from sessions_app.rights import Right, Role, rights_of, role_of

if TYPE_CHECKING:  # generic for the type checker alone
    UserBase = auth_admin.UserAdmin[User]
    UserForm = forms.ModelForm[User]
else:
    UserBase = auth_admin.UserAdmin
    UserForm = forms.ModelForm

ONLY_SUPERUSERS = ("is_superuser", "user_permissions")


def _asking(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  # the administration has seen to it
    return request.user


def outranks(asking: User, user: User) -> bool:
    """Tell whether the first may do everything that the second may, or could once switched on."""
    if asking.is_superuser or user.is_superuser:
        return asking.is_superuser
    held = Permission.objects.filter(Q(user=user) | Q(group__user=user))
    return _names(held) <= asking.get_all_permissions()


def grantable(asking: User) -> QuerySet[Group]:
    """Return the groups of which this user has every permission."""
    groups = Group.objects.prefetch_related("permissions__content_type")
    mine = asking.get_all_permissions()
    keys = [one.pk for one in groups if _names(one.permissions.all()) <= mine]
    return Group.objects.filter(pk__in=keys).order_by("name")


def _names(permissions: QuerySet[Permission]) -> set[str]:
    pairs = permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in pairs}


def new_user_form(roles: QuerySet[Group]) -> type[UserForm]:
    """Return the form of a new user: a name and one of these roles, and no password."""

    class NewUserForm(UserForm):
        role = forms.ModelChoiceField(
            roles,
            help_text="viewer: looks. operator: also starts sessions, and types into them. "
            "admin: everything, with everybody's.",
        )

        class Meta:
            model = User
            fields = ("username",)
            field_classes = {"username": UsernameField}  # noqa: RUF012  # as Django has it

    return NewUserForm


class UserAdmin(Audited, UserBase):
    """Users: their role, whether they may come in, and links that let them in."""

    list_display = ("username", "role", "is_active", "is_staff", "last_login", "date_joined")
    actions = ("login_links", "log_out")
    add_form_template = None
    add_fieldsets = ((None, {"fields": ("username", "role")}),)
    change_form_template = "admin/sessions_app/user_change_form.html"

    class Media:
        css = {"all": ["sessions_app/admin.css"]}  # noqa: RUF012  # as Django has it

    @admin.display(description="role")
    def role(self, user: User) -> str:
        """Return the largest role that the user's rights make up."""
        return role_of(rights_of(user))

    # Who may do what here

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Administrators find the users."""
        return caller_of(request).may(Right.ADMIN)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Administrators look at all of them."""
        return caller_of(request).may(Right.ADMIN)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Administrators add users."""
        return caller_of(request).may(Right.ADMIN)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Administrators change whom they outrank."""
        may = caller_of(request).may(Right.ADMIN)
        return may and (not isinstance(obj, User) or outranks(_asking(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers delete users; others switch them off."""
        return _asking(request).is_superuser

    # Forms

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> type[UserForm]:
        """Offer a new user's roles as far as the one who asks may give them."""
        if obj is None:
            roles = grantable(_asking(request)).filter(name__in=list(Role))
            kwargs["form"] = new_user_form(roles)
        return super().get_form(request, obj, change=change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Leave to superusers what would make a superuser."""
        fixed = super().get_readonly_fields(request, obj)
        return fixed if _asking(request).is_superuser else (*fixed, *ONLY_SUPERUSERS)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField[Any]:
        """Offer the groups that the one who asks may give."""
        if db_field.name == "groups":
            kwargs["queryset"] = grantable(_asking(request))
        return super().formfield_for_manytomany(db_field, request, **kwargs)  # type: ignore[return-value]  # never None: the field is editable

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Let a new administrator enter the administration, and nobody in by a password."""
        if not change:
            obj.set_unusable_password()
            obj.is_staff = form.cleaned_data["role"].name == Role.ADMIN
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Give a new user the role."""
        super().save_related(request, form, formsets, change)
        if not change:
            form.instance.groups.set([form.cleaned_data["role"]])

    # What can be done

    @admin.action(description="Make one-time login links", permissions=["change"])
    def login_links(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse:
        """Show a link for each of the chosen users, this once."""
        users = [user for user in queryset if self._may_let_in(request, user)]
        return self._show_links(request, users)

    @admin.action(description="Log out everywhere", permissions=["change"])
    def log_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End every login of the chosen users."""
        for user in queryset:
            if self.has_change_permission(request, user):
                ended = end_logins(user)
                audit.note(Action.LOGOUT, audit.visitor(request), user=str(user), everywhere=ended)
                self.message_user(request, f"{user} is logged out.", messages.SUCCESS)
            else:
                self.message_user(request, f"{user} may do more than you.", messages.ERROR)

    def get_urls(self) -> list[URLPattern]:
        """Add the button of a user's page."""
        view = self.admin_site.admin_view(self.login_link_view)
        return [
            path("<int:user_id>/login-link/", view, name="auth_user_login_link"),
            *super().get_urls(),
        ]

    @method_decorator(require_POST)
    def login_link_view(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Show a link for this user, this once."""
        user = get_object_or_404(User, pk=user_id)
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        users = [user] if self._may_let_in(request, user) else []
        return self._show_links(request, users)

    def _may_let_in(self, request: HttpRequest, user: User) -> bool:
        trouble = ""
        if not self.has_change_permission(request, user):
            trouble = f"{user} may do more than you, so you cannot make a link for that user."
        elif not user.is_active:
            trouble = f"{user} is switched off, so no link would let that user in."
        if trouble:
            self.message_user(request, trouble, messages.ERROR)
        return not trouble

    def _show_links(self, request: HttpRequest, users: list[User]) -> HttpResponse:
        """Answer with the links themselves: a redirect would have to store them."""
        page = f"{settings.HARNESS_PUBLIC_URL}{reverse('login')}"
        for user in users:
            audit.note(Action.LOGIN_LINK_MADE, audit.visitor(request), user=str(user))
        context = {
            **self.admin_site.each_context(request),
            "title": "One-time login links",
            "opts": self.opts,
            "links": [(user, f"{page}#token={LoginLink.issue(user)}") for user in users],
        }
        return TemplateResponse(request, "admin/sessions_app/login_links.html", context)


class GroupAdmin(Audited, auth_admin.GroupAdmin):
    """Groups: administrators look, superusers change what a role may do."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Administrators find the groups."""
        return caller_of(request).may(Right.ADMIN)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Administrators look."""
        return caller_of(request).may(Right.ADMIN)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers add groups."""
        return _asking(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers change groups."""
        return _asking(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Superusers delete groups."""
        return _asking(request).is_superuser


admin.site.unregister([User, Group])
admin.site.register(User, UserAdmin)
admin.site.register(Group, GroupAdmin)
