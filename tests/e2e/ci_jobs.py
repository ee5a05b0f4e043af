"""Run jobs of GitHub Actions and GitLab CI by their YAML: the shell steps in their order, up to the one that fails."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import TypedDict, cast

import yaml

from tests.serving import ROOT

RECIPES = ROOT / "fixtures" / "ci"
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where `mpr` is

Variables = dict[str, str]
Step = TypedDict(
    "Step",
    {"name": str, "id": str, "uses": str, "with": Variables, "if": str, "shell": str, "env": Variables, "run": str},
    total=False,
)


class Job(TypedDict, total=False):
    """A job of a workflow or of a pipeline, or what an action runs."""

    steps: list[Step]
    env: Variables
    rules: list[Variables]
    variables: Variables
    id_tokens: dict[str, Variables]
    script: list[str]
    artifacts: dict[str, Variables]


class Include(TypedDict):
    """A component that a pipeline includes."""

    component: str
    inputs: dict[str, object]


class Input(TypedDict, total=False):
    """An input of an action."""

    description: str
    required: bool
    default: str


class Recipe(TypedDict, total=False):
    """A workflow, an action or a pipeline."""

    jobs: dict[str, Job]
    inputs: dict[str, Input]
    runs: Job
    include: list[Include]
    gate: Job
    train: Job


def load(name: str) -> Recipe:
    """Return the YAML of a recipe."""
    return cast("Recipe", yaml.safe_load((RECIPES / name).read_text()))


def run(shell: list[str], script: str, folder: Path, variables: Variables) -> subprocess.CompletedProcess[str]:
    """Run a script with these variables alone."""
    environment = {"PATH": PATH, "HOME": str(folder), **variables}
    return subprocess.run(
        [*shell, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@dataclass
class GitHubJob:
    """A job of GitHub Actions: its folder, its variables, and the context `github`.

    `ended` has the exit status of each step that ran, and `log` what they printed.
    """

    folder: Path
    variables: Variables
    github: Variables
    ended: dict[str, int] = field(default_factory=dict)
    log: str = ""
    outputs: dict[str, Variables] = field(default_factory=dict)

    def run(self, steps: list[Step], **inputs: str) -> None:
        """Run the steps of a workflow. The inputs replace those for the action of this repository."""
        for step in steps:
            if "github-action@" in step.get("uses", ""):
                given = {name: self.fill(value, {}) for name, value in step["with"].items()}
                self._run_action(given | inputs)
            elif "run" in step and "Install" not in step["name"]:
                self._run_step(step, {})
            if any(self.ended.values()):
                return

    def _run_action(self, given: Variables) -> None:
        action = load("github-action/action.yml")
        assert given.keys() <= action["inputs"].keys()
        assert given.keys() >= {name for name, item in action["inputs"].items() if item.get("required")}
        inputs = {
            name: given.get(name, self.fill(item.get("default", ""), {})) for name, item in action["inputs"].items()
        }
        for step in action["runs"]["steps"]:
            assert step["shell"] == "bash"
            if self.evaluate(step.get("if", "'always'"), inputs) and not any(self.ended.values()):
                self._run_step(step, inputs)

    def _run_step(self, step: Step, inputs: Variables) -> None:
        output = self.folder / "output"
        output.write_text("")
        summary = str(self.folder / "summary.md")
        given = {name: self.fill(str(value), inputs) for name, value in step.get("env", {}).items()}
        given |= {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": summary, **self.variables}
        finished = run(["bash", "--noprofile", "--norc", "-eo", "pipefail"], step["run"], self.folder, given)
        self.ended[step["name"]] = finished.returncode
        self.log += finished.stdout + finished.stderr
        self.outputs[step.get("id", "")] = dict(line.split("=", 1) for line in output.read_text().splitlines())

    def fill(self, text: str, inputs: Variables) -> str:
        """Return a text in which expressions are replaced by their values."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self.evaluate(found[1], inputs)), text)

    def evaluate(self, expression: str, inputs: Variables) -> object:
        """Return the value of an expression that has names, texts, `==`, `!=`, `&&` and `||`."""
        names = {f"inputs.{name}": value for name, value in inputs.items()}
        names |= {f"github.{name}": value for name, value in self.github.items()}
        names |= {f"steps.{id}.outputs.{name}": v for id, found in self.outputs.items() for name, v in found.items()}
        python = re.sub(r"\b(inputs|steps|github)\.[\w.-]+", lambda found: repr(names[found[0]]), expression)
        python = python.replace("&&", " and ").replace("||", " or ").strip()
        return eval(python, {"__builtins__": {}})  # noqa: S307  # of our own files


@dataclass
class GitLabJob:
    """A job of GitLab CI in its folder, with its predefined variables and its identity."""

    folder: Path
    variables: Variables
    identity: str
    log: str = ""

    def include(self, inputs: Mapping[str, object]) -> int | None:
        """Run the job of the component. Return the exit status of its script, or `None` if no rule lets it run."""
        header, content = yaml.safe_load_all((RECIPES / "gitlab-component/templates/gate.yml").read_text())
        declared = header["spec"]["inputs"]
        assert inputs.keys() <= declared.keys()
        assert inputs.keys() >= {name for name, item in declared.items() if "default" not in item}
        values = {name: item.get("default") for name, item in declared.items()} | dict(inputs)
        [job] = cast("dict[str, Job]", interpolate(content, values)).values()
        return self.run(job)

    def run(self, job: Job) -> int | None:
        """Run a job. Return the exit status of its script, or `None` if no rule lets it run."""
        if not any(self._holds(rule["if"]) for rule in job["rules"]):
            return None
        given = {
            name: Template(text).safe_substitute(self.variables) for name, text in job.get("variables", {}).items()
        }
        given |= dict.fromkeys(job.get("id_tokens", {}), self.identity)
        finished = run(["sh", "-e"], "\n".join(job["script"]), self.folder, self.variables | given)
        self.log += finished.stdout + finished.stderr
        return finished.returncode

    def _holds(self, condition: str) -> bool:
        left, right = (
            part.strip('"') if part[0] == '"' else self.variables.get(part[1:]) for part in condition.split(" == ")
        )
        return left == right


def interpolate(node: object, inputs: Mapping[str, object]) -> object:
    """Return YAML in which inputs are replaced by their values, as GitLab does: node by node."""
    if isinstance(node, dict):
        return {interpolate(key, inputs): interpolate(value, inputs) for key, value in node.items()}
    if isinstance(node, list):
        return [interpolate(item, inputs) for item in node]
    if not isinstance(node, str):
        return node

    def value(found: re.Match[str]) -> str:
        given = inputs[found[1]]
        return str(given).lower() if isinstance(given, bool) else str(given)

    return re.sub(r"\$\[\[ inputs\.(\w+) \]\]", value, node)
