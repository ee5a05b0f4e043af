"""The documents say what the code does."""

import ast
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from config.env.variables import VARIABLES
from docs.hooks import tables
from docs.hooks.reference import on_page_markdown
from models_registry import task_types
from models_registry.accounts.scopes import Scope
from performance.metrics.inputs.columns import COLUMNS
from performance.metrics.inputs.options import Columns, inapplicable_columns
from performance.metrics.tasks.evaluators import EVALUATORS
from tests.config.test_routes import routes
from tests.operations import OPERATIONS, operations_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [f"docs/{path.relative_to(DOCS)}" for path in sorted(DOCS.rglob("*.md"))]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *PAGES]
COMMANDS = "pip install uv && uv run manage.py demo", "pip install uv && uv run --group dev pytest"
SUPERUSERS = Scope.ORGANIZATION_ADMIN  # which alone is not enough to create an organization, as the page says
EXAMPLE_MODEL = "mdl-7f3a19bc92"
READERS = {
    "read",
    "required",
    "email",
    "retention_days",
    "flag",
    "count",
    "one_of",
    "rate",
    "secret",
    "optional_secret",
    "hosts",
    "exact_hosts",
    "cache",
    "database",
    "engine",
    "storage",
}
SEPARATOR = "|---", "| ---"
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")

# In halves, as this file is looked through as well.
PRIVATE = ["/ro" + "ot/", "/wo" + "rk/", "py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian"]


def test_the_errors_page_explains_only_codes_that_exist() -> None:
    codes = {problem.code for problem in tables.problems()}
    notes = page("docs/reference/errors.md").split("## Notes on some codes\n", 1)[1].split("\n## ", 1)[0]
    explained = {code for line in notes.splitlines() if line.startswith("`") for code in re.findall(r"`(\w+)`", line)}

    assert {row[1].strip("`") for row in rows(tables.errors_table())} == codes
    assert explained
    assert explained <= codes


def test_every_variable_that_the_settings_read_is_described() -> None:
    assert {item.name for item in VARIABLES} == read_variables()


def test_a_variable_is_described_with_the_default_that_the_settings_have() -> None:
    described = {item.name: item.default for item in VARIABLES}
    settings = dict(item for tree in settings_trees() for item in literal_defaults(tree))

    assert settings["THROTTLE_RATE"] == "6000/minute"
    assert {name: described[name] for name in settings} == settings


def test_compose_passes_every_variable_on_and_none_as_an_empty_text() -> None:
    passed = yaml.safe_load((ROOT / "compose.yaml").read_text())["x-service"]["environment"]

    assert set(passed) == read_variables() - {"DEBUG"}
    assert "" not in passed.values()
    assert not [value for value in passed.values() if str(value).endswith(":-}")]


def test_every_method_of_an_interval_is_on_its_page() -> None:
    explained = page("docs/explanation/intervals.md"), page("docs/explanation/pairing.md")
    known = {name for text in explained for name in re.findall(r"`([a-z][a-z0-9_ ]+)`", text)}
    found = methods() - {"normal", "least_variance"}  # with which reported intervals are compared only

    assert {"wilson", "newcombe_5_mean", "holm", "paired_wilson", "augmented_t", "reported standard error"} <= found
    assert found - known == set()


def test_every_warning_of_an_evaluation_is_on_the_page_of_columns() -> None:
    files = (ROOT / "performance").rglob("*.py")
    codes = {code for file in files for code in re.findall(r'EvaluationWarning\(\s*"(\w+)"', file.read_text())}
    table = page("docs/reference/columns.md").split("## Warnings\n", 1)[1].split("\n## ", 1)[0]

    assert codes == set(re.findall(r"^\| `(\w+)`", table, re.M))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_has_the_two_commands(command: str) -> None:
    assert f"```\n{command}\n```" in source("README.md")


@pytest.mark.parametrize(("document", "most"), [("README.md", 1200), ("CONTRIBUTING.md", 1500)])
def test_a_document_stays_short(document: str, most: int) -> None:
    assert len(source(document).split()) <= most


