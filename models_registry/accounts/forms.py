"""The admin's forms of an organization and of a membership."""

from typing import Any

from django import forms

from models_registry.accounts.models import Membership, Organization, User
from models_registry.api.fields import NAME_VALIDATORS


class OrganizationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """An organization, validated as over HTTP."""

    class Meta:
        model = Organization
        fields = ("name", "slug")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:
            self.fields["name"].validators.extend(NAME_VALIDATORS)


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """A new member, or the role of a member, who stays the same user."""

    class Meta:
        model = Membership
        fields = ("user", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "user" in self.fields:
            field = self.fields["user"]
            field.disabled = True
            field.queryset = User.objects.all()  # type: ignore[attr-defined]  # also those who are inactive by now
            self.initial["user"] = self.instance.user
