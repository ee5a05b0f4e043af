"""`GET …/performance/compare`: the differences between two versions, by metric."""

import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.task_types import base
from performance.comparisons import selectors
from performance.comparisons.models import PairedComparison
from performance.metrics.comparison import Change, MetricComparison, MetricValues, compare_metric
from performance.metrics.paired.paired_join import METHODS
from performance.metrics.statistics.differences import independent_interval
from performance.metrics.statistics.intervals import Interval, wilson
from performance.snapshots.models import SnapshotDetail
from tests.api import Caller, refusal
from tests.conftest import PinnedQueries, golden
from tests.factories import EVALUATED_AT, completed_version, snapshot

COMPARE = "/models/mdl-7f3a19bc92/performance/compare"
CANDIDATE = {"accuracy": 0.9441, "precision": 0.9085, "recall": 0.9240, "f1_score": 0.9212, "log_loss": 0.1325}


@pytest.fixture
def vera(viewer: User, model: RegisteredModel) -> Caller:
    candidate = completed_version(model, number=418)
    snapshot(candidate, metrics=CANDIDATE, evaluated_at=EVALUATED_AT + timedelta(days=1))
    return Caller(viewer)


def test_a_comparison_is_against_the_promoted_version_by_default(vera: Caller) -> None:
    answer = vera.get(COMPARE, {"version_id": "ver-001a2"})

    assert answer.status_code == 200
    assert answer.json() == golden("compare")
    assert list(answer.json()) == list(golden("compare"))
    assert list(answer.json()["metrics"]) == list(golden("compare")["metrics"])


def test_a_comparison_may_be_against_any_completed_version(vera: Caller) -> None:
    body = vera.get(COMPARE, {"version_id": "ver-001a1", "baseline_version_id": "ver-001a2"}).json()

    assert (body["version_id"], body["baseline_version_id"]) == ("ver-001a1", "ver-001a2")
    assert body["metrics"]["accuracy"]["direction"] == "regressed"
    assert body["metrics"]["log_loss"]["direction"] == "regressed"


def test_a_version_with_itself_is_unchanged(vera: Caller) -> None:
    metrics = vera.get(COMPARE).json()["metrics"]

    assert {each["direction"] for each in metrics.values()} == {"unchanged"}
    assert {each["difference"] for each in metrics.values()} == {0.0}
    assert {each["detail"] for each in metrics.values()} == {None}
    intervals = [each["confidence_interval"] for each in metrics.values()]
    assert {(each["lower"], each["upper"], each["method"]) for each in intervals} == {(0.0, 0.0, "identical")}


def test_what_one_did_not_record_is_inconclusive(vera: Caller) -> None:
    compared = vera.get(COMPARE, {"version_id": "ver-001a2"}).json()["metrics"]["roc_auc"]

    assert compared["direction"] == "inconclusive"
    assert (compared["value"], compared["baseline_value"], compared["difference"]) == (None, 0.9678, None)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("version_id=ver-001a3", 422, "version_not_trained"),
        ("baseline_version_id=ver-001a3", 422, "version_not_trained"),
        ("version_id=ver-00001", 404, "version_not_found"),
        ("baseline_version_id=ver-00001", 404, "version_not_found"),
        ("version_id=x", 400, "invalid_parameter"),
        ("baseline_version_id=", 400, "invalid_parameter"),
        ("baseline_version_id=x", 400, "invalid_parameter"),
        ("baseline=ver-001a1", 400, "unknown_parameter"),
        ("metric=accuracy", 400, "unknown_parameter"),
        ("dataset_split=train", 404, "snapshot_not_found"),
    ],
)
def test_a_comparison_is_refused_as_the_summary_is(
    vera: Caller, model: RegisteredModel, query: str, status: int, code: str
) -> None:
    Version.objects.create(model=model, number=419)

    assert refusal(vera.get(f"{COMPARE}?{query}")) == (status, code)


def test_a_version_that_is_not_there_comes_before_metrics_that_are_not(vera: Caller) -> None:
    query = {"dataset_split": "train", "baseline_version_id": "ver-00001"}

    assert refusal(vera.get(COMPARE, query)) == (404, "version_not_found")


