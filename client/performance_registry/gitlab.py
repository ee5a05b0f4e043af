"""GitLab: comments and statuses of a job of GitLab CI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from performance_registry.code_hosts import Api, State, Status, secret, variable
from performance_registry.errors import CodeHostError

_DESCRIPTION_LIMIT = 255  # characters
_STATES = {State.SUCCESS: "success", State.FAILURE: "failed", State.ERROR: "failed"}


class GitLab:
    """The commit and the merge request of a job of GitLab CI."""

    comment_limit = 900_000

    def __init__(self, environment: Mapping[str, str]) -> None:
        meaning = "give the job a project access token with the scope `api`, as its own token may not do this"
        headers = {"PRIVATE-TOKEN": secret(environment, "GITLAB_TOKEN", meaning)}
        self._api = Api(variable(environment, "CI_API_V4_URL", "this is no job of GitLab CI"), headers)
        project = variable(environment, "CI_PROJECT_ID", "this is no job of GitLab CI")
        commit = variable(environment, "CI_COMMIT_SHA", "there is no commit")
        self._statuses = f"/projects/{project}/statuses/{commit}"
        self._pipeline = environment.get("CI_PIPELINE_ID")
        target = environment.get("CI_MERGE_REQUEST_PROJECT_ID") or project  # the job of a fork runs in the fork
        self._number = environment.get("CI_MERGE_REQUEST_IID")
        self._notes = f"/projects/{target}/merge_requests/{self._number}/notes"

    @property
    def has_pull_request(self) -> bool:
        """Whether the job is one of a merge request pipeline."""
        return bool(self._number)

    def set_status(self, status: Status) -> None:
        """Set a status of the commit, in the pipeline of the job.

        None is pending, as a pending one keeps the pipeline running for ever.
        """
        if status.state is State.PENDING:
            return
        body: dict[str, object] = {"state": _STATES[status.state], "name": status.context}
        body |= {"description": status.description[:_DESCRIPTION_LIMIT], "target_url": status.target_url}
        body |= {"pipeline_id": int(self._pipeline)} if self._pipeline else {}
        self._api.ask("POST", self._statuses, {name: value for name, value in body.items() if value is not None})

    def own_comments(self) -> Iterator[tuple[int, str]]:
        """Return the comments of the token's user. Anybody can write a comment that begins as ours does."""
        user = self._user()
        for row in self._api.rows(self._notes):
            match row:
                case {"id": int(id), "body": str(body), "author": {"id": author}} if author == user:
                    yield id, body

    def add_comment(self, text: str) -> None:
        """Comment on the merge request."""
        self._api.ask("POST", self._notes, {"body": text})

    def edit_comment(self, id: int, text: str) -> None:
        """Replace the text of a comment."""
        self._api.ask("PUT", f"{self._notes}/{id}", {"body": text})

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def _user(self) -> int:
        match self._api.ask("GET", "/user"):
            case {"id": int(id)}:
                return id
            case answer:
                raise CodeHostError(f"GitLab does not say whose token GITLAB_TOKEN is: {str(answer)[:300]}")
