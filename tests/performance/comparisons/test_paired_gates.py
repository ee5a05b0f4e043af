"""A gate with `confidence` in a limit on regression compares the same examples."""

from pathlib import Path

import pytest
from pytest_django import Settings

from models_registry.accounts.models import User
from models_registry.registry.promotions import promote
from performance.comparisons import services
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.metrics.sandbox import runner
from performance.snapshots.models import MetricSnapshot
from tests.api import Caller
from tests.performance.comparisons.compared import Compared, fail_if_computed, work
from tests.performance.evaluated_fixtures import FIXTURES
from tests.performance.evaluations.uploads import stored_in

pytestmark = pytest.mark.django_db

POLICY = {"rules": [{"metric": "accuracy", "max_regression": 0.5, "confidence": 0.95}]}


@pytest.fixture
def ada(tumours: Compared, admin: User) -> Caller:
    """An admin who may set the policy. The baseline was promoted after both versions were evaluated."""
    ada = Caller(admin)
    promote(version=tumours.model.versions.get(number=2), promoted_by=None, reason="")
    assert ada.put(f"/models/{tumours.model.pk}/gate-policy", POLICY).status_code == 201
    assert not PairedComparison.objects.exists()
    return ada


def test_gate_uses_the_paired_interval_of_a_difference(tumours: Compared, viewer: User) -> None:
    promote(version=tumours.model.versions.get(number=2), promoted_by=None, reason="")
    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv")  # now that there is one to compare it with
    rule = {"metric": "accuracy", "max_regression": 0.05, "confidence": 0.95}
    policy = {"dataset_split": "test", "rules": [rule]}

    verdict = tumours.caller.post(f"/models/{tumours.model.pk}/performance/gate", policy).json()

    [judged] = verdict["rules"]
    compared = tumours.metrics()["accuracy"]["confidence_interval"]
    assert compared["method"] == "paired_wilson"
    assert {name: judged["interval"][name] for name in ("lower", "upper")} == pytest.approx(
        {name: compared[name] for name in ("lower", "upper")}
    )
    assert judged["interval"]["method"] == "paired_wilson"


def test_gate_compares_the_examples_at_the_first_request(tumours: Compared, ada: Caller) -> None:
    [rule] = ada.get(f"/models/{tumours.model.pk}/performance/gate").json()["rules"]

    assert (rule["status"], rule["interval"]["method"]) == ("passed", "paired_wilson")
    assert PairedComparison.objects.count() == 1


def test_promotion_compares_the_examples(tumours: Compared, ada: Caller) -> None:
    answer = ada.post(f"/models/{tumours.model.pk}/versions/ver-00003/promote").json()

    [rule] = answer["verdict"]["rules"]
    assert (answer["overridden"], rule["interval"]["method"]) == (False, "paired_wilson")


def test_promotion_compares_the_examples_whatever_readers_compare(
    tumours: Compared, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_UNFINISHED_FOR_READERS", 1)
    newer, older = (MetricSnapshot.objects.get(version__number=number) for number in (3, 2))
    other = services.queue_pair(older, newer)
    assert other is not None
    assert ComparisonJob.objects.claim_for_request(other, services.LEASE)  # the one place of all processes

    with services.waiting_requests.claim():  # the one place of this process
        answer = ada.post(f"/models/{tumours.model.pk}/versions/ver-00003/promote").json()

    [rule] = answer["verdict"]["rules"]
    assert rule["interval"]["method"] == "paired_wilson"


def test_promotion_compares_the_examples_after_a_readers_attempt_was_cut_short(
    tumours: Compared, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(services, "REQUEST_TIMEOUT", 0.0)
        patch.setattr(runner, "CHILD", ("-c", "import time; time.sleep(600)"))
        ada.get(f"/models/{tumours.model.pk}/performance/gate")
    assert ComparisonJob.objects.get().attempts == 1

    answer = ada.post(f"/models/{tumours.model.pk}/versions/ver-00003/promote").json()

    assert answer["verdict"]["rules"][0]["interval"]["method"] == "paired_wilson"


@pytest.mark.parametrize("path", ["performance/gate", "versions/ver-00003/promote"])
def test_repeated_request_computes_nothing(
    tumours: Compared, ada: Caller, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    body = None if "promote" in path else {"dataset_split": "test", **POLICY}
    with monkeypatch.context() as patch:
        patch.setattr(services, "MAX_ROWS", 100)  # so that the first request computes nothing
        first = ada.post(f"/models/{tumours.model.pk}/{path}", body, Idempotency_Key="job-1")

    monkeypatch.setattr(services, "pair_in_sandbox", fail_if_computed)
    again = ada.post(f"/models/{tumours.model.pk}/{path}", body, Idempotency_Key="job-1")

    assert again["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.content) == (200, first.content)


def test_gate_without_the_predictions_judges_independent_samples(
    tumours: Compared, ada: Caller, settings: Settings, tmp_path: Path
) -> None:
    stored_in(settings, tmp_path / "empty")

    [rule] = ada.get(f"/models/{tumours.model.pk}/performance/gate").json()["rules"]

    assert rule["interval"]["method"] == "independent"


def test_gate_judges_independent_samples_and_warns_while_the_examples_are_being_compared(
    tumours: Compared, ada: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    gate = f"/models/{tumours.model.pk}/performance/gate"
    first, again = (ada.get(gate) for _ in range(2))
    promotion = ada.post(f"/models/{tumours.model.pk}/versions/ver-00003/promote").json()

    assert first["ETag"] == again["ETag"]
    for verdict in (first.json(), promotion["verdict"]):
        assert verdict["rules"][0]["interval"]["method"] == "independent"
        [warning] = verdict["warnings"]
        assert "still being compared example by example" in warning

    assert work()
    answer = ada.get(gate, {"version_id": "ver-00003"})
    assert answer["ETag"] != first["ETag"]
    assert (answer.json()["rules"][0]["interval"]["method"], answer.json()["warnings"]) == (
        "paired_wilson",
        [],
    )
