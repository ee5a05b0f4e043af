"""Nothing that a stranger or a person sends to the pages about logging in is an error of the service."""

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from rest_framework.settings import api_settings

from models_registry.accounts.models import User
from models_registry.api.throttling import LoginThrottle
from models_registry.logins.encryption import encrypt
from models_registry.logins.provider import LoginProvider
from models_registry.logins.urls import urlpatterns
from tests.admin_pages import logged_in
from tests.factories import PASSWORD

CODE = "/admin/login/code/"
FORMS: list[dict[str, str | list[str]]] = [
    {},
    {"code": ""},
    {"code": "9" * 5000},
    {"code": "１２３４５６", "password": "１" * 3000, "email": "x", "new_password1": "\ud7ff"},
    {"credential": "{}", "code": ["1", "2"], "next": "https://example.com"},
    {"credential": "[" * 9999},
]


def test_no_page_fails_whatever_it_gets(
    viewer: User, editor: User, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.OIDC_LOGIN = LoginProvider("http://127.0.0.1:9", "registry", "secret")
    monkeypatch.setattr(LoginThrottle, "THROTTLE_RATES", {**api_settings.DEFAULT_THROTTLE_RATES, "login": "9999/day"})
    Authenticator.objects.create(user=viewer, type="totp", data={"secret": encrypt("JBSWY3DPEHPK3PXP")})
    arguments = {"password_reset_confirm": {"uidb64": "AA", "token": "x-1"}}
    pages = [reverse(pattern.name, kwargs=arguments.get(pattern.name)) for pattern in urlpatterns]
    pending = Client()
    assert pending.post("/admin/login/", {"username": "vera", "password": PASSWORD})["Location"] == CODE
    for form in FORMS:
        assert pending.post(CODE, form).status_code == 200
    for client in (Client(), logged_in(viewer), logged_in(editor)):  # the viewer owes a code
        for page in pages:
            statuses = {client.get(f"{page}?next=//example.com&process=connect&code=1").status_code}
            statuses |= {client.put(page).status_code, *(client.post(page, form).status_code for form in FORMS)}
            assert statuses <= {200, 302, 403, 404, 405, 429}, page
