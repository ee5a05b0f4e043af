"""Many requests at once for the comparison of versions whose examples have never been compared."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from models_registry.accounts.models import Organization, User
from models_registry.api.capacity import Capacity
from models_registry.registry.models import RegisteredModel
from performance.comparisons import services
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.metrics.sandbox.runner import pair_in_sandbox
from tests.concurrency.together import ask, together
from tests.conftest import authenticated
from tests.factories import completed_version
from tests.performance.evaluations.uploads import stored_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("rows_can_be_cleaned_up")]

REQUESTS, PROCESSES = 8, 3
VERSIONS = (1, 2)
COMPARE = "/models/mdl-00000000c0/performance/compare"


class Computing:
    """Counts the computations, and how many there were at once."""

    def __init__(self, compute: Callable[..., Any]) -> None:
        self.compute, self.lock, self.now, self.most, self.all = compute, Lock(), 0, 0, 0

    def __call__(self, *args: Any) -> Any:
        with self.lock:
            self.all, self.now = self.all + 1, self.now + 1
            self.most = max(self.most, self.now)
        try:
            return self.compute(*args)
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture
def computing(monkeypatch: pytest.MonkeyPatch) -> Computing:
    computing = Computing(pair_in_sandbox)
    monkeypatch.setattr(services, "pair_in_sandbox", computing)
    return computing


@pytest.fixture(autouse=True)
def _versions(acme: Organization, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Versions that were evaluated on the same examples."""
    stored_in(settings, tmp_path)
    model = RegisteredModel.objects.create(
        model_id="mdl-00000000c0", organization=acme, name="compared", task_type="classification"
    )
    for number in VERSIONS:
        rows = "".join(f"{row},{'ab'[row % 2]},{'ab'[row % (number + 1) % 2]}\n" for row in range(1000))
        file = tmp_path / f"{number}.csv"
        file.write_text(f"example_id,actual,predicted\n{rows}")
        completed_version(model, number=number)
        call_command("evaluate", model.pk, f"ver-0000{number}", str(file))


def compare(client: Client, version: int, baseline: int) -> str:
    """Return whether the examples have been compared."""
    path = f"{COMPARE}?version_id=ver-0000{version}&baseline_version_id=ver-0000{baseline}"
    answer = ask(client, "GET", path)
    assert answer.status_code == 200, answer.content
    return str(answer.json()["pairing"])


def clients(user: User, number: int) -> list[Client]:
    """Return clients that are logged in."""
    return [authenticated(user) for _ in range(number)]


def test_a_process_computes_the_pair_once_and_answers_the_others_at_once(viewer: User, computing: Computing) -> None:
    states = together([partial(compare, client, 2, 1) for client in clients(viewer, REQUESTS)])

    assert "complete" in states
    assert set(states) <= {"complete", "pending"}
    assert computing.all == PairedComparison.objects.count() == 1
    assert ComparisonJob.objects.get().state == "succeeded"


def test_processes_wait_for_the_one_that_computes_the_pair(
    viewer: User, computing: Computing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "waiting_requests", Capacity(PROCESSES, ""))  # as if in several processes
    monkeypatch.setattr(services, "REQUEST_TIMEOUT", 60.0)

    states = together([partial(compare, client, 2, 1) for client in clients(viewer, PROCESSES)])

    assert states == ["complete"] * PROCESSES

    assert computing.all == PairedComparison.objects.count() == 1


def test_requests_together_queue_no_more_pairs_than_one_after_the_other(
    viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 0)
    monkeypatch.setattr(services, "MAX_UNFINISHED_FOR_READERS", 1)
    first, second = clients(viewer, 2)

    states = together([partial(compare, first, 2, 1), partial(compare, second, 1, 2)])

    assert states == ["pending"] * 2
    assert ComparisonJob.objects.count() == 1


def test_requests_compute_one_pair_at_a_time(
    viewer: User, computing: Computing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "waiting_requests", Capacity(2, ""))
    monkeypatch.setattr(services, "REQUEST_TIMEOUT", 60.0)
    first, second = clients(viewer, 2)

    states = together([partial(compare, first, 2, 1), partial(compare, second, 1, 2)])

    assert states == ["complete"] * 2
    assert computing.all == PairedComparison.objects.count() == 2
    assert computing.most == 1
