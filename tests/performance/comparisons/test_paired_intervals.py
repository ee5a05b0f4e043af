"""`GET …/performance/compare` for versions that were evaluated on the same examples: its intervals."""

import json
from pathlib import Path
from typing import Any

import pytest

from models_registry.registry.promotions import promote
from performance.comparisons import selectors, services
from performance.comparisons.models import ComparisonJob, PairedComparison
from performance.comparisons.tasks import compare_with_promoted
from performance.metrics.statistics.intervals import Interval
from performance.snapshots.models import MetricSnapshot
from tests.conftest import PinnedQueries
from tests.e2e.test_docs import blocks, source
from tests.performance.comparisons.compared import Compared, work
from tests.performance.evaluated_fixtures import FIXTURES

pytestmark = pytest.mark.django_db


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
    assert metrics["log_loss"]["detail"] == (
        "The examples give no paired interval of log_loss, so both samples are treated as independent."
    )
    for name in ("accuracy", "recall"):  # as many predictions of both are right
        assert metrics[name]["direction"] == "unchanged"
        assert metrics[name]["detail"] == (
            f"The values of {name} are equal, but the difference may lie anywhere in its interval."
        )
    for each in metrics.values():
        assert each["confidence_interval"]["lower"] <= each["difference"] <= each["confidence_interval"]["upper"]


def test_the_guide_shows_the_answer(tumours: Compared) -> None:
    shown = json.loads(blocks(source("docs/how-to/compare-versions.md"), "json")[0])

    answer = tumours.comparison(2, 3)

    assert [*shown] == [*answer]
    for name in ("version_id", "task_type", "dataset_split", "baseline_version_id", "pairing", "pairing_detail"):
        assert shown[name] == answer[name]
    for name, metric in shown["metrics"].items():
        interval = metric.pop("confidence_interval")
        expected = answer["metrics"][name].pop("confidence_interval")
        assert interval == pytest.approx(expected, abs=5e-5), name
        assert metric == pytest.approx(answer["metrics"][name], abs=5e-5), name


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


def test_other_examples_are_independent_samples(tumours: Compared) -> None:
    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-validation.csv")

    assert tumours.methods() == {"independent"}
    assert PairedComparison.objects.get().intervals == {}  # which is known from then on
    assert tumours.pairing_detail() == selectors.DIFFERENT_EXAMPLES


def test_another_positive_class_is_not_compared_example_by_example(tumours: Compared) -> None:
    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv", "--positive-class", "benign")

    assert tumours.methods() == {"independent"}


def test_versions_that_cannot_be_compared_example_by_example_are_not_queued(tumours: Compared) -> None:
    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv", "--positive-class", "benign")

    assert tumours.pairing() == "unavailable"
    assert tumours.pairing_detail() == (
        "The metrics of the version are computed for the positive class 'benign' and those of the baseline for the "
        "positive class 'malignant'."
    )
    assert not ComparisonJob.objects.exists()


def test_a_pair_says_whose_predictions_are_not_stored(tumours: Compared, tmp_path: Path) -> None:
    lines = (FIXTURES / "breast-cancer" / "ver-00003-test.csv").read_text().splitlines()
    assert lines[0].startswith("example_id,")
    without_ids = tmp_path / "without-ids.csv"
    without_ids.write_text("\n".join(line.partition(",")[2] for line in lines))

    tumours.evaluate(3, without_ids)

    assert tumours.pairing() == "unavailable"
    assert tumours.pairing_detail() == "The predictions of the version are not stored."


@pytest.mark.parametrize(
    ("baseline_groups", "detail"),
    [(0, selectors.DIFFERENT_EXAMPLES), (3, selectors.TOO_FEW_EXAMPLES)],
    ids=["groups that one has", "few groups"],
)
def test_a_pair_says_whether_groups_keep_it_from_being_compared(
    tumours: Compared, tmp_path: Path, baseline_groups: int, detail: str
) -> None:
    for number, groups in ((2, baseline_groups), (3, 3)):
        lines = (FIXTURES / "breast-cancer" / f"ver-0000{number}-test.csv").read_text().splitlines()
        in_groups = [f"{line},{at % groups if at else 'group'}" if groups else line for at, line in enumerate(lines)]
        file = tmp_path / f"{number}.csv"
        file.write_text("\n".join(in_groups))
        tumours.evaluate(number, file)

    assert tumours.pairing() == "unavailable"
    assert tumours.pairing_detail() == detail


def test_evaluation_by_command_compares_with_the_promoted_version_at_once(tumours: Compared) -> None:
    promote(version=tumours.model.versions.get(number=2), promoted_by=None, reason="first")

    tumours.evaluate(3, FIXTURES / "breast-cancer" / "ver-00003-test.csv")
    tumours.evaluate(2, FIXTURES / "breast-cancer" / "ver-00002-test.csv")  # itself is not compared with itself

    pair = PairedComparison.objects.get()
    assert (pair.snapshot.version.number, pair.baseline.version.number) == (3, 2)


def test_an_evaluation_by_command_compares_at_once_what_a_request_left(
    tumours: Compared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_ROWS", 100)
    assert tumours.pairing() == "pending"

    promote(version=tumours.model.versions.get(number=2), promoted_by=None, reason="first")
    compare_with_promoted(MetricSnapshot.objects.get(version__number=3))

    assert "paired_newcombe_5" in tumours.methods()


def test_without_a_promoted_version_nothing_is_compared(tumours: Compared) -> None:
    compare_with_promoted(MetricSnapshot.objects.get(version__number=3))

    assert not PairedComparison.objects.exists()
