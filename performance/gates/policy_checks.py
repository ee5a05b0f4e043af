"""Check a policy against the model that it is for."""

from collections.abc import Iterable, Iterator

from models_registry.api.field_errors import FieldError
from models_registry.registry import ids
from models_registry.registry.models import RegisteredModel, Version
from models_registry.task_types.base import TaskType
from performance.gates.policy import InvalidPolicyError, Policy, validate_for
from performance.gates.regression import Regression
from performance.metrics.inputs.labels import canonical_label
from performance.metrics.inputs.options import BINARY


def validate_policy(policy: Policy, known: Iterable[TaskType], *, model_id: str | None = None) -> None:
    """Check that a model of one of these task types could pass, or if `model_id` is given, that model.

    There is no SQL statement unless the policy names a version, a positive class or an averaging. Raises
    `InvalidPolicyError`.
    """
    validate_for(policy, known)
    if errors := [*_version_errors(policy, model_id), *_positive_class_errors(policy, model_id)]:
        raise InvalidPolicyError(errors)


def _version_errors(policy: Policy, model_id: str | None) -> Iterator[FieldError]:
    """Yield an error for each field that names an unknown version. An organization's policy cannot name any."""
    named = {each: ids.version_number(each) for each in policy.named_versions}
    if not named:
        return
    versions = Version.objects.filter(model=model_id, number__in=named.values())
    known = {*versions.values_list("number", flat=True)}
    unknown = {each for each, number in named.items() if number not in known}
    limits = [(index, rule) for index, rule in enumerate(policy.rules) if isinstance(rule, Regression)]
    fields = {"against": policy.against, **{f"rules.{index}.against": rule.against for index, rule in limits}}
    yield from ((field, "unknown", f"There is no {each}.") for field, each in fields.items() if each in unknown)


def _positive_class_errors(policy: Policy, model_id: str | None) -> Iterator[FieldError]:
    """Yield an error if the policy pins what no evaluation by the positive class that the model declares has."""
    pinned = policy.requirements.evaluation
    if model_id is None or not pinned.keys() & {"positive_class", "averaging"}:
        return
    found = RegisteredModel.objects.filter(pk=model_id).values_list("positive_class", flat=True).first()
    if found is None:
        return
    declared = canonical_label(found)
    for name, needed in (("positive_class", declared), ("averaging", BINARY)):
        if pinned.get(name, needed) != needed:
            message = f"Is {pinned[name]!r}, but the model's positive class is {declared!r}."
            yield f"evaluation.{name}", "contradicts_model", message
