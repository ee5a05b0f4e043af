"""`GET …/performance/compare` for versions that were evaluated on the same examples."""

import logging
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone
from pytest_django import Settings

from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel
from models_registry.registry.promotions import promote
from performance.comparisons import services, tasks
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.comparisons.services import queue_comparison
from performance.comparisons.tasks import compare_next, compare_with_promoted
from performance.metrics.sandbox import runner
from performance.metrics.statistics.intervals import Interval
from performance.snapshots import prediction_store
from performance.snapshots.models import MetricSnapshot, SnapshotDetail
from tests.api import Caller
from tests.conftest import PinnedQueries
from tests.factories import completed_version, snapshot
from tests.performance.evaluated_fixtures import FIXTURES, store_test_split
from tests.performance.evaluations.uploads import stored_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _storage_of_its_own(settings: Settings, tmp_path: Path) -> None:
    stored_in(settings, tmp_path)


@pytest.fixture(autouse=True)
def _a_busy_machine_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "REQUEST_TIMEOUT", 120.0)


class Compared:
    """A model whose versions were evaluated on the same examples, and a caller who compares them."""

    def __init__(self, acme: Organization, name: str, task_type: str, caller: Caller) -> None:
        self.caller = caller
        self.model = RegisteredModel.objects.create(organization=acme, name=name, task_type=task_type)
        for number in (2, 3):
            store_test_split(completed_version(self.model, number=number), name)

    def evaluate(self, number: int, file: Path, *options: str) -> None:
        call_command("evaluate", self.model.pk, f"ver-0000{number}", str(file), *options)

    def metrics(self, version: int = 3, baseline: int = 2) -> dict[str, Any]:
        """Return the body's metrics."""
        metrics: dict[str, Any] = self.comparison(version, baseline)["metrics"]
        return metrics

    def pairing(self, version: int = 3, baseline: int = 2) -> str:
        """Return whether the examples have been compared."""
        return str(self.comparison(version, baseline)["pairing"])

    def comparison(self, version: int = 3, baseline: int = 2) -> dict[str, Any]:
        """Return the body."""
        answer = self.caller.get(
            f"/models/{self.model.pk}/performance/compare",
            {"version_id": f"ver-0000{version}", "baseline_version_id": f"ver-0000{baseline}"},
        )
        assert answer.status_code == 200
        body: dict[str, Any] = answer.json()
        return body

    def methods(self) -> set[str]:
        """Return the methods of all intervals that there are."""
        intervals = [each["confidence_interval"] for each in self.metrics().values()]
        return {interval["method"] for interval in intervals if interval}


@pytest.fixture
def tumours(acme: Organization, viewer: User, capsys: pytest.CaptureFixture[str]) -> Compared:
    return Compared(acme, "breast-cancer", "classification", Caller(viewer))


@pytest.fixture
def diabetes(acme: Organization, viewer: User, capsys: pytest.CaptureFixture[str]) -> Compared:
    return Compared(acme, "diabetes", "regression", Caller(viewer))


def width(interval: dict[str, Any]) -> float:
    return float(interval["upper"] - interval["lower"])


def test_a_paired_comparison_names_the_method_of_each_paired_interval(tumours: Compared) -> None:
    metrics = tumours.metrics()

    assert {name: each["confidence_interval"]["method"] for name, each in metrics.items()} == {
        "accuracy": "paired_wilson",
        "precision": "paired_multinomial",
        "recall": "paired_multinomial",
        "f1_score": "paired_multinomial",
        "roc_auc": "paired_newcombe_5",
        "log_loss": "independent",  # a few examples decide its difference
    }
    assert metrics["log_loss"]["direction"] == "inconclusive"
    for each in metrics.values():
        assert each["confidence_interval"]["lower"] <= each["difference"] <= each["confidence_interval"]["upper"]


