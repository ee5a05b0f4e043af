"""Read a tracking server of MLflow over its REST API. An operator names it, so it may be on a private network."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlencode, urlsplit

from models_registry.api.http_client import DeliveryError, Request, fetch
from performance.imports.document import MAX_VERSIONS, ImportedDocument, ReadError, SourceFile
from performance.imports.mlflow.documents import by_number, read_run, read_version
from performance.imports.mlflow.runs import RegisteredVersion, Run, experiment, registered_model
from performance.imports.nodes import MAX_BYTES, Node, json_document

API = "/api/2.0/mlflow"
TIMEOUT = 30.0  # seconds of one request
SET_LOGIN = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
PAGE = 200
MAX_PAGES = 1000


class TrackingServer:
    """A tracking server.

    Args:
        url: its address, such as `http://mlflow.internal:5000`, without a login.
        environment: where the login is, under the names of MLflow's own client: `MLFLOW_TRACKING_USERNAME` and
            `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`.

    Raises `ReadError` if the address contains a login, which messages would show.
    """

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        if "@" in parts.netloc:
            raise ReadError(parts.hostname or "", f"The address must contain no login. {SET_LOGIN}")
        self._trusted = {parts.hostname or ""}
        self._headers = {"Content-Type": "application/json", **dict(_login(environment))}

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
        body: dict[str, object] = {"experiment_ids": [experiment_id], "max_results": PAGE}
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

    def _ask(self, method: str, path: str, values: dict[str, object]) -> Node:
        """Return the document of a response: to a query, or to a body. Raises `ReadError`."""
        query = f"?{urlencode(values)}" if method == "GET" else ""
        body = None if query else json.dumps(values).encode()
        request = Request(method, f"{self.url}{API}/{path}{query}", self._headers, body, timeout=TIMEOUT)
        try:
            return json_document(SourceFile(path, fetch(request, trusted_hosts=self._trusted, max_bytes=MAX_BYTES)))
        except DeliveryError as error:
            if error.status in {401, 403}:
                raise ReadError(path, f"{self.url} needs a login that may read it. {SET_LOGIN}") from None
            raise ReadError(path, f"{self.url} gave no answer. {error}") from None


def _login(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the header of the login that the environment has. A user name and password come first, as in MLflow.

    Raises `ReadError` for a token that no header can hold, which a later error would show.
    """
    username, password, token = (
        environment.get(f"MLFLOW_TRACKING_{name}", "").strip() for name in ("USERNAME", "PASSWORD", "TOKEN")
    )
    if username and password:
        yield "Authorization", f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"
    elif token:
        if not (token.isascii() and token.isprintable()):
            raise ReadError("MLFLOW_TRACKING_TOKEN", "It contains characters that no token has.")
        yield "Authorization", f"Bearer {token}"
