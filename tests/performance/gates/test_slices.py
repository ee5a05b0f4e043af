"""Rules on one slice or on the worst slice of an attribute, over HTTP."""

from typing import Any

import pytest

from models_registry.registry.models import Version
from performance.metrics.statistics.intervals import wilson
from performance.snapshots.models import MetricSnapshot, SnapshotSlice
from tests.api import Caller, faults
from tests.conftest import PinnedQueries
from tests.performance.gates.gate_example import GATE, MODEL
from tests.performance.gates.promotion_history import get_verdict, store_slices, store_snapshot

pytestmark = pytest.mark.django_db

COUNTRIES: dict[str | None, tuple[int, int]] = {
    "CH": (190, 200),
    "St. Gallen": (60, 100),
    "LI": (1, 10),
    None: (95, 100),
}
WORST = {"metric": "worst_slice.country.recall", "operator": ">=", "threshold": 0.65}
WORST_AGE = WORST | {"metric": "worst_slice.age.recall", "threshold": 0.8, "confidence": 0.95}


@pytest.fixture(autouse=True)
def stored(history: Version) -> MetricSnapshot:
    found = history.snapshots.get()
    store_slices(found, "country", COUNTRIES)
    store_slices(found, "at.home", {"yes": (50, 100)})
    return found


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("slice.country.CH.recall", 0.95),
        ("slice.country.St. Gallen.recall", 0.6),
        ("slice.at.home.yes.recall", 0.5),
        ("worst_slice.at.home.recall", 0.5),
    ],
)
def test_attributes_and_values_may_have_dots(ada: Caller, metric: str, value: float) -> None:
    [rule] = get_verdict(ada, {"metric": metric, "operator": ">=", "threshold": 0.4, "confidence": 0.95})["rules"]

    assert (rule["status"], rule["value"]) == ("passed", value)


def test_name_that_means_two_slices_is_missing(ada: Caller, stored: MetricSnapshot) -> None:
    store_slices(stored, "at", {"home.yes": (90, 100)})

    [rule] = get_verdict(ada, {"metric": "slice.at.home.yes.recall", "operator": ">=", "threshold": 0.4})["rules"]

    assert rule["status"] == "missing"
    assert rule["detail"].endswith("Several slices have this name.")


def test_bad_slice_fails_unless_it_is_too_small(ada: Caller) -> None:
    every, large, larger = (
        get_verdict(ada, WORST | ({"min_sample_count": least} if least else {}))["rules"][0]
        for least in (None, 50, 150)
    )

    assert (every["status"], every["value"]) == ("failed", 0.1)
    assert (large["status"], large["value"]) == ("failed", 0.6)
    assert (larger["status"], larger["value"]) == ("passed", 0.95)
    [none] = get_verdict(ada, WORST | {"min_sample_count": 5000})["rules"]
    assert none["status"] == "missing"
    assert none["detail"].endswith("No slice by country has at least 5000 examples.")


@pytest.mark.parametrize("rule", [WORST, WORST | {"confidence": 0.95}, {"max_regression": 0.1}])
def test_detail_names_the_worst_slice(ada: Caller, history: Version, rule: dict[str, Any]) -> None:
    promoted = MetricSnapshot.objects.get(version__promoted_in=history.model_id)
    store_slices(promoted, "country", {"CH": (80, 100)})
    [judged] = get_verdict(ada, rule | {"metric": "worst_slice.country.recall", "min_sample_count": 20})["rules"]

    assert judged["detail"].startswith("worst_slice.country.recall is 0.6 (country='St. Gallen', 100 examples)")


def test_detail_cuts_a_long_value(ada: Caller, stored: MetricSnapshot) -> None:
    store_slices(stored, "age", {"x" * 1000: (60, 100)})

    [judged] = get_verdict(ada, WORST | {"metric": "worst_slice.age.recall"})["rules"]

    assert f"(age='{'x' * 60}', 100 examples)" in judged["detail"]


def test_the_end_of_the_interval_may_be_that_of_another_slice(ada: Caller, stored: MetricSnapshot) -> None:
    store_slices(stored, "age", {"old": (90, 100), "young": (1, 1)})

    [judged] = get_verdict(ada, WORST | {"metric": "worst_slice.age.recall", "confidence": 0.95})["rules"]

    assert "(age='old', 100 examples), and the lower end of the 95% interval of all 2 slices 0.05" in judged["detail"]
    assert " (that of age='young', 1 example); at least 0.65 is required." in judged["detail"]
    store_slices(stored, "sex", {"f": (0, 1)})
    [judged] = get_verdict(ada, WORST | {"metric": "worst_slice.sex.recall"})["rules"]
    assert "(sex='f', 1 example)" in judged["detail"]


def test_confidence_holds_for_all_slices_together(ada: Caller) -> None:
    [rule] = get_verdict(ada, WORST | {"min_sample_count": 50, "threshold": 0.5, "confidence": 0.95})["rules"]

    lone = wilson(0.6, 100)
    assert lone is not None
    assert (rule["status"], rule["interval"]["method"]) == ("passed", "holm")
    assert rule["interval"]["lower"] == lone.lower  # the others are far from it
    assert "and the lower end of the 95% interval of all 3 slices 0.5" in rule["detail"]
    assert rule["needed_sample_count"] is None


