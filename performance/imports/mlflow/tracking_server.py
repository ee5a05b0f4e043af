"""Read a tracking server of MLflow over its REST API. An operator names it, so it may be on a private network."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

from models_registry.api.http_client import DeliveryError, Request, fetch
from performance.imports.document import MAX_VERSIONS, ImportedDocument, ReadError, SourceFile
from performance.imports.mlflow.documents import by_number, read_run, read_version
from performance.imports.mlflow.runs import RegisteredVersion, Run, experiment, registered_model
from performance.imports.nodes import MAX_BYTES, Node, json_document

API = "/api/2.0/mlflow"
TIMEOUT = 30.0  # seconds of one request
PAGE = 200
MAX_PAGES = 1000


class TrackingServer:
    """A tracking server.

    Args:
        url: its address, such as `http://mlflow.internal:5000`.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._trusted = {urlsplit(self.url).hostname or ""}

    def read(self) -> Iterator[tuple[str, ImportedDocument]]:
        """Yield each registered model, and each experiment with the runs that no registered version has.

        Raises `ReadError`, whose place is the path that was asked for.
        """
        used: set[str] = set()
        for model in self._pages("registered-models/search", "registered_models"):
            name = model.get("name").text()
            versions = by_number(self._versions(name))
            runs = {run_id: self._run(run_id) for run_id in {each.run_id for each in versions if each.run_id}}
            used |= runs.keys()
            yield name, registered_model(name, model.get("description").text(), versions, runs)
        for each in self._pages("experiments/search", "experiments"):
            name = each.get("name").text()
            rest = [run for run in self._runs(each.get("experiment_id").text()) if run.run_id not in used]
            if rest:
                yield name, experiment(name, rest)

    def _versions(self, model: str) -> list[RegisteredVersion]:
        name = model.replace("'", "''")
        aliases: dict[str, list[str]] = {}
        registered = self._ask("GET", "registered-models/get", {"name": model}).get("registered_model")
        for alias in registered.get("aliases").items():
            aliases.setdefault(alias.get("version").text(), []).append(alias.get("alias").text())
        found = []
        for node in self._pages("model-versions/search", "model_versions", filter=f"name='{name}'"):
            version = read_version(node)
            found.append(replace(version, aliases=tuple(aliases.get(version.number, ()))))
            if len(found) > MAX_VERSIONS:
                raise ReadError(model, f"It has more than {MAX_VERSIONS} versions.")
        return found

    def _run(self, run_id: str) -> Run:
        return read_run(self._ask("GET", "runs/get", {"run_id": run_id}).get("run"), f"run {run_id}")

    def _runs(self, experiment_id: str) -> Iterator[Run]:
        body: dict[str, Any] = {"experiment_ids": [experiment_id], "max_results": PAGE}
        for _ in range(MAX_PAGES):
            page = self._ask("POST", "runs/search", body)
            yield from (read_run(run, "") for run in page.get("runs").items())
            body["page_token"] = page.get("next_page_token").text()
            if not body["page_token"]:
                return

    def _pages(self, path: str, name: str, **query: str) -> Iterator[Node]:
        token = ""
        for _ in range(MAX_PAGES):
            page = self._ask(
                "GET", path, {**query, "max_results": str(PAGE), **({"page_token": token} if token else {})}
            )
            yield from page.get(name).items()
            token = page.get("next_page_token").text()
            if not token:
                return

    def _ask(self, method: str, path: str, values: dict[str, Any]) -> Node:
        """Return the document of a response: to a query, or to a body. Raises `ReadError`."""
        query = f"?{urlencode(values)}" if method == "GET" else ""
        body = None if query else json.dumps(values).encode()
        request = Request(
            method, f"{self.url}{API}/{path}{query}", {"Content-Type": "application/json"}, body, timeout=TIMEOUT
        )
        try:
            return json_document(SourceFile(path, fetch(request, trusted_hosts=self._trusted, max_bytes=MAX_BYTES)))
        except DeliveryError as error:
            raise ReadError(path, f"{self.url} gave no answer. {error}") from None
