"""Publish verdicts where code is reviewed: one comment on the pull request, and a status of the commit."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from performance_registry.code_hosts import CodeHost, State, Status, put_comment
from performance_registry.credentials import find_url
from performance_registry.errors import CodeHostError, RegistryError
from performance_registry.github import GitHub
from performance_registry.gitlab import GitLab
from performance_registry.resources import GateDocument
from performance_registry.text import escape_controls
from performance_registry.verdicts import Verdict

log = logging.getLogger("performance_registry")

Publish = Callable[[Verdict, Callable[[], GateDocument]], None]

_STATES = {"passed": State.SUCCESS, "failed": State.FAILURE, "no_policy": State.PENDING}


@dataclass(frozen=True)
class Publisher:
    """Publishes the verdicts on a model at a code host. `model` is how the job names the model."""

    host: CodeHost
    model: str
    comments: bool
    statuses: bool

    def publish(self, verdict: Verdict, render: Callable[[], GateDocument]) -> None:
        """Publish a verdict. `render` returns it as Markdown.

        If `render` fails, the comment shows the verdict as plain text. Raises `CodeHostError`, or what `render` raises.
        """
        if self.statuses:
            self._set_status(_STATES.get(verdict.status, State.ERROR), _describe(verdict), _page(verdict))
        if self.comments:
            self._comment_on(verdict, render)

    def publish_error(self, error: Exception) -> None:
        """Say that there is no verdict, as an older one may stand there. Raises `CodeHostError`."""
        if self.statuses:
            self._set_status(State.ERROR, "could not be judged", None)
        if self.comments:
            self._comment(f"### Gate: could not be judged\n\n{_as_code(str(error))}\n")

    def _comment_on(self, verdict: Verdict, render: Callable[[], GateDocument]) -> None:
        try:
            markdown = render().text
        except RegistryError:
            self._comment(f"### Gate\n\n{_as_code(str(verdict))}\n")
            raise
        self._comment(markdown)

    def _set_status(self, state: State, description: str, target_url: str | None) -> None:
        self.host.set_status(Status(state, f"gate: {self.model}", description, target_url))

    def _comment(self, markdown: str) -> None:
        if self.host.has_pull_request:
            put_comment(self.host, f"<!-- performance-registry gate {quote(self.model)} -->", markdown)


@contextmanager
def publishing(model: str, *, comment: bool, status: bool) -> Iterator[Publish]:
    """Give what publishes a verdict; publish that there is none if the block raises. Raises `CodeHostError`."""
    if not comment and not status:
        yield lambda verdict, render: None
        return
    with closing(_code_host(os.environ)) as host:
        publisher = Publisher(host, model, comment, status)
        try:
            yield publisher.publish
        except CodeHostError:
            raise
        except (RegistryError, OSError, ValueError) as error:
            _publish_error(publisher, error)
            raise


def _publish_error(publisher: Publisher, error: Exception) -> None:
    """Publish an error. What prevents that is logged, as the error says more."""
    try:
        publisher.publish_error(error)
    except CodeHostError as prevented:
        log.warning("%s", prevented)


def _code_host(environment: Mapping[str, str]) -> GitHub | GitLab:
    """Return where this CI job runs. Raises `CodeHostError`."""
    if environment.get("GITHUB_REPOSITORY"):
        return GitHub(environment)
    if environment.get("CI_API_V4_URL"):
        return GitLab(environment)
    raise CodeHostError(
        "`--comment` and `--status` need a job of GitHub Actions or GitLab CI: neither GITHUB_REPOSITORY nor "
        "CI_API_V4_URL is set."
    )


def _describe(verdict: Verdict) -> str:
    holding = sum(rule.status == "passed" for rule in verdict.rules)
    return f"{verdict.title} ({holding} of {len(verdict.rules)} rules hold)" if verdict.rules else verdict.title


def _page(verdict: Verdict) -> str:
    """Return the address of the admin's page with the gate's verdict on the version."""
    model, version = quote(verdict.model_id, safe=""), quote(verdict.version_id, safe="")
    return f"{find_url(None)}/admin/models_registry/registeredmodel/{model}/gate/{version}/"


def _as_code(text: str) -> str:
    """Return a text as a block of code, in which Markdown, HTML and mentions mean nothing."""
    return "\n".join(f"    {line}" for line in escape_controls(text).split("\n"))