def test_a_comparison_needs_a_baseline(vera: Caller, empty_model: RegisteredModel) -> None:
    snapshot(completed_version(empty_model, number=1), metrics={"rmse": 2.5})
    path = f"/models/{empty_model.pk}/performance/compare?version_id=ver-00001"

    assert refusal(vera.get(path)) == (404, "no_promoted_version")
    assert vera.get(f"{path}&baseline_version_id=ver-00001").status_code == 200


def test_a_comparison_takes_two_statements_a_version(vera: Caller, pinned_queries: PinnedQueries) -> None:
    vera.get(COMPARE)
    with pinned_queries("compare"):
        vera.get(COMPARE, {"version_id": "ver-001a2"})


def test_a_comparison_has_the_interval_of_a_difference_where_both_metrics_have_one(
    vera: Caller, model: RegisteredModel
) -> None:
    baseline, candidate = model.versions.order_by("number")
    ends = {"level": 0.95, "method": "wilson"}
    measured_again(
        baseline,
        {"accuracy": 0.80, "recall": 0.90, "precision": 0.5},
        {
            "accuracy": {"lower": 0.77, "upper": 0.82, **ends},
            "recall": {"lower": 0.85, "upper": 0.93, **ends},
        },
    )
    measured_again(
        candidate,
        {"accuracy": 0.90, "recall": 0.91, "precision": 0.6},
        {
            "accuracy": {"lower": 0.86, "upper": 0.93, **ends},
            "precision": {"lower": 0.55, "upper": 0.65, **ends},
            "recall": {"lower": 0.87, "upper": 0.94, **ends},
        },
    )

    metrics = vera.get(COMPARE, {"version_id": "ver-001a2"}).json()["metrics"]

    interval = metrics["accuracy"]["confidence_interval"]
    assert interval.pop("lower") == pytest.approx(0.10 - math.hypot(0.04, 0.02))
    assert interval.pop("upper") == pytest.approx(0.10 + math.hypot(0.03, 0.03))
    assert interval == {"level": 0.95, "method": "independent"}
    assert metrics["accuracy"]["direction"] == "improved"
    assert metrics["recall"]["confidence_interval"]["lower"] < 0 < metrics["recall"]["confidence_interval"]["upper"]
    assert metrics["recall"]["direction"] == "inconclusive"
    assert (metrics["precision"]["confidence_interval"], metrics["precision"]["direction"]) == (None, "improved")
    details = {name: each["detail"] for name, each in metrics.items()}
    assert details["precision"] == (
        "The precision of the baseline has no interval, so only the two values are compared."
    )
    assert (details["accuracy"], details["recall"]) == (None, None)


def test_a_difference_without_an_interval_says_why_it_has_none(vera: Caller, model: RegisteredModel) -> None:
    heavy, few = "The errors have heavy tails.", "There are too few examples."
    for version, value, reason in zip(model.versions.order_by("number"), (0.1, 0.2), (few, heavy), strict=True):
        measured_again(version, {"log_loss": value, "accuracy": 0.9}, {}, {"log_loss": reason, "accuracy": few})

    metrics = vera.get(COMPARE, {"version_id": "ver-001a2"}).json()["metrics"]

    without = "of the version and of the baseline has no interval, so only the two values are compared."
    assert metrics["log_loss"]["direction"] == "regressed"
    assert metrics["log_loss"]["detail"] == f"The log_loss {without} {heavy} {few}"
    assert metrics["accuracy"]["direction"] == "unchanged"
    assert metrics["accuracy"]["detail"] == f"The accuracy {without} {few}"  # once, as it is that of both


def test_equal_values_with_an_interval_are_not_called_equivalent(vera: Caller, model: RegisteredModel) -> None:
    ends = {"lower": 0.86, "upper": 0.93, "level": 0.95, "method": "wilson"}
    for version in model.versions.all():
        measured_again(version, {"accuracy": 0.9}, {"accuracy": ends})

    accuracy = vera.get(COMPARE, {"version_id": "ver-001a2"}).json()["metrics"]["accuracy"]

    assert accuracy["direction"] == "unchanged"
    assert accuracy["confidence_interval"]["lower"] < -0.03 < 0.03 < accuracy["confidence_interval"]["upper"]
    assert "the difference may lie anywhere in its interval" in accuracy["detail"]


