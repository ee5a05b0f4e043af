"""The forms about logging in, in the look of the admin."""

from collections.abc import Iterator
from contextlib import contextmanager

from allauth.account.forms import ReauthenticateForm as PasswordForm
from allauth.core import context
from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as mfa_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from allauth.mfa.utils import decrypt
from allauth.socialaccount.models import SocialAccount
from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.contrib.auth.forms import PasswordResetForm, SetPasswordForm
from django.contrib.auth.signals import user_login_failed
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest
from unfold.forms import AdminOwnPasswordChangeForm
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from models_registry.accounts.models import User
from models_registry.logins.configuration import login_provider
from models_registry.logins.encryption import UnreadableSecretError

RESET_INTERVAL = 5 * 60  # seconds between two links to the same person

UNREADABLE = "Your second factor can no longer be checked. Ask an administrator of this service to remove it."


def code_field() -> forms.CharField:
    """Return the field of a code."""
    attributes = {"autocomplete": "one-time-code", "autofocus": True}
    return forms.CharField(label="Code", max_length=20, widget=UnfoldAdminTextInputWidget(attributes))


class CodeFormMixin(forms.Form):
    """Takes each code once. Wrong codes count as failed logins, and lock out as these do."""

    user: User
    code = code_field()

    def clean_code(self) -> str:
        """Return the code. Raises `ValidationError` if it is wrong, was used, or the user is locked out."""
        try:
            with _counting_failures(self.user):
                return self._check_code()
        except UnreadableSecretError:
            raise forms.ValidationError(UNREADABLE) from None

    def _check_code(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]  # allauth's form
        authenticator: Authenticator = self.authenticator  # type: ignore[attr-defined]
        if authenticator.type == Authenticator.Type.TOTP and not use_code(authenticator, code):
            raise get_adapter().validation_error("incorrect_code")
        return code


class AuthenticateForm(CodeFormMixin, mfa_forms.AuthenticateForm):  # type: ignore[misc]  # the library is untyped
    """The second step of a login."""

    code = code_field()


class ReauthenticateForm(CodeFormMixin, mfa_forms.ReauthenticateForm):  # type: ignore[misc]
    """A code before something that needs a fresh proof of who one is."""

    code = code_field()


class ActivateForm(ActivateTOTPForm):  # type: ignore[misc]
    """The first code of an authenticator app."""

    code = code_field()


class ConfirmPasswordForm(PasswordForm):  # type: ignore[misc]
    """The password before something that needs a fresh proof of who one is."""

    password = forms.CharField(
        widget=UnfoldAdminPasswordWidget({"autocomplete": "current-password", "autofocus": True})
    )


class ForgottenPasswordForm(PasswordResetForm):
    """The address to which a link is sent."""

    email = forms.EmailField(
        label="E-mail address", max_length=254, widget=UnfoldAdminEmailInputWidget({"autocomplete": "email"})
    )

    def get_users(self, email: str) -> Iterator[User]:
        """Return the people with this address and a password, except those who were sent a link a moment ago."""
        people = (user for user in super().get_users(email) if isinstance(user, User) and not user.is_service_account)
        return (user for user in people if cache.add(f"password-reset-{user.pk}", True, RESET_INTERVAL))


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]  # generic for the type checker only
    """A new password, twice."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        for name in ("new_password1", "new_password2"):
            self.fields[name].widget = UnfoldAdminPasswordWidget({"autocomplete": "new-password"})


class ChangePasswordForm(AdminOwnPasswordChangeForm):  # type: ignore[misc]
    """The old password, and a new one twice. Wrong old passwords count as failed logins, and lock out as these do."""

    def clean_old_password(self) -> str:
        """Return the old password. Raises `ValidationError` if it is wrong, or the user is locked out."""
        with _counting_failures(self.user):
            password: str = super().clean_old_password()
            return password


class IdentityForm(forms.ModelForm):  # type: ignore[type-arg]
    """Who an existing user is at the OpenID provider of the settings."""

    class Meta:
        model = SocialAccount
        fields = ("user", "uid")
        labels = {"uid": "subject"}
        help_texts = {"uid": "The claim `sub` of the person at the provider."}

    def clean_user(self) -> User:
        """Return the user. Raises `ValidationError` for a service account."""
        user: User = self.cleaned_data["user"]
        if user.is_service_account:
            raise forms.ValidationError("Choose a person. Service accounts only work with tokens.")
        return user

    def clean_uid(self) -> str:
        """Return the subject, and set the issuer. Raises `ValidationError` if another user has the subject."""
        self.instance.provider = login_provider().issuer
        uid: str = self.cleaned_data["uid"]
        if SocialAccount.objects.filter(provider=self.instance.provider, uid=uid).exists():
            raise forms.ValidationError("A user has this subject already.")
        return uid


@transaction.atomic
def use_code(authenticator: Authenticator, code: str) -> bool:
    """Return whether the code is newer than every code that was used, and store it as used.

    allauth remembers codes in the cache, which each process has for itself.
    """
    stored = Authenticator.objects.select_for_update().get(pk=authenticator.pk)
    secret = decrypt(stored.data["secret"])
    values = {step: format_hotp_value(hotp_value(secret, step)) for step in yield_hotp_counters_from_time()}
    steps = [step for step, value in values.items() if compare_user_code(actual=code, expected=value)]
    if not steps or steps[-1] <= stored.data.get("last_step", 0):
        return False
    stored.data["last_step"] = steps[-1]
    stored.save(update_fields=["data"])
    return True


@contextmanager
def _counting_failures(user: User) -> Iterator[None]:
    """Count a `ValidationError` of the block as a failed login. Raises one if the user is locked out."""
    _refuse_if_locked_out(context.request, user)
    try:
        yield
    except forms.ValidationError:
        user_login_failed.send(__name__, credentials=_credentials(user), request=context.request)
        raise


def _refuse_if_locked_out(request: HttpRequest, user: User) -> None:
    """Raise `ValidationError` if no attempt is allowed now. The middleware of the lockouts then answers."""
    if not AxesProxyHandler.is_allowed(request, _credentials(user)):
        request.axes_locked_out = True  # type: ignore[attr-defined]
        raise forms.ValidationError("Too many failed logins.")


def _credentials(user: User) -> dict[str, str]:
    return {"username": user.username}
