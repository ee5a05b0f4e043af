"""Store the policies and promotions of a seed document."""

from collections.abc import Mapping

from models_registry.api.errors import APIError, InvalidBodyError
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.promotions import CheckResult, promote
from performance.gates.models import GatePolicy
from performance.gates.policy import Policy
from performance.gates.selectors import judge_version
from performance.gates.services import set_model_policy, store_enforced_verdict
from performance.seeds.document import PromotionValues, SeedError


def load_policy(path: str, model: RegisteredModel, policy: Policy, *, keep: bool) -> bool:
    """Store a model's policy, and return whether it is a new one. With `keep`, a model that had a policy keeps it.

    Raises `SeedError`.
    """
    newest = GatePolicy.objects.filter(model=model).newest_first().first()
    if newest and (keep or newest.document == policy.as_document()):
        return False
    try:
        set_model_policy(model=model, policy=policy, created_by="")
    except InvalidBodyError as error:
        refused = [f"{path}.gate_policy.{field}: {detail}" for field, _, detail in error.errors]
        raise SeedError("\n".join(refused)) from None
    except APIError as error:
        raise SeedError(f"{path}.gate_policy: {error.detail}") from None
    return True


def load_promotions(path: str, versions: Mapping[int, Version], promotions: list[PromotionValues]) -> None:
    """Promote one version after the other. Raises `SeedError` if one is refused."""
    for position, item in enumerate(promotions):
        version = versions[ids.version_number(item["version_id"])]
        promote_version(f"{path}.promotions.{position}", version, item["reason"], override=item["override"])


def promote_version(path: str, version: Version, reason: str, *, override: bool = False) -> None:
    """Promote a version. Raises `SeedError` if it is refused."""
    try:
        outcome = promote(version=version, promoted_by=None, reason=reason, override=override)
    except APIError as error:
        raise SeedError(f"{path}: {error.detail}") from None
    if isinstance(outcome, CheckResult):
        raise SeedError(f"{path}: {outcome.detail}")


def judge_newest(model: RegisteredModel) -> None:
    """Store the verdict on a model's newest completed version, as if a pipeline had asked for it."""
    version = model.versions.completed().newest_first().first()
    if version is not None and version.pk != model.promoted_version_id:
        version.model = model
        store_enforced_verdict(judge_version(version, compare=None), requested_by="")