def test_a_paired_interval_of_errors_in_common_is_narrower_than_one_of_independent_samples(
    diabetes: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    paired = diabetes.metrics()

    monkeypatch.setattr(services, "paired_intervals", lambda *_: services.UNAVAILABLE)
    independent = {name: each for name, each in diabetes.metrics().items() if each["confidence_interval"]}

    assert {each["confidence_interval"]["method"] for each in independent.values()} == {"independent"}
    for name in independent:
        assert width(paired[name]["confidence_interval"]) < width(independent[name]["confidence_interval"])


def test_a_paired_comparison_is_stored_and_the_same_each_time(tumours: Compared, pinned_queries: PinnedQueries) -> None:
    tumours.caller.get("/models")  # verifies the token
    with pinned_queries("compare of a pair for the first time"):
        first = tumours.metrics()
    with pinned_queries("compare of a pair"):
        second = tumours.metrics()

    assert first == second
    newer, older = (MetricSnapshot.objects.get(version__number=number) for number in (3, 2))
    stored = services.find_intervals(newer, older) or {}
    assert isinstance(stored["roc_auc"], Interval)
    assert services.find_intervals(older, newer) is None


def test_a_stored_pair_needs_no_file(tumours: Compared) -> None:
    before = tumours.metrics()

    remove_kept_files()

    assert tumours.metrics() == before


def remove_kept_files() -> None:
    for detail in SnapshotDetail.objects.exclude(predictions_digest=None):
        default_storage.delete(name_of(detail.predictions_digest or ""))


def name_of(digest: str) -> str:
    return f"predictions/{digest[:2]}/{digest}.parquet"


def test_without_the_files_the_samples_count_as_independent_and_the_log_says_so(
    tumours: Compared, caplog: pytest.LogCaptureFixture
) -> None:
    remove_kept_files()

    with caplog.at_level(logging.ERROR):
        assert tumours.methods() == {"independent"}

    assert "cannot be compared example by example" in caplog.text
    assert not PairedComparison.objects.exists()


def test_a_file_that_holds_something_else_is_not_taken(tumours: Compared) -> None:
    for detail in SnapshotDetail.objects.all():
        name = name_of(detail.predictions_digest or "")
        with default_storage.open(name) as file:
            content = file.read()
        Path(default_storage.path(name)).write_bytes(content[:-1] + b"?")

    assert tumours.methods() == {"independent"}


def test_an_evaluation_again_mends_a_file_whose_writing_was_cut_short(tumours: Compared) -> None:
    digest = SnapshotDetail.objects.filter(snapshot__version__number=3).values_list("predictions_digest", flat=True)[0]
    Path(default_storage.path(name_of(digest or ""))).write_bytes(b"PAR1")

    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv")

    assert "paired_newcombe_5" in tumours.methods()


def test_other_examples_are_independent_samples(tumours: Compared) -> None:
    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-validation.csv")

    assert tumours.methods() == {"independent"}
    assert PairedComparison.objects.get().intervals == {}  # which is known from then on


def test_another_positive_class_is_not_compared_example_by_example(tumours: Compared) -> None:
    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv", "--positive-class", "benign")

    assert tumours.methods() == {"independent"}


def test_predictions_without_ids_are_not_kept(tumours: Compared, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text("actual,predicted,score\nmalignant,malignant,0.9\nbenign,malignant,0.6\nbenign,benign,0.1\n")

    tumours.evaluate(3, file)

    report = tumours.caller.get(f"/models/{tumours.model.pk}/performance/report?version_id=ver-00003").json()
    assert report["provenance"]["predictions_digest"] is None


def test_the_report_names_what_is_kept(tumours: Compared) -> None:
    report = tumours.caller.get(f"/models/{tumours.model.pk}/performance/report?version_id=ver-00003").json()

    assert default_storage.exists(name_of(report["provenance"]["predictions_digest"]))


def work() -> bool:
    """Make the next queued comparison as a worker, even before it is due; return whether there was one."""
    ComparisonJob.objects.exclude(due_at=None).update(due_at=timezone.now())
    return compare_next(Event())


def no_child(*_: Any) -> Any:
    """Replace a computation that must not happen."""
    pytest.fail("the pair is computed")


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


def test_an_evaluation_by_command_compares_at_once_what_a_request_left(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    assert tumours.pairing() == "pending"

    promote(version=tumours.model.versions.get(number=2), promoted_by=None, reason="first")
    compare_with_promoted(MetricSnapshot.objects.get(version__number=3))

    assert "paired_newcombe_5" in tumours.methods()


def test_a_pair_of_older_methods_is_compared_again(tumours: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = tumours.metrics()
    ends = {"lower": 0.5, "upper": 0.6, "level": 0.95, "method": "of long ago"}
    for in_request in (True, False):
        PairedComparison.objects.update(methods=0, intervals={"accuracy": ends})
        if not in_request:
            monkeypatch.setattr(services, "MAX_ROWS", 100)
            assert tumours.pairing() == "pending"
            assert tumours.methods() == {"independent"}
            assert work()
        assert tumours.metrics() == metrics

    assert PairedComparison.objects.current().count() == 1
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
        patch.setattr(services, "pair_in_sandbox", no_child)
        assert [tumours.pairing() for _ in range(3)] == ["pending"] * 3
    job = ComparisonJob.objects.get()
    assert (job.state, job.attempts, job.interactive) == ("queued", 1, True)

    assert work()
    assert tumours.pairing() == "complete"
    assert not work()


def test_a_comparison_that_fails_each_time_is_given_up_and_not_tried_at_each_request(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    remove_kept_files()
    assert tumours.pairing() == "pending"
    for _ in range(tasks.MAX_ATTEMPTS - 1):
        assert work()
    assert not work()

    monkeypatch.setattr(prediction_store, "fetch", no_child)
    assert [tumours.pairing() for _ in range(3)] == ["unavailable"] * 3
    assert ComparisonJob.objects.get().state == "failed"

    call_command("purge")
    assert ComparisonJob.objects.exists()
    ComparisonJob.objects.update(finished_at=timezone.now() - tasks.RETENTION)
    call_command("purge")
    assert "1 ended comparisons" in capsys.readouterr().out
    assert not ComparisonJob.objects.exists()


def test_a_comparison_that_exhausts_the_worker_is_given_up_at_once(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    assert tumours.pairing() == "pending"
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "UNLIMITED", services.PairLimits(seconds=1.0, file_bytes=None, spill=1))
        patch.setattr(runner, "CHILD", ("-c", "import time; time.sleep(600)"))
        assert work()

    assert tumours.pairing() == "unavailable"


def test_a_worker_that_died_each_time_is_not_given_the_comparison_for_ever(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    assert tumours.pairing() == "pending"
    ComparisonJob.objects.update(state="running", attempts=tasks.MAX_ATTEMPTS)

    assert work()

    assert tumours.pairing() == "unavailable"


def test_a_worker_that_is_to_stop_gives_the_comparison_back(tumours: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    assert tumours.pairing() == "pending"
    stop = Event()
    stop.set()

    assert compare_next(stop)

    job = ComparisonJob.objects.get()
    assert (job.state, job.attempts) == ("queued", 0)


def test_a_worker_that_lost_the_comparison_says_so(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    assert tumours.pairing() == "pending"

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


def test_a_request_is_answered_at_once_while_another_of_the_process_computes(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "pair_in_sandbox", no_child)
    with services.waiting_requests.claim():
        assert tumours.pairing() == "pending"


def test_what_cannot_be_compared_example_by_example_is_not_queued(tumours: Compared) -> None:
    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv", "--positive-class", "benign")

    assert tumours.pairing() == "unavailable"
    assert not ComparisonJob.objects.exists()


def test_a_comparison_whose_process_breaks_leaves_independent_samples_and_the_log_says_so(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner, "CHILD", ("-c", "raise SystemExit(3)"))

    with caplog.at_level(logging.ERROR):
        assert tumours.methods() == {"independent"}

    assert "ended with status 3" in caplog.text
    assert not PairedComparison.objects.exists()


def texts(tmp_path: Path) -> Path:
    """Return a small file that expands to a gigabyte."""
    file = tmp_path / "texts.parquet"
    expanding = "SELECT repeat('x', 30000) || range AS example_id, 'a' AS actual, 'a' AS predicted FROM range(30000)"
    found = duckdb.sql(expanding)
    assert found is not None
    found.write_parquet(str(file), compression="zstd")
    return file


def damaged(tmp_path: Path) -> Path:
    file = tmp_path / "damaged.parquet"
    file.write_bytes(b"PAR1" + b"?" * 1000 + b"PAR1")
    return file


@pytest.mark.parametrize(("hostile", "is_stored"), [(texts, False), (damaged, True)])
def test_a_kept_file_that_cannot_be_joined_leaves_independent_samples(
    tumours: Compared,
    tmp_path: Path,
    hostile: Callable[[Path], Path],
    is_stored: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    digest = prediction_store.put(hostile(tmp_path))
    for number in (4, 5):
        version = completed_version(tumours.model, number=number)
        stored = snapshot(version, metrics={"accuracy": 0.5})
        half = {"lower": 0.4, "upper": 0.6, "level": 0.95, "method": "wilson"}
        SnapshotDetail.objects.create(
            snapshot=stored, predictions_digest=digest, confidence_intervals={"accuracy": half}, averaging="macro"
        )

    with caplog.at_level(logging.ERROR):
        metrics = tumours.metrics(version=5, baseline=4)

    assert metrics["accuracy"]["confidence_interval"]["method"] == "independent"
    assert "have no comparison example by example" in caplog.text
    assert PairedComparison.objects.exists() == is_stored  # as it would be so again, whatever time there is


def test_the_command_pairs_with_the_promoted_version_at_once(tumours: Compared) -> None:
    promote(version=tumours.model.versions.get(number=2), promoted_by=None, reason="first")

    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv")
    tumours.evaluate(2, FIXTURES / "breast-cancer" / "ver-00002-test.csv")  # itself is not compared with itself

    pair = PairedComparison.objects.get()
    assert (pair.snapshot.version.number, pair.baseline.version.number) == (3, 2)


def test_without_a_promoted_version_there_is_nothing_to_pair_with(tumours: Compared) -> None:
    compare_with_promoted(MetricSnapshot.objects.get(version__number=3))

    assert not PairedComparison.objects.exists()


def test_a_database_that_takes_no_pair_does_not_spoil_the_answer_and_nothing_is_computed_in_vain(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise DatabaseError("read-only")

    monkeypatch.setattr("django.db.models.query.QuerySet.bulk_create", refuse)

    monkeypatch.setattr(services, "pair_in_sandbox", no_child)
    with caplog.at_level(logging.ERROR):
        assert tumours.pairing() == "pending"
        assert tumours.methods() == {"independent"}
    assert "cannot be queued" in caplog.text


def test_a_storage_that_takes_nothing_leaves_the_evaluation_whole(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("django.core.files.storage.Storage.save", refuse)
    remove_kept_files()

    with caplog.at_level(logging.ERROR):
        tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv")

    newest = MetricSnapshot.objects.newest_first()[0]
    assert newest.details.predictions_digest is None
    assert "no space left" in caplog.text


def test_what_is_refused_leaves_no_file(tumours: Compared, tmp_path: Path) -> None:
    file = tmp_path / "predictions.csv"
    file.write_text("example_id,actual,predicted\nonly here,a,a\n")
    version = tumours.model.versions.create(number=4, state="failed")

    with pytest.raises(Exception, match="has failed"):
        tumours.evaluate(version.number, file)

    stored = SnapshotDetail.objects.values_list("predictions_digest", flat=True)
    kept = Path(default_storage.path("predictions")).rglob("*.parquet")
    assert {path.stem for path in kept} == set(stored)


def test_a_gate_takes_the_paired_interval_of_a_difference(tumours: Compared, viewer: User) -> None:
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


class TestAGate:
    """A gate with `confidence` in a limit on regression compares the same examples."""

    POLICY = {"rules": [{"metric": "accuracy", "max_regression": 0.5, "confidence": 0.95}]}

    @pytest.fixture
    def ada(self, tumours: Compared, admin: User) -> Caller:
        """An admin who may set the policy. The baseline was promoted after both versions were evaluated."""
        ada = Caller(admin)
        promote(version=tumours.model.versions.get(number=2), promoted_by=None, reason="")
        assert ada.put(f"/models/{tumours.model.pk}/gate-policy", self.POLICY).status_code == 201
        assert not PairedComparison.objects.exists()
        return ada

    def test_compares_them_when_it_is_asked_first(self, tumours: Compared, ada: Caller) -> None:
        [rule] = ada.get(f"/models/{tumours.model.pk}/performance/gate").json()["rules"]

        assert (rule["status"], rule["interval"]["method"]) == ("passed", "paired_wilson")
        assert PairedComparison.objects.count() == 1

    def test_compares_them_before_a_promotion(self, tumours: Compared, ada: Caller) -> None:
        answer = ada.post(f"/models/{tumours.model.pk}/versions/ver-00003/promote").json()

        [rule] = answer["verdict"]["rules"]
        assert (answer["overridden"], rule["interval"]["method"]) == (False, "paired_wilson")

    def test_compares_them_before_a_promotion_whatever_readers_compare(
        self, tumours: Compared, ada: Caller, monkeypatch: pytest.MonkeyPatch
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

    def test_compares_them_before_a_promotion_though_a_readers_attempt_was_cut_short(
        self, tumours: Compared, ada: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(services, "REQUEST_TIMEOUT", 0.0)
            patch.setattr(runner, "CHILD", ("-c", "import time; time.sleep(600)"))
            ada.get(f"/models/{tumours.model.pk}/performance/gate")
        assert ComparisonJob.objects.get().attempts == 1

        answer = ada.post(f"/models/{tumours.model.pk}/versions/ver-00003/promote").json()

        assert answer["verdict"]["rules"][0]["interval"]["method"] == "paired_wilson"

    @pytest.mark.parametrize("path", ["performance/gate", "versions/ver-00003/promote"])
    def test_computes_nothing_for_a_repeated_request(
        self, tumours: Compared, ada: Caller, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        body = None if "promote" in path else {"dataset_split": "test", **self.POLICY}
        with monkeypatch.context() as patch:
            patch.setattr(services, "MAX_ROWS", 100)  # so that the first request computes nothing
            first = ada.post(f"/models/{tumours.model.pk}/{path}", body, Idempotency_Key="job-1")

        monkeypatch.setattr(services, "pair_in_sandbox", no_child)
        again = ada.post(f"/models/{tumours.model.pk}/{path}", body, Idempotency_Key="job-1")

        assert again["Idempotency-Replayed"] == "true"
        assert (again.status_code, again.content) == (200, first.content)

    def test_judges_as_of_other_examples_where_they_cannot_be_had(
        self, tumours: Compared, ada: Caller, settings: Settings, tmp_path: Path
    ) -> None:
        stored_in(settings, tmp_path / "empty")

        [rule] = ada.get(f"/models/{tumours.model.pk}/performance/gate").json()["rules"]

        assert rule["interval"]["method"] == "independent"

    def test_judges_as_of_other_examples_and_says_so_while_they_are_being_compared(
        self, tumours: Compared, ada: Caller, monkeypatch: pytest.MonkeyPatch
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
