"""The order of evaluations, the quota of an organization, and the retention of ended evaluations."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from models_registry.accounts.models import Organization, User
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from performance.evaluations.models import EvaluationJob
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller, refusal
from tests.factories import completed_version
from tests.performance.evaluations.uploads import GOOD, evaluated, stored_uploads, upload, work

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("_storage_of_its_own")]
LEASE = timedelta(seconds=60)


def queue(slug: str, *, ago: int = 0) -> EvaluationJob:
    """Queue an evaluation of an organization that has been due for this number of seconds."""
    organization = Organization.objects.get(slug=slug)
    owned, _ = RegisteredModel.objects.get_or_create(organization=organization, name="m", task_type="classification")
    version = owned.versions.first() or completed_version(owned, number=1)
    return EvaluationJob.objects.create(
        version=version,
        organization=organization,
        dataset_split="test",
        file="uploads/none.csv",
        due_at=timezone.now() - timedelta(seconds=ago),
    )


def claim_next() -> str:
    """Take the next evaluation, and return the slug of its organization."""
    job = EvaluationJob.objects.claim(LEASE)
    assert job is not None
    assert job.organization is not None
    return job.organization.slug


def end(slug: str) -> None:
    running = EvaluationJob.objects.filter(organization__slug=slug, state="running")
    running.update(state="failed", due_at=None, finished_at=timezone.now())


@pytest.mark.usefixtures("outsider")
class TestTurns:
    def test_one_worker_serves_organizations_in_turn_however_many_one_queues(self) -> None:
        for ago in range(50, 10, -10):
            queue("acme", ago=ago)
        for ago in (3, 2):
            queue("globex", ago=ago)

        order = []
        for _ in range(6):
            order.append(claim_next())
            end(order[-1])

        assert order == ["acme", "globex", "acme", "globex", "acme", "acme"]

    def test_an_organization_with_nothing_running_comes_before_one_with_long_evaluations(self) -> None:
        for ago in (50, 40, 30):
            queue("acme", ago=ago)
        queue("globex", ago=1)
        assert claim_next() == "acme"  # which goes on for long
        assert claim_next() == "globex"
        end("globex")
        queue("globex")

        assert claim_next() == "globex"

    def test_within_an_organization_the_one_due_for_longest_comes_first(self) -> None:
        younger, older = queue("acme", ago=10), queue("acme", ago=20)

        assert [EvaluationJob.objects.claim(LEASE) for _ in range(2)] == [older, younger]

    def test_an_evaluation_of_the_previous_release_takes_its_organizations_turn(self) -> None:
        for ago in (50, 40):
            EvaluationJob.objects.filter(pk=queue("acme", ago=ago).pk).update(organization=None)
        queue("globex", ago=30)

        assert [claim_next() for _ in range(3)] == ["acme", "globex", "acme"]

    def test_one_statement_finds_the_next_evaluation(self) -> None:
        queue("acme")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            EvaluationJob.objects.claim(LEASE)

        selects = [each["sql"] for each in queries if each["sql"].startswith("SELECT")]
        assert len(selects) == 2  # whether any is due, which takes no lock, and the one
        if connection.vendor == "postgresql":
            assert "SKIP LOCKED" in selects[1]


class TestQuota:
    def test_one_more_than_the_quota_is_refused_before_it_is_read_and_nothing_is_kept(
        self, editor: User, settings: Any
    ) -> None:
        settings.MAX_QUEUED_EVALUATIONS = 2
        caller = Caller(editor)
        assert [upload(caller).status_code for _ in range(2)] == [202, 202]
        kept, audited = stored_uploads(), AuditEntry.objects.exclude(action=AuditEntry.DENIED).count()

        answer = upload(caller)

        assert refusal(answer) == (429, "throttled")
        assert answer["Retry-After"] == "30"
        assert "2 evaluations queued or running" in answer.json()["detail"]
        assert stored_uploads() == kept
        assert EvaluationJob.objects.count() == 2
        assert AuditEntry.objects.exclude(action=AuditEntry.DENIED).count() == audited

        assert work()
        assert upload(caller).status_code == 202

    def test_a_running_evaluation_counts_and_another_organizations_does_not(
        self, editor: User, outsider: User, settings: Any
    ) -> None:
        settings.MAX_QUEUED_EVALUATIONS = 1
        queue("globex")
        assert upload(editor).status_code == 202
        assert {claim_next(), claim_next()} == {"acme", "globex"}

        assert upload(editor).status_code == 429

    def test_an_evaluation_of_the_previous_release_counts(self, editor: User, settings: Any) -> None:
        settings.MAX_QUEUED_EVALUATIONS = 1
        assert upload(editor).status_code == 202
        EvaluationJob.objects.update(organization=None)

        assert upload(editor).status_code == 429


class TestRetention:
    def test_purge_deletes_what_ended_longer_ago_and_leaves_the_snapshot(
        self, editor: User, settings: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.EVALUATION_RETENTION_DAYS = 7
        monkeypatch.setattr("performance.evaluations.tasks.BATCH", 2)
        done = evaluated(editor)
        for _ in range(4):
            evaluated(editor, b"nothing\n")
        failed = EvaluationJob.objects.filter(state="failed")
        EvaluationJob.objects.update(finished_at=timezone.now() - timedelta(days=8))
        recent = failed.first()
        assert recent is not None
        EvaluationJob.objects.filter(pk=recent.pk).update(finished_at=timezone.now() - timedelta(days=6))
        waiting = queue("acme", ago=20 * 24 * 3600)

        call_command("purge")

        assert "4 evaluations" in capsys.readouterr().out
        assert {job.pk for job in EvaluationJob.objects.all()} == {recent.pk, waiting.pk}
        assert MetricSnapshot.objects.filter(source="computed").count() == 1
        assert Caller(editor).get(f"/evaluations/{done['id']}").status_code == 404


@pytest.mark.parametrize("state", ["archived", "failed", "clustering"])
def test_what_takes_no_predictions_is_refused_before_they_are_read(
    editor: User, model: RegisteredModel, state: str
) -> None:
    if state == "archived":
        RegisteredModel.objects.filter(pk=model.pk).update(archived_at=timezone.now())
    elif state == "failed":
        model.versions.update(state="failed", completed_at=None)
    else:
        RegisteredModel.objects.filter(pk=model.pk).update(task_type="clustering")

    answer = upload(editor, GOOD, dataset_split="no such split")

    assert refusal(answer)[0] == (422 if state == "clustering" else 409)
    assert not default_storage.exists("uploads") or stored_uploads() == []