@pytest.mark.parametrize(
    ("cuts", "missing", "detail"),
    [
        ((5, 10), 0.0, "The metrics of the version are computed with k = 10 and those of the baseline with k = 5."),
        ((5, 5), 0.0, selectors.TOO_FEW_EXAMPLES),
        ((5, 5), 0.1, selectors.UNKNOWN_EXAMPLES),
    ],
)
def test_a_pair_without_paired_intervals_says_why(
    vera: Caller, acme: Organization, cuts: tuple[int, int], missing: float, detail: str
) -> None:
    model = RegisteredModel.objects.create(organization=acme, name="search", task_type="ranking")
    older, newer = (snapshot(completed_version(model, number), metrics={"mrr": 0.5}) for number in (1, 2))
    for each, cut in zip((older, newer), cuts, strict=True):
        SnapshotDetail.objects.create(
            snapshot=each,
            evaluation_options={"k": cut},
            examples_digest="e" * 64,
            predictions_digest=str(each.pk % 10) * 64,
            missing_fraction=missing,
        )
    PairedComparison.objects.create(snapshot=newer, baseline=older, intervals={}, methods=METHODS)
    query = {"version_id": "ver-00002", "baseline_version_id": "ver-00001"}

    answer = vera.get(f"/models/{model.pk}/performance/compare", query).json()

    assert (answer["pairing"], answer["pairing_detail"]) == ("unavailable", detail)


def measured_again(
    version: Version, metrics: dict[str, float], intervals: dict[str, Any], unavailable: dict[str, str] | None = None
) -> None:
    """Store a newer snapshot, with intervals, or why there are none."""
    newest = snapshot(version, metrics=metrics, evaluated_at=EVALUATED_AT + timedelta(days=9))
    SnapshotDetail.objects.create(
        snapshot=newest, confidence_intervals=intervals, intervals_unavailable=unavailable or {}
    )


METRICS = [metric for task_type in task_types.all_task_types() for metric in task_type.metrics]
VALUES = st.floats(allow_nan=False, allow_infinity=False)


def compared(metric: base.Metric, value: float, baseline: float) -> MetricComparison:
    """Return the comparison of two values without intervals."""
    return compare_metric(metric, MetricValues({metric.name: value}, {}), MetricValues({metric.name: baseline}, {}))


@given(st.sampled_from(METRICS), VALUES, VALUES)
def test_swapping_the_two_turns_the_direction(metric: base.Metric, value: float, baseline: float) -> None:
    there, back = compared(metric, value, baseline), compared(metric, baseline, value)

    turned = {Change.IMPROVED: Change.REGRESSED, Change.REGRESSED: Change.IMPROVED, Change.UNCHANGED: Change.UNCHANGED}
    assert back.direction == turned[there.direction]
    if there.difference is None:
        assert back.difference is None
    else:
        assert back.difference == -there.difference


@given(st.sampled_from(METRICS), VALUES, VALUES)
def test_better_follows_from_the_metric(metric: base.Metric, value: float, baseline: float) -> None:
    found = compared(metric, value, baseline)

    better = value > baseline if metric.direction == "higher" else value < baseline
    assert (found.direction is Change.IMPROVED) == better
    assert (found.direction is Change.UNCHANGED) == (value == baseline)


SHARES = st.tuples(*[st.floats(0, 1)] * 3).map(sorted)


@given(SHARES, SHARES)
def test_the_interval_of_a_difference_holds_it_and_turns_with_it(one: list[float], other: list[float]) -> None:
    measured = [(middle, Interval(lower, upper, "wilson")) for lower, middle, upper in (one, other)]

    there, back = independent_interval(*measured[0], *measured[1]), independent_interval(*measured[1], *measured[0])

    assert there is not None
    assert back is not None
    assert there.lower <= one[1] - other[1] <= there.upper
    assert (there.lower, there.upper) == pytest.approx((-back.upper, -back.lower))


def test_intervals_of_two_shares_give_newcombes_of_their_difference() -> None:
    """56 of 70 and 48 of 80: Newcombe (1998), doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I."""
    found = independent_interval(56 / 70, wilson(56 / 70, 70), 48 / 80, wilson(48 / 80, 80))

    assert found is not None
    assert (found.lower, found.upper) == pytest.approx((0.0524, 0.3339), abs=5e-5)
