"""Turn what a reader found into bodies as clients report them, and say where they are wrong."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rest_framework import serializers

from models_registry import task_types
from models_registry.api.fields import NameField, StrictSerializer, list_errors
from models_registry.api.times import utc_text
from models_registry.registry.models import RegisteredModel
from models_registry.registry.serializers import VersionInput
from models_registry.task_types.base import TaskType
from performance.imports.document import (
    ImportedModel,
    ImportedSnapshot,
    ImportedVersion,
    ReadError,
)
from performance.imports.metric_names import find_task_type, sort_metrics, without_split
from performance.metrics.inputs.labels import canonical_label
from performance.metrics.inputs.options import BINARY
from performance.snapshots.input_serializers import SnapshotInput
from performance.snapshots.models import DatasetSplit

PROVENANCE = "imported_from"  # the parameter of a version that says where it comes from


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the caller says where a file says nothing.

    The name and the task type count for models without them, the split for metrics without one.
    """

    model: str = ""
    task_type: str = ""
    dataset_split: str = DatasetSplit.TEST


@dataclass(frozen=True, slots=True)
class ResolvedVersion:
    """A version as it can be stored: its content, its digest, and its reports with their places."""

    place: str
    content: dict[str, Any]
    digest: str
    reports: list[tuple[str, dict[str, Any]]]


def model_name(model: ImportedModel, options: ImportOptions) -> str:
    """Return the name of a model. Raises `ReadError`."""
    name = model.name or options.model
    if not name:
        raise ReadError(model.place, "The file names no model. Say which it is of: `model`.")
    try:
        return str(NameField().run_validation(name))
    except serializers.ValidationError as error:
        raise ReadError(model.place, f"The model's name: {_first(error)}") from None


def find_model_task_type(model: ImportedModel, options: ImportOptions, existing: RegisteredModel | None) -> str:
    """Return a model's task type: its own, the file's, the caller's, or that of its metrics. Raises `ReadError`."""
    if existing is not None:
        return existing.task_type
    declared = options.task_type or model.task_type
    if declared:
        try:
            return task_types.get(declared).name
        except task_types.UnknownTaskTypeError as error:
            raise ReadError(model.place, str(error)) from None
    names = {name for version in model.versions for each in version.snapshots for name in each.values}
    found = find_task_type(names)
    if found is None:
        known = ", ".join(each.name for each in task_types.all_task_types())
        raise ReadError(
            model.place, f"Its metrics are those of no single task type. Say which it has: `task_type`, one of {known}."
        )
    return found


def resolve_version(
    version: ImportedVersion,
    task_type: TaskType,
    options: ImportOptions,
    format_name: str,
    positive_class: str | None = None,
) -> ResolvedVersion:
    """Return a version as it can be stored. Raises `ReadError`, which says where it is wrong.

    Averages over classes give way to the metrics of the `positive_class` that the model declares, if it does.
    """
    snapshots = [_of_positive_class(each, positive_class) for each in version.snapshots]
    reports = [report for each in snapshots for report in _reports(each, task_type, options)]
    parameters = dict(version.parameters)
    content: dict[str, object] = {
        "description": version.description,
        "source_uri": version.source_uri,
        "parameters": parameters,
        "tags": version.tags,
    }
    identity: object = version.key or [content, [report for _, report in reports]]
    digest = hashlib.sha256(json.dumps([format_name, identity], sort_keys=True).encode()).hexdigest()
    parameters[PROVENANCE] = {"format": format_name, "digest": digest}
    return ResolvedVersion(
        version.place,
        _validated(VersionInput, content, version.place),
        digest,
        [(place, _validated(SnapshotInput, report, place)) for place, report in reports],
    )


def _of_positive_class(snapshot: ImportedSnapshot, positive_class: str | None) -> ImportedSnapshot:
    """Return a snapshot with the metrics of the positive class, if it has them, in place of averages over classes."""
    if positive_class is None or snapshot.evaluation_options.get("averaging", BINARY) == BINARY:
        return snapshot
    declared = canonical_label(positive_class)
    found = [metrics for label, metrics in snapshot.per_class.items() if canonical_label(label) == declared]
    if not found:
        return snapshot
    of_class = {name: value for name, value in found[0].items() if name in snapshot.values}
    return replace(snapshot, values={**snapshot.values, **of_class}, evaluation_options={"averaging": BINARY})


def _reports(
    snapshot: ImportedSnapshot, task_type: TaskType, options: ImportOptions
) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the place and the body of a report for each split that the metrics' names say."""
    default = snapshot.dataset_split or options.dataset_split
    values, errors = _by_split(snapshot.values, default), _by_split(snapshot.standard_errors, default)
    for split, of_split in values.items():
        try:
            metrics, custom, standard_errors = sort_metrics(task_type, of_split, errors.get(split, {}))
        except ValueError as error:
            raise ReadError(snapshot.place, str(error)) from None
        body: dict[str, object] = {
            "dataset_split": split,
            "metrics": metrics,
            "custom_metrics": custom,
            "standard_errors": standard_errors,
        }
        if split == default:
            body["per_class"] = {label: dict(each) for label, each in snapshot.per_class.items()}
            body["evaluation_options"] = dict(snapshot.evaluation_options)
        yield (
            snapshot.place,
            {name: value for name, value in {**body, **_context(snapshot)}.items() if value != {}}
            | {"metrics": metrics},
        )


def _context(snapshot: ImportedSnapshot) -> dict[str, object]:
    """Return what a report says besides its numbers; what is unknown is left out."""
    dataset = {"name": snapshot.dataset, "version": snapshot.dataset_version}
    context = {
        "dataset": {name: text for name, text in dataset.items() if text} if snapshot.dataset else None,
        "sample_count": snapshot.sample_count,
        "evaluated_at": snapshot.evaluated_at and utc_text(snapshot.evaluated_at),
    }
    return {name: value for name, value in context.items() if value is not None}


def _by_split(values: Mapping[str, float], default: str) -> dict[str, dict[str, float]]:
    """Return metrics by the split that their names begin with, or else by the default. Raises `ReadError`."""
    splits: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        split, rest = without_split(name)
        of_split = splits.setdefault(split or default, {})
        of_split[name if rest in of_split else rest] = value
    return splits


def _validated(serializer: type[StrictSerializer], body: dict[str, object], place: str) -> dict[str, Any]:
    """Return a body as the API would take it. Raises `ReadError`."""
    try:
        values: dict[str, Any] = serializer().run_validation(body)
    except serializers.ValidationError as error:
        raise ReadError(place, _first(error)) from None
    return values


def _first(error: serializers.ValidationError) -> str:
    field, _, reason = next(list_errors(error.detail))
    return f"{field}: {reason}" if field else reason
