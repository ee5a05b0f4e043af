"""Gate policies and promotions in a seed document."""

from typing import Any

import pytest
from django.core.management import CommandError

from models_registry.registry.models import Promotion
from models_registry.registry.promotions import CheckResult, register_promotion_check, unregister_promotion_check
from performance.gates.models import GatePolicy, GateVerdict
from tests.factories import GivenResults
from tests.performance.seeds.documents import DOCUMENT, Seed, changed, stored


def with_gate(**changes: Any) -> Any:
    """Return the document with a policy, two promotions against it, and a version that it refuses."""
    document = changed("models.0.promoted", None)
    [model] = document["models"]
    snapshot = model["versions"][0]["snapshots"][0]
    weak = {**model["versions"][0], "snapshots": [{**snapshot, "metrics": {"accuracy": 0.8}}]}
    model["versions"] = [model["versions"][0], *({**weak, "version_id": each} for each in ("ver-001a2", "ver-001a3"))]
    model["gate_policy"] = {"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.9}]}
    model["promotions"] = [
        {"version_id": "ver-001a2", "reason": "nothing better is trained", "override": True},
        {"version_id": "ver-001a1", "reason": "better"},
    ]
    return document | {"models": [model | changes]}


def test_a_policy_judges_the_promotions_and_the_newest_version_once(seed: Seed) -> None:
    seed(with_gate())
    seed(with_gate())

    promotions = Promotion.objects.order_by("pk").values_list("reason", "overridden", "verdict__status")
    assert [*promotions] == [("nothing better is trained", True, "failed"), ("better", False, "passed")]
    assert GatePolicy.objects.count() == 1
    verdicts = GateVerdict.objects.order_by("pk").values_list("version__number", "occasion", "status")
    assert [*verdicts][1:] == [(0x1A1, "promotion", "passed"), (0x1A3, "enforcement", "failed")]

    other = {"rules": [{"metric": "accuracy", "operator": ">=", "threshold": 0.7}]}
    seed(with_gate(gate_policy=other))
    assert GatePolicy.objects.count() == 2
    assert GateVerdict.objects.order_by("pk").values_list("status", flat=True).last() == "passed"


@pytest.mark.parametrize(
    ("changes", "where", "reason"),
    [
        ({"gate_policy": {"rules": []}}, "models.0.gate_policy.rules", "at least one rule"),
        ({"gate_policy": [1]}, "models.0.gate_policy", "Must be an object"),
        (
            {"gate_policy": {"rules": [{"metric": "rmse", "max_regression": 0.1}]}},
            "models.0.gate_policy.rules.0.metric",
            "rmse",
        ),
        (
            {
                "gate_policy": {
                    "against": "ver-00009",
                    "rules": [{"metric": "accuracy", "max_regression": 0.1}],
                }
            },
            "models.0.gate_policy.against",
            "There is no ver-00009",
        ),
        ({"promotions": [{"version_id": "ver-00009", "reason": "new"}]}, "models.0.promotions", "that is completed"),
        ({"promotions": [{"version_id": "ver-001a2", "override": True}]}, "promotions.0.reason", "say why"),
        ({"promotions": [{"version_id": "ver-001a2"}]}, "models.0.promotions.0", "at least 0.9 is required"),
    ],
)
def test_a_policy_or_promotion_that_is_refused_is_named(
    seed: Seed, changes: dict[str, object], where: str, reason: str
) -> None:
    with pytest.raises(CommandError) as refused:
        seed(with_gate(**changes))

    assert f"{where}: " in str(refused.value)
    assert reason in str(refused.value)
    assert not any(stored().values())


def test_a_document_whose_promotion_a_gate_refuses_is_refused_whole(seed: Seed) -> None:
    refuse = GivenResults([CheckResult(passed=False, verdict={}, detail="accuracy is too low.")])
    register_promotion_check(refuse)
    try:
        with pytest.raises(CommandError, match="models.0.promoted: accuracy is too low"):
            seed(DOCUMENT)
    finally:
        unregister_promotion_check(refuse)
    assert not any(stored().values())
