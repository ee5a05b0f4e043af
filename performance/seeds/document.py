"""Validate seed documents. Unknown keys are refused; the model's task type validates the metrics."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NotRequired, TypedDict, TypeVar

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.validators import validate_slug
from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from models_registry import task_types
from models_registry.accounts.models import Membership, ModelGrant, User
from models_registry.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    UTCDateTimeField,
)
from models_registry.registry import ids
from models_registry.registry.fields import ModelIdField, VersionIdField
from models_registry.registry.models import Version
from models_registry.registry.serializers import PositiveClassField, PromotionInput
from models_registry.task_types import base
from performance.gates.policy import InvalidPolicyError, Policy, validate_for
from performance.gates.serializers import PolicyInput
from performance.metrics.inputs.options import Columns, InvalidColumnsError, parse_columns
from performance.metrics.tasks.evaluators import EVALUATORS
from performance.snapshots.fields import DatasetNameField
from performance.snapshots.models import CLOCK_SKEW, DatasetSplit

Item = TypeVar("Item", bound=Mapping[str, object])


class SeedError(Exception):
    """The whole seed document is refused. Each line of the message has the path of an error, and the reason."""


class UserValues(TypedDict):
    """The validated values of a `UserDocument`."""

    username: str
    superuser: bool
    password: NotRequired[str]


class OrganizationValues(TypedDict):
    """The validated values of an `OrganizationDocument`."""

    slug: str
    name: str
    members: dict[str, str]


class SnapshotValues(TypedDict):
    """The validated values of a `SnapshotDocument`."""

    dataset_split: str
    evaluated_at: datetime
    metrics: NotRequired[dict[str, float]]
    predictions: NotRequired[str]
    columns: NotRequired[Columns]
    sample_count: NotRequired[int | None]
    dataset: NotRequired[str]


class VersionValues(TypedDict):
    """The validated values of a `VersionDocument`."""

    version_id: str
    state: str
    created_at: NotRequired[datetime]
    completed_at: NotRequired[datetime | None]
    snapshots: list[SnapshotValues]


class PromotionValues(TypedDict):
    """The validated values of a `PromotionDocument`."""

    version_id: str
    reason: str
    override: bool


class PolicyValues(TypedDict):
    """The validated values of a policy."""

    policy: Policy


class ModelValues(TypedDict):
    """The validated values of a `ModelDocument`."""

    model_id: str
    organization: str
    name: str
    task_type: str
    description: str
    positive_class: NotRequired[str | None]
    grants: dict[str, list[str]]
    archived: bool
    gate_policy: NotRequired[PolicyValues]
    promotions: list[PromotionValues]
    promoted: NotRequired[str | None]
    versions: list[VersionValues]


class UsernameField(StrictCharField):
    """A user name, normalized as Django stores it."""

    def __init__(self) -> None:
        super().__init__(max_length=150, validators=[UnicodeUsernameValidator()])

    def to_internal_value(self, data: object) -> str:
        """Return the normalized name. Raises `ValidationError`."""
        name: str = User.normalize_username(super().to_internal_value(data))
        return name


class ByUsernameField(serializers.DictField):
    """A value for each of several users, by their normalized names."""

    def to_internal_value(self, data: dict[str, object]) -> dict[str, object]:
        """Return the values by user name. Raises `ValidationError`, also if two names belong to the same user."""
        by_name: dict[str, object] = {}
        for given, value in super().to_internal_value(data).items():
            name = User.normalize_username(given)
            if name in by_name:
                raise ValidationError(f"{name} comes twice.")
            by_name[name] = value
        return by_name


class SlugTextField(StrictCharField):
    """A slug. DRF's own field would also accept a number."""

    def __init__(self) -> None:
        super().__init__(max_length=63, validators=[validate_slug])


class ColumnsField(serializers.Field[Columns, Any, Any, Any]):
    """The column mapping of predictions, as an upload has it."""

    def to_internal_value(self, data: object) -> Columns:
        """Return the columns. Raises `ValidationError`."""
        try:
            return parse_columns(data)
        except InvalidColumnsError as error:
            raise ValidationError(str(error), code="invalid") from None


