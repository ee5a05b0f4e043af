"""`manage.py token USER [--scope …] [--lifetime …]`"""

from io import StringIO
from typing import Any

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from models_registry.accounts.models import User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel


def token(*arguments: str) -> str:
    out = StringIO()
    call_command("token", *arguments, stdout=out)
    return out.getvalue().removesuffix("\n")


def claims(encoded: str) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(encoded, options={"verify_signature": False})
    return decoded


def summary(encoded: str) -> int:
    client = Client(headers={"Authorization": f"Bearer {encoded}"})
    return client.get("/api/v1/models/mdl-7f3a19bc92/performance/summary").status_code


def test_prints_an_access_token_that_works(viewer: User, model: RegisteredModel) -> None:
    assert summary(token("vera")) == 200


def test_a_narrowed_token_does_no_more_than_its_scopes(viewer: User, model: RegisteredModel) -> None:
    assert summary(token("vera", "--scope", "model:read")) == 200
    assert summary(token("vera", "--scope", "model:write model:promote")) == 403


def test_it_ends_with_a_new_password(viewer: User, model: RegisteredModel) -> None:
    encoded = token("vera")
    viewer.set_password("another")
    viewer.save()

    assert summary(encoded) == 401


@pytest.mark.parametrize(
    ("lifetime", "seconds"), [("90s", 90), ("15m", 900), ("8h", 28_800), ("30d", 2_592_000), ("365d", 31_536_000)]
)
def test_it_lives_as_long_as_asked_for(viewer: User, lifetime: str, seconds: int) -> None:
    made = claims(token("vera", "--lifetime", lifetime))

    assert made["exp"] - made["iat"] == seconds


def test_it_lives_five_minutes_by_default(viewer: User) -> None:
    made = claims(token("vera"))

    assert made["exp"] - made["iat"] == 300


@pytest.mark.parametrize("lifetime", ["", "15", "m", "0m", "-5m", "366d", "999999999d", "1.5h", "1w"])
def test_a_wrong_lifetime_is_refused_with_an_example(viewer: User, lifetime: str) -> None:
    with pytest.raises(CommandError, match="15m, 8h or 30d"):
        token("vera", f"--lifetime={lifetime}")


@pytest.mark.parametrize("scope", ["", "model:delete", "model:read,model:write"])
def test_a_wrong_scope_is_refused_with_the_known_ones(viewer: User, scope: str) -> None:
    with pytest.raises(CommandError, match="model:promote"):
        token("vera", "--scope", scope)


def test_nobody_and_inactive_users_get_none(viewer: User) -> None:
    User.objects.update(is_active=False)

    for name in ("nobody", "vera"):
        with pytest.raises(CommandError, match=f"no active user '{name}'"):
            token(name)


def test_it_is_in_the_audit_trail_and_the_token_is_not(viewer: User) -> None:
    encoded = token("vera", "--scope", "model:read", "--lifetime", "1d")

    entry = AuditEntry.objects.get_for_object(viewer).latest("pk")
    [(name, (before, told))] = entry.changes.items()
    assert (name, before) == ("access token", None)
    assert told.startswith("model:read, until ")
    assert encoded.split(".")[2] not in str(entry.changes)
