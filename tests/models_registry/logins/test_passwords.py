"""Members change their password, and get a new one by e-mail if they forgot it."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rest_framework.settings import api_settings

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.api.throttling import LoginThrottle
from models_registry.audit.models import AuditEntry
from models_registry.tokens.services import open_token_family
from tests.admin_pages import logged_in, text_of
from tests.factories import PASSWORD, new_user

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

FORGOTTEN, SENT = "/admin/login/forgotten/", "/admin/login/forgotten/sent/"
NEW = "another long password of hers"


def ask(address: str) -> "Response":
    return Client().post(FORGOTTEN, {"email": address})


def follow(link: str) -> tuple[Client, str]:
    """Follow a link from an e-mail, and return the browser and the address of the form."""
    client = Client()
    return client, client.get(link).get("Location", "")


def submit(client: Client, form: str) -> "Response":
    return client.post(form, {"new_password1": NEW, "new_password2": NEW})


def sent_link(viewer: User) -> str:
    """Return the link that the viewer is sent."""
    viewer.email = "vera@example.com"
    viewer.save()
    ask("Vera@Example.com")
    (sent,) = mail.outbox
    assert sent.to == ["vera@example.com"]
    assert "Your user name: vera" in sent.body
    (found,) = re.findall(r"http://testserver(/\S+)", str(sent.body))
    return str(found)


def test_a_link_by_e_mail_gives_one_new_password_and_ends_all_tokens(viewer: User) -> None:
    token = open_token_family(user=viewer, scope=ALL_SCOPES).access_token
    session = logged_in(viewer)
    link = sent_link(viewer)
    client, form = follow(link)
    assert "Choose a new password" in client.get(form).content.decode()
    assert "didn’t match" in client.post(form, {"new_password1": NEW, "new_password2": "x"}).content.decode()

    done = submit(client, form)

    assert "Your password is changed" in client.get(done["Location"]).content.decode()
    viewer.refresh_from_db()
    assert viewer.check_password(NEW)
    answer = Client().get("/api/v1/models", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert session.get("/admin/").status_code == 302
    entry = AuditEntry.objects.filter(object_repr="vera", path__startswith="/admin/login/new-password/").get()
    assert (entry.actor, entry.changes_dict["password"]) == (viewer, ["***", "***"])

    client, form = follow(link)
    assert form == ""
    assert "does not work" in text_of(client.get(link).content.decode())


def test_an_old_link_does_not_work(viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    link = sent_link(viewer)
    assert follow(link)[1] != ""
    later = timezone.now().replace(tzinfo=None) + timedelta(minutes=61)
    monkeypatch.setattr("django.contrib.auth.tokens.PasswordResetTokenGenerator._now", lambda _: later)

    assert follow(link)[1] == ""


def test_the_answer_is_the_same_for_every_address_and_nobody_is_flooded(
    viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_link(viewer)
    for name, attributes in (("gone", {"is_active": False}), ("robot", {"is_service_account": True})):
        new_user(name, email=f"{name}@example.com", **attributes)
    sso = User.objects.create(username="sso", email="sso@example.com")
    sso.set_unusable_password()
    sso.save()
    mail.outbox.clear()
    for address in ("gone@example.com", "robot@example.com", "sso@example.com", "no@example.com", "vera@example.com"):
        assert ask(address)["Location"] == SENT
    assert mail.outbox == []  # Vera was sent one a moment ago
    cache.clear()
    ask("vera@example.com")
    assert len(mail.outbox) == 1
    assert "on its way" in text_of(Client().get(SENT).content.decode())

    for malformed in ("", "vera", "a" * 300 + "@example.com", "vera@example.com\nBcc: x@example.com"):
        assert ask(malformed).status_code == 200
    monkeypatch.setattr(LoginThrottle, "THROTTLE_RATES", {**api_settings.DEFAULT_THROTTLE_RATES, "login": "1/day"})
    assert [ask("no@example.com").status_code for _ in range(2)] == [302, 429]


def test_without_e_mail_the_page_says_whom_to_ask(db: None, settings: Settings) -> None:
    settings.SENDS_MAIL = False

    assert f'href="{FORGOTTEN}"' in Client().get("/admin/login/").content.decode()
    page = Client().get(FORGOTTEN).content.decode()
    assert "Ask an administrator" in page
    assert 'name="email"' not in page
    assert ask("vera@example.com").status_code == 404


def test_guessing_the_old_password_locks_out_as_a_login_does(viewer: User) -> None:
    client = logged_in(viewer)

    def guess(password: str, new: str = NEW) -> int:
        form = {"old_password": password, "new_password1": new, "new_password2": new}
        return client.post("/admin/password_change/", form).status_code

    assert guess(PASSWORD, new="short") == 200  # no guess
    assert [guess("wrong") for _ in range(10)] == [200] * 9 + [429]
    assert guess(PASSWORD) == 429
    assert Client().post("/admin/login/", {"username": "vera", "password": PASSWORD}).status_code == 429


def test_a_member_changes_the_own_password_and_one_without_is_not_offered_it(viewer: User) -> None:
    client = logged_in(viewer)
    assert "/admin/password_change/" in client.get("/admin/").content.decode()
    form = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert client.post("/admin/password_change/", form).status_code == 302
    assert client.get("/admin/").status_code == 200

    viewer.set_unusable_password()
    viewer.save()
    client = logged_in(viewer)
    assert "/admin/password_change/" not in client.get("/admin/").content.decode()
    assert "has no password" in text_of(client.get("/admin/two-factor/").content.decode())
    assert client.get("/admin/two-factor/activate/").status_code == 403
