"""A worker's job that another worker takes over, that is interrupted, or that loses its database."""

import logging
import os
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from performance.comparisons import services as comparison_services
from performance.comparisons.models import PairedComparison
from performance.comparisons.tasks import compare_next
from performance.evaluations import tasks
from performance.evaluations.models import EvaluationJob
from performance.evaluations.services import request_evaluation
from performance.jobs.heartbeat import Heartbeat
from performance.jobs.models import Worker
from performance.management import worker
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.sandbox import runner
from performance.metrics.sandbox.runner import evaluate_in_sandbox
from performance.snapshots.models import MetricSnapshot
from tests.factories import completed_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(model: RegisteredModel, editor: User) -> EvaluationJob:
    """An evaluation that is queued."""
    version: Version = model.versions.get()
    return request_evaluation(
        version=version,
        dataset_split="test",
        file=default_storage.save("uploads/x.csv", ContentFile(b"actual,predicted\nyes,yes\nno,yes\n")),
        digest="0" * 64,
        columns=Columns(),
        options=Options(),
        requested_by=editor,
    )


@pytest.fixture(autouse=True)
def _no_file_is_left() -> Any:
    yield
    for name in default_storage.listdir("uploads")[1]:
        default_storage.delete(f"uploads/{name}")


def take_again(job: EvaluationJob) -> EvaluationJob:
    """Let another worker take a job whose lease has ended."""
    EvaluationJob.objects.filter(pk=job.pk).update(due_at=timezone.now())
    taken = EvaluationJob.objects.claim(timedelta(seconds=60))
    assert taken == job
    return taken


def evaluate() -> bool:
    return tasks.evaluate_next(Event())


def test_a_job_is_taken_by_one_worker_until_its_lease_ends(job: EvaluationJob) -> None:
    first = EvaluationJob.objects.claim(timedelta(seconds=60))
    assert first is not None
    assert (first.pk, first.state, first.attempts) == (job.pk, "running", 1)
    assert EvaluationJob.objects.claim(timedelta(seconds=60)) is None
    assert take_again(job).attempts == 2


@pytest.mark.skipif(connection.vendor == "sqlite", reason="the database's clock is that of its one machine")
def test_a_worker_whose_clock_is_ahead_takes_nothing_that_another_holds(
    job: EvaluationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EvaluationJob.objects.claim(timedelta(seconds=60)) == job
    ahead = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: ahead)
    assert EvaluationJob.objects.claim(timedelta(seconds=60)) is None


def test_the_job_that_has_been_due_for_longest_is_taken_first(job: EvaluationJob, editor: User) -> None:
    EvaluationJob.objects.create(version=job.version, dataset_split="test", file="uploads/y.csv")
    assert EvaluationJob.objects.claim(timedelta(seconds=60)) == job


def test_a_worker_whose_job_was_taken_by_another_stores_nothing(
    job: EvaluationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*arguments: Any) -> Any:
        evaluation = evaluate_in_sandbox(*arguments)
        take_again(job)
        return evaluation

    monkeypatch.setattr(tasks, "evaluate_in_sandbox", slowly)
    assert evaluate()
    job.refresh_from_db()
    assert (job.state, job.attempts, job.snapshot) == ("running", 2, None)
    assert not MetricSnapshot.objects.filter(source="computed").exists()
    assert default_storage.exists("uploads/x.csv")


