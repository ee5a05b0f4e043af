"""Comparisons that a request cannot wait for: bounded, ended, queued for the worker and given up."""

import logging
from itertools import permutations
from threading import Event
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from models_registry.accounts.models import Organization
from models_registry.registry.promotions import promote
from performance.comparisons import services, tasks
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.comparisons.services import queue_comparison
from performance.comparisons.tasks import compare_next
from performance.metrics.sandbox import runner
from performance.snapshots import prediction_store
from performance.snapshots.models import MetricSnapshot
from tests.performance.comparisons.compared import Compared, fail_if_computed, remove_stored_predictions, work
from tests.performance.evaluated_fixtures import FIXTURES

pytestmark = pytest.mark.django_db


@pytest.fixture
def queued(tumours: Compared, monkeypatch: pytest.MonkeyPatch) -> Compared:
    """Two versions whose comparison is left to the worker, as they have too many rows for a request."""
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    assert tumours.pairing() == "pending"
    return tumours


def test_a_pair_too_large_for_a_request_is_left_to_the_worker(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    assert tumours.methods() == {"independent"}
    assert tumours.pairing() == "pending"

    assert work()

    assert tumours.pairing() == "complete"
    assert "paired_newcombe_5" in tumours.methods()
    assert ComparisonJob.objects.get().state == "succeeded"
    assert not work()


@pytest.mark.parametrize("bound", [100, 10**9])
def test_no_large_file_is_read_while_somebody_waits(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, bound: int
) -> None:
    monkeypatch.setattr(services, "MAX_BYTES", bound)

    assert (tumours.methods() == {"independent"}) == (bound == 100)


@pytest.mark.parametrize("patience", [0.0, 1.0])
def test_a_comparison_that_takes_too_long_is_ended_and_nothing_stored(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(services, "REQUEST_TIMEOUT", patience)
    monkeypatch.setattr(runner, "CHILD", ("-c", "import time; time.sleep(600)"))

    assert tumours.methods() == {"independent"}

    assert not PairedComparison.objects.exists()


@pytest.mark.parametrize("patience", [0.0, 1.0])
def test_a_comparison_that_takes_too_long_is_tried_by_one_request_and_left_to_the_worker(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(services, "REQUEST_TIMEOUT", patience)
        patch.setattr(runner, "CHILD", ("-c", "import time; time.sleep(600)"))
        assert tumours.pairing() == "pending"
    with monkeypatch.context() as patch:
        patch.setattr(services, "pair_in_sandbox", fail_if_computed)
        assert [tumours.pairing() for _ in range(3)] == ["pending"] * 3
    job = ComparisonJob.objects.get()
    assert (job.state, job.attempts, job.interactive) == ("queued", 1, True)

    assert work()
    assert tumours.pairing() == "complete"
    assert not work()


def test_a_request_is_answered_at_once_while_another_of_the_process_computes(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "pair_in_sandbox", fail_if_computed)
    with services.waiting_requests.claim():
        assert tumours.pairing() == "pending"


def test_a_comparison_that_fails_each_time_is_given_up_and_not_tried_at_each_request(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    remove_stored_predictions()
    assert tumours.pairing() == "pending"
    for _ in range(tasks.MAX_ATTEMPTS - 1):
        assert work()
    assert not work()

    monkeypatch.setattr(prediction_store, "fetch", fail_if_computed)
    assert [tumours.pairing() for _ in range(3)] == ["unavailable"] * 3
    assert str(tumours.pairing_detail()).startswith("The comparison failed or took too long.")
    assert ComparisonJob.objects.get().state == "failed"

    call_command("purge")
    assert ComparisonJob.objects.exists()
    ComparisonJob.objects.update(finished_at=timezone.now() - tasks.RETENTION)
    call_command("purge")
    assert "1 ended comparisons" in capsys.readouterr().out
    assert not ComparisonJob.objects.exists()


def test_a_comparison_that_exhausts_the_worker_is_given_up_at_once(
    queued: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "UNLIMITED", services.PairLimits(seconds=1.0, file_bytes=None, spill=1))
        patch.setattr(runner, "CHILD", ("-c", "import time; time.sleep(600)"))
        assert work()

    assert queued.pairing() == "unavailable"


def test_a_comparison_that_kills_its_worker_each_time_is_given_up(queued: Compared) -> None:
    ComparisonJob.objects.update(state="running", attempts=tasks.MAX_ATTEMPTS)

    assert work()

    assert queued.pairing() == "unavailable"


def test_a_worker_that_is_to_stop_gives_the_comparison_back(queued: Compared) -> None:
    stop = Event()
    stop.set()

    assert compare_next(stop)

    job = ComparisonJob.objects.get()
    assert (job.state, job.attempts) == ("queued", 0)


def test_a_worker_that_lost_the_comparison_says_so(
    queued: Compared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def taken_meanwhile(job: Any, on_progress: Any) -> Any:
        ComparisonJob.objects.update(attempts=2)
        on_progress(0.0)

    monkeypatch.setattr(services, "pair_in_sandbox", taken_meanwhile)
    assert work()

    assert "Another process has taken the comparison" in caplog.text
    assert not PairedComparison.objects.exists()


def test_a_reader_queues_a_few_comparisons_and_no_more(tumours: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    monkeypatch.setattr(services, "MAX_UNFINISHED_FOR_READERS", 1)

    assert tumours.pairing(3, 2) == tumours.pairing(2, 3) == "pending"
    assert ComparisonJob.objects.count() == 1

    promote(version=tumours.model.versions.get(number=3), promoted_by=None, reason="")
    queue_comparison(MetricSnapshot.objects.get(version__number=2))
    assert ComparisonJob.objects.count() == 2  # as an evaluation finds room that readers do not


def test_one_worker_serves_organizations_in_turn_however_many_comparisons_one_queues(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    globex = Organization.objects.create(slug="globex", name="Globex")
    theirs = Compared(globex, "breast-cancer", "classification", tumours.caller)
    tumours.evaluate(2, FIXTURES / "breast-cancer" / "ver-00002-test.csv")
    for one in (tumours, theirs):
        snapshots = MetricSnapshot.objects.filter(version__model=one.model)
        for newer, older in permutations(snapshots, 2):
            services.queue_pair(newer, older)
    monkeypatch.setattr(services, "pair_in_sandbox", lambda *_: {})  # as only the order is looked at
    order = []

    while compare_next(Event()):
        newest = ComparisonJob.objects.exclude(finished_at=None).latest("finished_at")
        order.append(newest.organization.slug)

    assert order == ["acme", "globex", "acme", "globex", "acme", "acme", "acme", "acme"]


def test_a_comparison_whose_process_breaks_leaves_independent_samples_and_the_log_says_so(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner, "CHILD", ("-c", "raise SystemExit(3)"))

    with caplog.at_level(logging.ERROR):
        assert tumours.methods() == {"independent"}

    assert "ended with status 3" in caplog.text
    assert not PairedComparison.objects.exists()


def test_read_only_database_still_gets_an_answer_and_nothing_is_computed_in_vain(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise DatabaseError("read-only")

    monkeypatch.setattr("django.db.models.query.QuerySet.bulk_create", refuse)

    monkeypatch.setattr(services, "pair_in_sandbox", fail_if_computed)
    with caplog.at_level(logging.ERROR):
        assert tumours.pairing() == "pending"
        assert tumours.methods() == {"independent"}
    assert "cannot be queued" in caplog.text
