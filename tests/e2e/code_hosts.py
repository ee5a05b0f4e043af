"""GitHub and GitLab on the loopback interface: comments of one pull request, and statuses of commits."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.models_registry.tokens.issuer import send

TOKEN = "of the job"
SOMEBODY, BOT = 1, 2  # users
NAMES = {SOMEBODY: "somebody", BOT: "github-actions[bot]"}
GITHUB_STATES = {"success", "failure", "error", "pending"}
GITLAB_STATES = {"success", "failed", "canceled", "pending", "running"}

Body = dict[str, object]


class RefusedError(Exception):
    """The request is wrong. The status says how."""


@dataclass
class Comment:
    """A comment of the pull request."""

    id: int
    author: int
    body: str


@dataclass
class CodeHost:
    """Where it listens, and what was written there: comments, and the statuses of each commit by their names."""

    url: str
    token: str = TOKEN
    comments: list[Comment] = field(default_factory=list)
    statuses: dict[str, dict[str, Body]] = field(default_factory=dict)

    def written(self) -> list[str]:
        """Return the comments of the job."""
        return [comment.body for comment in self.comments if comment.author == BOT]

    def answer(self, request: BaseHTTPRequestHandler) -> object:
        """Return what a request is answered with."""
        url = urlsplit(request.path)
        body = read_body(request)
        if url.path.startswith("/api/v4/"):
            require(request.headers["PRIVATE-TOKEN"] == self.token, HTTPStatus.UNAUTHORIZED)
        else:
            require(request.headers["Authorization"] == f"Bearer {self.token}", HTTPStatus.UNAUTHORIZED)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        return self._route(f"{request.command} {url.path}", query, body)

    def _route(self, route: str, query: dict[str, str], body: Body) -> object:
        match re.findall(r"[^/ ]+", route.replace("/api/v4/projects/42/merge_requests/7/notes", "/notes")):
            case ["POST", "graphql"]:
                require(body == {"query": "{viewer{login}}"})
                return {"data": {"viewer": {"login": NAMES[BOT]}}}
            case ["GET", "api", "v4", "user"]:
                return {"id": BOT, "username": "project_42_bot"}
            case ["GET", "repos", "acme", "tumours", "issues", "7", "comments"] | ["GET", "notes"]:
                return self._page(int(query.get("page", 1)), min(int(query.get("per_page", 30)), 100))
            case ["POST", "repos", "acme", "tumours", "issues", "7", "comments"] | ["POST", "notes"]:
                self.comments.append(Comment(len(self.comments), BOT, text_of(body)))
                return shown(self.comments[-1])
            case ["PATCH", "repos", "acme", "tumours", "issues", "comments", number] | ["PUT", "notes", number]:
                self.comments[int(number)].body = text_of(body)
                return shown(self.comments[int(number)])
            case ["POST", "repos", "acme", "tumours", "statuses", commit]:
                return self._set_status(commit, body, "context", GITHUB_STATES, 140)
            case ["POST", "api", "v4", "projects", "42", "statuses", commit]:
                require(body["pipeline_id"] == 99)
                return self._set_status(commit, body, "name", GITLAB_STATES, 255)
        raise RefusedError(HTTPStatus.NOT_FOUND)

    def _page(self, number: int, size: int) -> list[Body]:
        return [shown(comment) for comment in self.comments[(number - 1) * size : number * size]]

    def _set_status(self, commit: str, body: Body, name: str, states: set[str], limit: int) -> Body:
        require(re.fullmatch("[0-9a-f]{40}", commit) is not None)
        require(body["state"] in states and len(str(body["description"])) <= limit)
        self.statuses.setdefault(commit, {})[str(body[name])] = body
        return body


@contextmanager
def hosting() -> Iterator[CodeHost]:
    """Run a code host, on which others have commented a lot, inside the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # noqa: N802
            try:
                answer, status = host.answer(self), HTTPStatus.OK
            except RefusedError as refused:
                answer, status = {"message": "refused"}, refused.args[0]
            send(self, status, json.dumps(answer).encode())

        do_POST = do_PATCH = do_PUT = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host = CodeHost(f"http://127.0.0.1:{server.server_address[1]}")
    host.comments += [Comment(number, SOMEBODY, f"comment {number}") for number in range(120)]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read_body(request: BaseHTTPRequestHandler) -> Body:
    """Return the JSON object of a request; it is empty if there is none."""
    content = request.rfile.read(int(request.headers.get("Content-Length", 0)))
    if not content:
        return {}
    require(request.headers["Content-Type"] == "application/json", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    body = json.loads(content)
    require(isinstance(body, dict))
    return dict(body)


def text_of(body: Body) -> str:
    """Return the text of a comment that is sent."""
    require(body.keys() == {"body"} and 0 < len(str(body["body"])) <= 65_536)
    return str(body["body"])


def shown(comment: Comment) -> Body:
    """Return a comment as both code hosts show it."""
    user = {"id": comment.author, "login": NAMES[comment.author]}
    return {"id": comment.id, "body": comment.body, "user": user, "author": user}


def require(condition: bool, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
    """Refuse the request unless the condition holds."""
    if not condition:
        raise RefusedError(status)
