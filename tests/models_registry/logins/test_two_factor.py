"""A person sets up an authenticator app; from then on a password alone logs in nowhere."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.audit.models import AuditEntry
from models_registry.tokens.backends import PeopleBackend
from models_registry.tokens.services import open_token_family
from tests.admin_pages import page_url, text_of
from tests.api import refusal
from tests.authenticator_app import totp
from tests.factories import PASSWORD

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

LOGIN, CODE, MINE = "/admin/login/", "/admin/login/code/", "/admin/two-factor/"
PASSWORD_PAGE = "/admin/password_change/"
ACTIVATE, CODES = f"{MINE}activate/", f"{MINE}recovery-codes/"
WRONG = "Incorrect code."


def with_password(password: str = PASSWORD) -> "tuple[Client, Response]":
    client = Client()
    return client, client.post(f"{LOGIN}?next=/admin/two-factor/", {"username": "vera", "password": password})


def recovery_codes(client: Client) -> list[str]:
    """Return the recovery codes that a session shows after its password is confirmed."""
    page = client.post(f"/admin/confirm/password/?next={CODES}", {"password": PASSWORD}, follow=True)
    return re.findall(r"<li><code>(\d{8})</code></li>", page.content.decode())


def remove_app(client: Client) -> None:
    """Remove the authenticator app through the pages."""
    path = f"{MINE}deactivate/"
    client.post(client.get(path)["Location"], {"password": PASSWORD})
    client.post(path)
    assert not Authenticator.objects.exists()


def set_up(client: Client) -> str:
    """Set up an authenticator app through the pages, and return its secret. It uses the code before the present one."""
    first = client.get(ACTIVATE)
    assert first["Location"].startswith("/admin/confirm/password/")
    assert "Incorrect password" in client.post(first["Location"], {"password": "wrong"}).content.decode()
    page = client.post(first["Location"], {"password": PASSWORD}, follow=True)
    assert "no-store" in page["Cache-Control"]
    secret: str
    (secret,) = re.findall(r"<code[^>]*>([A-Z2-7]+)</code>", page.content.decode())
    assert WRONG in client.post(ACTIVATE, {"code": "no"}).content.decode()
    assert client.post(ACTIVATE, {"code": totp(secret, -1)})["Location"] == CODES
    return secret


@pytest.fixture(autouse=True)
def _stopped_clock() -> Iterator[None]:
    """Stop the clock: no period of 30 seconds ends between a code and its use."""
    with time_machine.travel(datetime.now(UTC), tick=False):
        yield


@pytest.fixture
def secret(viewer: User) -> str:
    """Return the secret of the viewer, who has an authenticator app."""
    client, _ = with_password()
    return set_up(client)


def test_with_an_app_the_login_asks_for_a_code_that_works_once(secret: str, viewer: User) -> None:
    client, answer = with_password()
    assert answer["Location"] == CODE
    assert client.get("/admin/")["Location"].startswith(LOGIN)
    assert client.get("/admin/api/v1/").status_code != 200
    assert WRONG in client.post(CODE, {"code": totp(secret, 40)}).content.decode()

    assert client.post(CODE, {"code": totp(secret, 0)})["Location"] == MINE
    assert client.get("/admin/").status_code == 200
    logins = AuditEntry.objects.filter(action=AuditEntry.LOGGED_IN, actor=viewer)
    assert [entry.path for entry in logins] == [CODE, LOGIN]

    thief, _ = with_password()
    for code in (totp(secret, 0), totp(secret, -1)):  # used, and older than the used one
        assert WRONG in thief.post(CODE, {"code": code}).content.decode()
    assert thief.post(CODE, {"code": totp(secret, 1)}).status_code == 302


def test_nothing_of_a_second_factor_is_stored_or_audited_in_clear(secret: str) -> None:
    client, _ = with_password()
    client.post(CODE, {"code": totp(secret, 0)})
    client.get(CODES)
    codes = recovery_codes(client)
    assert len(codes) == 10
    assert codes[0] in client.get(f"{CODES}download/").content.decode()

    stored = str(list(Authenticator.objects.values("data")))
    audited = str(list(AuditEntry.objects.values()))
    assert not [text for text in (secret, *codes) if text in stored + audited]
    assert "authenticator" in str(list(AuditEntry.objects.values_list("content_type__model")))

    for _ in range(2):  # a recovery code works once
        other, _ = with_password()
        answer = other.post(CODE, {"code": codes[0]})
        assert answer.status_code == 302 or WRONG in answer.content.decode()
    assert answer.status_code == 200


def test_guessing_codes_locks_out_as_guessing_passwords_does(secret: str) -> None:
    client, _ = with_password()
    answers = [client.post(CODE, {"code": "000"}) for _ in range(9)]  # one wrong password came before

    assert [answer.status_code for answer in answers] == [200] * 8 + [429]
    assert client.post(CODE, {"code": totp(secret, 0)}).status_code == 429
    assert with_password()[1].status_code == 429
    assert AuditEntry.objects.filter(action=AuditEntry.DENIED, path=CODE).count() == 10


def test_a_password_alone_gets_no_token(secret: str, editor: User, settings: Settings) -> None:
    def token(name: str) -> "Response":
        body = {"username": name, "password": PASSWORD}
        return Client().post("/api/v1/auth/token", body, content_type="application/json")

    assert refusal(token("vera")) == (401, "two_factor_required")
    assert token("ed").status_code == 200
    settings.REQUIRE_TWO_FACTOR = "everyone"
    assert refusal(token("ed")) == (401, "two_factor_required")


def test_a_refresh_token_from_before_the_second_factor_is_no_longer_rotated(viewer: User, settings: Settings) -> None:
    def rotate(refresh: object) -> "Response":
        return Client().post("/api/v1/auth/token/refresh", {"refresh": refresh}, content_type="application/json")

    pair = rotate(str(open_token_family(user=viewer, scope=ALL_SCOPES))).json()
    settings.REQUIRE_TWO_FACTOR = "everyone"
    assert refusal(rotate(pair["refresh"])) == (401, "two_factor_required")
    settings.REQUIRE_TWO_FACTOR = "nobody"
    pair = rotate(pair["refresh"]).json()
    set_up(with_password()[0])

    assert refusal(rotate(pair["refresh"])) == (401, "two_factor_required")


def test_who_must_have_a_second_factor_gets_nowhere_without_it(viewer: User, settings: Settings) -> None:
    settings.REQUIRE_TWO_FACTOR = "staff"
    client, _ = with_password()
    assert client.get("/admin/").status_code == 200

    settings.REQUIRE_TWO_FACTOR = "everyone"
    for path in ("/admin/", page_url(viewer), "/admin/models_registry/personaltoken/add/", PASSWORD_PAGE):
        assert client.get(path)["Location"] == MINE
    assert "requires a second factor" in text_of(client.get(MINE).content.decode())
    set_up(client)
    assert client.get("/admin/").status_code == 200


def test_a_session_from_before_the_app_must_prove_it(viewer: User, settings: Settings) -> None:
    thief, _ = with_password()
    owner, _ = with_password()
    secret = set_up(owner)
    own = (MINE, ACTIVATE, CODES, f"{CODES}new/", f"{CODES}download/", f"{MINE}deactivate/")
    for page in (*own, "/admin/", "/admin/models_registry/personaltoken/add/", PASSWORD_PAGE):
        for visit in (thief.get, thief.post):
            assert visit(page)["Location"].startswith("/admin/confirm/code/?next=")
    shown = text_of(thief.get(thief.get("/admin/")["Location"]).content.decode())
    assert "Confirm that it is you" in shown
    assert not re.search("Cancel|Use your password", shown)  # which would lead back here
    thief.post("/admin/confirm/password/", {"password": PASSWORD})
    assert thief.get(CODES)["Location"].startswith("/admin/confirm/code/")
    assert thief.get(MINE)["Location"].startswith("/admin/confirm/code/")
    assert owner.get(CODES).status_code == 200
    assert owner.get("/admin/").status_code == 200

    settings.REQUIRE_TWO_FACTOR = "everyone"
    asked = thief.get("/admin/models_registry/version/?q=x")["Location"]
    assert thief.post(asked, {"code": totp(secret, -1)}).status_code == 200  # used to set up the app
    assert thief.get("/admin/")["Location"].startswith("/admin/confirm/code/")
    assert owner.get("/admin/").status_code == 200
    assert thief.post(asked, {"code": totp(secret, 0)})["Location"] == "/admin/models_registry/version/?q=x"
    assert thief.get("/admin/").status_code == 200


def test_one_query_finds_the_user_of_a_session_with_the_second_factors(
    secret: str, viewer: User, editor: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ids = dict(Authenticator.objects.filter(user=viewer).values_list("type", "pk"))

    for pk, app, codes in ((viewer.pk, ids["totp"], ids["recovery_codes"]), (editor.pk, None, None)):
        with django_assert_num_queries(1):
            user = PeopleBackend().get_user(pk)
            assert user
            assert (user.authenticator_app_id, user.recovery_codes_id) == (app, codes)
    for user in (viewer, editor):  # which were not found by a session
        found = User.objects.get(pk=user.pk)
        assert found.has_second_factor == (user == viewer)


def test_a_session_from_before_the_app_cannot_go_on_with_what_it_began(viewer: User) -> None:
    thief, _ = with_password()
    asked = thief.post(f"{CODES}new/")["Location"]
    assert asked.startswith("/admin/confirm/password/?next=")  # then the request would go on
    set_up(with_password()[0])
    codes = Authenticator.objects.filter(type="recovery_codes").values().get()

    for path in (asked, f"/admin/confirm/password/?next={CODES}new/"):
        assert thief.post(path, {"password": PASSWORD})["Location"].startswith("/admin/confirm/code/?next=")

    assert Authenticator.objects.filter(type="recovery_codes").values().get() == codes


def test_the_proof_of_an_app_that_was_removed_does_not_count_for_another(secret: str) -> None:
    (old, _), (owner, _) = with_password(), with_password()
    old.post(CODE, {"code": totp(secret, 0)})
    owner.post(CODE, {"code": totp(secret, 1)})
    assert old.get("/admin/").status_code == 200
    remove_app(owner)
    assert old.get("/admin/").status_code == 200
    owner, _ = with_password()
    other = set_up(owner)

    for path in ("/admin/", f"{MINE}deactivate/", "/admin/confirm/password/"):
        for visit in (old.get, old.post):
            assert visit(path)["Location"].startswith("/admin/confirm/code/?next=")
    assert owner.get("/admin/").status_code == 200
    old.post("/admin/confirm/code/", {"code": totp(other, 0)})
    assert old.get("/admin/").status_code == 200


def test_who_proved_a_recovery_code_goes_on_with_new_ones_and_other_sessions_prove_again(secret: str) -> None:
    (app, _), (client, _), (other, _) = (with_password() for _ in range(3))
    app.post(CODE, {"code": totp(secret, 0)})
    first, second, *_ = recovery_codes(app)
    for session, code in ((client, first), (other, second)):
        assert session.post(CODE, {"code": code})["Location"] == MINE
        assert session.get("/admin/").status_code == 200

    recovery_codes(client)  # confirms the password
    assert client.post(f"{CODES}new/")["Location"] == CODES

    new = recovery_codes(client)
    assert len(new) == 10
    assert client.get("/admin/").status_code == app.get("/admin/").status_code == 200
    assert other.get("/admin/")["Location"].startswith("/admin/confirm/code/")
    other.post("/admin/confirm/code/", {"code": new[0]})
    assert other.get("/admin/").status_code == 200


def test_a_person_removes_the_app_and_an_administrator_a_lost_one(secret: str, viewer: User, root: Client) -> None:
    client, _ = with_password()
    client.post(CODE, {"code": totp(secret, 0)})
    remove_app(client)

    client, _ = with_password()
    set_up(client)
    app = Authenticator.objects.get(type="totp")
    url = page_url(app).replace("/change/", "/delete/")
    assert client.get(url).status_code == 403
    assert root.get(page_url(app)).status_code == 200
    root.post(url, {"post": "yes"})
    assert not Authenticator.objects.exists()
    assert with_password()[1]["Location"] == MINE


def test_after_another_secret_key_no_code_is_right_until_an_operator_removes_the_second_factor(
    secret: str, viewer: User, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.SECRET_KEY = "another key of more than thirty-two bytes, for tests"
    client, _ = with_password()

    answer = client.post(CODE, {"code": totp(secret, 0)})

    assert "can no longer be checked" in text_of(answer.content.decode())
    call_command("remove_second_factor", "vera")
    assert capsys.readouterr().out.startswith("vera logs in with the password alone")
    again, answer = with_password()
    assert answer["Location"] == MINE
    set_up(again)
    removed = AuditEntry.objects.filter(action=AuditEntry.Action.DELETE, content_type__model="authenticator")
    assert [entry.object_repr for entry in removed]
    for user, error in (("ed", "no user 'ed'"), ("nora", "nora has no second factor")):
        User.objects.get_or_create(username="nora")
        with pytest.raises(CommandError, match=error):
            call_command("remove_second_factor", user)


def test_accounts_that_may_not_log_in_do_not_pass_the_second_step(secret: str, viewer: User) -> None:
    client, _ = with_password()
    viewer.is_active = False
    viewer.save()

    answer = client.post(CODE, {"code": totp(secret, 0)})

    assert "not active" in text_of(answer.content.decode())
    assert client.get("/admin/")["Location"].startswith(LOGIN)
    assert AuditEntry.objects.filter(action=AuditEntry.LOGGED_IN, actor=viewer).count() == 1
