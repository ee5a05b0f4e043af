"""People log in with a real OpenID provider, on the loopback. Issuer and subject say who they are, and nothing else."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.test import Client
from pytest_django import Settings

from models_registry.accounts.models import Membership, Organization, User
from models_registry.accounts.scopes import Role
from models_registry.audit.models import AuditEntry
from models_registry.logins.encryption import encrypt
from models_registry.logins.openid import PROVIDER_THREADS, capacity
from models_registry.logins.provider import LoginProvider
from tests.admin_pages import add_url, text_of
from tests.authenticator_app import totp
from tests.factories import new_user
from tests.receiver import receiving, status

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

BEGIN, CALLBACK, LOGIN = "/admin/login/openid/", "/admin/login/openid/callback/", "/admin/login/"
GROUPS = {"scientists": {"acme": Role.EDITOR}, "owners": {"acme": Role.ADMIN, "globex": Role.VIEWER}}

pytestmark = pytest.mark.filterwarnings("ignore:::authlib")  # the provider's library is older than what it uses


class Provider:
    """The provider's address, and what its administrators and its login form do."""

    def __init__(self, issuer: str, http: httpx.Client) -> None:
        self.issuer = issuer
        self.http = http

    def describe(self, subject: str, **claims: object) -> None:
        """Set the claims about a person."""
        self.http.put(f"{self.issuer}/users/{subject}", json=claims).raise_for_status()

    def approve(self, address: str, subject: str) -> str:
        """Log a person in at the provider, and return the path to which it sends the browser back."""
        answer = self.http.post(address, data={"sub": subject})
        return str(answer.headers["Location"]).removeprefix("http://testserver")


@pytest.fixture(scope="module")
def served() -> Iterator[Provider]:
    """Serve a provider."""
    with oidc_provider_mock.run_server_in_thread() as server, httpx.Client() as http:
        yield Provider(f"http://localhost:{server.server_port}", http)


@pytest.fixture
def provider(served: Provider, settings: Settings, db: None) -> Provider:
    """Let people log in with the provider."""
    settings.OIDC_LOGIN = LoginProvider(
        issuer=served.issuer, client_id="registry", client_secret="secret", name="Acme ID", roles=GROUPS
    )
    return served


def log_in(
    provider: Provider, subject: str, *, client: Client | None = None, query: str = ""
) -> "tuple[Client, Response]":
    """Log in with the provider, and return the browser and the answer to its return."""
    client = client or Client()
    begun = client.get(f"{BEGIN}{query}")
    return client, client.get(provider.approve(begun["Location"], subject))


