"""A registry: the entry of the client, with blocking calls and with `await`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict
from urllib.parse import quote

from performance_registry.connections import AsyncConnection, Awaiting, Blocking, Connection, operation
from performance_registry.credentials import new_caller
from performance_registry.errors import Answer, ProblemError, RegistryError
from performance_registry.models import AsyncModel, Model
from performance_registry.records import ImportResult
from performance_registry.requests import Operation
from performance_registry.resources import Resource

if TYPE_CHECKING:
    from typing_extensions import Unpack

TIMEOUT = 60.0  # seconds for one response
PATIENCE = 60.0  # seconds for which a request is repeated

_MODEL_ID = re.compile(r"mdl-[0-9a-f]{10}")


class ModelFields(TypedDict, total=False):
    """The fields of a new model."""

    description: str
    tags: Sequence[str]
    positive_class: str


class _RegistryOperations(Resource):
    @operation
    def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None
    ) -> Operation[Any]:
        """Return the JSON that the registry answers, for what the client has no method for.

        Args:
            method: such as `PUT`.
            path: below `/api/v1`, such as `/models/mdl-7f3a19bc92/gate-policy`.
            params: the query.
            body: sent as JSON.

        Raises `ProblemError`.
        """
        response = yield from self._call(method, path, params=params or {}, body=body)
        return response.json() if response.content else None

    @operation
    def rows(self, path: str, /, **params: Any) -> Operation[list[dict[str, Any]]]:
        """Return the rows of all pages of a list, such as `rows("/models", organization="acme")`."""
        return (yield from self._rows(path, params))

    @operation
    def import_file(
        self,
        organization: str,
        format: str,
        path: str | Path,
        *,
        model: str | None = None,
        task_type: str | None = None,
        split: str = "test",
        dry_run: bool = False,
    ) -> Operation[ImportResult]:
        """Import a file that another tool wrote: all of it, or nothing. Importing it again changes nothing.

        Args:
            organization: the slug of the organization that gets the models.
            format: such as `lm-eval`, `sklearn-report` or `csv`.
            path: the path of the file.
            model: the name of the model, if the file does not say one.
            task_type: the task type of new models; by default the one that the file or its metrics say.
            split: the split of metrics for which the file says none.
            dry_run: only say what would happen.

        Raises `ProblemError`.
        """
        form = {"format": format, "dataset_split": split, "dry_run": "true" if dry_run else "false"}
        form |= {name: text for name, text in (("model", model), ("task_type", task_type)) if text}
        path_of_imports = f"/organizations/{quote(organization, safe='')}/imports"
        return ImportResult.from_document((yield from self._ask("POST", path_of_imports, form=form, file=Path(path))))

    def _find_or_create(
        self, name: str, task_type: str | None, create: bool, fields: Mapping[str, Any]
    ) -> Operation[dict[str, Any]]:
        if _MODEL_ID.fullmatch(name):
            return (yield from self._ask("GET", f"/models/{name}"))
        organization, _, title = name.partition("/")
        if not organization or not title:
            raise ValueError(f"{name!r} names no model: it must be such as acme/churn or mdl-7f3a19bc92.")
        found = yield from self._find(organization, title)
        if found is None and create:
            path = f"/organizations/{quote(organization, safe='')}/models/{quote(title, safe='')}"
            found = yield from self._ask("PUT", path, body={**fields, "task_type": task_type})
        if found is None:
            detail = (
                f"There is no model {name} that you may read. "
                "Register it with `create=True`, or with `mpr register --task-type`."
            )
            raise ProblemError({"title": "Not found", "status": 404, "code": "model_not_found", "detail": detail})
        if task_type not in (None, found["task_type"]):
            raise RegistryError(f"{name} is a model of {found['task_type']}, not of {task_type}.")
        return found

    def _find(self, organization: str, name: str) -> Operation[dict[str, Any] | None]:
        rows = yield from self._rows("/models", {"organization": organization, "name": name})
        return Answer(rows[0]) if rows else None


class Registry(_RegistryOperations, Blocking):
    """A registry.

    Args:
        url: its address; by default the variable `REGISTRY_URL`.
        token: an access token; by default the variable `REGISTRY_TOKEN`, else the identity of the CI job, else the
            login that `mpr login` has stored.
        timeout: seconds to wait for one response.
        patience: seconds for which a request is repeated while the registry is busy or cannot be reached.

    Raises `CredentialsError` if there is no address or no token. A registry is a context manager, which closes its
    connections.
    """

    _connection: Connection

    def __init__(
        self, url: str | None = None, token: str | None = None, *, timeout: float = TIMEOUT, patience: float = PATIENCE
    ) -> None:
        self._connection = Connection(new_caller(url, token, patience), timeout=timeout)

    def model(
        self, name: str, *, task_type: str | None = None, create: bool = False, **fields: Unpack[ModelFields]
    ) -> Model:
        """Return the model of a name such as `acme/churn`, or of an id.

        With `create`, it is registered with the task type and the fields, unless it exists. Raises `ProblemError`.
        """
        document = self._connection.run(self._find_or_create(name, task_type, create, fields))
        return Model(document, self._connection)

    def close(self) -> None:
        """Close the connections to the registry."""
        self._connection.close()

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncRegistry(_RegistryOperations, Awaiting):
    """A registry, whose methods are awaited. The arguments are those of `Registry`."""

    _connection: AsyncConnection

    def __init__(
        self, url: str | None = None, token: str | None = None, *, timeout: float = TIMEOUT, patience: float = PATIENCE
    ) -> None:
        self._connection = AsyncConnection(new_caller(url, token, patience), timeout=timeout)

    async def model(
        self, name: str, *, task_type: str | None = None, create: bool = False, **fields: Unpack[ModelFields]
    ) -> AsyncModel:
        """Return a model, as `Registry.model` does."""
        document = await self._connection.run(self._find_or_create(name, task_type, create, fields))
        return AsyncModel(document, self._connection)

    async def close(self) -> None:
        """Close the connections to the registry."""
        await self._connection.close()

    async def __aenter__(self) -> AsyncRegistry:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
