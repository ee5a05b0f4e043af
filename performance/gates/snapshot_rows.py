"""The rows of snapshots that gates read, and the measurements that follow from them.

JSON columns are read as text. Django decodes such a column whatever it holds, which takes longer than to judge by it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeVar

from django.db.models import BigIntegerField, CharField, Exists, F, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast

from models_registry.db.prepared import Parameter, PreparedQuery, Row
from models_registry.registry import ids
from models_registry.registry.models import Promotion
from models_registry.task_types.base import TaskType
from performance.comparisons.models import PairedComparison
from performance.gates.gate_metrics import QUANTITIES, named_values
from performance.gates.measurement import COMPUTED, Measurement, WarningDocument
from performance.gates.policy import Policy
from performance.metrics.comparison import MetricValues, OptionValue, known_options
from performance.metrics.result import EvaluationWarning, Slice
from performance.metrics.statistics.intervals import IntervalDocument, stored_intervals
from performance.snapshots.model_fields import decode_floats
from performance.snapshots.models import MetricSnapshot

Document = TypeVar("Document")

_VERSION = Parameter("version", BigIntegerField())
_BASELINE = Parameter("baseline", BigIntegerField())
_SPLIT = Parameter("split", CharField())
_DATASET = Parameter("dataset", CharField())
_CHOICES = ("detail__positive_class", "detail__averaging")
_QUANTITIES = {name: name if name == "sample_count" else f"detail__{name}" for name in QUANTITIES}
_FACTS = (  # that every verdict needs
    "pk",
    "version_id",
    "source",
    "evaluated_at",
    "dataset",
    *_QUANTITIES.values(),
    *_CHOICES,
    "detail__examples_digest",
    "detail__dataset_version",
    "detail__dataset_digest",
    "detail__predictions_digest",
)
_DOCUMENTS = {
    "metrics_text": Cast("metrics", TextField()),
    **{
        f"{name}_text": Cast(f"detail__{name}", TextField())
        for name in ("evaluation_options", "warnings", "metrics_unavailable", "intervals_unavailable")
    },
}
_DETAILS = ("further_metrics", "custom_metrics", "per_class", "confidence_intervals")  # that some policies need
_TEXT_COLUMNS = (*_DOCUMENTS, *(f"{name}_text" for name in _DETAILS), "paired_text")


@cache
def _newest_snapshots(details: tuple[str, ...]) -> PreparedQuery:
    """Return the statement for the newest snapshots of two versions on one split, with their paired comparison."""

    def newest(version: Parameter) -> Subquery:
        snapshots = MetricSnapshot.objects.filter(version=version, dataset_split=_SPLIT, dataset=_DATASET)
        return Subquery(snapshots.newest_first().values("pk")[:1])

    rows = MetricSnapshot.objects.filter(Q(pk=newest(_VERSION)) | Q(pk=newest(_BASELINE)))
    columns = {**_DOCUMENTS, **_texts(details)}
    if "confidence_intervals" in details:
        pairs = PairedComparison.objects.current().filter(snapshot=newest(_VERSION), baseline=newest(_BASELINE))
        columns["paired_text"] = Cast(Subquery(pairs.values("intervals")), TextField())
    return PreparedQuery(rows.values(*_FACTS, **columns))


def newest_rows(policy: Policy, task_type: TaskType, version: int, baseline: int | None) -> list[Row]:
    """Return the newest snapshots of two versions, given by primary key, on the policy's split and dataset."""
    statement = _newest_snapshots(policy.applied_to(task_type).details)
    return statement.all(version=version, baseline=baseline or 0, split=policy.dataset_split, dataset=policy.dataset)