class UserDocument(StrictSerializer):
    """A user. Without a password, the user needs a token that an operator makes."""

    username = UsernameField()
    password = StrictCharField(required=False, max_length=1024, trim_whitespace=False)
    superuser = StrictBooleanField(default=False)


class OrganizationDocument(StrictSerializer):
    """An organization, and the roles of its members by user name."""

    slug = SlugTextField()
    name = StrictCharField(max_length=200)
    members = ByUsernameField(child=serializers.ChoiceField(Membership.ROLES), default=dict)


class SnapshotDocument(StrictSerializer):
    """The metrics of one evaluation, or the predictions to compute them from. If both are given, they must agree.

    `columns` is the column mapping of the predictions.
    """

    dataset_split = serializers.ChoiceField(DatasetSplit.choices)
    metrics = serializers.DictField(required=False)
    predictions = StrictCharField(required=False, max_length=1000)
    columns = ColumnsField(required=False)
    sample_count = StrictIntegerField(required=False, allow_null=True, min_value=1, max_value=2**63 - 1)
    evaluated_at = UTCDateTimeField()
    dataset = DatasetNameField(required=False, help_text="The name of the dataset; by default the primary one.")

    def validate_metrics(self, value: dict[str, object]) -> dict[str, object]:
        """Refuse a snapshot without any metric."""
        if all(metric is None for metric in value.values()):
            raise ValidationError("At least one metric is needed.")
        return value

    def validate_evaluated_at(self, value: datetime) -> datetime:
        """Refuse a time in the future: the snapshot would stay the newest until then."""
        if value > timezone.now() + CLOCK_SKEW:
            raise ValidationError("Must not be in the future.")
        return value

    def validate(self, attrs: SnapshotValues) -> SnapshotValues:
        """Refuse a snapshot with neither metrics nor predictions, and columns without predictions."""
        if "metrics" not in attrs and "predictions" not in attrs:
            raise ValidationError({"metrics": "Either metrics are needed, or predictions."})
        if "columns" in attrs and "predictions" not in attrs:
            raise ValidationError({"columns": "Only a snapshot with predictions has columns."})
        return attrs


class VersionDocument(StrictSerializer):
    """One training of a model, with its snapshots."""

    version_id = VersionIdField()
    state = serializers.ChoiceField(Version.State.choices)
    created_at = UTCDateTimeField(required=False)
    completed_at = UTCDateTimeField(required=False, allow_null=True)
    snapshots = SnapshotDocument(many=True, default=list)

    def validate_version_id(self, value: str) -> str:
        """Refuse ids that no version can have."""
        if not ids.version_number(value):
            raise ValidationError("Not a version's id: ids start at ver-00001 and have five digits or more.")
        return value

    def validate(self, attrs: VersionValues) -> VersionValues:
        """Refuse values that contradict the version's state."""
        completed = attrs["state"] == Version.State.COMPLETED
        if completed and not attrs.get("completed_at"):
            raise ValidationError({"completed_at": "A completed version needs it."})
        if not completed and attrs.get("completed_at"):
            raise ValidationError({"completed_at": f"A {attrs['state']} version has none."})
        if not completed and any(item["dataset_split"] == DatasetSplit.TEST for item in attrs["snapshots"]):
            raise ValidationError({"snapshots": "Only a completed version has a snapshot of the test split."})
        return attrs


class PromotionDocument(PromotionInput):
    """A promotion."""

    version_id = VersionIdField()


