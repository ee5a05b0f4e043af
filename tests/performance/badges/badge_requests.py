"""The routes of badges, the policy behind one, and the text on one."""

from typing import Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import fromstring

from models_registry.registry.models import RegisteredModel
from performance.gates.models import GatePolicy
from tests.api import Caller

MODEL = "/models/mdl-7f3a19bc92"
BADGE = f"{MODEL}/performance/badge.svg"
BADGES = f"{MODEL}/badges"


def set_policy(model: RegisteredModel, threshold: float) -> None:
    """Set a policy that requires this accuracy."""
    rule = {"metric": "accuracy", "operator": ">=", "threshold": threshold}
    document = {"dataset_split": "test", "rules": [rule]}
    GatePolicy.objects.create(model=model, version=model.gate_policies.count() + 1, document=document)


def text_of_badge(answer: Any) -> str:
    """Return the text of a badge."""
    assert answer.status_code == 200, answer.content
    return str(fromstring(answer.content).get("aria-label"))  # noqa: S314  # it was made here


def create_badge(caller: Caller, **body: Any) -> str:
    """Create a badge as a caller, and return the path of its signed URL."""
    answer = caller.post(BADGES, {"lifetime_days": 90, **body})
    assert answer.status_code == 201, answer.content
    url = urlsplit(answer.json()["url"])
    return f"{url.path}?{url.query}"
