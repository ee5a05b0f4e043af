"""What `purge` deletes of the database, in batches, and what the database lets nobody delete."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from models_registry.accounts.models import User
from models_registry.api.models import IdempotencyKey
from models_registry.audit.models import AuditEntry
from models_registry.db import purge
from performance.management.commands import purge as purge_command
from tests.factories import new_user

TRAIL = "models_registry_auditentry"
PURGING = "SET LOCAL models_registry.purges_audit_trail = 'on'"

pytestmark = pytest.mark.django_db


def entry(action: int, *, days: float) -> int:
    """Return the key of an audit entry that is some days old."""
    then = timezone.now() - timedelta(days=days)
    return int(AuditEntry.objects.create(action=action, timestamp=then).pk)


def keys_of(user: User, number: int, *, at: datetime) -> None:
    IdempotencyKey.objects.bulk_create(
        IdempotencyKey(user=user, route="/", key=str(i), digest="", status=201, created_at=at) for i in range(number)
    )


def kept(*entries: int) -> list[bool]:
    return [AuditEntry.objects.filter(pk=each).exists() for each in entries]


class TestAuditTrail:
    def test_the_purge_deletes_denials_earlier_than_writes(self, settings: Settings) -> None:
        settings.AUDIT_RETENTION_DAYS, settings.AUDIT_DENIAL_RETENTION_DAYS = 730, 90
        writes = [entry(action, days=days) for action in (0, 1, 2) for days in (729, 731)]
        denials = [entry(AuditEntry.DENIED, days=days) for days in (89, 91)]

        call_command("purge")

        assert kept(*writes) == [True, False] * 3
        assert kept(*denials) == [True, False]

    def test_without_a_retention_the_purge_deletes_no_audit_entry(self, settings: Settings) -> None:
        settings.AUDIT_RETENTION_DAYS = settings.AUDIT_DENIAL_RETENTION_DAYS = 0
        entries = [entry(action, days=10_000) for action in (0, AuditEntry.DENIED)]

        call_command("purge")

        assert kept(*entries) == [True, True]

    def test_the_purge_prints_how_many_audit_entries_it_deleted(
        self, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.AUDIT_RETENTION_DAYS = 730
        entry(0, days=731)

        call_command("purge")

        assert "Deleted 1 audit entries." in capsys.readouterr().out.splitlines()

    @pytest.mark.parametrize("statement", [f"UPDATE {TRAIL} SET code = 'x'", f"DELETE FROM {TRAIL}"])
    def test_only_the_purge_can_delete_audit_entries(self, settings: Settings, statement: str) -> None:
        settings.AUDIT_RETENTION_DAYS = 730
        entry(0, days=731)
        entry(0, days=100)
        call_command("purge")

        with transaction.atomic():  # a transaction of the tests' own has the setting of the purge still
            if connection.vendor == "postgresql":
                execute("SET LOCAL models_registry.purges_audit_trail = 'off'")
            with pytest.raises(Error, match="audit trail never changes"):
                execute(statement)
            transaction.set_rollback(True)

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no settings of transactions")
    @pytest.mark.parametrize(("action", "days"), [(0, 29), (1, 29), (2, 29), (AuditEntry.DENIED, 6)])
    def test_the_purge_cannot_delete_a_young_audit_entry(self, action: int, days: int) -> None:
        young = entry(action, days=days)

        with transaction.atomic():
            execute(PURGING)
            with pytest.raises(Error, match="audit trail never changes"):
                execute(f"DELETE FROM {TRAIL} WHERE id = {young}")
            transaction.set_rollback(True)

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no settings of transactions")
    def test_a_purge_cannot_change_an_audit_entry(self) -> None:
        old = entry(0, days=731)

        with transaction.atomic():
            execute(PURGING)
            with pytest.raises(Error, match="audit trail never changes"):
                execute(f"UPDATE {TRAIL} SET code = 'x' WHERE id = {old}")
            transaction.set_rollback(True)

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no clock of its own")
    def test_the_age_of_an_audit_entry_is_by_the_databases_clock(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.AUDIT_RETENTION_DAYS = 30
        young, old = entry(0, days=29.99), entry(0, days=30.01)
        ahead = timezone.now() + timedelta(hours=1)
        monkeypatch.setattr(timezone, "now", lambda: ahead)

        call_command("purge")

        assert kept(young, old) == [True, False]

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite refuses nothing to a purge")
    def test_a_failed_part_of_the_purge_does_not_stop_the_others(
        self, settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        settings.AUDIT_RETENTION_DAYS = 1  # which the database refuses
        refused = entry(0, days=2)

        with pytest.raises(CommandError, match=r"Not all could be deleted: audit entries\."):
            call_command("purge")

        assert kept(refused) == [True]
        assert "Deleted 0 evaluations." in capsys.readouterr().out.splitlines()


class TestBatches:
    @pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 6, 7])
    @pytest.mark.parametrize("apart", [timedelta(0), timedelta(seconds=1)])
    def test_expired_idempotency_keys_are_deleted_in_batches(
        self, viewer: User, monkeypatch: pytest.MonkeyPatch, number: int, apart: timedelta
    ) -> None:
        monkeypatch.setattr(purge, "BATCH", 3)
        now = timezone.now()
        for i in range(number):
            keys_of(viewer, 1, at=now - timedelta(days=2) - i * apart)
            IdempotencyKey.objects.filter(route="/").update(route=f"/{i}")
        keys_of(viewer, 5, at=now)

        assert purge_command.delete_idempotency_keys() == number
        assert IdempotencyKey.objects.count() == 5

    def test_the_purge_deletes_expired_admin_sessions(self) -> None:
        for days in (-1, 1):
            Session.objects.create(session_key=f"{days}", expire_date=timezone.now() + timedelta(days=days))

        call_command("purge")

        assert [each.session_key for each in Session.objects.all()] == ["1"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("rows_can_be_cleaned_up")
def test_an_interrupted_purge_keeps_its_finished_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH", 10)
    keys_of(new_user("vera"), 35, at=timezone.now() - timedelta(days=2))
    statements: list[str] = []

    def interrupt(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        statements.extend([sql] if sql.startswith("DELETE") else [])
        if len(statements) == 3:
            raise KeyboardInterrupt
        return result

    with connection.execute_wrapper(interrupt), pytest.raises(KeyboardInterrupt):
        call_command("purge")
    assert IdempotencyKey.objects.count() == 15

    call_command("purge")
    assert not IdempotencyKey.objects.exists()


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