def test_every_command_is_on_the_page_of_commands() -> None:
    files = (ROOT / "performance" / "management" / "commands").glob("[!_]*.py")
    documented = re.findall(r"^## (\w+)\n\n\w", page("docs/reference/commands.md"), re.M)

    assert {file.stem for file in files} <= set(documented)


def test_every_route_is_on_the_page_of_routes_with_its_scope() -> None:
    scopes = {f"{item.method} {item.path[1:]}": item.scope for item in tables.operations()}
    found = {operation: scope for operation, scope in scopes.items() if " auth/token" not in operation}
    on_the_page = re.findall(r"^\| `([A-Z]+) /(\S+)`", page("docs/reference/routes.md"), re.M)

    assert {f"{method} {path}" for method, path in on_the_page} == set(scopes)
    assert set(found) == {braces(operation) for operation in operations_of(routes())}
    assert found == {braces(str(item)): item.scope or SUPERUSERS for item in OPERATIONS}


def test_every_task_type_is_on_the_page_of_metrics_with_its_metrics() -> None:
    declared = {item.name: [metric.name for metric in item.metrics] for item in task_types.all_task_types()}
    documented = {
        re.findall(r"`(.+?)`", row[0])[0]: re.findall(r"`(.+?)`", row[1]) for row in rows(tables.task_types_table())
    }
    text = page("docs/reference/metrics.md")

    assert documented == declared
    for item in task_types.all_task_types():
        for metric in item.all_metrics:
            assert f"| `{metric.name}` | {metric.direction} |" in text


def test_the_columns_are_described_as_the_evaluation_takes_them() -> None:
    defaults = {item.name: getattr(Columns(), item.name) for item in fields(Columns)}

    assert {item.key for item in COLUMNS} == set(defaults)
    for task_type in EVALUATORS:
        described = {item.key: item for item in COLUMNS if task_type in item.task_types}
        assert not inapplicable_columns(task_type, Columns(**dict.fromkeys(described, "x")))  # type: ignore[arg-type]
        others = set(defaults) - set(described)
        assert set(inapplicable_columns(task_type, Columns(**dict.fromkeys(others, "x")))) == others  # type: ignore[arg-type]
    for item in COLUMNS:
        assert defaults[item.key] in (item.column, None, (), {})


@pytest.mark.parametrize("document", ["README.md", "docs/tutorials/first-summary.md"])
def test_the_example_answer_is_what_the_demo_answers(document: str) -> None:
    seed = json.loads((ROOT / "fixtures" / "seed.json").read_text())
    model = next(item for item in seed["models"] if item["model_id"] == EXAMPLE_MODEL)
    version = next(item for item in model["versions"] if item["version_id"] == model["promoted"])
    snapshot = next(item for item in version["snapshots"] if item["dataset_split"] == "test")
    answer = json.loads(next(block for block in blocks(source(document), "json") if "metrics" in block))

    assert list(answer["metrics"].items()) == list(snapshot["metrics"].items())
    assert answer == {
        "model_id": EXAMPLE_MODEL,
        "version_id": version["version_id"],
        "task_type": model["task_type"],
        "dataset_split": "test",
        "metrics": snapshot["metrics"],
        "evaluated_at": snapshot["evaluated_at"],
    }


def test_the_source_of_a_page_says_that_its_tables_are_generated_and_the_built_page_does_not() -> None:
    with_tables = [document for document in PAGES if "<!-- generated: " in source(document)]

    assert with_tables
    for document in with_tables:
        notes = re.findall(
            r"^(\*.+ generated: see the built documentation.+\*)\n\n<!-- generated: ", source(document), re.M
        )
        assert len(notes) == source(document).count("<!-- generated: ")
        assert "see the built documentation" not in page(document)


def test_every_dependency_has_its_reason() -> None:
    projects = [tomllib.loads(source(file)) for file in ("pyproject.toml", "client/pyproject.toml")]
    needed = [project["project"]["dependencies"] for project in projects]
    extras = [items for project in projects for items in project["project"]["optional-dependencies"].values()]
    lists = [*needed, *extras, *projects[0]["dependency-groups"].values()]
    declared = {name for items in lists for item in items for name in re.findall(r"^[\w-]+", item)}
    table = rows(source("docs/explanation/dependencies.md"))
    documented = {name for row in table for name in re.findall(r"`(.+?)`", row[0])}

    assert documented == declared


