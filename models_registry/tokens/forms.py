"""Admin forms of logins, service accounts and trust rules."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm as DjangoAuthenticationForm
from django.core.validators import MaxLengthValidator
from unfold.forms import AuthenticationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextInputWidget,
)

from models_registry.accounts.models import ServiceAccount, User
from models_registry.accounts.scopes import Scope
from models_registry.api.fields import NAME_VALIDATORS
from models_registry.api.form_fields import StrictJSONField
from models_registry.tokens.models import NamedToken, PersonalToken, TrustRule
from models_registry.tokens.selectors import may_manage_tokens
from models_registry.tokens.serializers import MAX_LIFETIME


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """The admin's login form. It refuses a user name that is longer than any user's without looking it up."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].validators.append(MaxLengthValidator(User._meta.get_field("username").max_length or 0))

    def confirm_login_allowed(self, user: User) -> None:
        """Let every active person in, not only staff. Raises `ValidationError`."""
        DjangoAuthenticationForm.confirm_login_allowed(self, user)


class ServiceAccountForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """Creates or edits a service account."""

    class Meta:
        model = ServiceAccount
        fields = ("username", "owner", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.is_service_account = True  # the constraints of the model look at it


class PersonalTokenForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """Makes a token: its scopes as checkboxes, its lifetime in days."""

    name = forms.CharField(
        max_length=100,
        validators=NAME_VALIDATORS,
        widget=UnfoldAdminTextInputWidget,
        help_text=NamedToken._meta.get_field("name").help_text,
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="The most that the token may do. It never adds a right that its user lacks.",
    )
    lifetime_days = forms.IntegerField(
        min_value=1,
        max_value=MAX_LIFETIME,
        initial=90,
        label="Lifetime",
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="The number of days until the token expires.",
    )

    class Meta:
        model = PersonalToken
        fields = ("name", "scopes")


class NamedTokenForm(PersonalTokenForm):
    """Makes a token for a service account that the caller manages."""

    caller: User

    class Meta:
        model = NamedToken
        fields = ("user", "name", "scopes")

    def clean_user(self) -> User:
        """Return the service account. Raises `ValidationError` unless it is active and the caller's to manage."""
        user: User = self.cleaned_data["user"]
        if not (user.is_service_account and user.is_active and may_manage_tokens(self.caller, user)):
            raise forms.ValidationError("Choose an active service account. People make their own tokens.")
        return user


class TrustRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """Edits a trust rule: its claims as JSON, its scopes as checkboxes."""

    name = forms.CharField(max_length=200, validators=NAME_VALIDATORS, widget=UnfoldAdminTextInputWidget)
    claims = StrictJSONField(help_text=TrustRule._meta.get_field("claims").help_text)
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="The most that an exchanged token may do. It never adds a right that the service account lacks.",
    )

    class Meta:
        model = TrustRule
        fields = ("issuer", "name", "service_account", "claims", "scopes", "is_active")