def test_slice_that_lacks_examples_says_how_many_are_needed_in_all(ada: Caller, history: Version) -> None:
    store_slices(store_snapshot(history, 0.9, sample_count=410), "country", COUNTRIES)
    worst = WORST | {"min_sample_count": 50, "threshold": 0.55, "confidence": 0.95}
    lone = {"metric": "slice.country.St. Gallen.recall", "operator": ">=", "threshold": 0.55, "confidence": 0.95}

    rule, of_one = get_verdict(ada, worst, lone)["rules"]

    assert [each["status"] for each in (rule, of_one)] == ["failed", "failed"]
    assert rule["needed_sample_count"] == of_one["needed_sample_count"]  # the others are far from the threshold
    assert rule["needed_sample_count"] == 1560
    assert rule["detail"].endswith(
        " About 1,600 examples in all (now 410) would be needed to pass if the values of the slices stay the same, "
        "about 390 of them with country='St. Gallen' (now 100); a `min_sample_count` above 100 leaves "
        "country='St. Gallen' out."
    )


def test_slice_that_decides_the_end_says_how_many_of_it_are_needed(ada: Caller, history: Version) -> None:
    """The worst value is that of another slice, which is large enough."""
    counts: dict[str | None, tuple[int, int]] = {"old": (190, 200), "young": (8, 8)}
    store_slices(store_snapshot(history, 0.95, sample_count=208), "age", counts)

    [rule] = get_verdict(ada, WORST | {"metric": "worst_slice.age.recall", "threshold": 0.8, "confidence": 0.95})[
        "rules"
    ]

    assert "recall is 0.95 (age='old', 200 examples), and the lower end" in rule["detail"]
    assert " (that of age='young', 8 examples); at least 0.8 is required." in rule["detail"]
    enough = next(size for size in range(8, 99) if (found := wilson(1, size)) and found.lower >= 0.8)
    assert rule["needed_sample_count"] == pytest.approx(208 * enough / 8, rel=0.05)
    assert f"about {enough} of them with age='young' (now 8)" in rule["detail"]
    assert rule["detail"].endswith("; a `min_sample_count` above 8 leaves age='young' out.")


def test_largest_slice_cannot_be_left_out(ada: Caller, history: Version) -> None:
    counts: dict[str | None, tuple[int, int]] = {"old": (165, 200), "young": (98, 100)}
    store_slices(store_snapshot(history, 0.9, sample_count=300), "age", counts)

    [rule] = get_verdict(ada, WORST | {"metric": "worst_slice.age.recall", "threshold": 0.8, "confidence": 0.95})[
        "rules"
    ]

    assert rule["status"] == "failed"
    assert "of them with age='old' (now 200)" in rule["detail"]
    assert "min_sample_count" not in rule["detail"]


def test_slice_without_the_metric_or_its_interval_is_missing(ada: Caller, stored: MetricSnapshot) -> None:
    place = {"snapshot": stored, "attribute": "age", "sample_count": 80}
    SnapshotSlice.objects.create(
        **place, position=1, value="old", metrics={"recall": 0.9}, intervals_unavailable={"recall": "Too few."}
    )
    rule = {"metric": "worst_slice.age.recall", "operator": ">=", "threshold": 0.8}
    assert get_verdict(ada, rule)["rules"][0]["status"] == "passed"
    [without_interval] = get_verdict(ada, rule | {"confidence": 0.95})["rules"]
    assert without_interval["detail"].endswith("The slice age='old' has no interval. Too few.")

    SnapshotSlice.objects.create(**place, position=2, value="young", metrics={})
    [without_metric] = get_verdict(ada, rule)["rules"]
    assert (without_interval["status"], without_metric["status"]) == ("missing", "missing")
    assert "The slice age='young' has none" in without_metric["detail"]


def test_attribute_without_slices_is_missing_but_an_unknown_metric_is_refused(ada: Caller) -> None:
    for metric in ("worst_slice.city.recall", "slice.city.Bern.recall"):
        [rule] = get_verdict(ada, {"metric": metric, "operator": ">=", "threshold": 0.65})["rules"]
        assert rule["status"] == "missing"
        assert rule["detail"].endswith("without slices by this attribute: name the column in `slices`.")
    for metric in ("worst_slice.country.speed", "slice.country.recall", "worst_slice.recall", "slice..CH.recall"):
        answer = ada.put(f"{MODEL}/gate-policy", {"rules": [WORST | {"metric": metric}]})
        assert faults(answer) == [("rules.0.metric", "unknown")]


def test_rules_on_slices_take_one_statement_more(ada: Caller, pinned_queries: PinnedQueries) -> None:
    rules = [WORST | {"metric": f"slice.country.{label}.recall"} for label in range(20)]
    ada.put(f"{MODEL}/gate-policy", {"rules": rules})

    with pinned_queries("gate on slices"):
        ada.get(GATE)


def test_slice_that_no_realistic_number_helps_can_be_left_out(ada: Caller, history: Version) -> None:
    counts: dict[str | None, tuple[int, int]] = {"old": (190, 200), "young": (81, 101)}
    store_slices(store_snapshot(history, 0.9, sample_count=301), "age", counts)

    [rule] = get_verdict(ada, WORST_AGE | {"threshold": 0.801})["rules"]

    assert rule["needed_sample_count"] > 1000 * 301
    assert rule["detail"].endswith(
        " No realistic number of examples would let it pass if the values of the slices stay the same; a "
        "`min_sample_count` above 101 leaves age='young' out."
    )
