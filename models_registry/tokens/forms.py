"""Admin forms of logins, service accounts and trust rules."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm as DjangoAuthenticationForm
from django.core.validators import MaxLengthValidator
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from models_registry.accounts.models import ServiceAccount, User
from models_registry.accounts.scopes import Scope
from models_registry.api.form_fields import StrictJSONField
from models_registry.tokens.models import TrustRule


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """The admin's login form. It refuses a user name that is longer than any user's without looking it up."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].validators.append(MaxLengthValidator(User._meta.get_field("username").max_length or 0))

    def confirm_login_allowed(self, user: User) -> None:
        """Let every active person in, not only staff. Raises `ValidationError`."""
        DjangoAuthenticationForm.confirm_login_allowed(self, user)


class ServiceAccountForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """Creates or edits a service account. A new account has no password."""

    class Meta:
        model = ServiceAccount
        fields = ("username", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.instance.is_service_account = True
            self.instance.set_unusable_password()


class TrustRuleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for the type checker only
    """Edits a trust rule: its claims as JSON, its scopes as checkboxes."""

    claims = StrictJSONField(help_text=TrustRule._meta.get_field("claims").help_text)
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="The most that an exchanged token may do. It never adds a right that the service account lacks.",
    )

    class Meta:
        model = TrustRule
        fields = ("issuer", "name", "service_account", "claims", "scopes", "is_active")
