"""Gather a model card: what is stored about a version, its newest snapshots, and the verdict of its gate."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

from django.utils.timezone import localtime

from models_registry import task_types
from models_registry.registry.models import Version
from models_registry.task_types.base import TaskType
from performance.formatting import format_consistently, format_six_digits
from performance.gates.renderers import measured_texts
from performance.gates.selectors import judge_version
from performance.gates.tables import verdict_table
from performance.gates.verdict import Verdict
from performance.metrics.statistics.intervals import IntervalDocument
from performance.model_cards.card import ModelCard, Section
from performance.snapshots.models import MetricSnapshot, Source
from performance.snapshots.querysets import MetricSnapshotQuerySet
from performance.snapshots.tables import Table, class_table, metric_table, slice_tables

MAX_SNAPSHOTS = 20
MAX_SLICES = 10  # of an attribute, the worst ones
MAX_PARAMETERS = 100
MAX_VALUE_LENGTH = 200  # characters of a parameter's value
PRIMARY_DATASET = "primary"


def model_card(version: Version) -> ModelCard:
    """Return the card of a version. `version.model` must be up to date.

    It has the newest snapshot of each split and dataset, at most `MAX_SNAPSHOTS`, and for a completed version the
    verdict by the policy in force. Raises `UnknownTaskTypeError`.
    """
    task_type = task_types.get(version.model.task_type)
    newest: MetricSnapshotQuerySet = MetricSnapshot.objects.filter(version=version).newest_of_each_dataset()
    snapshots = [*newest.select_related("detail").defer_large().prefetch_related("slices")[:MAX_SNAPSHOTS]]
    return ModelCard(
        f"{version.model.name} {version.version_id}",
        [
            _about(version, task_type),
            *(_evaluation(snapshot, task_type) for snapshot in snapshots),
            *([_gate(judge_version(version, compare=None))] if version.state == Version.State.COMPLETED else []),
            *_training(version),
        ],
        _metadata(version, task_type, snapshots),
    )


def _about(version: Version, task_type: TaskType) -> Section:
    model = version.model
    facts = {
        "Model": model.pk,
        "Organization": model.organization.name,
        "Task type": task_type.label,
        "Version": version.version_id,
        "State": str(version.state),
        "Promoted": "yes" if version.promoted else "no",
        "Completed": _time_text(version.completed_at),
        "Source": version.source_uri,
        "Positive class": model.positive_class or "",
        "Tags": ", ".join(map(str, [*model.tags, *version.tags])),
    }
    descriptions = [text for text in (model.description, version.description) if text]
    return Section("About", [(name, text) for name, text in facts.items() if text], descriptions)


def _training(version: Version) -> Iterator[Section]:
    """Yield a section about the parameters, if there are any."""
    if version.parameters:
        rows = [[name, _value_text(value)] for name, value in [*version.parameters.items()][:MAX_PARAMETERS]]
        note = _omitted(len(version.parameters) - MAX_PARAMETERS, "parameters")
        yield Section("Training", tables=[Table("Parameters", ("Name", "Value"), rows, note=note)])


def _value_text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}…"


def _evaluation(snapshot: MetricSnapshot, task_type: TaskType) -> Section:
    details = snapshot.details
    facts = {
        "Dataset": " ".join(filter(None, (snapshot.dataset, details.dataset_version))),
        "Digest of the examples": details.examples_digest or "",
        "Evaluated": _time_text(snapshot.evaluated_at),
        "Examples": "" if snapshot.sample_count is None else str(snapshot.sample_count),
        "Source": f"{snapshot.source}{' from predictions' if snapshot.source == Source.COMPUTED else ''}",
        "Positive class": details.positive_class or "",
        "Averaging": details.averaging or "",
    }
    tables = [
        metric_table(task_type, snapshot.all_metrics, details.confidence_intervals),
        _custom_metrics(details.custom_metrics),
        class_table(task_type, details.per_class),
        *(_worst(table) for table in slice_tables(task_type, snapshot.slices.all())),
    ]
    labels = {metric.name: metric.label for metric in task_type.all_metrics}
    without_interval = {name: f"no interval. {reason}" for name, reason in details.intervals_unavailable.items()}
    reasons = {**without_interval, **details.metrics_unavailable}
    return Section(
        f"Performance on {_dataset_text(snapshot)}",
        [(name, text) for name, text in facts.items() if text],
        tables=[table for table in tables if table],
        remarks=[
            *(str(warning["detail"]) for warning in details.warnings),
            *(f"{labels.get(name, name)}: {reason}" for name, reason in reasons.items()),
        ],
    )


def _custom_metrics(metrics: Mapping[str, float]) -> Table | None:
    rows = [[name, format_six_digits(value)] for name, value in metrics.items()]
    return Table("Custom metrics", ("Metric", "Value"), rows) if rows else None


def _worst(table: Table) -> Table:
    """Return the first rows of a table of slices, the worst ones."""
    note = _omitted(len(table.rows) - MAX_SLICES, "slices, which are better in the first metric,")
    return Table(table.title, table.headers, table.rows[:MAX_SLICES], note=note)


def _omitted(number: int, things: str) -> str:
    return f"{number:,} more {things} are not shown." if number > 0 else ""


def _gate(verdict: Verdict) -> Section:
    document = verdict.as_document()
    tables = [verdict_table(document["rules"])] if verdict.rules else []
    remarks = [*measured_texts(document), *verdict.warnings]
    return Section("Gate", paragraphs=[*format_consistently([verdict.detail])], tables=tables, remarks=remarks)


def _metadata(version: Version, task_type: TaskType, snapshots: list[MetricSnapshot]) -> dict[str, object]:
    """Return the metadata in the form of model cards on the Hugging Face Hub.

    https://github.com/huggingface/hub-docs/blob/main/modelcard.md
    """
    model = version.model
    tags = [*dict.fromkeys(map(str, [*model.tags, *version.tags]))]
    results = [_result(snapshot, task_type) for snapshot in snapshots]
    return {
        **({"tags": tags} if tags else {}),
        "model-index": [{"name": f"{model.name} {version.version_id}", "results": results}],
    }


def _result(snapshot: MetricSnapshot, task_type: TaskType) -> dict[str, object]:
    details = snapshot.details
    name = snapshot.dataset or PRIMARY_DATASET
    dataset = {"name": name, "type": name, "split": str(snapshot.dataset_split), "revision": details.dataset_version}
    labels = {metric.name: metric.label for metric in task_type.all_metrics}
    metrics = [
        _metric(name, labels.get(name, name), value, details.confidence_intervals.get(name))
        for name, value in {**snapshot.all_metrics, **details.custom_metrics}.items()
    ]
    return {
        "task": {"type": task_type.name, "name": task_type.label},
        "dataset": {key: value for key, value in dataset.items() if value},
        "metrics": metrics,
    }


def _metric(name: str, label: str, value: float, interval: IntervalDocument | None) -> dict[str, object]:
    stated = {"confidence_interval": dict(interval)} if interval else {}
    return {"type": name, "name": label, "value": value, **stated}


def _dataset_text(snapshot: MetricSnapshot) -> str:
    return f"{snapshot.dataset_split}, {snapshot.dataset}" if snapshot.dataset else str(snapshot.dataset_split)


def _time_text(time: datetime | None) -> str:
    return f"{localtime(time):%Y-%m-%d %H:%M} UTC" if time else ""