class ModelDocument(StrictSerializer):
    """A registered model, its grants by user name, its versions, its policy, and what was promoted.

    `promotions` are all promotions, the earliest first.
    """

    model_id = ModelIdField()
    organization = SlugTextField()
    name = StrictCharField(max_length=200)
    task_type = StrictCharField()
    description = StrictCharField(default="", allow_blank=True)
    positive_class = PositiveClassField()
    grants = ByUsernameField(
        child=serializers.ListField(child=serializers.ChoiceField(ModelGrant.SCOPES)), default=dict
    )
    archived = StrictBooleanField(default=False)
    gate_policy = PolicyInput(required=False)
    promotions = PromotionDocument(many=True, default=list)
    promoted = StrictCharField(required=False, allow_null=True)
    versions = VersionDocument(many=True, default=list)

    def validate_task_type(self, value: str) -> str:
        """Refuse an unknown task type."""
        try:
            return task_types.get(value).name
        except task_types.UnknownTaskTypeError as error:
            raise ValidationError(str(error)) from None

    def validate(self, attrs: ModelValues) -> ModelValues:
        """Refuse repeated versions, invalid metrics, and the promotion of a version that is not completed."""
        versions = attrs["versions"]
        _refuse_repeats(versions, key="version_id")
        states = {version["version_id"]: version["state"] for version in versions}
        promoted = [("promotions", item["version_id"]) for item in attrs["promotions"]]
        for field, version_id in [*promoted, ("promoted", attrs.get("promoted"))]:
            if version_id and states.get(version_id) != Version.State.COMPLETED:
                raise ValidationError({field: "Must be the version_id of one of these versions that is completed."})
        task_type = task_types.get(attrs["task_type"])
        _refuse_unfit_policy(task_type, attrs.get("gate_policy"))
        _refuse_unevaluated(task_type, versions)
        _clean_metrics(task_type, versions)
        return attrs


class HeadDocument(StrictSerializer):
    """A seed document whose models are not validated yet."""

    users = UserDocument(many=True, default=list)
    organizations = OrganizationDocument(many=True, default=list)
    models = serializers.ListField(default=list)

    def validate_users(self, value: list[UserValues]) -> list[UserValues]:
        """Refuse repeated user names."""
        return _refuse_repeats(value, key="username")

    def validate_organizations(self, value: list[OrganizationValues]) -> list[OrganizationValues]:
        """Refuse repeated slugs."""
        return _refuse_repeats(value, key="slug")


def _refuse_repeats(items: list[Item], *, key: str) -> list[Item]:
    seen = set()
    for item in items:
        if item[key] in seen:
            raise ValidationError(f"{item[key]} comes twice.")
        seen.add(item[key])
    return items


def _refuse_unfit_policy(task_type: base.TaskType, given: PolicyValues | None) -> None:
    """Refuse a policy by which the task type's models cannot be judged."""
    try:
        if given:
            validate_for(given["policy"], [task_type])
    except InvalidPolicyError as error:
        errors = {field: [ErrorDetail(detail, code)] for field, code, detail in error.errors}
        raise ValidationError({"gate_policy": errors}) from None


def _refuse_unevaluated(task_type: base.TaskType, versions: list[VersionValues]) -> None:
    """Refuse predictions if the task type cannot be evaluated here."""
    if task_type.name not in EVALUATORS and any("predictions" in item for *_, item in _snapshots(versions)):
        raise ValidationError({"task_type": f"Predictions of {task_type.name} are not evaluated here; give metrics."})


def _clean_metrics(task_type: base.TaskType, versions: list[VersionValues]) -> None:
    """Replace the given metrics by the validated ones: recorded metrics, as floats."""
    errors: dict[Any, Any] = {}
    for version_index, snapshot_index, item in _snapshots(versions):
        try:
            item["metrics"] = task_type.clean(item.get("metrics", {}))
        except base.InvalidMetricsError as error:
            refused = {name: [ErrorDetail(reason, code="invalid")] for name, reason in error.errors.items()}
            errors.setdefault(version_index, {"snapshots": {}})["snapshots"][snapshot_index] = {"metrics": refused}
    if errors:
        raise ValidationError({"versions": errors})


def _snapshots(versions: list[VersionValues]) -> Iterator[tuple[int, int, SnapshotValues]]:
    for version_index, version in enumerate(versions):
        for snapshot_index, item in enumerate(version["snapshots"]):
            yield version_index, snapshot_index, item
