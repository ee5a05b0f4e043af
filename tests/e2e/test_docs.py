"""The documents say what the code does."""

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from config.problems import error_classes
from models_registry import task_types
from tests.config.test_routes import routes
from tests.operations import operations_of

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
COMMANDS = "pip install uv && uv run manage.py demo", "pip install uv && uv run --group dev pytest"
EXAMPLE_MODEL = "mdl-7f3a19bc92"
READERS = {
    "retention_days",
    "flag",
    "count",
    "one_of",
    "rate",
    "secret",
    "hosts",
    "exact_hosts",
    "cache",
    "database",
    "engine",
    "storage",
}
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")

# In halves, as this file is looked through as well.
PRIVATE = ["/ro" + "ot/", "/wo" + "rk/", "py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian"]


def test_every_error_code_is_in_the_table_with_its_status() -> None:
    table = rows(section(README, "Errors"))
    documented = {code: int(status) for status, codes, _ in table for code in re.findall(r"`(\w+)`", codes)}

    assert documented == {error.code: error.status_code for error in error_classes()}


def test_every_variable_that_the_settings_read_is_in_the_table() -> None:
    documented = {row[0].strip("`") for row in rows(section(README, "Configuration"))}

    assert documented == read_variables()


def test_compose_passes_every_variable_on_and_none_as_an_empty_text() -> None:
    passed = yaml.safe_load((ROOT / "compose.yaml").read_text())["x-service"]["environment"]

    assert set(passed) == read_variables() - {"DEBUG"}
    assert "" not in passed.values()
    assert not [value for value in passed.values() if str(value).endswith(":-}")]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_has_the_two_commands(command: str) -> None:
    assert f"```\n{command}\n```" in README


def test_every_command_is_documented() -> None:
    files = (ROOT / "performance" / "management" / "commands").glob("[!_]*.py")
    documented = {row[0].strip("`").split()[0] for row in rows(section(README, "Commands"))}

    assert {file.stem for file in files} <= documented


def test_every_route_of_the_registry_is_in_the_table() -> None:
    table = rows(section(README, "The registry"))
    documented = {
        f"{method} {path}"
        for route, *_ in table
        for methods, path in re.findall(r"`([A-Z/]+) /(.+?)`", route)
        for method in methods.split("/")
    }

    assert documented == {re.sub("<str:(.+?)>", r"{\1}", operation) for operation in operations_of(routes())}


def test_every_task_type_is_in_the_table_with_its_metrics() -> None:
    declared = {item.name: [metric.name for metric in item.metrics] for item in task_types.all_task_types()}
    tables = rows(section(README, "A first call"))
    documented = {row[0].strip("`"): row[1].split(", ") for row in tables if len(row) == 2}

    assert documented == declared


def test_the_example_answer_is_what_the_demo_answers() -> None:
    seed = json.loads((ROOT / "fixtures" / "seed.json").read_text())
    model = next(item for item in seed["models"] if item["model_id"] == EXAMPLE_MODEL)
    version = next(item for item in model["versions"] if item["version_id"] == model["promoted"])
    snapshot = next(item for item in version["snapshots"] if item["dataset_split"] == "test")
    answer = json.loads(next(block for block in re.findall(r"```json\n(.*?)```", README, re.S) if "metrics" in block))

    assert list(answer["metrics"].items()) == list(snapshot["metrics"].items())
    assert answer == {
        "model_id": EXAMPLE_MODEL,
        "version_id": version["version_id"],
        "task_type": model["task_type"],
        "dataset_split": "test",
        "metrics": snapshot["metrics"],
        "evaluated_at": snapshot["evaluated_at"],
    }


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras, groups = project["project"].get("optional-dependencies", {}), project["dependency-groups"]
    lists = [project["project"]["dependencies"], *extras.values(), *groups.values()]
    declared = {name for items in lists for item in items for name in re.findall(r"^[\w-]+", item)}
    tables = rows(section(CONTRIBUTING, "Dependencies"))
    documented = {name for row in tables for name in re.findall(r"`(.+?)`", row[0])}

    assert documented == declared


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_link_into_the_repository_leads_somewhere(document: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^#)]*)#?([^)]*)\)", (ROOT / document).read_text())
    dead = [(name, anchor) for name, anchor in links if not leads_somewhere(ROOT / (name or document), anchor)]

    assert not dead


def test_no_file_tells_of_a_machine_or_a_package_registry() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git work tree: there is no list of the project's files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    telling = [
        f"{file.relative_to(ROOT)}: {needle}"
        for file in files
        if file.is_file()
        for needle in PRIVATE
        if needle.encode() in file.read_bytes()
    ]

    assert not telling


def section(text: str, heading: str) -> str:
    """Return what stands under a heading of the second level."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def leads_somewhere(file: Path, anchor: str) -> bool:
    """Say whether there is such a file and, in it, such a heading."""
    if not file.exists() or not anchor:
        return file.exists()
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
    return anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row, without headers."""
    lines = text.splitlines()
    inside = [line for line, after in zip(lines, [*lines[1:], ""], strict=True) if not after.startswith("|---")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in inside
        if line.startswith("|") and not line.startswith("|---")
    ]


def read_variables() -> set[str]:
    """Return the names of the variables that the settings read."""
    return {name for file in (ROOT / "config").glob("*.py") for name in variables(ast.parse(file.read_text()))}


def variables(tree: ast.AST) -> Iterator[str]:
    """Yield the names that are given to a reader of the environment, one by one or from a tuple of names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and called(node.func) in READERS:
            yield from names([node.args[0]])
        if isinstance(node, ast.comprehension) and isinstance(node.iter, ast.Tuple):
            yield from names(node.iter.elts)


def called(function: ast.expr) -> str:
    """Return the name of what is called: `flag`."""
    return function.id if isinstance(function, ast.Name) else ""


def names(nodes: list[ast.expr]) -> Iterator[str]:
    """Yield the constants that are names of variables."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
            yield node.value
