"""The contract's example under a gate: its routes, a rule and a limit, and policies that pass and fail."""

from collections.abc import Callable
from typing import Any

from tests.performance.gates.rules import ACCURACY_AT_LEAST, LOG_LOSS_LIMIT

MODEL = "/models/mdl-7f3a19bc92"
GATE = f"{MODEL}/performance/gate"
CANDIDATE = f"{MODEL}/versions/ver-001a2"
PASSES = {"dataset_split": "test", "rules": [ACCURACY_AT_LEAST, LOG_LOSS_LIMIT]}
FAILS = {"dataset_split": "test", "rules": [ACCURACY_AT_LEAST | {"threshold": 0.99}, LOG_LOSS_LIMIT]}
INTERVAL = {"lower": 0.94, "upper": 0.96, "method": "wilson", "level": 0.95}
INTERVAL_OF_A_CLASS = {"lower": 0.69, "upper": 0.8, "method": "wilson", "level": 0.95}
SetPolicy = Callable[[dict[str, Any]], None]


def statuses(answer: Any) -> list[str]:
    """Return the status of each rule of a verdict."""
    assert answer.status_code == 200, answer.content
    return [rule["status"] for rule in answer.json()["rules"]]
