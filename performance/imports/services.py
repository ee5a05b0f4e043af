"""Store what a reader found, all of it or nothing. Storing it again changes nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.fields.json import KeyTextTransform, KeyTransform

from models_registry import task_types
from models_registry.accounts.models import Organization, User
from models_registry.api.errors import InvalidBodyError
from models_registry.api.fields import MAX_TEXT
from models_registry.registry.locks import lock_unarchived
from models_registry.registry.models import RegisteredModel, Version
from models_registry.registry.services import create_version, get_or_register_model, update_version
from performance.imports.document import ImportedDocument, ImportedModel, ReadError, SkippedItem, SourceFile, check_size
from performance.imports.errors import read_refusal, refusal
from performance.imports.formats import Format
from performance.imports.resolve import (
    PROVENANCE,
    ImportOptions,
    ResolvedVersion,
    find_model_task_type,
    model_name,
    resolve_version,
)
from performance.snapshots.models import Source
from performance.snapshots.services import Report, check_report, report_snapshots

CREATED, UNCHANGED, EXTENDED = "created", "unchanged", "extended"
Identity = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class VersionResult:
    """What an import did to a version."""

    version_id: str
    status: str
    snapshots_created: int
    snapshots_unchanged: int


@dataclass(frozen=True, slots=True)
class ModelResult:
    """What an import did to a model. In a dry run, a model that would be created has no id yet."""

    model_id: str | None
    name: str
    task_type: str
    status: str
    versions: list[VersionResult]


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, or would do in a dry run."""

    format: str
    file: str
    dry_run: bool
    models: list[ModelResult]
    skipped: list[SkippedItem] = field(default_factory=list)

    @property
    def created(self) -> dict[str, int]:
        """The number of models, versions and snapshots that did not exist before."""
        versions = [version for model in self.models for version in model.versions]
        return {
            "models": sum(model.status == CREATED for model in self.models),
            "versions": sum(version.status == CREATED for version in versions),
            "snapshots": sum(version.snapshots_created for version in versions),
        }

    @property
    def unchanged(self) -> dict[str, int]:
        """The number of models, versions and snapshots that existed already and stay as they are."""
        versions = [version for model in self.models for version in model.versions]
        return {
            "models": sum(model.status == UNCHANGED for model in self.models),
            "versions": sum(version.status == UNCHANGED for version in versions),
            "snapshots": sum(version.snapshots_unchanged for version in versions),
        }


def read_document(file: SourceFile, format: Format) -> ImportedDocument:
    """Return what a file holds. Raises `ImportRefusedError`."""
    try:
        return format.read(file)
    except ReadError as error:
        raise read_refusal(file.name, error) from None


@transaction.atomic
def import_document(
    *,
    organization: Organization,
    document: ImportedDocument,
    file_name: str,
    format_name: str,
    options: ImportOptions,
    imported_by: User | None,
    dry_run: bool = False,
) -> ImportResult:
    """Store what a reader found and the database does not have.

    A version is known by the digest of its identity at the source, a snapshot by its numbers. What is known stays as it
    is. In a `dry_run`, everything is done and undone. Raises `ImportRefusedError`, and what the services raise.
    """
    importer = _Importer(organization, options, format_name, imported_by)
    try:
        check_size(document)
        models = [importer.store(model) for model in document.models]
    except ReadError as error:
        raise read_refusal(file_name, error) from None
    except _ReportError as error:
        raise refusal(file_name, error.places) from None
    if dry_run:
        transaction.set_rollback(True)
        models = [_without_new_id(model) for model in models]
    return ImportResult(format_name, file_name, dry_run, models, document.skipped)


class _ReportError(Exception):
    """Numbers contradict each other or the task type."""

    def __init__(self, place: str, error: InvalidBodyError) -> None:
        super().__init__(place)
        self.places = [(f"{place}: {field}".removeprefix(": "), reason) for field, _, reason in error.errors]


