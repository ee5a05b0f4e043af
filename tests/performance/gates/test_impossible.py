"""Policies that no snapshot could ever pass are refused, with the rule and the reason."""

from typing import Any

import pytest

from models_registry.accounts.models import Organization
from models_registry.registry.models import RegisteredModel
from performance.gates.models import GatePolicy
from tests.api import Caller, faults

pytestmark = pytest.mark.django_db


def rule(metric: str, operator: str = ">=", threshold: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"metric": metric, "operator": operator, "threshold": threshold, **more}


IMPOSSIBLE: list[tuple[str, dict[str, Any], tuple[str, str]]] = [
    ("more than the greatest value", {"rules": [rule("accuracy", ">", 1)]}, ("rules.0.threshold", "out_of_bounds")),
    ("less than the least value", {"rules": [rule("log_loss", "<", 0)]}, ("rules.0.threshold", "out_of_bounds")),
    ("a negative share", {"rules": [rule("missing_fraction", "<", 0)]}, ("rules.0.threshold", "out_of_bounds")),
    (
        "more than the greatest value of a slice",
        {"rules": [rule("worst_slice.island.recall", ">", 1)]},
        ("rules.0.threshold", "out_of_bounds"),
    ),
    (
        "an end of an interval at the greatest value",
        {"rules": [rule("accuracy", ">=", 1, confidence=0.95)]},
        ("rules.0.threshold", "out_of_bounds"),
    ),
    (
        "an end of an interval at the least value",
        {"rules": [rule("recall"), rule("log_loss", "<=", 0, confidence=0.95)]},
        ("rules.1.threshold", "out_of_bounds"),
    ),
    (
        "two bounds without a value between",
        {"rules": [rule("recall"), rule("accuracy", ">=", 0.9), rule("accuracy", "<=", 0.8)]},
        ("rules.2.threshold", "contradiction"),
    ),
    (
        "two bounds, one of them strict, at one value",
        {"rules": [rule("accuracy", "<", 0.9), rule("accuracy", ">=", 0.9, confidence=0.95)]},
        ("rules.1.threshold", "contradiction"),
    ),
    (
        "the overlap of the train split with itself",
        {"dataset_split": "train", "rules": [rule("train_overlap", "<=", 0.1)]},
        ("rules.0.metric", "not_available"),
    ),
    (
        "custom metrics that are computed",
        {"source": "computed", "rules": [rule("accuracy"), rule("custom.latency", "<", 5)]},
        ("rules.1.metric", "not_available"),
    ),
    (
        "an interval that no evaluation computes",
        {
            "source": "computed",
            "rules": [rule("accuracy"), rule("expected_calibration_error", "<=", 0.1, confidence=0.95)],
        },
        ("rules.1.confidence", "no_interval"),
    ),
    ("a name of two lines", {"dataset": "a\nb", "rules": [rule("accuracy")]}, ("dataset", "invalid")),
    ("a name that ends with a space", {"dataset": "a ", "rules": [rule("accuracy")]}, ("dataset", "invalid")),
    ("a value without a text", {"rules": [rule("slice.island..accuracy")]}, ("rules.0.metric", "unknown")),
    ("an attribute without a name", {"rules": [rule("slice..Dream.accuracy")]}, ("rules.0.metric", "unknown")),
    (
        "an attribute longer than columns are",
        {"rules": [rule(f"worst_slice.{'x' * 201}.accuracy")]},
        ("rules.0.metric", "unknown"),
    ),
    (
        "a value of an attribute longer than columns are",
        {"rules": [rule(f"slice.{'x' * 201}.a.accuracy")]},
        ("rules.0.metric", "unknown"),
    ),
    ("a further metric of a slice", {"rules": [rule("slice.island.Dream.specificity")]}, ("rules.0.metric", "unknown")),
    ("an option of another task", {"evaluation": {"k": 5}, "rules": [rule("accuracy")]}, ("evaluation.k", "unknown")),
]
POSSIBLE = [
    [rule("log_loss", "<=", 0), rule("accuracy", "<=", 1, confidence=0.95), rule("recall", ">=", 0, confidence=0.95)],
    [rule("accuracy", ">=", 1), rule("accuracy", "<=", 1)],
    [rule("accuracy", ">=", 0.5), rule("accuracy", "<", 0.9)],
    [rule("worst_slice.a.recall", ">", 0.9), rule("worst_slice.a.recall", "<", 0.8, min_sample_count=50)],
    [rule(f"slice.{'x' * 200}.a.recall"), rule("slice.a.b..recall"), rule(f"worst_slice.{'x' * 200}.recall")],
    [rule("train_overlap", "<=", 0), rule("custom.latency", "<", 0)],
]


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(("policy", "fault"), [case[1:] for case in IMPOSSIBLE], ids=[case[0] for case in IMPOSSIBLE])
def test_what_no_snapshot_could_pass_is_refused(ada: Caller, policy: dict[str, Any], fault: tuple[str, str]) -> None:
    for answer in (
        ada.put("/models/mdl-7f3a19bc92/gate-policy", policy),
        ada.put("/organizations/acme/gate-policy", policy)
        if fault[0] != "evaluation.k"  # a ranking has it
        else ada.post("/models/mdl-7f3a19bc92/performance/gate", policy),
    ):
        assert faults(answer) == [fault]
    assert not GatePolicy.objects.exists()


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("rules", POSSIBLE)
def test_what_a_snapshot_could_pass_is_kept(ada: Caller, rules: list[dict[str, Any]]) -> None:
    assert ada.put("/models/mdl-7f3a19bc92/gate-policy", {"rules": rules}).status_code == 201


def test_a_pin_that_contradicts_the_model_is_refused(ada: Caller, model: RegisteredModel) -> None:
    RegisteredModel.objects.filter(pk=model.pk).update(positive_class="1")
    other, same = ({"evaluation": {"positive_class": label}, "rules": [rule("recall")]} for label in ("0", "+1"))

    for answer in (
        ada.put("/models/mdl-7f3a19bc92/gate-policy", other),
        ada.post("/models/mdl-7f3a19bc92/performance/gate", other),
    ):
        assert faults(answer) == [("evaluation.positive_class", "contradicts_model")]
    weighted = {"evaluation": {"averaging": "weighted"}, "rules": [rule("recall")]}
    assert faults(ada.put("/models/mdl-7f3a19bc92/gate-policy", weighted)) == [
        ("evaluation.averaging", "contradicts_model")
    ]
    assert not GatePolicy.objects.exists()
    assert ada.put("/models/mdl-7f3a19bc92/gate-policy", same).status_code == 201
    assert ada.put("/organizations/acme/gate-policy", other).status_code == 201


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        ({"source": "computed", "rules": [rule("silhouette")]}, ("source", "not_available")),
        ({"rules": [rule("missing_fraction", "<=")]}, ("rules.0.metric", "not_available")),
        ({"rules": [rule("worst_slice.island.silhouette")]}, ("rules.0.metric", "not_available")),
    ],
)
def test_what_only_an_evaluation_finds_is_refused_for_models_that_are_not_evaluated(
    ada: Caller, acme: Organization, policy: dict[str, Any], fault: tuple[str, str]
) -> None:
    model = RegisteredModel.objects.create(organization=acme, name="segments", task_type="clustering")

    assert faults(ada.put(f"/models/{model.pk}/gate-policy", policy)) == [fault]
