"""What a seed document may hold. Unknown keys are refused; metrics are validated by their model's task type."""

import re
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import yaml
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
    list_errors,
)
from models_registry.api.strict_json import check_document, parse_json
from models_registry.registry import ids
from models_registry.registry.models import Version
from models_registry.task_types import base
from performance.metrics.tasks.evaluators import EVALUATORS
from performance.seeds.json_slices import split_array
from performance.snapshots.models import CLOCK_SKEW, DatasetSplit

YAML_SUFFIXES = {".yaml", ".yml"}


class SeedError(Exception):
    """A seed document that is refused whole. The message names each fault's path in the document and its reason."""


class UsernameField(StrictCharField):
    """A user name, in the form in which Django stores it."""

    def __init__(self) -> None:
        super().__init__(max_length=150, validators=[UnicodeUsernameValidator()])

    def to_internal_value(self, data: Any) -> str:
        """Return the name. Raises `ValidationError`."""
        name: str = User.normalize_username(super().to_internal_value(data))
        return name


class ByUsernameField(serializers.DictField):
    """Something for each of some users, by the form of their names in which Django stores them."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return it by user name. Raises `ValidationError`, also when two names are one user's."""
        by_name: dict[str, Any] = {}
        for given, value in super().to_internal_value(data).items():
            name = User.normalize_username(given)
            if name in by_name:
                raise ValidationError(f"{name} comes twice.")
            by_name[name] = value
        return by_name


class SlugTextField(StrictCharField):
    """A slug, which the library's own field would make of a number, too."""

    def __init__(self) -> None:
        super().__init__(max_length=63, validators=[validate_slug])


class UserDocument(StrictSerializer):
    """Someone who may log in; without a password, only with tokens that an operator makes."""

    username = UsernameField()
    password = StrictCharField(required=False, max_length=1024, trim_whitespace=False)
    superuser = StrictBooleanField(default=False)


class OrganizationDocument(StrictSerializer):
    """A team, and its members' roles by user name."""

    slug = SlugTextField()
    name = StrictCharField(max_length=200)
    members = ByUsernameField(child=serializers.ChoiceField(Membership.ROLES), default=dict)


