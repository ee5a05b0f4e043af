"""Service accounts of an organization, their tokens, and the tokens that people make for themselves."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from models_registry.accounts.models import Membership, ModelGrant, ServiceAccount, User
from models_registry.accounts.scopes import Scope
from models_registry.api.models import IdempotencyKey
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from models_registry.tokens import usage
from models_registry.tokens.models import NamedToken, TokenFamily
from models_registry.tokens.services import open_token_family
from tests.api import Caller, faults, refusal
from tests.conftest import PinnedQueries
from tests.factories import PASSWORD
from tests.operations import NEW_TOKEN

pytestmark = pytest.mark.django_db
ACCOUNTS = "/organizations/acme/service-accounts"
TOKENS = f"{ACCOUNTS}/acme.ci/tokens"
PERSONAL = "/auth/personal-tokens"
MODEL = "/models/mdl-7f3a19bc92"
READ_AND_WRITE = ["model:read", "model:write"]


@pytest.fixture
def ada(admin: User, model: RegisteredModel) -> Caller:
    """Ada, in whose organization are a model and the service account `acme.ci`, an editor."""
    ada = Caller(admin)
    assert ada.post(ACCOUNTS, {"name": "ci", "role": "editor"}).status_code == 201
    return ada


def holding(token: str) -> Caller:
    """Return a caller that sends this token."""
    caller = Caller()
    caller.client = Client(headers={"Authorization": f"Bearer {token}"})
    return caller


def made(answer: Any) -> tuple[Caller, str]:
    """Return a caller with the token that was made, and where it is."""
    assert answer.status_code == 201, answer.content
    return holding(answer.json()["token"]), answer["Location"]


def status(caller: Caller, path: str = MODEL) -> int:
    return int(caller.get(path).status_code)


class TestServiceAccounts:
    def test_an_admin_makes_changes_and_deactivates_accounts(self, ada: Caller, outsider: User) -> None:
        without_role = ada.post(ACCOUNTS, {"name": "nightly"})
        assert (without_role.json()["username"], without_role.json()["role"]) == ("acme.nightly", None)
        path = without_role["Location"]
        assert ada.get(path).json() == without_role.json()
        assert [each["username"] for each in ada.get(ACCOUNTS).json()["results"]] == ["acme.ci", "acme.nightly"]
        account = ServiceAccount.objects.get(username="acme.nightly")
        assert not account.has_usable_password()

        token, _ = made(ada.post(f"{path}/tokens", {**NEW_TOKEN, "scopes": ["organization:admin"]}))
        assert status(token) == 403
        for role in ("viewer", "admin"):
            assert ada.patch(path, {"role": role}).json()["role"] == role
            assert status(token) == 200
        assert ada.delete("/organizations/acme/members/acme.nightly").status_code == 204
        assert ada.get(path).json()["role"] is None
        assert status(token) == 403
        assert ada.post(f"{MODEL}/grants", {"username": "acme.nightly", "scope": "model:read"}).status_code == 201
        assert status(token) == 200

        assert ada.patch(path, {"is_active": False}).json()["is_active"] is False
        assert status(token) == 401
        assert refusal(ada.post(f"{path}/tokens", NEW_TOKEN)) == (409, "conflict")
        assert ada.patch(path, {"is_active": True}).json()["is_active"] is True
        assert status(token) == 401, "an activated account has its revoked tokens back"
        changes = AuditEntry.objects.get_for_object(account).order_by("pk")
        assert [entry.actor_name for entry in changes] == ["ada"] * 3
        assert refusal(Caller(outsider).get(path)) == (403, "permission_denied")
        assert refusal(Caller(outsider).get(path.replace("acme/", "globex/"))) == (404, "not_found")

    @pytest.mark.parametrize(
        ("body", "fault"),
        [
            ({}, ("name", "required")),
            ({"name": "a b"}, ("name", "invalid")),
            ({"name": "-a"}, ("name", "invalid")),
            ({"name": "x" * 64}, ("name", "max_length")),
            ({"name": "x", "role": "owner"}, ("role", "invalid_choice")),
            ({"name": "x", "password": "x"}, ("password", "unknown_field")),
        ],
        ids=str,
    )
    def test_an_invalid_account_is_refused(self, ada: Caller, body: dict[str, Any], fault: tuple[str, str]) -> None:
        assert faults(ada.post(ACCOUNTS, body)) == [fault]
        assert ServiceAccount.objects.count() == 1

    def test_a_taken_name_is_a_conflict_and_the_last_admin_stays(self, ada: Caller, superuser: User) -> None:
        assert refusal(ada.post(ACCOUNTS, {"name": "ci"})) == (409, "conflict")
        ada.patch(f"{ACCOUNTS}/acme.ci", {"role": "admin"})
        Membership.objects.filter(user__username="ada").delete()

        assert refusal(Caller(superuser).patch(f"{ACCOUNTS}/acme.ci", {"role": "editor"})) == (409, "conflict")

    def test_people_and_accounts_of_others_are_not_found(self, ada: Caller, viewer: User) -> None:
        ServiceAccount.objects.create(username="globex.ci", is_service_account=True)
        for name in ("vera", "globex.ci", "nobody", "a\0"):
            assert refusal(ada.get(f"{ACCOUNTS}/{name}".replace("\0", "%00"))) == (404, "not_found")
            assert refusal(ada.post(f"{ACCOUNTS}/{name}/tokens".replace("\0", "%00"), NEW_TOKEN)) == (404, "not_found")


class TestTokens:
    def test_a_token_works_within_its_scopes_until_it_is_revoked(self, ada: Caller) -> None:
        answer = ada.post(TOKENS, {"name": "GitHub", "scopes": READ_AND_WRITE, "lifetime_days": 365})
        pipeline, path = made(answer)
        shown = ada.get(path).json()
        assert "token" not in shown
        assert answer.json() == {**shown, "token": answer.json()["token"]}
        assert (shown["name"], shown["scopes"], shown["created_by"]) == ("GitHub", READ_AND_WRITE, "ada")
        lifetime = NamedToken.objects.get().expires_at - timezone.now()
        assert timedelta(days=364) < lifetime <= timedelta(days=365)

        assert pipeline.post(f"{MODEL}/versions").json()["created_by"] == "acme.ci"
        narrow, _ = made(ada.post(TOKENS, NEW_TOKEN))
        assert status(narrow) == 200
        assert refusal(narrow.post(f"{MODEL}/versions")) == (403, "permission_denied")
        assert [each["name"] for each in ada.get(TOKENS).json()["results"]] == ["nightly", "GitHub"]
        assert refusal(ada.post("/auth/token/refresh", {"refresh": answer.json()["token"]})) == (401, "invalid_token")

        assert [ada.delete(path).status_code for _ in range(2)] == [204, 204]
        assert refusal(pipeline.get(MODEL)) == (401, "invalid_token")
        assert refusal(pipeline.get(f"{MODEL}/performance/summary")) == (401, "invalid_token")
        assert status(narrow) == 200
        token = NamedToken.objects.get(name="GitHub")
        entries = AuditEntry.objects.get_for_object(token).order_by("pk")
        assert [(entry.actor_name, entry.get_action_display()) for entry in entries] == [
            ("ada", "create"),
            ("ada", "update"),
        ]

    def test_no_token_is_stored(self, ada: Caller) -> None:
        token = ada.post(TOKENS, NEW_TOKEN, Idempotency_Key="job-1").json()["token"]

        stored = [*NamedToken.objects.values(), *AuditEntry.objects.values(), *IdempotencyKey.objects.values()]
        assert stored
        assert token not in str(stored)

    def test_the_first_use_in_an_hour_is_recorded_and_the_others_cost_no_statement(
        self, ada: Caller, pinned_queries: PinnedQueries
    ) -> None:
        pipeline, path = made(ada.post(TOKENS, NEW_TOKEN))
        assert ada.get(path).json()["last_used_at"] is None
        summary = f"{MODEL}/performance/summary"
        assert status(pipeline, summary) == 200
        used_at = NamedToken.objects.get().last_used_at
        assert used_at is not None

        with pinned_queries("summary"):
            assert status(pipeline, summary) == 200
        usage.forget_uses()  # as another process
        assert status(pipeline) == 200
        assert NamedToken.objects.get().last_used_at == used_at
        NamedToken.objects.update(last_used_at=used_at - timedelta(hours=1, seconds=1))
        usage.forget_uses()
        assert status(pipeline) == 200
        assert NamedToken.objects.filter(last_used_at__gte=used_at).exists()

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            ({"name": ""}, ("name", "blank")),
            ({"name": "two\nlines"}, ("name", "invalid")),
            ({"scopes": []}, ("scopes", "min_length")),
            ({"scopes": ["model:everything"]}, ("scopes.0", "invalid_choice")),
            ({"scopes": "model:read"}, ("scopes", "not_a_list")),
            ({"lifetime_days": 366}, ("lifetime_days", "max_value")),
            ({"lifetime_days": 0}, ("lifetime_days", "min_value")),
            ({"lifetime_days": None}, ("lifetime_days", "null")),
        ],
        ids=str,
    )
    def test_an_invalid_token_is_refused(self, ada: Caller, change: dict[str, Any], fault: tuple[str, str]) -> None:
        assert faults(ada.post(TOKENS, {**NEW_TOKEN, **change})) == [fault]
        assert not NamedToken.objects.exists()

    def test_an_expired_token_is_refused_and_purged(self, ada: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        pipeline, path = made(ada.post(TOKENS, {**NEW_TOKEN, "lifetime_days": 1}))
        tomorrow = timezone.now() + timedelta(days=1, seconds=1)
        with monkeypatch.context() as patch:
            patch.setattr("time.time", tomorrow.timestamp)
            assert pipeline.get(MODEL).status_code == 401
        TokenFamily.objects.filter(user__username="acme.ci").update(expires_at=timezone.now() - timedelta(seconds=1))

        call_command("purge")

        assert refusal(ada.get(path)) == (404, "not_found")


class TestPersonalTokens:
    def test_a_token_can_do_what_its_user_may_do_at_that_moment(self, ada: Caller, editor: User, viewer: User) -> None:
        ed, vera = Caller(editor), Caller(viewer)
        own, path = made(ed.post(PERSONAL, {**NEW_TOKEN, "scopes": ["organization:admin"]}))

        assert own.post(f"{MODEL}/versions").status_code == 201
        assert refusal(own.get("/organizations/acme")) == (403, "permission_denied")
        assert refusal(vera.get(path)) == refusal(vera.delete(path)) == (404, "not_found")
        assert vera.get(PERSONAL).json()["results"] == []
        [listed] = ed.get(PERSONAL).json()["results"]
        assert listed == ed.get(path).json()
        Membership.objects.filter(user=editor).update(role="viewer")
        assert refusal(own.post(f"{MODEL}/versions")) == (403, "permission_denied")
        assert ed.delete(path).status_code == 204
        assert status(own) == 401

        other, _ = made(ed.post(PERSONAL, NEW_TOKEN))
        editor.set_password(f"another {PASSWORD}")
        editor.save()
        assert status(other) == 401

    def test_only_the_login_of_a_person_makes_tokens(self, ada: Caller, viewer: User) -> None:
        personal, path = made(Caller(viewer).post(PERSONAL, NEW_TOKEN))
        everything, _ = made(ada.post(TOKENS, {**NEW_TOKEN, "scopes": ["organization:admin"]}))
        exchanged = open_token_family(user=User.objects.get(username="acme.ci"), scope=frozenset(Scope)).access_token
        for caller in (personal, everything, holding(str(exchanged)), Caller(viewer, frozenset({Scope.MODEL_READ}))):
            assert refusal(caller.post(PERSONAL, NEW_TOKEN)) == (403, "permission_denied")
        assert refusal(personal.delete(path)) == (403, "permission_denied")
        assert NamedToken.objects.count() == 2

    def test_a_grantee_makes_a_token_too(self, grantee: User) -> None:
        own, _ = made(Caller(grantee).post(PERSONAL, NEW_TOKEN))

        assert status(own) == 200
        ModelGrant.objects.all().delete()
        assert status(own) == 403
