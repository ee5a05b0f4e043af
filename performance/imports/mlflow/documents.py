"""Read runs and registered versions as MLflow's REST API and mlflow-export-import write them. Pure Python."""

import math
from collections.abc import Iterator, Mapping

from performance.imports.mlflow.runs import LoggedDataset, RegisteredVersion, Run
from performance.imports.nodes import Node

CONTEXT_TAG = "mlflow.data.context"
NAME_TAG = "mlflow.runName"
Metrics = tuple[dict[str, float], list[str]]


def read_run(run: Node, place: str) -> Run:
    """Return a run: an object of the REST API, or the member `mlflow` of an exported one. Raises `ReadError`."""
    info, data = run.get("info"), run.get("data") if run.get("data").value else run
    metrics, undefined = _metrics(data.get("metrics"))
    tags = _texts(data.get("tags"))
    run_id = info.get("run_id").text()
    if not run_id:
        raise info.error("Must have a `run_id`.")
    return Run(
        run_id=run_id,
        place=place or f"run {run_id}",
        name=info.get("run_name").text() or tags.get(NAME_TAG, ""),
        status=info.get("status").text(),
        ended_at=info.get("end_time").time(),
        metrics=metrics,
        params=_texts(data.get("params")),
        datasets=list(_datasets(run.get("inputs"))),
        undefined=undefined,
        is_deleted=info.get("lifecycle_stage").text() == "deleted",
    )


def read_version(version: Node) -> RegisteredVersion:
    """Return a registered version. Raises `ReadError`."""
    number = version.get("version").text()
    return RegisteredVersion(
        number=number,
        run_id=version.get("run_id").text(),
        place=f"version {number}",
        description=version.get("description").text(),
        stage=version.get("current_stage").text(),
        aliases=tuple(alias.text() for alias in version.get("aliases").items()),
    )


def by_number(versions: list[RegisteredVersion]) -> list[RegisteredVersion]:
    """Return versions by their number, the first one first."""
    return sorted(versions, key=lambda each: (len(each.number), each.number))


def _metrics(node: Node) -> Metrics:
    """Return the last values of metrics, and the names of those without a finite one.

    The REST API has a list of last values, an export the history of each metric.
    """
    found = dict(_last_values(node))
    finite = {name: value for name, value in found.items() if math.isfinite(value)}
    return finite, [name for name in found if name not in finite]


def _last_values(node: Node) -> Iterator[tuple[str, float]]:
    if isinstance(node.value, Mapping):
        for name, history in node.members().items():
            values = [(_number(each.get("step")), _number(each.get("timestamp")), each) for each in history.items()]
            if values:
                yield name, _number(max(values, key=lambda each: each[:2])[2].get("value"))
    else:
        for each in node.items():
            yield each.get("key").text(), _number(each.get("value"))


def _number(node: Node) -> float:
    """Return a number, which may be none that is finite. JSON has those as text."""
    if node.value in ("NaN", "Infinity", "-Infinity"):
        return float(str(node.value))
    return 0.0 if node.value is None else node.number()


def _texts(node: Node) -> dict[str, str]:
    """Return texts by name: the REST API has a list of pairs, an export an object."""
    if isinstance(node.value, Mapping):
        return {name: each.text() for name, each in node.members().items()}
    return {each.get("key").text(): each.get("value").text() for each in node.items()}


def _datasets(inputs: Node) -> Iterator[LoggedDataset]:
    """Yield the datasets of a run. An export may hold them as a list alone."""
    listed = inputs if isinstance(inputs.value, list) else inputs.get("dataset_inputs")
    for each in listed.items():
        dataset = each.get("dataset")
        yield LoggedDataset(
            name=dataset.get("name").text(),
            digest=dataset.get("digest").text(),
            context=_texts(each.get("tags")).get(CONTEXT_TAG, ""),
        )
