"""Reads that span models."""

import random
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.models import BigIntegerField, CharField, Exists, IntegerField, OuterRef, QuerySet, Subquery, UUIDField

from models_registry import ids
from models_registry.exceptions import (
    InvalidTokenError,
    ModelNotFoundError,
    NoPromotedVersionError,
    NoTrainedVersionError,
    VersionNotFoundError,
    VersionNotTrainedError,
)
from models_registry.models import RegisteredModel, TokenFamily, User, Version
from models_registry.prepared import Parameter, PreparedQuery
from models_registry.scopes import Scope
from models_registry.tokens import Caller
from performance.exceptions import SnapshotNotFoundError
from performance.models import MetricSnapshot

_USER = Parameter("user", BigIntegerField())
_FAMILY = Parameter("family", UUIDField())
_MODEL = Parameter("model", CharField())
_NUMBER = Parameter("number", IntegerField())
_SPLIT = Parameter("split", CharField())


@dataclass(frozen=True, slots=True)
class Reading:
    """What one statement found of a caller, a model, the version asked for and its newest snapshot of a split."""

    model_id: str
    task_type: str
    permitted: bool
    dataset_split: str
    asked_for: str | None
    newest_completed: int | None
    number: int | None
    version_state: str | None
    metrics: dict[str, float] | None
    evaluated_at: datetime | None

    def snapshot(self) -> "SnapshotReading":
        """Return the snapshot, or raise what stands in its way, in the contract's order."""
        if self.newest_completed is None:
            raise NoTrainedVersionError(
                f"{self.model_id} has no completed version yet. Ask again once its training has completed."
            )
        if self.number is None:
            raise self._version_missing()
        version_id = ids.version_id(self.number)
        if self.version_state != Version.State.COMPLETED:
            raise VersionNotTrainedError(
                f"{version_id} is {self.version_state}. Ask for a completed version: "
                f"the newest is {ids.version_id(self.newest_completed)}."
            )
        if self.metrics is None:
            raise SnapshotNotFoundError(
                f"{version_id} has no metrics for the split {self.dataset_split}. "
                "Ask for another split, or evaluate it on this one first."
            )
        return SnapshotReading(
            self.model_id, version_id, self.task_type, self.dataset_split, self.metrics, self.evaluated_at
        )

    def _version_missing(self) -> VersionNotFoundError | NoPromotedVersionError:
        newest = ids.version_id(self.newest_completed or 0)
        if self.asked_for is not None:
            return VersionNotFoundError(
                f"{self.model_id} has no version {self.asked_for[:40]}. Its newest completed version is {newest}."
            )
        return NoPromotedVersionError(
            f"{self.model_id} has no promoted version. Promote one, or ask for one by `version_id`: "
            f"the newest completed version is {newest}."
        )


@dataclass(frozen=True, slots=True)
class SnapshotReading:
    """A snapshot together with what it is a snapshot of."""

    model_id: str
    version_id: str
    task_type: str
    dataset_split: str
    metrics: dict[str, float]
    evaluated_at: datetime | None


def read_performance(*, caller: Caller, model_id: str, dataset_split: str, version_id: str | None = None) -> Reading:
    """Return what the database holds for a caller, a model, a version (by default the promoted one) and a split.

    One SQL statement, whatever it finds. Raises `InvalidTokenError` when the caller may no longer log in, and
    `ModelNotFoundError`.
    """
    row = _statement(promoted=version_id is None).first(
        using=random.choice(settings.REPLICAS or [DEFAULT_DB_ALIAS]),  # noqa: S311  # spreads the load
        user=caller.pk,
        family=caller.family,
        model=model_id if ids.is_model_id(model_id) else "",
        number=0 if version_id is None else ids.version_number(version_id),
        split=dataset_split,
    )
    if row is None or not _may_log_in(row, caller):
        raise InvalidTokenError("The token is no longer valid. Get a new one with POST /api/v1/auth/token.")
    if row["task_type"] is None:
        raise ModelNotFoundError(f"There is no model {model_id[:40]!r}. Check the id.")
    return Reading(
        model_id=model_id,
        task_type=row["task_type"],
        permitted=bool(row["is_superuser"] or row["permitted"]) and Scope.MODEL_READ in caller.scopes,
        dataset_split=dataset_split,
        asked_for=version_id,
        newest_completed=row["newest_completed"],
        number=row["number"],
        version_state=row["state"],
        metrics=row["metrics"],
        evaluated_at=row["evaluated_at"],
    )


def _may_log_in(row: dict[str, Any], caller: Caller) -> bool:
    """Say whether the user is active, has kept the password and has not ended the login."""
    logged_in = caller.family is None or row["logged_in"]
    return bool(row["is_active"] and logged_in and caller.has_password(row["password"]))


@cache
def _statement(*, promoted: bool) -> PreparedQuery:
    model = RegisteredModel.objects.filter(pk=_MODEL)
    completed = Version.objects.filter(model=_MODEL).completed().newest_first()
    version = Version.objects.filter(promoted_in=_MODEL) if promoted else _numbered()
    snapshot = MetricSnapshot.objects.filter(version=Subquery(version.values("pk")[:1]), dataset_split=_SPLIT)
    newest = snapshot.newest_first()
    return PreparedQuery(
        User.objects.filter(pk=_USER).values(
            "is_active",
            "is_superuser",
            "password",
            logged_in=Exists(TokenFamily.objects.filter(pk=_FAMILY, user=OuterRef("pk"), revoked_at=None)),
            task_type=Subquery(model.values("task_type")),
            permitted=Exists(model.permitting(Scope.MODEL_READ, _USER)),
            newest_completed=Subquery(completed.values("number")[:1]),
            number=Subquery(version.values("number")),
            state=Subquery(version.values("state")),
            metrics=Subquery(newest.values("metrics")[:1]),
            evaluated_at=Subquery(newest.values("evaluated_at")[:1]),
        )
    )


def _numbered() -> QuerySet[Version]:
    return Version.objects.filter(model=_MODEL, number=_NUMBER)