@dataclass(frozen=True, slots=True)
class _Importer:
    """Stores models for one organization."""

    organization: Organization
    options: ImportOptions
    format_name: str
    imported_by: User | None

    def store(self, imported: ImportedModel) -> ModelResult:
        """Store a model with its versions. Raises `ReadError` or `_ReportError`."""
        name = model_name(imported, self.options)
        existing = RegisteredModel.objects.filter(organization=self.organization, name=name).first()
        task_type = find_model_task_type(imported, self.options, existing)
        positive_class = existing.positive_class if existing else None
        resolved = [
            resolve_version(version, task_types.get(task_type), self.options, self.format_name, positive_class)
            for version in imported.versions
        ]
        model, created = get_or_register_model(
            organization=self.organization,
            name=name,
            created_by=self.imported_by,
            task_type=task_type,
            description=imported.description[:MAX_TEXT],
        )
        model = lock_unarchived(model)
        known = _known_versions(model, {version.digest for version in resolved})
        results = [self._store_version(model, known, version) for version in resolved]
        status = CREATED if created else UNCHANGED if _all_unchanged(results) else EXTENDED
        return ModelResult(model.pk, name, task_type, status, results)

    def _store_version(
        self, model: RegisteredModel, known: dict[str, Version], resolved: ResolvedVersion
    ) -> VersionResult:
        reports = [(_check(model, place, body), body) for place, body in resolved.reports]
        version = known.get(resolved.digest)
        created = version is None
        if version is None:
            version = create_version(model=model, created_by=self.imported_by, **resolved.content)
            version.model = model
            update_version(version=version, state=Version.State.COMPLETED)
            known[resolved.digest] = version
        stored = _stored_identities(version)
        timeless = {identity[1:] for identity in stored}
        new: dict[Identity, Report] = {}
        for report, body in reports:
            identity = _identity(report)
            # If the file does not say when something was evaluated, any time will do.
            is_stored = identity in stored if "evaluated_at" in body else identity[1:] in timeless
            if not is_stored:
                new[identity] = report
        if new:
            report_snapshots(
                version=version, reports=[*new.values()], reported_by=self.imported_by, source=Source.IMPORTED
            )
        status = CREATED if created else EXTENDED if new else UNCHANGED
        return VersionResult(version.version_id, status, len(new), len(reports) - len(new))


def _check(model: RegisteredModel, place: str, body: Mapping[str, Any]) -> Report:
    """Return a checked report. Raises `_ReportError`."""
    try:
        return check_report(model=model, allow_only_custom=True, **body)
    except InvalidBodyError as error:
        raise _ReportError(place, error) from None


def _known_versions(model: RegisteredModel, digests: Collection[str]) -> dict[str, Version]:
    """Return those versions of a model whose provenance has one of these digests, by digest."""
    digest = KeyTextTransform("digest", KeyTransform(PROVENANCE, "parameters"))
    rows = model.versions.order_by("number").annotate(imported_digest=digest).values_list("pk", "imported_digest")
    wanted = {pk: found for pk, found in rows if found in digests}
    versions = model.versions.in_bulk(wanted)
    for version in versions.values():
        version.model = model
    return {found: versions[pk] for pk, found in wanted.items()}


def _stored_identities(version: Version) -> set[Identity]:
    rows = version.snapshots.values_list(
        "dataset_split",
        "dataset",
        "sample_count",
        "evaluated_at",
        "metrics",
        "detail__further_metrics",
        "detail__custom_metrics",
    )
    return {
        _identity_of(split, dataset, count, time, {**metrics, **(further or {})}, custom or {})
        for split, dataset, count, time, metrics, further, custom in rows
    }


def _identity(report: Report) -> Identity:
    columns = report.columns
    return _identity_of(
        report.dataset_split,
        report.dataset,
        columns["sample_count"],
        columns["evaluated_at"],
        report.metrics,
        columns["custom_metrics"],
    )


def _identity_of(
    split: str,
    dataset: str,
    sample_count: int | None,
    evaluated_at: datetime | None,
    metrics: Mapping[str, float],
    custom: Mapping[str, float],
) -> Identity:
    return evaluated_at, split, dataset, sample_count, tuple(sorted(metrics.items())), tuple(sorted(custom.items()))


def _all_unchanged(versions: list[VersionResult]) -> bool:
    return all(version.status == UNCHANGED for version in versions)


def _without_new_id(model: ModelResult) -> ModelResult:
    if model.status != CREATED:
        return model
    return ModelResult(None, model.name, model.task_type, model.status, model.versions)
