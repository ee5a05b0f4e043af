"""Registered models: read how well they do, create versions, roll back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypedDict, cast
from urllib.parse import quote

from performance_registry.connections import AsyncConnection, Awaiting, Blocking, Connection, operation
from performance_registry.errors import RegistryError
from performance_registry.mlflow_export import Experiment
from performance_registry.mlflow_runs import ModelDocument, SnapshotDocument, VersionDocument, newest
from performance_registry.mlflow_server import TrackingServer
from performance_registry.records import Comparison, Export, Performance, Promotion
from performance_registry.requests import Operation
from performance_registry.resources import GateDocument, Resource
from performance_registry.verdicts import Verdict
from performance_registry.versions import AsyncVersion, Version

if TYPE_CHECKING:
    from typing_extensions import Unpack


class VersionFields(TypedDict, total=False):
    """The fields of a new version."""

    description: str
    source_uri: str
    parameters: Mapping[str, Any]
    tags: Sequence[str]


class _ModelOperations(Resource):
    def __init__(self, document: Mapping[str, Any], connection: Connection | AsyncConnection) -> None:
        self.document = document
        self._connection = connection

    @property
    def id(self) -> str:
        """The id, such as `mdl-7f3a19bc92`."""
        return str(self.document["model_id"])

    @property
    def name(self) -> str:
        """The name with its organization, such as `acme/churn`."""
        return f"{self.document['organization']}/{self.document['name']}"

    @property
    def task_type(self) -> str:
        """The task type, such as `classification`."""
        return str(self.document["task_type"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} ({self.id})>"

    @operation
    def summary(
        self, version_id: str | None = None, *, split: str = "test", dataset: str | None = None
    ) -> Operation[Performance]:
        """Return the summary metrics of a version, by default the promoted one. Raises `ProblemError`."""
        return (yield from self._performance("summary", version_id, split, dataset))

    @operation
    def report(
        self, version_id: str | None = None, *, split: str = "test", dataset: str | None = None
    ) -> Operation[Performance]:
        """Return the whole snapshot of a version, by default the promoted one. Raises `ProblemError`."""
        return (yield from self._performance("report", version_id, split, dataset))

    @operation
    def compare(
        self,
        version_id: str | None = None,
        baseline_version_id: str | None = None,
        *,
        split: str = "test",
        dataset: str | None = None,
    ) -> Operation[Comparison]:
        """Return how two versions compare; each is the promoted one by default. Raises `ProblemError`."""
        params = {"version_id": version_id, "baseline_version_id": baseline_version_id}
        params |= {"dataset_split": split, "dataset": dataset}
        document = yield from self._ask("GET", f"/models/{self.id}/performance/compare", params=params)
        return Comparison.from_document(document)

    @operation
    def gate(
        self, version_id: str | None = None, *, policy: Mapping[str, Any] | None = None, enforce: bool = False
    ) -> Operation[Verdict]:
        """Return the verdict on a version, by default the newest completed one.

        Args:
            version_id: the version.
            policy: the policy to judge by, instead of the stored one.
            enforce: raise `GateFailedError` if the gate refuses the version. The registry then stores the verdict.
        """
        return (yield from self._judge(self.id, version_id, policy, enforce))

    @operation
    def gate_document(
        self, format: str, version_id: str | None = None, *, policy: Mapping[str, Any] | None = None
    ) -> Operation[GateDocument]:
        """Return an enforced verdict as the registry renders it. It does not raise `GateFailedError`.

        Args:
            format: `junit`, `markdown` or `html`.
            version_id: the version, by default the newest completed one.
            policy: the policy to judge by, instead of the stored one.
        """
        return (yield from self._render_verdict(self.id, version_id, policy, format))

    @operation
    def rollback(self, reason: str, *, override: bool = False) -> Operation[Promotion]:
        """Promote the previously promoted version again. Raises `GateFailedError`."""
        body = {"reason": reason, **({"override": True} if override else {})}
        return Promotion.from_document((yield from self._ask("POST", f"/models/{self.id}/rollback", body=body)))

    @operation
    def export_to_mlflow(
        self, version_id: str | None = None, *, tracking_uri: str | None = None, register: bool = False
    ) -> Operation[Export]:
        """Export a version, or all versions, to a tracking server of MLflow: a run each. Doing it again updates them.

        Args:
            version_id: the version; by default all versions.
            tracking_uri: the address of the server; by default the variable `MLFLOW_TRACKING_URI`. The login is in
                `MLFLOW_TRACKING_TOKEN`, or in `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
            register: also register the completed ones, as versions of a registered model.

        Raises `ProblemError`, or `MLflowError`.
        """
        server = TrackingServer(tracking_uri, self._connection.caller.patience)
        experiment = Experiment(server, cast("ModelDocument", self.document))
        if version_id is None:
            versions = (yield from self._rows(f"/models/{self.id}/versions", {}))[::-1]
        else:
            versions = [(yield from self._version(version_id))]
        yield from experiment.open()
        exported = []
        for version in cast("list[VersionDocument]", versions):
            run = yield from experiment.write(version, (yield from self._newest_snapshots(version)))
            registers = register and version["state"] == "completed"
            number = (yield from experiment.register(version, run["run_id"])) if registers else None
            exported.append({**run, "registered_version": number})
        document = {"tracking_uri": server.url, "experiment": experiment.name, "runs": exported}
        return Export.from_document(document)

    def _newest_snapshots(self, version: VersionDocument) -> Operation[list[SnapshotDocument]]:
        """Return the newest snapshot of each split and dataset; of a completed version with intervals."""
        version_id = version["version_id"]
        listed = yield from self._rows(f"/models/{self.id}/versions/{version_id}/snapshots", {})
        rows = newest(cast("list[SnapshotDocument]", listed))
        if version["state"] != "completed":
            return rows
        reports = []
        for row in rows:
            dataset = row["dataset"] and row["dataset"]["name"]
            report = yield from self._performance("report", version_id, row["dataset_split"], dataset)
            reports.append(cast("SnapshotDocument", report.document))
        return reports

    def _performance(
        self, kind: str, version_id: str | None, split: str, dataset: str | None
    ) -> Operation[Performance]:
        params = {"version_id": version_id, "dataset_split": split, "dataset": dataset}
        document = yield from self._ask("GET", f"/models/{self.id}/performance/{kind}", params=params)
        return Performance.from_document(document)

    def _new_version(self, fields: Mapping[str, Any]) -> Operation[dict[str, Any]]:
        return (yield from self._ask("POST", f"/models/{self.id}/versions", body=fields))

    def _version(self, version_id: str) -> Operation[dict[str, Any]]:
        return (yield from self._ask("GET", f"/models/{self.id}/versions/{quote(version_id, safe='')}"))


class Model(_ModelOperations, Blocking):
    """A registered model."""

    _connection: Connection

    def version(self, version_id: str) -> Version:
        """Return a version. Raises `ProblemError`."""
        return Version(self._connection.run(self._version(version_id)), self._connection)

    def create_version(self, **fields: Unpack[VersionFields]) -> Version:
        """Return a new version, in training. Raises `ProblemError`."""
        return Version(self._connection.run(self._new_version(fields)), self._connection)

    @contextmanager
    def new_version(self, **fields: Unpack[VersionFields]) -> Iterator[Version]:
        """Give a new version, which is completed at the end of the context, or has failed if that raises."""
        version = self.create_version(**fields)
        try:
            yield version
        except BaseException:
            with suppress(RegistryError):  # the first error says more
                version.fail()
            raise
        version.complete()


class AsyncModel(_ModelOperations, Awaiting):
    """A registered model, whose methods are awaited."""

    _connection: AsyncConnection

    async def version(self, version_id: str) -> AsyncVersion:
        """Return a version. Raises `ProblemError`."""
        return AsyncVersion(await self._connection.run(self._version(version_id)), self._connection)

    async def create_version(self, **fields: Unpack[VersionFields]) -> AsyncVersion:
        """Return a new version, in training. Raises `ProblemError`."""
        return AsyncVersion(await self._connection.run(self._new_version(fields)), self._connection)

    @asynccontextmanager
    async def new_version(self, **fields: Unpack[VersionFields]) -> AsyncIterator[AsyncVersion]:
        """Give a new version, which is completed at the end of the context, or has failed if that raises."""
        version = await self.create_version(**fields)
        try:
            yield version
        except BaseException:
            with suppress(RegistryError):  # the first error says more
                await version.fail()
            raise
        await version.complete()