class SnapshotDocument(StrictSerializer):
    """The metrics of one evaluation, or the predictions that they are to be computed from, or both, to agree."""

    dataset_split = serializers.ChoiceField(DatasetSplit.choices)
    metrics = serializers.DictField(required=False)
    predictions = StrictCharField(required=False, max_length=1000)
    sample_count = StrictIntegerField(required=False, allow_null=True, min_value=1, max_value=2**63 - 1)
    evaluated_at = UTCDateTimeField()

    def validate_metrics(self, value: dict[str, Any]) -> dict[str, Any]:
        """Refuse a snapshot that says nothing."""
        if all(metric is None for metric in value.values()):
            raise ValidationError("At least one metric is needed.")
        return value

    def validate_evaluated_at(self, value: datetime) -> datetime:
        """Refuse the future: such a snapshot would stay the newest until then."""
        if value > timezone.now() + CLOCK_SKEW:
            raise ValidationError("Must not be in the future.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a snapshot with neither metrics nor predictions."""
        if "metrics" not in attrs and "predictions" not in attrs:
            raise ValidationError({"metrics": "Either metrics are needed, or predictions."})
        return attrs


class VersionDocument(StrictSerializer):
    """One training of a model, with its snapshots."""

    version_id = serializers.RegexField(rf"^{ids.VERSION_ID_PATTERN}\Z")
    state = serializers.ChoiceField(Version.State.choices)
    created_at = UTCDateTimeField(required=False)
    completed_at = UTCDateTimeField(required=False, allow_null=True)
    snapshots = SnapshotDocument(many=True, default=list)

    def validate_version_id(self, value: str) -> str:
        """Refuse an id that is no version's."""
        if not ids.version_number(value):
            raise ValidationError("Not a version's id: ids start at ver-00001 and have five digits or more.")
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what a version in its state cannot have."""
        completed = attrs["state"] == Version.State.COMPLETED
        if completed and not attrs.get("completed_at"):
            raise ValidationError({"completed_at": "A completed version needs it."})
        if not completed and attrs.get("completed_at"):
            raise ValidationError({"completed_at": f"A {attrs['state']} version has none."})
        if not completed and any(item["dataset_split"] == DatasetSplit.TEST for item in attrs["snapshots"]):
            raise ValidationError({"snapshots": "Only a completed version has a snapshot of the test split."})
        return attrs


class ModelDocument(StrictSerializer):
    """A registered model, its grants by user name, its versions, and which of them is promoted."""

    model_id = serializers.RegexField(rf"^{ids.MODEL_ID_PATTERN}\Z")
    organization = SlugTextField()
    name = StrictCharField(max_length=200)
    task_type = StrictCharField()
    description = StrictCharField(default="", allow_blank=True)
    grants = ByUsernameField(
        child=serializers.ListField(child=serializers.ChoiceField(ModelGrant.SCOPES)), default=dict
    )
    archived = StrictBooleanField(default=False)
    promoted = StrictCharField(required=False, allow_null=True)
    versions = VersionDocument(many=True, default=list)

    def validate_task_type(self, value: str) -> str:
        """Refuse an unknown task type."""
        try:
            return task_types.get(value).name
        except task_types.UnknownTaskTypeError as error:
            raise ValidationError(str(error)) from None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse repeated versions, metrics that the task type refuses, and promoting what is not completed."""
        versions = attrs["versions"]
        _refuse_repeats(versions, "version_id")
        states = {version["version_id"]: version["state"] for version in versions}
        promoted = attrs.get("promoted")
        if promoted and states.get(promoted) != Version.State.COMPLETED:
            raise ValidationError({"promoted": "Must be the version_id of one of these versions that is completed."})
        task_type = task_types.get(attrs["task_type"])
        _refuse_unevaluated(task_type, versions)
        _clean_metrics(task_type, versions)
        return attrs


class HeadDocument(StrictSerializer):
    """A whole seed document, of which the models are yet to be validated."""

    users = UserDocument(many=True, default=list)
    organizations = OrganizationDocument(many=True, default=list)
    models = serializers.ListField(default=list)

    def validate_users(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse a user name that comes twice."""
        return _refuse_repeats(value, "username")

    def validate_organizations(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Refuse a slug that comes twice."""
        return _refuse_repeats(value, "slug")


@dataclass(frozen=True)
class SeedDocument:
    """A seed document, of which one model at a time is read into memory."""

    path: Path
    users: list[dict[str, Any]]
    organizations: list[dict[str, Any]]
    unread: Sequence[Callable[[], Any]]

    def models(self) -> Iterator[dict[str, Any]]:
        """Yield the validated models, as long as none is refused.

        Raises `SeedError` in the end, naming the faults of them all.
        """
        found: list[str] = []
        seen: set[tuple[str, ...]] = set()
        for position, read_model in enumerate(self.unread):
            document = ModelDocument(data=read_model())
            if document.is_valid():
                model: dict[str, Any] = document.validated_data
                found += _repeats(self.path, model, seen)
                if not found:
                    yield model
            else:
                found += _lines(self.path, document.errors, f"models.{position}")
        if found:
            raise SeedError("\n".join(found))


def read(path: Path) -> SeedDocument:
    """Return the seed document in a JSON or YAML file. Raises `SeedError`."""
    try:
        head, pieces = _read_yaml(path) if path.suffix.lower() in YAML_SUFFIXES else _read_json(path)
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise SeedError(f"{path}: cannot be read: {_reason(error)}") from None
    document = HeadDocument(data=head)
    if not document.is_valid():
        raise SeedError("\n".join(_lines(path, document.errors)))
    values = document.validated_data
    unread = [partial(copy, model) for model in values["models"]] + pieces
    return SeedDocument(path, values["users"], values["organizations"], unread)


def _read_yaml(path: Path) -> tuple[Any, list[Callable[[], Any]]]:
    document = yaml.load(path.read_bytes(), _StrictYAMLLoader)  # noqa: S506  # a SafeLoader
    check_document(document)
    return document, []


def _read_json(path: Path) -> tuple[Any, list[Callable[[], Any]]]:
    """Return the document without its models, and what reads each of them."""
    encoded = _mapped(path)
    head, pieces = split_array(encoded, "models")
    return parse_json(head), [partial(_read_piece, path, encoded, *piece) for piece in pieces]


def _read_piece(path: Path, encoded: bytes | mmap, start: int, end: int) -> Any:
    try:
        return parse_json(encoded[start:end])
    except ValueError as error:
        raise SeedError(f"{path}: cannot be read: in the model at byte {start}: {error}") from None


def _mapped(path: Path) -> bytes | mmap:
    """Return what a file holds: read where it is looked at, if it is more than a pipe."""
    if not path.is_file() or not path.stat().st_size:
        return path.read_bytes()
    with path.open("rb") as file:
        return mmap(file.fileno(), 0, access=ACCESS_READ)


def _lines(path: Path, errors: Any, where: str = "") -> list[str]:
    return [f"{path}: {place or 'the document'}: {reason}" for place, _, reason in list_errors(errors, where)]


def _repeats(path: Path, model: dict[str, Any], seen: set[tuple[str, ...]]) -> list[str]:
    keys = {(model["model_id"],), (model["organization"], model["name"])}
    repeated = sorted(keys & seen)
    seen |= keys
    return [f"{path}: models: {' '.join(key)} comes twice." for key in repeated]


class _StrictYAMLLoader(yaml.SafeLoader):
    """Reads YAML as JSON is read here: no repeated keys, a moment stays text, and `1e5` is a number."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ValueError("it holds an alias; say again what is meant")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            raise ValueError(f"a key is repeated{node.start_mark}")
        return mapping


# YAML 1.1 asks for a point and for the exponent's sign, which JSON does not.
_StrictYAMLLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?[eE][-+]?[0-9]+\Z"), list("-0123456789")
)


def _reason(error: Exception) -> str:
    return "it is nested too deep" if isinstance(error, RecursionError) else str(error)


def _refuse_repeats(items: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    seen: set[tuple[Any, ...]] = set()
    for item in items:
        key = tuple(item[name] for name in names)
        if key in seen:
            raise ValidationError(f"{' '.join(map(str, key))} comes twice.")
        seen.add(key)
    return items


def _refuse_unevaluated(task_type: base.TaskType, versions: list[dict[str, Any]]) -> None:
    """Refuse predictions of a task type that is not evaluated here."""
    if task_type.name not in EVALUATORS and any("predictions" in item for *_, item in _snapshots(versions)):
        raise ValidationError({"task_type": f"Predictions of {task_type.name} are not evaluated here; give metrics."})


def _clean_metrics(task_type: base.TaskType, versions: list[dict[str, Any]]) -> None:
    """Put the recorded metrics as floats in the place of those given."""
    found: dict[Any, Any] = {}
    for at_version, at_snapshot, item in _snapshots(versions):
        try:
            item["metrics"] = task_type.clean(item.get("metrics", {}))
        except base.InvalidMetricsError as error:
            refused = {name: [ErrorDetail(reason, code="invalid")] for name, reason in error.faults.items()}
            found.setdefault(at_version, {"snapshots": {}})["snapshots"][at_snapshot] = {"metrics": refused}
    if found:
        raise ValidationError({"versions": found})


def _snapshots(versions: list[dict[str, Any]]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    for at_version, version in enumerate(versions):
        for at_snapshot, item in enumerate(version["snapshots"]):
            yield at_version, at_snapshot, item
