"""The addresses of the pages about logging in, below `/admin/`. Their names are those of allauth and of Django."""

from django.contrib import admin
from django.urls import path

from models_registry.logins import views

urlpatterns = [
    path("login/", admin.site.login, name="account_login"),
    path("login/code/", views.CodeView.as_view(), name="mfa_authenticate"),
    path("login/openid/", views.openid_login, name="openid_connect_login"),
    path("login/openid/callback/", views.openid_callback, name="openid_connect_callback"),
    path("login/forgotten/", views.ForgottenPasswordView.as_view(), name="admin_password_reset"),
    path("login/forgotten/sent/", views.LinkSentView.as_view(), name="password_reset_done"),
    path("login/new-password/<uidb64>/<token>/", views.NewPasswordView.as_view(), name="password_reset_confirm"),
    path("login/new-password/changed/", views.PasswordChangedView.as_view(), name="password_reset_complete"),
    path("confirm/password/", views.ConfirmPasswordView.as_view(), name="account_reauthenticate"),
    path("confirm/code/", views.ConfirmCodeView.as_view(), name="mfa_reauthenticate"),
    path("two-factor/", views.TwoFactorView.as_view(), name="mfa_index"),
    path("two-factor/activate/", views.ActivateView.as_view(), name="mfa_activate_totp"),
    path("two-factor/deactivate/", views.DeactivateView.as_view(), name="mfa_deactivate_totp"),
    path("two-factor/recovery-codes/", views.RecoveryCodesView.as_view(), name="mfa_view_recovery_codes"),
    path("two-factor/recovery-codes/new/", views.NewRecoveryCodesView.as_view(), name="mfa_generate_recovery_codes"),
    path("two-factor/recovery-codes/download/", views.DownloadView.as_view(), name="mfa_download_recovery_codes"),
]
