"""Gates on named datasets and slices, and limits against the best version or a named one, over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import promote
from performance.gates.models import GatePolicy, GateVerdict
from performance.metrics.statistics.intervals import wilson
from performance.snapshots.models import MetricSnapshot, SnapshotDetail, SnapshotSlice
from tests.api import Caller, faults
from tests.conftest import PinnedQueries
from tests.factories import completed_version, snapshot

pytestmark = pytest.mark.django_db
MODEL = "/models/mdl-7f3a19bc92"
GATE = f"{MODEL}/performance/gate"
LIMIT = {"metric": "accuracy", "max_regression": 0.01}
BEST = LIMIT | {"against": "best"}


@pytest.fixture
def ada(admin: User) -> Caller:
    return Caller(admin)


def measured(version: Version, accuracy: float, **fields: Any) -> MetricSnapshot:
    """Store a snapshot of the test split, the newest of its version."""
    return MetricSnapshot.objects.create(
        version=version,
        dataset_split="test",
        metrics={"accuracy": accuracy},
        evaluated_at=timezone.now(),
        source="computed",
        **fields,
    )


def sliced(stored: MetricSnapshot, attribute: str, shares: dict[str | None, tuple[int, int]]) -> None:
    """Store the recall of slices: how many of how many."""
    for position, (value, (right, count)) in enumerate(shares.items(), 1):
        interval = wilson(right / count, count)
        assert interval is not None
        ends = {"lower": interval.lower, "upper": interval.upper, "method": "wilson", "level": 0.95}
        SnapshotSlice.objects.create(
            snapshot=stored,
            attribute=attribute,
            position=position,
            value=value,
            sample_count=count,
            metrics={"recall": right / count},
            confidence_intervals={"recall": ends},
        )


@pytest.fixture
def history(model: RegisteredModel) -> Version:
    """Three versions that were promoted, each worse than the one before, and a candidate that is worse again."""
    for number, accuracy in ((418, 0.99), (419, 0.985), (420, 0.98)):
        version = completed_version(model, number=number)
        measured(version, accuracy)
        promote(version=version, promoted_by=None, reason="")
    candidate = completed_version(model, number=421)
    measured(candidate, 0.975)
    return candidate


def judge(caller: Caller, *rules: dict[str, Any], **policy: Any) -> Any:
    answer = caller.post(GATE, {**policy, "rules": [*rules]})
    assert answer.status_code == 200, answer.content
    return answer.json()


class TestBaselines:
    def test_many_small_steps_are_one_large_one_from_the_best(self, ada: Caller, history: Version) -> None:
        verdict = judge(ada, LIMIT, BEST)
        promoted, best = verdict["rules"]

        assert (promoted["status"], promoted["baseline_version_id"]) == ("passed", "ver-001a4")
        assert (best["status"], best["baseline_version_id"], best["baseline_value"]) == ("failed", "ver-001a2", 0.99)
        assert "0.99 in the best promoted ver-001a2: worse by 0.015" in best["detail"]
        assert [each["version_id"] for each in verdict["baselines"]] == ["ver-001a4", "ver-001a2"]

    def test_a_policy_has_a_default_for_its_limits(self, ada: Caller, history: Version) -> None:
        of_policy, own = judge(ada, LIMIT, LIMIT | {"against": "promoted", "relative": True}, against="best")["rules"]

        assert (of_policy["baseline_version_id"], own["baseline_version_id"]) == ("ver-001a2", "ver-001a4")

    def test_a_limit_may_name_a_version(self, ada: Caller, history: Version) -> None:
        [rule] = judge(ada, LIMIT | {"against": "ver-001a3"})["rules"]

        assert (rule["status"], rule["baseline_version_id"]) == ("passed", "ver-001a3")
        assert "0.985 in ver-001a3: worse by 0.01;" in rule["detail"]

    def test_a_version_without_metrics_fails_closed(
        self, ada: Caller, history: Version, model: RegisteredModel
    ) -> None:
        completed_version(model, number=400)

        [rule] = judge(ada, LIMIT | {"against": "ver-00190"})["rules"]

        assert (rule["status"], rule["detail"]) == ("missing", "ver-00190 has no metrics for the split test.")

    def test_a_metric_that_no_promoted_version_has_fails_closed(self, ada: Caller, history: Version) -> None:
        MetricSnapshot.objects.create(
            version=history, dataset_split="test", metrics={"recall": 0.5}, evaluated_at=timezone.now()
        )

        [rule] = judge(ada, BEST | {"metric": "recall"})["rules"]

        assert (rule["status"], rule["baseline_value"]) == ("failed", 0.924)  # of the contract's example
        [rule] = judge(ada, BEST | {"metric": "balanced_accuracy"})["rules"]
        assert rule["status"] == "missing"

    def test_the_first_version_has_none_to_be_worse_than(self, ada: Caller, model: RegisteredModel) -> None:
        [rule] = judge(ada, BEST)["rules"]

        assert (rule["status"], rule["baseline_version_id"]) == ("passed", None)

    @pytest.mark.parametrize("field", ["against", "rules.0.against"])
    def test_a_version_that_does_not_exist_is_refused(self, ada: Caller, history: Version, field: str) -> None:
        rule = LIMIT | ({} if field == "against" else {"against": "ver-fffff"})
        policy = {"rules": [rule], **({"against": "ver-fffff"} if field == "against" else {})}

        assert faults(ada.put(f"{MODEL}/gate-policy", policy)) == [(field, "unknown")]
        assert faults(ada.post(GATE, policy)) == [(field, "unknown")]
        assert faults(ada.put("/organizations/acme/gate-policy", policy)) == [(field, "unknown")]
        assert not GatePolicy.objects.exists()

    def test_the_promotion_is_judged_alike(self, ada: Caller, history: Version) -> None:
        ada.put(f"{MODEL}/gate-policy", {"rules": [BEST]})

        answer = ada.post(f"{MODEL}/versions/ver-001a5/promote")

        assert answer.status_code == 409
        assert answer.json()["verdict"]["rules"][0]["baseline_version_id"] == "ver-001a2"

    def test_takes_one_statement_more_however_many_limits(
        self, ada: Caller, history: Version, pinned_queries: PinnedQueries
    ) -> None:
        rules = [LIMIT | {"metric": f"per_class.{label}.recall", "against": "best"} for label in range(20)]
        ada.put(f"{MODEL}/gate-policy", {"rules": rules})

        with pinned_queries("gate against the best"):
            ada.get(GATE)


class TestSlices:
    COUNTRIES: dict[str | None, tuple[int, int]] = {
        "CH": (190, 200),
        "St. Gallen": (60, 100),
        "LI": (1, 10),
        None: (95, 100),
    }
    WORST = {"metric": "worst_slice.country.recall", "operator": ">=", "threshold": 0.65}

    @pytest.fixture(autouse=True)
    def stored(self, history: Version) -> MetricSnapshot:
        found = history.snapshots.get()
        sliced(found, "country", self.COUNTRIES)
        sliced(found, "at.home", {"yes": (50, 100)})
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
    def test_attributes_and_values_may_have_dots(self, ada: Caller, metric: str, value: float) -> None:
        [rule] = judge(ada, {"metric": metric, "operator": ">=", "threshold": 0.4, "confidence": 0.95})["rules"]

        assert (rule["status"], rule["value"]) == ("passed", value)

    def test_a_name_that_means_two_slices_fails_closed(self, ada: Caller, stored: MetricSnapshot) -> None:
        sliced(stored, "at", {"home.yes": (90, 100)})

        [rule] = judge(ada, {"metric": "slice.at.home.yes.recall", "operator": ">=", "threshold": 0.4})["rules"]

        assert rule["status"] == "missing"
        assert rule["detail"].endswith("Several slices have this name.")

    def test_a_bad_slice_fails_unless_it_is_too_small(self, ada: Caller) -> None:
        every, large, larger = (
            judge(ada, self.WORST | ({"min_sample_count": least} if least else {}))["rules"][0]
            for least in (None, 50, 150)
        )

        assert (every["status"], every["value"]) == ("failed", 0.1)
        assert (large["status"], large["value"]) == ("failed", 0.6)
        assert (larger["status"], larger["value"]) == ("passed", 0.95)
        [none] = judge(ada, self.WORST | {"min_sample_count": 5000})["rules"]
        assert none["status"] == "missing"
        assert none["detail"].endswith("No slice by country has at least 5000 examples.")

    @pytest.mark.parametrize("rule", [WORST, WORST | {"confidence": 0.95}, {"max_regression": 0.1}])
    def test_the_detail_names_the_worst_slice(self, ada: Caller, history: Version, rule: dict[str, Any]) -> None:
        promoted = MetricSnapshot.objects.get(version__promoted_in=history.model_id)
        sliced(promoted, "country", {"CH": (80, 100)})
        [judged] = judge(ada, rule | {"metric": "worst_slice.country.recall", "min_sample_count": 20})["rules"]

        assert judged["detail"].startswith("worst_slice.country.recall is 0.6 (country='St. Gallen', 100 examples)")

    def test_the_detail_cuts_a_long_value(self, ada: Caller, stored: MetricSnapshot) -> None:
        sliced(stored, "age", {"x" * 1000: (60, 100)})

        [judged] = judge(ada, self.WORST | {"metric": "worst_slice.age.recall"})["rules"]

        assert f"(age='{'x' * 60}', 100 examples)" in judged["detail"]

    def test_with_confidence_the_end_is_that_of_all_slices(self, ada: Caller) -> None:
        [rule] = judge(ada, self.WORST | {"min_sample_count": 50, "threshold": 0.5, "confidence": 0.95})["rules"]

        lone = wilson(0.6, 100)
        assert lone is not None
        assert (rule["status"], rule["interval"]["method"]) == ("passed", "holm")
        assert rule["interval"]["lower"] == lone.lower  # the others are far from it
        assert rule["needed_sample_count"] is None

    def test_too_few_examples_of_slices_say_how_many_of_all_are_needed(self, ada: Caller, history: Version) -> None:
        sliced(measured(history, 0.9, sample_count=410), "country", self.COUNTRIES)
        worst = self.WORST | {"min_sample_count": 50, "threshold": 0.55, "confidence": 0.95}
        lone = {"metric": "slice.country.St. Gallen.recall", "operator": ">=", "threshold": 0.55, "confidence": 0.95}

        rule, of_one = judge(ada, worst, lone)["rules"]

        assert [each["status"] for each in (rule, of_one)] == ["failed", "failed"]
        assert rule["needed_sample_count"] == of_one["needed_sample_count"]  # the others are far from the threshold
        assert f"About {rule['needed_sample_count']} examples would be needed" in rule["detail"]

    def test_a_slice_without_the_metric_or_its_interval_fails_closed(self, ada: Caller, stored: MetricSnapshot) -> None:
        place = {"snapshot": stored, "attribute": "age", "sample_count": 80}
        SnapshotSlice.objects.create(
            **place, position=1, value="old", metrics={"recall": 0.9}, intervals_unavailable={"recall": "Too few."}
        )
        rule = {"metric": "worst_slice.age.recall", "operator": ">=", "threshold": 0.8}
        assert judge(ada, rule)["rules"][0]["status"] == "passed"
        [without_interval] = judge(ada, rule | {"confidence": 0.95})["rules"]
        assert without_interval["detail"].endswith("The slice age='old' has no interval. Too few.")

        SnapshotSlice.objects.create(**place, position=2, value="young", metrics={})
        [without_metric] = judge(ada, rule)["rules"]
        assert (without_interval["status"], without_metric["status"]) == ("missing", "missing")
        assert "The slice age='young' has none" in without_metric["detail"]

    def test_an_attribute_that_was_never_sent_is_missing_but_an_unknown_metric_is_refused(self, ada: Caller) -> None:
        for metric in ("worst_slice.city.recall", "slice.city.Bern.recall"):
            [rule] = judge(ada, {"metric": metric, "operator": ">=", "threshold": 0.65})["rules"]
            assert rule["status"] == "missing"
            assert rule["detail"].endswith("without slices by this attribute: name the column in `slices`.")
        for metric in ("worst_slice.country.speed", "slice.country.recall", "worst_slice.recall", "slice..CH.recall"):
            answer = ada.put(f"{MODEL}/gate-policy", {"rules": [self.WORST | {"metric": metric}]})
            assert faults(answer) == [("rules.0.metric", "unknown")]

    def test_takes_one_statement_more_however_many_rules(self, ada: Caller, pinned_queries: PinnedQueries) -> None:
        rules = [self.WORST | {"metric": f"slice.country.{label}.recall"} for label in range(20)]
        ada.put(f"{MODEL}/gate-policy", {"rules": rules})

        with pinned_queries("gate on slices"):
            ada.get(GATE)


class TestDatasets:
    def test_a_policy_judges_the_dataset_that_it_names(self, ada: Caller, history: Version) -> None:
        rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9}
        measured(history, 0.5, dataset="churn-2026-10")
        assert judge(ada, rule)["rules"][0]["value"] == 0.975

        verdict = judge(ada, rule, dataset="churn-2026-10")
        [other] = judge(ada, rule, dataset="churn-2026-11")["rules"]

        assert (verdict["rules"][0]["value"], verdict["candidate"]["dataset"]["name"]) == (0.5, "churn-2026-10")
        assert other["status"] == "missing"
        assert other["detail"] == (
            "ver-001a5 has no metrics for the dataset 'churn-2026-11' of the split test. "
            "It has some for the primary dataset, 'churn-2026-10'."
        )

    def test_a_baseline_without_the_dataset_names_those_that_it_has(self, ada: Caller, history: Version) -> None:
        measured(history, 0.9, dataset="churn-2026-11")

        [rule] = judge(ada, LIMIT, dataset="churn-2026-11")["rules"]

        assert rule["status"] == "missing"
        assert rule["detail"] == (
            "The promoted ver-001a4 has no metrics for the dataset 'churn-2026-11' of the split test. "
            "It has some for the primary dataset."
        )

    def test_an_old_evaluation_is_missing(self, ada: Caller, model: RegisteredModel) -> None:
        version = completed_version(model, number=500)
        old = timezone.now() - timedelta(days=31)
        snapshot(version, metrics={"accuracy": 0.99}, evaluated_at=old)
        rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9}

        [kept], [late] = (judge(ada, rule, max_age_days=days)["rules"] for days in (32, 30))

        assert (kept["status"], late["status"]) == ("passed", "missing")
        assert late["detail"].endswith("the policy asks for an evaluation of the last 30 days.")
        assert f"{old:%Y-%m-%d}" in late["detail"]

    def test_what_is_known_of_the_snapshot_is_shown_and_warned_of(self, ada: Caller, history: Version) -> None:
        stored = measured(history, 0.99, sample_count=500)
        SnapshotDetail.objects.create(
            snapshot=stored,
            evaluation_options={"threshold": 0.4},
            examples_digest="ab" * 32,
            dataset_version="3",
            missing_fraction=0.01,
            train_overlap=0.25,
            effective_sample_size=450.5,
            warnings=[{"code": "one_class", "detail": "All examples are of the class '0'."}],
        )

        verdict = judge(
            ada,
            {"metric": "effective_sample_size", "operator": ">=", "threshold": 450},
            {"metric": "train_overlap", "operator": "<=", "threshold": 0.1},
        )

        assert [rule["status"] for rule in verdict["rules"]] == ["passed", "failed"]
        candidate = verdict["candidate"]
        assert candidate["dataset"] == {"name": None, "version": "3", "digest": "ab" * 32}
        assert (candidate["source"], candidate["sample_count"]) == ("computed", 500)
        assert candidate["evaluation_options"] == {"threshold": 0.4}
        assert verdict["warnings"] == [
            "ver-001a5: All examples are of the class '0'.",
            "ver-001a5: 1.0% of the rows have no prediction.",
            "ver-001a5: 25.0% of the examples are in the train split too.",
        ]


def test_an_older_verdict_is_still_listed(ada: Caller, model: RegisteredModel) -> None:
    rule = {"metric": "accuracy", "operator": ">=", "threshold": 0.9, "value": 0.95, "interval": None}
    document = {
        "model_id": model.pk,
        "version_id": "ver-001a1",
        "baseline_version_id": None,
        "status": "passed",
        "rules": [rule | {"baseline_value": None, "status": "passed", "detail": "It is."}],
        "judged_at": "2026-03-13T14:22:10Z",
        "warnings": [],
        "policy": None,
    }
    GateVerdict.objects.create(
        model=model, version=model.versions.get(), occasion="promotion", status="passed", document=document
    )

    [kept] = ada.get(f"{MODEL}/verdicts").json()["results"]

    later = {"baseline_version_id": None, "same_dataset": None, "needed_sample_count": None}
    assert kept["verdict"] == {
        **document,
        "rules": [{**document["rules"][0], **later}],  # type: ignore[dict-item, index]
        "candidate": None,
        "baselines": [],
    }
