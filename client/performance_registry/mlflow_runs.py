"""What a version becomes in MLflow: the metrics, parameters, tags and datasets of a run."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TypedDict

from performance_registry.errors import RegistryError

STATUSES = {"training": "RUNNING", "completed": "FINISHED", "failed": "FAILED"}
IDENTITY = "registry.version"  # the tag by which a run is found again
MAX_NAME, MAX_PARAMETER, MAX_TAG = 250, 6000, 5000  # characters
MAX_DATASET_VERSION = 36  # characters, of what MLflow calls its digest
CONTEXT = "mlflow.data.context"


class ModelDocument(TypedDict):
    """The JSON of a model, as far as it is exported."""

    model_id: str
    organization: str
    name: str
    description: str


class VersionDocument(TypedDict):
    """The JSON of a version."""

    model_id: str
    version_id: str
    state: str
    promoted: bool
    description: str
    source_uri: str
    parameters: dict[str, object]
    tags: list[str]
    created_at: str
    completed_at: str | None


class DatasetDocument(TypedDict):
    """The JSON of a snapshot's dataset."""

    name: str | None
    version: str | None
    digest: str | None


class ListedSnapshot(TypedDict):
    """The JSON of a snapshot in a list, as far as it is exported."""

    dataset_split: str
    dataset: DatasetDocument | None
    metrics: dict[str, float | None]
    custom_metrics: dict[str, float]
    sample_count: int | None
    evaluated_at: str


class SnapshotDocument(ListedSnapshot, total=False):
    """The JSON of a snapshot. A report has intervals."""

    confidence_intervals: dict[str, dict[str, object]]


class Metric(TypedDict):
    """A metric as MLflow's REST API has it."""

    key: str
    value: float
    timestamp: int
    step: int


_not_allowed = re.compile(r"[^\w.\-: /]")


def identity(version: VersionDocument) -> str:
    """Return the value of the tag `IDENTITY`."""
    return f"{version['model_id']}/{version['version_id']}"


def newest(snapshots: Iterable[SnapshotDocument]) -> list[SnapshotDocument]:
    """Return the first snapshot of each split and dataset."""
    found: dict[tuple[str, str], SnapshotDocument] = {}
    for each in snapshots:
        found.setdefault((each["dataset_split"], _dataset_name(each)), each)
    return list(found.values())


def metrics(snapshots: Iterable[SnapshotDocument]) -> list[Metric]:
    """Return the metrics of snapshots, such as `test_accuracy`; of a named dataset `test_october/accuracy`.

    Raises `RegistryError` if two get one name.
    """
    found = [(_metric_name(each, name), value, each) for each in snapshots for name, value in _values(each)]
    names = [name for name, *_ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RegistryError(f"Two metrics would have one name in MLflow: {', '.join(twice)}.")
    return [
        {"key": name, "value": value, "timestamp": milliseconds(snapshot["evaluated_at"]), "step": 0}
        for name, value, snapshot in found
    ]


def parameters(version: VersionDocument) -> list[dict[str, str]]:
    """Return the parameters; those within others have names with dots."""
    named = {_name(name): _text(value)[:MAX_PARAMETER] for name, value in _flatten(version["parameters"])}
    return [{"key": name, "value": value} for name, value in named.items()]


def tags(version: VersionDocument, snapshots: Iterable[SnapshotDocument]) -> list[dict[str, str]]:
    """Return the tags: what the version is, and the interval and number of examples behind each metric."""
    texts = {
        IDENTITY: identity(version),
        "registry.state": version["state"],
        "registry.promoted": _text(version["promoted"]),
        "registry.source_uri": version["source_uri"],
        "registry.tags": _text(version["tags"]),
        "mlflow.note.content": version["description"],
        "mlflow.runName": version["version_id"],
    }
    for each in snapshots:
        texts[_name(f"registry.samples.{_place(each)}")] = _text(each["sample_count"])
        intervals = each.get("confidence_intervals") or {}
        for name in (name for name, _ in _values(each) if name in intervals):
            texts[_name(f"registry.interval.{_metric_name(each, name)}")] = _text(intervals[name])
    return [{"key": name, "value": text[:MAX_TAG]} for name, text in texts.items()]


def datasets(snapshots: Iterable[SnapshotDocument], source: str) -> list[dict[str, object]]:
    """Return the datasets that are known by name, with the split that each was used for."""
    named = [(each, each["dataset"]) for each in snapshots if each["dataset"] and each["dataset"]["name"]]
    return [
        {
            "tags": [{"key": CONTEXT, "value": each["dataset_split"]}],
            "dataset": {
                "name": dataset["name"],
                "digest": (dataset["version"] or dataset["digest"] or "unknown")[:MAX_DATASET_VERSION],
                "source_type": "registry",
                "source": json.dumps({"url": source}),
            },
        }
        for each, dataset in named
    ]


def milliseconds(time: str) -> int:
    """Return a time of the registry as MLflow has it."""
    return int(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() * 1000)


def _values(snapshot: SnapshotDocument) -> Iterator[tuple[str, float]]:
    yield from ((name, value) for name, value in snapshot["metrics"].items() if value is not None)
    yield from snapshot["custom_metrics"].items()


def _metric_name(snapshot: SnapshotDocument, metric: str) -> str:
    dataset = _dataset_name(snapshot)
    return _name(f"{snapshot['dataset_split']}_{f'{dataset}/' if dataset else ''}{metric}")


def _place(snapshot: SnapshotDocument) -> str:
    return "/".join(filter(None, (snapshot["dataset_split"], _dataset_name(snapshot))))


def _dataset_name(snapshot: SnapshotDocument) -> str:
    dataset = snapshot["dataset"]
    return (dataset and dataset["name"]) or ""


def _name(text: str) -> str:
    """Return a name that MLflow takes. It also takes each for the path of a file."""
    name = _not_allowed.sub("_", text.replace("@", "_at_"))
    if posixpath.normpath(name) != name or name.startswith(("/", "..")):
        name = name.replace("/", "_")
    return name[:MAX_NAME]


def _flatten(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
