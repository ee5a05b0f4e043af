"""The contract's example under a gate: its routes, a rule and a limit, and policies that pass and fail."""

from collections.abc import Callable
from typing import Any

MODEL = "/models/mdl-7f3a19bc92"
GATE = f"{MODEL}/performance/gate"
CANDIDATE = f"{MODEL}/versions/ver-001a2"
AT_LEAST = {"metric": "accuracy", "operator": ">=", "threshold": 0.93}
LIMIT = {"metric": "log_loss", "max_regression": 0.01, "relative": False}
PASSES = {"dataset_split": "test", "rules": [AT_LEAST, LIMIT]}
FAILS = {"dataset_split": "test", "rules": [AT_LEAST | {"threshold": 0.99}, LIMIT]}
INTERVAL = {"lower": 0.94, "upper": 0.96, "method": "wilson", "level": 0.95}
INTERVAL_OF_A_CLASS = {"lower": 0.69, "upper": 0.8, "method": "wilson", "level": 0.95}
SetPolicy = Callable[[dict[str, Any]], None]


def statuses(answer: Any) -> list[str]:
    """Return the status of each rule of a verdict."""
    assert answer.status_code == 200, answer.content
    return [rule["status"] for rule in answer.json()["rules"]]