def other_snapshots(
    model_id: str, policy: Policy, numbers: list[int], details: tuple[str, ...], digest: str | None, *, best: bool
) -> QuerySet[MetricSnapshot, Row]:
    """Return the newest snapshots of a model's numbered versions, and with `best` of each one promoted so far.

    Of the latter there are earlier snapshots too, since the version was completed: nobody lowers the bar by evaluating
    it again. Those do not count that are known to be of other examples than both its newest snapshot and the `digest`,
    nor metrics that were reported without a digest, which may have been corrected since.
    """
    place = {"dataset_split": policy.dataset_split, "dataset": policy.dataset}
    newest = MetricSnapshot.objects.filter(version=OuterRef("version"), **place).newest_first()
    columns = {
        "was_promoted": Exists(Promotion.objects.filter(version=OuterRef("version"))),
        "is_newest": Q(pk=Subquery(newest.values("pk")[:1])),
    }
    wanted = Q(version__number__in=numbers, is_newest=True)
    if best:
        its_digest = Subquery(newest.values("detail__examples_digest")[:1])
        may_be_same = Q(source=COMPUTED, detail__examples_digest=None) | Q(detail__examples_digest=its_digest)
        may_be_same |= Q(detail__examples_digest=digest) if digest else Q()
        since = Q(version__completed_at__isnull=True) | Q(created_at__gte=F("version__completed_at"))
        wanted |= Q(was_promoted=True) & (Q(is_newest=True) | (may_be_same & since))
    snapshots = MetricSnapshot.objects.filter(version__model=model_id, version__state="completed", **place)
    found: QuerySet[MetricSnapshot, Row] = (
        snapshots.annotate(**columns)
        .filter(wanted)
        .values(*_FACTS, "version__number", *columns, **_DOCUMENTS, **_texts(details))
    )
    return found


def have_same_predictions(row: Row, before: Row) -> bool:
    """Return whether both rows were computed from one file with the same options, so that they cannot differ."""
    digest = row["detail__dataset_digest"]
    if digest is None or row["source"] != COMPUTED:
        return False
    names = ("source", "detail__dataset_digest", *_CHOICES)
    return all(row[name] == before[name] for name in names) and _options(row) == _options(before)


def may_be_paired(rows: Sequence[Row]) -> bool:
    """Return whether two snapshots may still be compared example by example, as the predictions of both are stored."""
    return len(rows) == 2 and all(
        row["paired_text"] is None and row["detail__predictions_digest"] is not None for row in rows
    )


def text_length(row: Row) -> int:
    """Return the number of characters in the JSON columns of a row."""
    return sum(map(len, filter(None, map(row.get, _TEXT_COLUMNS))))


def stored_pair(row: Row) -> Mapping[str, IntervalDocument] | None:
    """Return the stored comparison of both rows of `newest_rows`, from one of them; `None` if there is none."""
    text = row.get("paired_text")
    return None if text is None else decode_floats(text)


def measurement(row: Row, number: int, policy: Policy, slices: Sequence[Slice]) -> Measurement:
    """Return what was measured of a version, from a row, with the intervals that rules ask for."""
    warnings: list[WarningDocument] = _decode(row["warnings_text"], [])
    return Measurement(
        ids.version_id(number),
        _metric_values(row, policy),
        row["source"],
        row["sample_count"],
        row["evaluated_at"],
        row["dataset"],
        row["detail__dataset_version"],
        row["detail__examples_digest"],
        [EvaluationWarning(**each) for each in warnings],
        slices,
    )


def _metric_values(row: Row, policy: Policy) -> MetricValues:
    further: dict[str, float] = _decode(row.get("further_metrics_text"), {}, decode_floats)
    metrics: dict[str, float] = _decode(row["metrics_text"], {}, decode_floats)
    intervals: dict[str, IntervalDocument] = _decode(row.get("confidence_intervals_text"), {}, decode_floats)
    no_intervals: dict[str, str] = _decode(row["intervals_unavailable_text"], {})
    no_metrics: dict[str, str] = _decode(row["metrics_unavailable_text"], {})
    values = named_values(
        {**further, **metrics},
        quantities={name: row[column] for name, column in _QUANTITIES.items()},
        custom=_decode(row.get("custom_metrics_text"), {}, decode_floats),
        per_class=_decode(row.get("per_class_text"), {}),
    )
    found = stored_intervals({name: intervals[name] for name in policy.confidence_metrics & intervals.keys()})
    return MetricValues(values, found, _options(row), {**no_intervals, **no_metrics})


def _options(row: Row) -> dict[str, OptionValue]:
    return known_options(_decode(row["evaluation_options_text"], {}), *(row[name] for name in _CHOICES))


def _decode(text: str | None, empty: Document, decode: Callable[[str], Document] = json.loads) -> Document:
    """Return the document of a JSON column; `empty` if the column is null, was not read, or holds `{}` or `[]`."""
    return empty if text is None or len(text) == 2 else decode(text)  # most columns are empty


def _texts(details: tuple[str, ...]) -> dict[str, Cast]:
    return {f"{name}_text": Cast(f"detail__{name}", TextField()) for name in details}
