"""Export versions to a tracking server of MLflow: a run each, which a later export finds again by its tag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, TypeVar

from performance_registry import mlflow_runs as runs
from performance_registry.mlflow_server import EXISTING, Answer, MLflowError, TrackingServer
from performance_registry.requests import Operation

T = TypeVar("T")
BATCH = 100  # parameters, tags or metrics of a request
STORES = ("s3:", "gs:", "az:", "abfs:", "abfss:", "hdfs:", "dbfs:")  # where MLflow may find artefacts
PROMOTED = "promoted"  # the alias of the promoted version


class ExportedRun(TypedDict):
    """What became of a version: its run, whether that is new, the number of metrics, and of a registered version."""

    version_id: str
    run_id: str
    created: bool
    metrics: int
    registered_version: str | None


class Experiment:
    """The experiment of a model, whose runs are its versions.

    Args:
        server: the tracking server.
        model: the JSON of the model.
    """

    def __init__(self, server: TrackingServer, model: runs.ModelDocument) -> None:
        self._server = server
        self._model = model
        self.name = f"{model['organization']}/{model['name']}"
        self.registered_name = self.name.replace("/", ".").replace(":", ".")
        self.id = ""

    def open(self) -> Operation[None]:
        """Find or create the experiment. Raises `MLflowError`."""
        found = yield from self._server.find("experiments/get-by-name", {"experiment_name": self.name})
        if found is None:
            tags = [{"key": "registry.model_id", "value": self._model["model_id"]}]
            found = {"experiment": (yield from self._post("experiments/create", name=self.name, tags=tags))}
        if found["experiment"].get("lifecycle_stage") == "deleted":
            raise MLflowError(f"The experiment {self.name} is deleted in MLflow. Restore it, or delete it for good.")
        self.id = found["experiment"]["experiment_id"]

    def write(
        self, version: runs.VersionDocument, snapshots: Sequence[runs.SnapshotDocument]
    ) -> Operation[ExportedRun]:
        """Create or update the run of a version, and return what became of it. Raises `MLflowError`."""
        metrics = runs.metrics(snapshots)
        run_id, is_new = yield from self._run(version)
        logged: dict[str, Sequence[object]] = {
            "metrics": metrics,
            "params": runs.parameters(version),
            "tags": runs.tags(version, snapshots),
        }
        for name, values in logged.items():
            for part in _batches(values):
                yield from self._post("runs/log-batch", run_id=run_id, **{name: part})
        if datasets := runs.datasets(snapshots, self._server.url):
            yield from self._post("runs/log-inputs", run_id=run_id, datasets=datasets)
        ended = {"end_time": runs.milliseconds(version["completed_at"])} if version["completed_at"] else {}
        yield from self._post("runs/update", run_id=run_id, status=runs.STATUSES[version["state"]], **ended)
        return {
            "version_id": version["version_id"],
            "run_id": run_id,
            "created": is_new,
            "metrics": len(metrics),
            "registered_version": None,
        }

    def register(self, version: runs.VersionDocument, run_id: str) -> Operation[str]:
        """Register a run, unless it is, and return the number of the registered version. Raises `MLflowError`."""
        query = {"filter": f"run_id = '{run_id}'"}
        found = yield from self._server.ask("GET", "model-versions/search", query)
        numbers = [each["version"] for each in found.get("model_versions", []) if each["name"] == self.registered_name]
        number = numbers[0] if numbers else (yield from self._new_registered_version(version, run_id))
        if version["promoted"]:
            named = {"name": self.registered_name, "alias": PROMOTED, "version": number}
            yield from self._post("registered-models/alias", **named)
        return str(number)

    def _run(self, version: runs.VersionDocument) -> Operation[tuple[str, bool]]:
        """Return the id of the version's run, and whether it is new."""
        filter = f"tags.`{runs.IDENTITY}` = '{runs.identity(version)}'"
        found = yield from self._post("runs/search", experiment_ids=[self.id], filter=filter, max_results=1)
        if found.get("runs"):
            return found["runs"][0]["info"]["run_id"], False
        created = yield from self._post(
            "runs/create",
            experiment_id=self.id,
            run_name=version["version_id"],
            start_time=runs.milliseconds(version["created_at"]),
            tags=[{"key": runs.IDENTITY, "value": runs.identity(version)}],
        )
        return created["run"]["info"]["run_id"], True

    def _new_registered_version(self, version: runs.VersionDocument, run_id: str) -> Operation[str]:
        try:
            description = self._model["description"]
            yield from self._post("registered-models/create", name=self.registered_name, description=description)
        except MLflowError as error:
            if error.code != EXISTING:
                raise
        source = version["source_uri"]
        created = yield from self._post(
            "model-versions/create",
            name=self.registered_name,
            source=source if source.startswith(STORES) else f"runs:/{run_id}/model",
            run_id=run_id,
            description=version["description"],
            tags=[{"key": runs.IDENTITY, "value": runs.identity(version)}],
        )
        return str(created["model_version"]["version"])

    def _post(self, path: str, **body: object) -> Operation[Answer]:
        return (yield from self._server.ask("POST", path, body))


def _batches(values: Sequence[T]) -> list[Sequence[T]]:
    return [values[first : first + BATCH] for first in range(0, len(values), BATCH)]
