"""The forms of the settings page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User

from sessions_app.callers import Caller
from sessions_app.credentials import ApiToken
from sessions_app.rights import Right

MAX_TOKENS = 50
# Each right in one word, and what it lets a token do.
RIGHT_WORDS = {
    Right.VIEW: ("Look", "See the sessions that you see, and read what they print."),
    Right.INPUT: ("Type", "Type into your sessions and resize them."),
    Right.START: ("Start", "Start sessions; end, rename, share and forget yours."),
    Right.ADMIN: ("Administer", "All of that with everybody's sessions."),
    Right.METRICS: ("Metrics", "Read the server's metrics. Without Look, nothing else."),
}
LIVES = {1: "1 day", 30: "30 days", 90: "90 days", 365: "1 year", 0: "Never"}
DEFAULT_DAYS = 90


class TokenForm(forms.Form):
    """A new API token: its name, what it may do, and when it ends."""

    name = forms.CharField(max_length=100)
    scopes = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, initial=[Right.VIEW.value]
    )
    days = forms.TypedChoiceField(choices=list(LIVES.items()), coerce=int, initial=DEFAULT_DAYS)

    def __init__(self, user: User, caller: Caller, data: Any = None) -> None:
        """Offer what the caller may do itself, and nothing else."""
        super().__init__(data)
        self.user = user
        offered = [right for right in Right if right in caller.rights]
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)  # noqa: S101  # declared above
        scopes.choices = [(right.value, RIGHT_WORDS[right][0]) for right in offered]

    def offers(self) -> list[tuple[str, str, str, bool]]:
        """Return each scope as value, word, meaning and whether it is chosen."""
        chosen = self["scopes"].value() or []
        choices = [Right(box.data["value"]) for box in self["scopes"]]
        return [(right.value, *RIGHT_WORDS[right], right in chosen) for right in choices]

    def clean_name(self) -> str:
        """Refuse a name that is taken: a token of the same name would be replaced."""
        name: str = self.cleaned_data["name"]
        mine = ApiToken.objects.filter(user=self.user)
        if mine.filter(name=name).exists():
            raise forms.ValidationError("You have a token of this name. Choose another one.")
        if mine.count() >= MAX_TOKENS:
            raise forms.ValidationError("You have too many tokens. Revoke one first.")
        return name

    def issue(self) -> str:
        """Make the token and return its secret, which is stored nowhere.

        With nothing chosen it looks.
        """
        days = self.cleaned_data["days"]
        return ApiToken.issue(
            self.user,
            self.cleaned_data["name"],
            scopes=[Right(scope) for scope in self.cleaned_data["scopes"]] or [Right.VIEW],
            life=timedelta(days=days) if days else None,
        )


def scope_words(token: ApiToken, owner: Caller) -> str:
    """Return in plain words what a token of this owner may do."""
    rights = token.rights & owner.rights
    return ", ".join(RIGHT_WORDS[right][0] for right in Right if right in rights) or "Nothing"
