"""Versions of a model: measure, judge and promote them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from performance_registry.connections import AsyncConnection, Awaiting, Blocking, Connection, operation
from performance_registry.errors import EvaluationTimeoutError, problem_error
from performance_registry.predictions import predictions_file
from performance_registry.progress import Progress, progress_of
from performance_registry.records import Promotion, Snapshot
from performance_registry.requests import Operation, Pause
from performance_registry.resources import Resource
from performance_registry.verdicts import Verdict

EVALUATION_TIMEOUT = 3600.0  # seconds

_FIRST_LOOK, _SLOWER, _LONGEST_LOOK = 0.2, 1.5, 5.0  # seconds, factor, seconds
_WAIT = 5.0  # seconds to wait for the first response, with which small evaluations have ended


class _VersionOperations(Resource):
    def __init__(self, document: Mapping[str, Any], connection: Connection | AsyncConnection) -> None:
        self.document = document
        self._connection = connection

    @property
    def id(self) -> str:
        """The id, such as `ver-00001`."""
        return str(self.document["version_id"])

    @property
    def model_id(self) -> str:
        """The id of the model."""
        return str(self.document["model_id"])

    @property
    def state(self) -> str:
        """The state, as far as this object knows: `training`, `completed` or `failed`."""
        return str(self.document["state"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} of {self.model_id}: {self.state}>"

    @operation
    def complete(self) -> Operation[None]:
        """Say that the training has ended. That is final, and calling it again does nothing."""
        yield from self._end("completed")

    @operation
    def fail(self) -> Operation[None]:
        """Say that the training has failed. It does nothing if the version has ended already."""
        if self.state == "training":
            yield from self._end("failed")

    @operation
    def log(
        self,
        /,
        *,
        split: str,
        metrics: Mapping[str, float | None],
        custom_metrics: Mapping[str, float] | None = None,
        sample_count: int | None = None,
        dataset: str | None = None,
        dataset_version: str | None = None,
        **details: Any,
    ) -> Operation[Snapshot]:
        """Report metrics that were computed elsewhere. For the test split it completes the version first.

        Args:
            split: `train`, `validation` or `test`.
            metrics: metrics of the task type.
            custom_metrics: metrics of your own.
            sample_count: the number of examples.
            dataset: the name of the dataset; without it, the primary one.
            dataset_version: its version.
            details: further fields of a snapshot, such as `confusion_matrix`, `confidence_intervals` or `evaluated_at`.

        Raises `ProblemError`.
        """
        body = {"dataset_split": split, "metrics": dict(metrics), "custom_metrics": custom_metrics, **details}
        body |= {"sample_count": sample_count, "dataset": _dataset(dataset, dataset_version)}
        body = {name: value for name, value in body.items() if value is not None}
        yield from self._end_before(split)
        return Snapshot.from_document((yield from self._ask("POST", f"{self._path}/snapshots", body=body)))

    @operation
    def evaluate(
        self,
        data: Any = None,
        *,
        split: str,
        actual: Any = None,
        predicted: Any = None,
        score: Any = None,
        scores: Mapping[Any, Any] | None = None,
        weight: Any = None,
        example_id: Any = None,
        group: Any = None,
        query: Any = None,
        relevance: Any = None,
        series: Any = None,
        horizon: Any = None,
        scale: Any = None,
        slices: Sequence[str] | Mapping[str, Any] | None = None,
        attributes: Sequence[str] | Mapping[str, Any] | None = None,
        dataset: str | None = None,
        dataset_version: str | None = None,
        positive_class: str | None = None,
        averaging: str | None = None,
        threshold: float | None = None,
        k: int | None = None,
        allow_missing: bool = False,
        progress: bool | Progress | None = None,
        timeout: float = EVALUATION_TIMEOUT,
    ) -> Operation[Snapshot]:
        """Upload predictions, wait until the registry has computed the metrics, and return their snapshot.

        For the test split it completes the version first, because only a trained model can be tested.

        Args:
            data: the path of a Parquet or CSV file; a data frame of pandas, polars or pyarrow, or whatever else has
                Arrow's PyCapsule interface; a mapping from names to arrays; nothing if all columns are arrays.
            split: `train`, `validation` or `test`.
            actual: the true values. This and each further column is the name of a column in the data, or an array. If
                you name columns of a data frame, only these leave the machine.
            predicted: the predicted values.
            score: the probability of the positive class; for a ranking, the score of the item.
            scores: the probabilities of several classes, by label.
            weight: the weights of the examples.
            example_id: the ids of the examples, which paired comparisons need.
            group: what correlated examples share, such as the patient.
            query: the query of a ranking.
            relevance: the relevance of a ranked item.
            series: the time series of a forecast.
            horizon: the number of steps ahead of a forecast.
            scale: the mean error of the naive forecast.
            slices: columns whose values are evaluated by themselves: their names, or arrays by name.
            attributes: columns to store with the worst predictions: their names, or arrays by name.
            dataset: the name of the dataset; without it, the primary one.
            dataset_version: its version.
            positive_class: the positive one of two classes.
            averaging: `binary`, `macro`, `weighted` or `micro`.
            threshold: predict the positive class from this score on.
            k: how many items of a ranking count.
            allow_missing: leave out rows without a prediction, and count them.
            progress: whether to draw a line on standard error, by default if that is a terminal; or what to call with
                the state and the progress from 0 to 1.
            timeout: seconds to wait for the end.

        Raises:
            ProblemError: the predictions cannot be scored; `column` and `row` say where, if that is known.
            EvaluationTimeoutError: the evaluation has not ended in time.
            ValueError: a column does not exist in the data frame.
        """
        columns = {"actual": actual, "predicted": predicted, "score": score, "scores": scores, "weight": weight}
        columns |= {"example_id": example_id, "group": group, "query": query, "relevance": relevance, "series": series}
        columns |= {"horizon": horizon, "scale": scale, "slices": slices, "attributes": attributes}
        options = {"positive_class": positive_class, "averaging": averaging, "threshold": threshold, "k": k}
        form = {name: str(value) for name, value in options.items() if value is not None}
        form |= {"dataset_split": split, **({"allow_missing": "true"} if allow_missing else {})}
        if dataset is not None:
            form["dataset"] = json.dumps(_dataset(dataset, dataset_version))
        with predictions_file(data, columns) as (file, mapping):
            if mapping:
                form["columns"] = json.dumps(mapping)
            yield from self._end_before(split)
            return (yield from self._evaluation(file, form, progress_of(progress), timeout))

    @operation
    def gate(self, *, policy: Mapping[str, Any] | None = None, enforce: bool = False) -> Operation[Verdict]:
        """Return the gate's verdict on this version. The arguments are those of `Model.gate`."""
        return (yield from self._judge(self.model_id, self.id, policy, enforce))

    @operation
    def promote(self, reason: str, *, override: bool = False) -> Operation[Promotion]:
        """Promote this version. Raises `GateFailedError` if its gate refuses, unless an admin overrides it."""
        body = {"reason": reason, **({"override": True} if override else {})}
        return Promotion.from_document((yield from self._ask("POST", f"{self._path}/promote", body=body)))

    @property
    def _path(self) -> str:
        return f"/models/{self.model_id}/versions/{self.id}"

    def _end_before(self, split: str) -> Operation[None]:
        """Complete the version if the split is the test split, which a version in training cannot be measured on."""
        if split == "test" and self.state == "training":
            yield from self._end("completed")

    def _end(self, state: str) -> Operation[None]:
        if self.state != state:
            self.document = yield from self._ask("PATCH", self._path, body={"state": state})

    def _evaluation(
        self, file: Path, form: Mapping[str, str], progress: Progress, timeout: float
    ) -> Operation[Snapshot]:
        """Upload a file, and look again, ever less often, until its evaluation has ended."""
        deadline, delay = time.monotonic() + timeout, _FIRST_LOOK
        headers = {"Prefer": f"wait={min(timeout, _WAIT):.0f}"}
        progress("uploading", 0)
        evaluation = yield from self._ask("POST", f"{self._path}/evaluations", form=form, file=file, headers=headers)
        while evaluation["finished_at"] is None:
            progress(evaluation["state"], evaluation["progress"])
            if time.monotonic() >= deadline:
                raise EvaluationTimeoutError(f"Evaluation {evaluation['id']} is still {evaluation['state']}.")
            yield Pause(delay)
            delay = min(delay * _SLOWER, _LONGEST_LOOK)
            evaluation = yield from self._ask("GET", f"/evaluations/{evaluation['id']}")
        progress(evaluation["state"], evaluation["progress"])
        if evaluation["problem"] is not None:
            raise problem_error(evaluation["problem"])
        return Snapshot.from_document(evaluation["snapshot"])


class Version(_VersionOperations, Blocking):
    """A version of a model."""

    _connection: Connection


class AsyncVersion(_VersionOperations, Awaiting):
    """A version of a model, whose methods are awaited."""

    _connection: AsyncConnection


def _dataset(name: str | None, version: str | None) -> dict[str, str] | None:
    if name is None:
        return None
    return {"name": name} if version is None else {"name": name, "version": version}