def test_a_first_login_makes_a_user_who_sees_an_empty_registry(provider: Provider, acme: Organization) -> None:
    provider.describe("s-1", preferred_username="nina", name="Nina Ray", email="n@example.com", email_verified=True)
    client = Client()
    page = text_of(client.get(f"{LOGIN}?next=/admin/models_registry/version/").content.decode())
    assert "Log in with Acme ID" in page
    begun = client.get(f"{BEGIN}?next=/admin/models_registry/version/")
    query = parse_qs(urlsplit(begun["Location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"http://testserver{CALLBACK}"]

    answer = client.get(provider.approve(begun["Location"], "s-1"))

    assert answer["Location"] == "/admin/models_registry/version/"
    nina = User.objects.get(username="nina")
    assert (nina.get_full_name(), nina.email, nina.is_staff) == ("Nina Ray", "n@example.com", False)
    assert not nina.has_usable_password()
    assert SocialAccount.objects.values_list("user", "provider", "uid", "extra_data").get() == (
        nina.pk, provider.issuer, "s-1", {}
    )  # fmt: skip
    assert "Nothing is shared with you yet" in text_of(client.get("/admin/").content.decode())
    assert AuditEntry.objects.filter(action=AuditEntry.LOGGED_IN, actor=nina, path=CALLBACK).exists()

    assert client.get(CALLBACK + "?" + urlsplit(begun["Location"]).query).status_code == 403  # no code, a used state
    log_in(provider, "s-1")
    assert User.objects.filter(username__startswith="nina").count() == 1


def test_neither_name_nor_address_opens_an_existing_account(provider: Provider, superuser: User) -> None:
    superuser.email = "root@example.com"
    superuser.save()
    for subject, verified in (("thief-1", True), ("thief-2", False)):
        provider.describe(subject, preferred_username="root", email="root@example.com", email_verified=verified)
        client, answer = log_in(provider, subject)
        assert answer.status_code == 302
        (thief,) = User.objects.filter(pk=SocialAccount.objects.get(uid=subject).user_id)
        assert thief.username.removeprefix("root").isdigit()
        assert thief.email == ("root@example.com" if verified else "")
        assert client.get("/admin/models_registry/user/").status_code == 403


@pytest.mark.parametrize("address", ["https://other.example.com/", "//localhost/", "http://testserver/admin/", "\\\\x"])
def test_after_the_login_nobody_is_led_to_another_host(provider: Provider, settings: Settings, address: str) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "localhost", ".example.com"]
    client = Client()
    begun = client.get(BEGIN, {"next": address}, secure=True)
    back = provider.approve(begun["Location"], "s-10").removeprefix("https://testserver")

    assert client.get(back, secure=True)["Location"] == "/admin/"


def test_the_secret_of_the_client_follows_no_redirect(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    back = provider.approve(client.get(BEGIN)["Location"], "s-11")
    published = httpx.get(f"{provider.issuer}/.well-known/openid-configuration").json()
    with receiving() as receiver:
        receiver.answers.append(status(307, Location=f"{receiver.url}/elsewhere"))
        monkeypatch.setattr(OpenIDConnectOAuth2Adapter, "openid_config", {**published, "token_endpoint": receiver.url})

        assert client.get(back).status_code == 403

    assert [message.path for message in receiver.messages] == ["/hook"]


@pytest.mark.parametrize("address", [None, "http://login.example.com/", "https://[bad"])
def test_a_provider_with_an_unsafe_address_is_not_asked(
    provider: Provider, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    published = httpx.get(f"{provider.issuer}/.well-known/openid-configuration").json()
    monkeypatch.setattr(OpenIDConnectOAuth2Adapter, "openid_config", {**published, "token_endpoint": address})

    assert Client().get(BEGIN).status_code == 403


def test_roles_follow_the_groups_at_each_login(provider: Provider, acme: Organization) -> None:
    Organization.objects.create(slug="globex", name="Globex")
    other = Organization.objects.create(slug="initech", name="Initech")
    keeper = new_user("keeper")
    Membership.objects.create(organization=acme, user=keeper, role="admin")

    def roles(groups: object) -> dict[str, str]:
        provider.describe("s-2", preferred_username="rolf", groups=groups)
        assert log_in(provider, "s-2")[1].status_code == 302
        return dict(Membership.objects.filter(user__username="rolf").values_list("organization__slug", "role"))

    assert roles(["scientists"]) == {"acme": "editor"}
    Membership.objects.create(organization=other, user=User.objects.get(username="rolf"), role="viewer")
    assert roles(["scientists", "owners", "strangers"]) == {"acme": "admin", "globex": "viewer", "initech": "viewer"}
    Membership.objects.filter(user=keeper).delete()
    assert roles([]) == {"acme": "admin", "initech": "viewer"}  # the last admin stays
    Membership.objects.create(organization=acme, user=keeper, role="admin")
    assert roles("scientists") == {"acme": "editor", "initech": "viewer"}
    for malformed in (None, 7, {"scientists": True}, [["scientists"]]):
        assert roles(malformed) == {"initech": "viewer"}

    written = AuditEntry.objects.filter(actor_name="rolf", content_type__model="membership", path=CALLBACK)
    assert written.count() == 6


def test_who_may_not_enter_sees_why(provider: Provider, settings: Settings, acme: Organization) -> None:
    provider.describe("s-3", preferred_username="zoe", groups=["scientists"])
    settings.OIDC_LOGIN = replace(settings.OIDC_LOGIN, creates_users=False)
    _, answer = log_in(provider, "s-3")
    assert answer.status_code == 403
    assert "has no account here" in text_of(answer.content.decode())
    assert not User.objects.exists()

    provider.describe("s-4", groups=["scientists"])
    zoe = new_user("zoe", is_active=False)
    robot = User.objects.create(username="robot", is_service_account=True)
    for user, subject in ((zoe, "s-3"), (robot, "s-4")):
        SocialAccount.objects.create(user=user, provider=provider.issuer, uid=subject)
        client, answer = log_in(provider, subject)
        assert "not active" in text_of(answer.content.decode())
        assert client.get("/admin/")["Location"].startswith(LOGIN)
    assert not Membership.objects.exists()
    assert AuditEntry.objects.filter(action=AuditEntry.DENIED, path=CALLBACK).count() == 3


def test_a_subject_of_another_issuer_is_somebody_else(provider: Provider, superuser: User) -> None:
    SocialAccount.objects.create(user=superuser, provider="https://old.example.com", uid="s-5")

    client, _ = log_in(provider, "s-5")

    assert client.get("/admin/axes/accessattempt/").status_code == 403
    assert SocialAccount.objects.filter(uid="s-5").count() == 2


def test_a_superuser_lets_an_existing_user_log_in_with_the_provider(provider: Provider, root: Client) -> None:
    vera = new_user("vera")
    page = add_url(SocialAccount)
    assert root.get(page).status_code == 200
    assert root.post(page, {"user": vera.pk, "uid": "s-6"}).status_code == 302
    assert "has this subject already" in root.post(page, {"user": vera.pk, "uid": "s-6"}).content.decode()

    client, _ = log_in(provider, "s-6")

    assert "vera" in client.get("/admin/").content.decode()


def test_who_has_an_authenticator_app_is_asked_for_its_code_here_too(
    provider: Provider, acme: Organization, settings: Settings
) -> None:
    settings.REQUIRE_TWO_FACTOR = "everyone"
    client, _ = log_in(provider, "s-8")
    assert client.get("/admin/").status_code == 200  # the provider is responsible for its logins
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    Authenticator.objects.create(user=SocialAccount.objects.get().user, type="totp", data={"secret": encrypt(secret)})
    assert client.get("/admin/")["Location"].startswith("/admin/confirm/code/")  # the session is older than the app

    client, answer = log_in(provider, "s-8")

    assert answer["Location"] == "/admin/login/code/"
    assert client.get("/admin/")["Location"].startswith(LOGIN)
    assert client.post("/admin/login/code/", {"code": totp(secret, 0)})["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_provider_that_hangs_occupies_few_threads(provider: Provider) -> None:
    back = provider.approve(Client().get(BEGIN)["Location"], "s-9")
    with ExitStack() as others:
        for _ in range(PROVIDER_THREADS):
            others.enter_context(capacity.claim())
        for address in (BEGIN, back):
            answer = Client().get(address)
            assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert Client().get(BEGIN).status_code == 302


def test_answers_that_nobody_should_believe_log_nobody_in(
    provider: Provider, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = Client().get(BEGIN)
    stranger = Client()
    assert stranger.get(provider.approve(begun["Location"], "s-7")).status_code == 403  # another browser's state
    for query in ("", "?code=x", "?state=x&code=x", "?error=access_denied", "?state=%00"):
        assert stranger.get(f"{CALLBACK}{query}").status_code in (400, 403)
    provider.describe("nul", preferred_username="a\0b")
    assert log_in(provider, "nul")[1].status_code == 403
    provider.describe("x" * 192)
    assert log_in(provider, "x" * 192)[1].status_code in (403, 404)

    client = Client()
    begun = client.get(BEGIN)
    back = provider.approve(begun["Location"], "s-7")
    for issuer in (f"{provider.issuer}/", "http://127.0.0.1:9"):
        settings.OIDC_LOGIN = replace(settings.OIDC_LOGIN, issuer=issuer)
        answer = Client().get(BEGIN)
        assert (answer.status_code, "Acme ID failed" in answer.content.decode()) == (403, True)
        assert client.get(back).status_code == 403
    assert not User.objects.exists()

    settings.OIDC_LOGIN = None
    assert Client().get(BEGIN).status_code == 404
    assert "Log in with" not in re.sub(r"<title>.*?</title>", "", Client().get(LOGIN).content.decode())