def test_a_queued_evaluation_says_whether_a_worker_is_alive_and_the_log_how_it_ended(
    job: EvaluationJob, editor: User, superuser: User, client: Client, as_user: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def worker_alive() -> tuple[Any, bool]:
        page = client.get(f"/admin/performance/evaluationjob/{job.pk}/change/").content.decode()
        listed = client.get("/admin/performance/evaluationjob/").content.decode()
        warned = {"No worker is alive" in page, "No worker is alive" in listed}
        assert len(warned) == 1
        return as_user(editor).get(f"/api/v1/evaluations/{job.pk}").json()["worker_alive"], warned.pop()

    client.force_login(superuser)
    assert worker_alive() == (False, True)
    heartbeat = Heartbeat()
    heartbeat.report()
    assert worker_alive() == (True, False)
    Worker.objects.update(seen_at=timezone.now() - timedelta(seconds=90))
    assert worker_alive() == (False, True)
    heartbeat.report()
    assert Worker.objects.alive().count() == 1

    with caplog.at_level(logging.INFO, "performance.jobs.leases"):
        assert evaluate()
    heartbeat.end()
    assert worker_alive() == (None, False)
    [ended] = [vars(record) for record in caplog.records if "job" in vars(record)]
    fields = {"job": str(job.pk), "model": job.version.model_id, "version": job.version.version_id, "rows": 2}
    assert {**fields, "result": "succeeded"}.items() <= ended.items()
    assert 0 < ended["seconds"] < 60


def test_progress_of_a_job_that_was_taken_by_another_ends_the_evaluation(
    job: EvaluationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report_progress(described: Any, heartbeat: Any) -> Any:
        heartbeat(0.5)
        job.refresh_from_db()
        assert job.progress == 0.5
        take_again(job)
        heartbeat(0.6)
        pytest.fail("it went on")

    monkeypatch.setattr(tasks, "evaluate_in_sandbox", report_progress)
    assert evaluate()
    job.refresh_from_db()
    assert (job.state, job.progress, job.attempts) == ("running", 0.5, 2)


def test_what_breaks_off_is_tried_again_later_and_fails_after_three_times(
    job: EvaluationJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: Any) -> Any:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(tasks, "evaluate_in_sandbox", broken)
    for attempt in (1, 2):
        assert evaluate()
        job.refresh_from_db()
        assert (job.state, job.attempts) == ("queued", attempt)
        assert job.due_at
        assert job.due_at > timezone.now()
        assert not evaluate()
        EvaluationJob.objects.filter(pk=job.pk).update(due_at=timezone.now())
    assert evaluate()
    job.refresh_from_db()
    assert (job.state, job.due_at) == ("failed", None)
    assert job.problem
    assert job.problem["code"] == "internal_error"
    assert "no such luck" not in job.problem["detail"]
    assert "no such luck" in caplog.text
    assert not default_storage.exists("uploads/x.csv")


def test_a_job_whose_workers_were_all_killed_is_not_tried_for_ever(job: EvaluationJob) -> None:
    for _ in range(3):
        take_again(job)
    EvaluationJob.objects.filter(pk=job.pk).update(due_at=timezone.now())
    assert evaluate()
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("failed", 4)


def test_a_worker_that_is_to_stop_gives_the_job_back_at_once(job: EvaluationJob) -> None:
    stop = Event()
    stop.set()
    assert tasks.evaluate_next(stop)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("queued", 0)
    assert evaluate()
    job.refresh_from_db()
    assert job.state == "succeeded"


@pytest.mark.once  # on SQLite, the worker's own thread waits for the test's transaction
def test_a_worker_outlives_an_outage_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, answers = Event(), iter([OperationalError("away"), True, False])

    def next_answer(event: Event) -> bool:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        if not answer:
            stop.set()
        return bool(answer)

    monkeypatch.setattr(worker, "evaluate_next", next_answer)
    monkeypatch.setattr(worker, "close_old_connections", lambda: None)
    monkeypatch.setattr(worker, "OUTAGE", 0.01)
    worker.run_worker(stop)
    assert next(answers, None) is None


def test_purge_deletes_uploads_that_nobody_evaluates_and_folders_of_the_killed(
    job: EvaluationJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tasks, "gettempdir", lambda: str(tmp_path))
    default_storage.save("uploads/orphan.csv", ContentFile(b"x"))
    default_storage.save("uploads/new.csv", ContentFile(b"x"))
    for name in (f"{tasks.FOLDER}old", f"{tasks.FOLDER}new", "evaluation-of-mine"):
        (tmp_path / name).mkdir()
    for path in (default_storage.path("uploads/orphan.csv"), default_storage.path("uploads/x.csv")):
        os.utime(path, (0, 0))
    for name in (f"{tasks.FOLDER}old", "evaluation-of-mine"):
        os.utime(tmp_path / name, (0, 0))
    call_command("purge")

    assert "1 uploads" in capsys.readouterr().out
    assert sorted(default_storage.listdir("uploads")[1]) == ["new.csv", "x.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation-of-mine", f"{tasks.FOLDER}new"]


def test_a_storage_that_does_not_delete_an_upload_ends_no_worker(
    job: EvaluationJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(name: str) -> None:
        raise PermissionError(name)

    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "delete", refused)
        assert evaluate()
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert "is not deleted" in caplog.text


def test_an_evaluation_that_breaks_is_no_fault_of_the_predictions(
    job: EvaluationJob, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner, "CHILD", ("-c", "raise SystemExit(1)"))
    assert evaluate()
    job.refresh_from_db()
    assert (job.state, job.problem) == ("queued", None)
    assert "ended with status 1" in caplog.text


def test_an_evaluation_that_is_killed_is_done_again(job: EvaluationJob, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(runner, "CHILD", ("-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
        assert evaluate()
    job.refresh_from_db()
    assert (job.state, job.problem) == ("queued", None)
    EvaluationJob.objects.filter(pk=job.pk).update(due_at=timezone.now())
    assert evaluate()
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("succeeded", 2)


def evaluate_as_promoted_and_later(model: RegisteredModel, editor: User, stop: Event) -> tuple[Version, Version]:
    """Evaluate the promoted version and a later one on the same examples."""
    promoted, later = model.versions.get(), completed_version(model, number=418)
    for version, predicted in ((promoted, b"yes"), (later, b"no")):
        name = default_storage.save(
            "uploads/x.csv", ContentFile(b"example_id,actual,predicted\n1,yes,%b\n2,no,no\n" % predicted)
        )
        request_evaluation(
            version=version,
            dataset_split="test",
            file=name,
            digest="0" * 64,
            columns=Columns(),
            options=Options(),
            requested_by=editor,
        )
        assert tasks.evaluate_next(stop)
    return promoted, later


def test_what_is_evaluated_is_compared_with_the_promoted_version(model: RegisteredModel, editor: User) -> None:
    promoted, later = evaluate_as_promoted_and_later(model, editor, Event())
    assert compare_next(Event())
    pair = PairedComparison.objects.get()
    assert (pair.snapshot.version, pair.baseline.version) == (later, promoted)
    assert "accuracy" in pair.intervals


def test_a_worker_that_is_to_stop_breaks_a_comparison_off_and_keeps_the_snapshot(
    model: RegisteredModel, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Event()

    def report_progress(described: Any, heartbeat: Any) -> Any:
        stop.set()
        heartbeat(0.0)
        pytest.fail("it went on")

    monkeypatch.setattr(comparison_services, "pair_in_sandbox", report_progress)
    evaluate_as_promoted_and_later(model, editor, stop)
    assert compare_next(stop)
    assert not PairedComparison.objects.exists()
    assert EvaluationJob.objects.filter(state="succeeded", snapshot__isnull=False).count() == 2
