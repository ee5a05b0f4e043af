"""What runs and registered versions of MLflow become. Pure Python."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from performance.imports.document import ImportedDocument, ImportedModel, ImportedSnapshot, ImportedVersion, SkippedItem
from performance.imports.metric_names import split_of, without_split

FINISHED = "FINISHED"
SYSTEM_METRICS = "system/"  # the use of processor and memory
UNNAMED_DATASET = "dataset"  # what MLflow calls a dataset without a name
MAX_TAG = 100  # characters


@dataclass(frozen=True, slots=True)
class LoggedDataset:
    """A dataset of a run, and what the run used it for, such as `training`; empty if it does not say."""

    name: str
    digest: str
    context: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run. Its metrics are the last values; those that are no finite numbers are in `undefined`."""

    run_id: str
    place: str
    name: str
    status: str
    ended_at: datetime | None
    metrics: Mapping[str, float]
    params: Mapping[str, str]
    datasets: list[LoggedDataset] = field(default_factory=list)
    undefined: list[str] = field(default_factory=list)
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A registered version: its number, its run, and its stage and aliases."""

    number: str
    run_id: str
    place: str
    description: str = ""
    stage: str = ""
    aliases: tuple[str, ...] = ()


def registered_model(
    name: str, description: str, versions: Iterable[RegisteredVersion], runs: Mapping[str, Run]
) -> ImportedDocument:
    """Return a registered model, with the metrics of the runs that its versions come from."""
    skipped: list[SkippedItem] = []
    imported = []
    for version in versions:
        run = runs.get(version.run_id)
        if run is None:
            skipped.append(SkippedItem(version.place, "Its run is not there, and so are no metrics."))
        elif _is_usable(run, skipped):
            imported.append(_registered_version(version, run))
    return ImportedDocument([ImportedModel(name, imported, name=name, description=description)], skipped)


def experiment(name: str, runs: Iterable[Run]) -> ImportedDocument:
    """Return the runs of an experiment as the versions of a model of that name, the first run first."""
    skipped: list[SkippedItem] = []
    usable = [run for run in sorted(runs, key=lambda run: (str(run.ended_at), run.run_id)) if _is_usable(run, skipped)]
    versions = [_version(run, f"run {run.run_id}", run.name, [], f"runs:/{run.run_id}") for run in usable]
    return ImportedDocument([ImportedModel(name, versions, name=name)] if versions else [], skipped)


def _is_usable(run: Run, skipped: list[SkippedItem]) -> bool:
    """Return whether a run is finished and has metrics, and say what is left out."""
    skipped += [SkippedItem(run.place, f"The metric {name} is no finite number.") for name in run.undefined]
    if run.is_deleted:
        skipped.append(SkippedItem(run.place, "The run is deleted."))
    elif run.status != FINISHED:
        skipped.append(SkippedItem(run.place, f"The run is {run.status.lower() or 'not finished'}."))
    elif not run.metrics:
        skipped.append(SkippedItem(run.place, "The run has no metrics."))
    else:
        return True
    return False


def _registered_version(version: RegisteredVersion, run: Run) -> ImportedVersion:
    tags = [f"alias:{alias}"[:MAX_TAG] for alias in version.aliases]
    if version.stage and version.stage != "None":
        tags.append(f"stage:{version.stage}"[:MAX_TAG])
    key = f"version {version.number} of run {run.run_id}"
    return _version(run, key, version.description or run.name, tags, f"runs:/{run.run_id}")


def _version(run: Run, key: str, description: str, tags: list[str], source_uri: str) -> ImportedVersion:
    return ImportedVersion(
        place=run.place,
        snapshots=_snapshots(run),
        key=key,
        description=description,
        source_uri=source_uri,
        parameters=dict(run.params),
        tags=tags,
    )


def _snapshots(run: Run) -> list[ImportedSnapshot]:
    """Return a snapshot for each split that the metrics' names begin with, on the dataset of that split."""
    splits: dict[str | None, dict[str, float]] = {}
    for name, value in run.metrics.items():
        if not name.startswith(SYSTEM_METRICS):
            splits.setdefault(without_split(name)[0], {})[name] = value
    return [_snapshot(run, split, values) for split, values in splits.items()]


def _snapshot(run: Run, split: str | None, values: dict[str, float]) -> ImportedSnapshot:
    datasets = [each for each in run.datasets if split is not None and split_of(each.context) == split]
    dataset = datasets[0] if len(datasets) == 1 and datasets[0].name != UNNAMED_DATASET else None
    return ImportedSnapshot(
        place=run.place,
        values=values,
        dataset=dataset.name if dataset else "",
        dataset_version=dataset.digest if dataset else "",
        evaluated_at=run.ended_at,
    )
