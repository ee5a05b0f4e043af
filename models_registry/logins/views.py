"""The pages of second factors, of forgotten passwords, and of the OpenID provider."""

from functools import partial

from allauth.account.internal.flows.login import perform_password_login, record_authentication
from allauth.account.models import Login
from allauth.account.views import ReauthenticateView
from allauth.mfa.base import views as mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.recovery_codes.forms import GenerateRecoveryCodesForm
from allauth.mfa.totp import views as totp
from allauth.mfa.totp.forms import ActivateTOTPForm
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.contrib.auth.forms import AuthenticationForm, PasswordResetForm, SetPasswordForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse, reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from models_registry.accounts.models import User
from models_registry.audit.context import acting_user
from models_registry.logins.configuration import login_provider
from models_registry.logins.forms import (
    AuthenticateForm,
    ChangePasswordForm,
    ForgottenPasswordForm,
    NewPasswordForm,
    use_code,
)
from models_registry.logins.mail import send_later
from models_registry.logins.pages import FORM_TEMPLATE, OUTSIDE_LAYOUT, Page
from models_registry.logins.sessions import must_set_up_factor, owes_code, proven_factors
from models_registry.tokens.forms import LoginForm

MESSAGE_TEMPLATE = "models_registry/logins/message.html"


class LoginView(Page, auth.LoginView):
    """The login by password, after which allauth asks for the second factor of those who have one."""

    authentication_form = LoginForm
    template_name = "models_registry/logins/login.html"
    title = "Log in"

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Return the form, or go to the start page if the caller is logged in."""
        if admin.site.has_permission(request):
            return HttpResponseRedirect(reverse("admin:index"))
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **context: object) -> dict[str, object]:
        """Return what the theme's template shows, and the OpenID provider."""
        shown = super().get_context_data(**context)
        query = {"next": shown["next"]} if shown["next"] else None
        own = {"app_path": self.request.get_full_path(), "provider": settings.OIDC_LOGIN}
        return shown | own | {"openid_url": reverse("openid_connect_login", query=query)}

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log the user in, or go to the page that asks for a code."""
        user = form.get_user()
        login = Login(user=user, redirect_url=self.get_success_url())
        response: HttpResponse = perform_password_login(self.request, {"username": user.get_username()}, login)
        return response


class CodeView(Page, mfa.AuthenticateView):  # type: ignore[misc]  # the library is untyped
    """The second step of a login."""

    form_class = AuthenticateForm
    layout = OUTSIDE_LAYOUT
    title = "Second factor"
    explanation = "Enter the code that your authenticator app shows now, or one of your recovery codes."
    submit = "Log in"

    def _build_forms(self) -> AuthenticateForm:
        """Return the form of a code. allauth would also take a security key, which nobody can register here."""
        data = self.request.POST if self.request.method == "POST" else None
        form: AuthenticateForm = self.get_form_class()(user=self.stage.login.user, data=data)
        self.auth_form, self.webauthn_form = form, None
        return form


class ConfirmPasswordView(Page, ReauthenticateView):  # type: ignore[misc]
    """Asks for the password once more."""

    title = "Confirm that it is you"
    explanation = "Enter your password once more."


class ConfirmCodeView(Page, mfa.ReauthenticateView):  # type: ignore[misc]
    """Asks for a code once more."""

    title = "Confirm that it is you"
    explanation = "Enter a code of your authenticator app, or a recovery code."

    def get_context_data(self, **context: object) -> dict[str, object]:
        """Return what the page shows. A session that owes the code gets no link to cancel."""
        return super().get_context_data(**context) | {"has_way_out": not owes_code(self.request)}


class TwoFactorView(Page, mfa.IndexView):  # type: ignore[misc]
    """What second factor a person has."""

    template_name = "models_registry/logins/two_factor.html"
    title = "Two-factor login"

    def get_context_data(self, **context: object) -> dict[str, object]:
        """Return the factors, and whether there must be one."""
        return super().get_context_data(**context) | {"must_set_up": must_set_up_factor(self.request)}


class ActivateView(Page, totp.ActivateTOTPView):  # type: ignore[misc]
    """Shows the secret for an authenticator app, and takes its first code."""

    template_name = "models_registry/logins/activate.html"
    title = "Set up an authenticator app"
    submit = "Activate"

    def form_valid(self, form: ActivateTOTPForm) -> HttpResponse:
        """Store the app. The code is used now, and has proven the second factor in this session."""
        response: HttpResponse = super().form_valid(form)
        app = Authenticator.objects.get(user=form.user, type=Authenticator.Type.TOTP)
        use_code(app, form.cleaned_data["code"])
        record_authentication(self.request, form.user, "mfa", id=app.pk, type=app.type)
        return response


class DeactivateView(Page, totp.DeactivateTOTPView):  # type: ignore[misc]
    """Ends the login with two factors."""

    title = "Remove the authenticator app"
    explanation = "After this, your password alone logs you in. Your recovery codes end as well."
    submit = "Remove"


class RecoveryCodesView(Page, recovery_codes.ViewRecoveryCodesView):  # type: ignore[misc]
    """The recovery codes that are left."""

    template_name = "models_registry/logins/recovery_codes.html"
    title = "Recovery codes"


class DownloadView(recovery_codes.DownloadRecoveryCodesView):  # type: ignore[misc]
    """The recovery codes as a file."""

    template_name = "models_registry/logins/recovery_codes.txt"


class NewRecoveryCodesView(Page, recovery_codes.GenerateRecoveryCodesView):  # type: ignore[misc]
    """Replaces the recovery codes."""

    title = "New recovery codes"
    explanation = "New codes replace those that you have, which then no longer work."
    submit = "Make new codes"

    def form_valid(self, form: GenerateRecoveryCodesForm) -> HttpResponse:
        """Replace the codes. A session that has proven the old codes has proven the new ones."""
        has_proven = form.user.recovery_codes_id in proven_factors(self.request)
        response: HttpResponse = super().form_valid(form)
        if has_proven:
            codes = Authenticator.objects.get(user=form.user, type=Authenticator.Type.RECOVERY_CODES)
            record_authentication(self.request, form.user, "mfa", id=codes.pk, type=codes.type)
        return response


class ChangePasswordView(auth.PasswordChangeView):
    """Takes a new password from a person who knows the old one."""

    form_class = ChangePasswordForm
    success_url = reverse_lazy("admin:password_change_done")


class ForgottenPasswordView(Page, auth.PasswordResetView):
    """Sends a link for a new password. The answer is the same for every address."""

    form_class = ForgottenPasswordForm
    layout = OUTSIDE_LAYOUT
    title = "Forgotten your password or username?"
    submit = "Send the link"
    success_url = reverse_lazy("password_reset_done")
    subject_template_name = "models_registry/logins/reset_subject.txt"
    email_template_name = "models_registry/logins/reset_email.txt"

    def get_template_names(self) -> list[str]:
        """Return the template: without e-mail, there is no form."""
        return [FORM_TEMPLATE if settings.SENDS_MAIL else MESSAGE_TEMPLATE]

    def get_explanation(self) -> str:
        """Return what the person can do."""
        if settings.SENDS_MAIL:
            return "Enter the e-mail address of your account. We send you your user name and a link for a new password."
        return "This service sends no e-mail. Ask an administrator of this service for a new password."

    def form_valid(self, form: PasswordResetForm) -> HttpResponse:
        """Send the link in the background."""
        if not settings.SENDS_MAIL:
            raise Http404
        save = partial(
            form.save,
            domain_override=self.request.get_host(),
            use_https=self.request.is_secure(),
            subject_template_name=self.subject_template_name,
            email_template_name=self.email_template_name,
        )
        send_later(save)
        return super(auth.PasswordResetView, self).form_valid(form)


class LinkSentView(Page, auth.PasswordResetDoneView):
    """Says that a link was sent if the address is known."""

    template_name = MESSAGE_TEMPLATE
    layout = OUTSIDE_LAYOUT
    title = "Look into your mailbox"
    explanation = (
        "If an active account with a password has this address, a link for a new password is on its way. It works "
        "once, for an hour. If nothing arrives, look for it among unwanted mail, or ask an administrator."
    )


class NewPasswordView(Page, auth.PasswordResetConfirmView):
    """Takes the new password of the person who followed a link."""

    form_class = NewPasswordForm
    layout = OUTSIDE_LAYOUT
    title = "Choose a new password"
    explanation = "Your tokens end when the password changes."
    submit = "Change password"
    success_url = reverse_lazy("password_reset_complete")

    def get_template_names(self) -> list[str]:
        """Return the template: a link that does not work leads to no form."""
        return [FORM_TEMPLATE if self.validlink else MESSAGE_TEMPLATE]

    def get_explanation(self) -> str:
        """Return what happens, or why nothing can happen."""
        if self.validlink:
            return self.explanation
        return "This link does not work. It works once, for an hour. Ask for a new one."

    def form_valid(self, form: "SetPasswordForm[User]") -> HttpResponse:
        """Change the password, on behalf of its owner."""
        with acting_user(form.user):
            return super().form_valid(form)


class PasswordChangedView(Page, auth.PasswordResetCompleteView):
    """Says that the new password works."""

    template_name = MESSAGE_TEMPLATE
    layout = OUTSIDE_LAYOUT
    title = "Your password is changed"
    explanation = "Log in with the new one."


@never_cache
@require_safe
def openid_login(request: HttpRequest) -> HttpResponse:
    """Send the browser to the OpenID provider."""
    login_provider()
    from models_registry.logins.openid import begin  # its packages are an extra

    return begin(request)


@never_cache
@require_safe
def openid_callback(request: HttpRequest) -> HttpResponse:
    """Log in who comes back from the OpenID provider."""
    login_provider()
    from models_registry.logins.openid import finish  # its packages are an extra

    return finish(request)
