"""Compare a new snapshot with earlier ones, and warn of what has changed.

Gates judge the newest snapshots. Whoever stores one of a promoted version moves what others are compared with, and
whoever evaluates on other examples moves the test set. Mistakes must be correctable, so neither is refused; but both
are told wherever the snapshot is used.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from django.db.models import Q

from models_registry import task_types
from models_registry.registry.models import Version
from models_registry.task_types.base import TaskType
from performance.metrics.comparison import DIGEST_LENGTH, MetricValues
from performance.metrics.result import EvaluationWarning
from performance.snapshots.contradictions import agree
from performance.snapshots.models import MetricSnapshot, Source

_TOLERANCE = 1e-9  # of values that are computed from the same predictions, by any engine and in any order of rows
_COLUMNS = (
    "dataset_split",
    "dataset",
    "metrics",
    "source",
    *(
        f"detail__{name}"
        for name in (
            "further_metrics",
            "positive_class",
            "averaging",
            "evaluation_options",
            "engine",
            "engine_version",
            "examples_digest",
            "missing_fraction",
            "predictions_digest",
        )
    ),
)

Place = tuple[str, str]  # a split and a dataset


def warn_of_changes(version: Version, new: Sequence[MetricSnapshot]) -> list[list[EvaluationWarning]]:
    """Return the warnings of each new snapshot of a version, none of which is stored yet."""
    task_type = task_types.get(version.model.task_type)
    earlier = _earlier_snapshots(version, new)
    digests = _first_digests(version, new)
    return [[*_changes(task_type, each, earlier.get(_place(each), ()), digests.get(_named(each)))] for each in new]


def _changes(
    task_type: TaskType, new: MetricSnapshot, earlier: Sequence[MetricSnapshot], first_digest: str | None
) -> Iterator[EvaluationWarning]:
    """Yield the warnings of a new snapshot. If its dataset has changed, that other examples were measured follows."""
    of_dataset = [*_changes_of_dataset(new, first_digest)]
    of_version = _changes_of_version(task_type, new, earlier)
    yield from (each for each in of_version if not (of_dataset and each.code == "changed_examples"))
    yield from of_dataset


def _place(snapshot: MetricSnapshot) -> Place:
    return snapshot.dataset_split, snapshot.dataset


def _named(snapshot: MetricSnapshot) -> tuple[str, str, str | None]:
    return *_place(snapshot), snapshot.details.dataset_version


def _earlier_snapshots(version: Version, new: Sequence[MetricSnapshot]) -> Mapping[Place, Sequence[MetricSnapshot]]:
    """Return the stored snapshots that new ones can be compared with, by split and dataset.

    While a version is trained, its predictions change. Two that are not computed here are only compared if both say
    which examples they are of.
    """
    if version.state != Version.State.COMPLETED:
        return {}
    places = {_place(each) for each in new}
    found = MetricSnapshot.objects.filter(
        version=version, dataset_split__in={split for split, _ in places}, dataset__in={name for _, name in places}
    )
    if version.completed_at is not None:
        found = found.filter(created_at__gte=version.completed_at)
    if all(each.source != Source.COMPUTED for each in new):
        identified = Q(detail__examples_digest__isnull=False)
        is_identified = any(each.details.examples_digest for each in new)
        found = found.filter(Q(source=Source.COMPUTED) | identified if is_identified else Q(source=Source.COMPUTED))
    by_place: dict[Place, list[MetricSnapshot]] = {}
    for each in found.select_related("detail").only(*_COLUMNS):
        by_place.setdefault(_place(each), []).append(each)
    return by_place


def _changes_of_version(
    task_type: TaskType, new: MetricSnapshot, earlier: Sequence[MetricSnapshot]
) -> Iterator[EvaluationWarning]:
    """Yield up to one warning of snapshots of the same examples, of perhaps the same and of others."""
    by_sameness: dict[bool | None, list[MetricSnapshot]] = {}
    for each in earlier:
        same = new.details.examples.are_same(each.details.examples)
        if same is None and Source.COMPUTED not in (new.source, each.source):
            continue
        predicted_alike = _are_predictions_equal(new, each)
        if predicted_alike is None or same is False:
            predicted_alike = not _differing_metrics(task_type, new, each)
        if not predicted_alike:
            by_sameness.setdefault(same, []).append(each)
    if found := by_sameness.get(True):
        rest = f"of this version for the same examples were others{_values(task_type, new, found)}."
        if all(each.source == Source.COMPUTED for each in (new, *found)):
            yield EvaluationWarning("changed_predictions", f"Earlier predictions {rest}")
        else:
            yield EvaluationWarning("changed_metrics", f"Earlier metrics {rest}")
    if found := by_sameness.get(None):
        detail = f"Earlier metrics of this version were others{_values(task_type, new, found)}."
        yield EvaluationWarning("changed_metrics", f"{detail} Whether they are of the same examples is unknown.")
    if found := by_sameness.get(False):
        detail = f"This version was measured on other examples before{_values(task_type, new, found)}."
        yield EvaluationWarning("changed_examples", detail)


def _values(task_type: TaskType, new: MetricSnapshot, earlier: Sequence[MetricSnapshot]) -> str:
    """Say what the first metric was that differs, or else the first one."""
    differing = {name for each in earlier for name in _differing_metrics(task_type, new, each)}
    common = {name for each in earlier for name in each.all_metrics.keys() & new.all_metrics.keys()}
    name = next((each.name for each in task_type.all_metrics if each.name in (differing or common)), None)
    if name is None:
        return ""
    values = [value for each in earlier if (value := each.all_metrics.get(name)) is not None]
    least, most = (f"{value:.6g}" for value in (min(values), max(values)))
    return f": {name} was {least}" if least == most else f": {name} was between {least} and {most}"


def _differing_metrics(task_type: TaskType, new: MetricSnapshot, old: MetricSnapshot) -> list[str]:
    """Return the metrics that differ by more than rounding, though both were computed with the same options."""
    ours, theirs = map(_metric_values, (new, old))
    return [
        metric.name
        for metric in task_type.all_metrics
        if metric.name in ours.values
        and metric.name in theirs.values
        and not ours.differing_options(theirs, metric.depends_on)
        and not _are_alike(metric.name, new, old)
    ]


def _metric_values(snapshot: MetricSnapshot) -> MetricValues:
    return MetricValues(snapshot.all_metrics, {}, snapshot.details.known_options)


def _are_alike(name: str, new: MetricSnapshot, old: MetricSnapshot) -> bool:
    """Return whether two values are equal but for rounding: reported ones may have few decimals."""
    value, before = new.all_metrics[name], old.all_metrics[name]
    if new.source != Source.COMPUTED:
        return agree(value, before)
    if old.source != Source.COMPUTED:
        return agree(before, value)
    return math.isclose(value, before, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _are_predictions_equal(new: MetricSnapshot, old: MetricSnapshot) -> bool | None:
    """Return whether the stored predictions are equal, `None` if that is unknown.

    Only the same engine is sure to write equal ones alike, and what is written depends on the options.
    """
    ours, theirs = new.details, old.details
    if None in (ours.predictions_digest, theirs.predictions_digest):
        return None
    if ours.predictions_digest == theirs.predictions_digest:
        return True
    made = ("engine", "engine_version", "evaluation_options")
    return False if all(getattr(ours, name) == getattr(theirs, name) for name in made) else None


def _first_digests(version: Version, new: Sequence[MetricSnapshot]) -> dict[tuple[str, str, str | None], str]:
    """Return the digests of the first examples of each named dataset with a version, by split, name and version.

    They are those of the model: other models may predict something else of the same dataset.
    """
    found: dict[tuple[str, str, str | None], str] = {}
    for each in new:
        digest, named = each.details.examples_digest, _named(each)
        if not (each.dataset and each.details.dataset_version and digest) or named in found:
            continue
        first = MetricSnapshot.objects.filter(
            version__model=version.model_id,
            dataset_split=each.dataset_split,
            dataset=each.dataset,
            detail__dataset_version=each.details.dataset_version,
            detail__examples_digest__isnull=False,
        ).order_by("pk")
        found[named] = first.values_list("detail__examples_digest", flat=True).first() or digest
    return found


def _changes_of_dataset(new: MetricSnapshot, first_digest: str | None) -> Iterator[EvaluationWarning]:
    """Yield a warning if the same version of a named dataset had other examples at first."""
    digest = new.details.examples_digest
    if first_digest is not None and digest is not None and digest != first_digest:
        yield EvaluationWarning(
            "changed_dataset",
            f"The dataset {new.dataset!r}, version {new.details.dataset_version!r}, had other examples, weights or "
            f"groups before (digest {first_digest[:DIGEST_LENGTH]}).",
        )
