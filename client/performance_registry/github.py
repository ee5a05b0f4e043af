"""GitHub: comments and statuses of a job of GitHub Actions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from performance_registry.code_hosts import Api, Status, secret, variable
from performance_registry.errors import CodeHostError

_DESCRIPTION_LIMIT = 140  # characters


class GitHub:
    """The commit and the pull request of a job of GitHub Actions."""

    comment_limit = 65_000

    def __init__(self, environment: Mapping[str, str]) -> None:
        token = secret(environment, "GITHUB_TOKEN", "pass the job's token, ${{ github.token }}")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        self._api = Api(environment.get("GITHUB_API_URL") or "https://api.github.com", headers)
        self._graphql = Api(environment.get("GITHUB_GRAPHQL_URL") or "https://api.github.com/graphql", headers)
        self._repository = f"/repos/{variable(environment, 'GITHUB_REPOSITORY', 'this is no job of GitHub Actions')}"
        event = _event(environment)
        self._number: object = event.get("number")
        self._commit: object = event.get("commit") or variable(environment, "GITHUB_SHA", "there is no commit")

    @property
    def has_pull_request(self) -> bool:
        """Whether a pull request has triggered the job."""
        return self._number is not None

    def set_status(self, status: Status) -> None:
        """Set a status of the newest commit of the pull request, or of the commit that was pushed."""
        body = {"state": status.state.value, "context": status.context, "target_url": status.target_url}
        body["description"] = status.description[:_DESCRIPTION_LIMIT]
        self._api.ask("POST", f"{self._repository}/statuses/{self._commit}", body)

    def own_comments(self) -> Iterator[tuple[int, str]]:
        """Return the comments of the token's user. Anybody can write a comment that begins as ours does."""
        login = self._login()
        for row in self._api.rows(f"{self._repository}/issues/{self._number}/comments"):
            match row:
                case {"id": int(id), "body": str(body), "user": {"login": str(author)}} if author == login:
                    yield id, body

    def add_comment(self, text: str) -> None:
        """Comment on the pull request."""
        self._api.ask("POST", f"{self._repository}/issues/{self._number}/comments", {"body": text})

    def edit_comment(self, id: int, text: str) -> None:
        """Replace the text of a comment."""
        self._api.ask("PATCH", f"{self._repository}/issues/comments/{id}", {"body": text})

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._graphql.close()

    def _login(self) -> str:
        """Return the name of the token's user. The REST API does not say it to the token of a job."""
        match self._graphql.ask("POST", "", {"query": "{viewer{login}}"}):
            case {"data": {"viewer": {"login": str(login)}}}:
                return login
            case answer:
                raise CodeHostError(f"GitHub does not say whose token GITHUB_TOKEN is: {str(answer)[:300]}")


def _event(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the number and the newest commit of the pull request that has triggered the job."""
    path = environment.get("GITHUB_EVENT_PATH")
    match json.loads(Path(path).read_text(encoding="utf-8")) if path else {}:
        case {"pull_request": {"number": int(number), "head": {"sha": str(commit)}}}:
            return {"number": number, "commit": commit}
    return {}