def test_the_version_is_the_one_that_the_changelog_prepares() -> None:
    version = tomllib.loads(source("pyproject.toml"))["project"]["version"]
    unreleased, *released = re.split(r"^## \[", source("CHANGELOG.md"), flags=re.M)[1:]
    prepared = re.findall(r"will be version (\S+)\.$", source("CHANGELOG.md"), re.M)
    dates = [re.fullmatch(r"(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d", part.splitlines()[0]) for part in released]

    assert released
    assert all(dates)
    assert version == (f"{prepared[0]}.dev0" if "\n- " in unreleased else dates[0] and dates[0][1])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_into_the_repository_leads_somewhere(document: str) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", source(document), flags=re.S)
    links = re.findall(r"\]\((?!https?:)([^#)]*)#?([^)]*)\)", text)
    folder = (ROOT / document).parent
    dead = [
        (name, anchor)
        for name, anchor in links
        if not leads_somewhere(folder / name if name else ROOT / document, anchor)
    ]

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


def source(document: str) -> str:
    """Return a document as it is written."""
    return (ROOT / document).read_text()


def page(document: str) -> str:
    """Return a page with the tables that are generated when it is built."""
    return on_page_markdown(source(document))


def blocks(text: str, language: str = "") -> list[str]:
    """Return the fenced blocks of a language, also those that are indented in a tab or a box."""
    fenced = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", text, re.M | re.S)
    return [re.sub(f"^{indent}", "", block, flags=re.M) for indent, name, block in fenced if name == language]


def leads_somewhere(file: Path, anchor: str) -> bool:
    """Say whether there is such a file and, in it, such a heading."""
    if not file.exists() or not anchor:
        return file.exists()
    headings = re.findall(r"^#+ (.+)$", on_page_markdown(file.read_text()), re.M)
    return anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def braces(operation: str) -> str:
    """Return an operation with its parameters as OpenAPI writes them: `{model_id}`."""
    return re.sub(r"<\w+:(\w+)>", r"{\1}", operation)


def rows(text: str) -> list[list[str]]:
    """Return the cells of every table row, without headers."""
    lines = text.splitlines()
    inside = [line for line, after in zip(lines, [*lines[1:], ""], strict=True) if not after.startswith(SEPARATOR)]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in inside
        if line.startswith("|") and not line.startswith(SEPARATOR)
    ]


def settings_trees() -> list[ast.AST]:
    """Return the parsed modules that read the environment."""
    return [ast.parse(file.read_text()) for file in (ROOT / "config").rglob("*.py")]


def read_variables() -> set[str]:
    """Return the names of the variables that the settings read."""
    return {name for tree in settings_trees() for name in variables(tree)}


def literal_defaults(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the name and the default's text of each variable whose default is a literal."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and called(node.func) in READERS:
            for name in names([node.args[0]]):
                for keyword in node.keywords:
                    if keyword.arg == "default" and isinstance(keyword.value, ast.Constant | ast.List):
                        yield name, as_text(ast.literal_eval(keyword.value))


def as_text(value: object) -> str:
    """Return a default as it would be written in the environment."""
    if isinstance(value, list):
        return ",".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


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


def methods() -> set[str]:
    """Return the methods of intervals that the code names: the constants that it passes as `method`, also by name."""
    files = [*(ROOT / "performance/metrics").rglob("*.py"), *(ROOT / "performance/snapshots").rglob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    parameters = {
        node.name: [each.arg for each in node.args.args] for node in nodes if isinstance(node, ast.FunctionDef)
    }
    places = {name: each.index("method") for name, each in parameters.items() if "method" in each} | {"Interval": 2}
    passed: list[ast.expr] = []
    for node in nodes:
        if isinstance(node, ast.Call):
            passed += [each.value for each in node.keywords if each.arg == "method"]
            place = places.get(called(node.func))
            passed += node.args[place : place + 1] if place is not None else []
    parts = [part for value in passed for part in ast.walk(value)]
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    parts += [
        node.value
        for node in nodes
        if isinstance(node, ast.Assign)
        and any(isinstance(each, ast.Name) and each.id in names for each in node.targets)
    ]
    return {part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)}
