"""The tables of the reference pages, as Markdown, made from what the code declares."""

import argparse
import json
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from functools import cache
from textwrap import indent
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml
from django.conf import settings
from django.core.management import load_command_class
from django.core.management.base import BaseCommand
from django.urls import URLPattern, URLResolver, get_resolver

from config.env.variables import VARIABLES, Variable
from config.problems import error_classes
from models_registry import task_types
from models_registry.accounts.scopes import Scope
from models_registry.task_types.base import Metric
from performance.metrics.inputs.columns import COLUMNS, ColumnDescription
from performance.metrics.inputs.options import Options
from performance.metrics.paired.sample_sizes import size_for_limit
from performance.metrics.statistics.intervals import wilson
from performance.metrics.tasks.evaluators import EVALUATORS, inapplicable_options
from performance.webhooks.events import EVENTS

COMMANDS = sorted(
    path.stem for path in (settings.BASE_DIR / "performance" / "management" / "commands").glob("[!_]*.py")
)
MARGINS = (0.05, 0.02, 0.01, 0.005)
MOST_EXAMPLES = 10**7  # more than any margin needs
# A value that is not the default, to ask which task types take an option.
EXAMPLES: dict[str, Any] = {
    "positive_class": "yes",
    "averaging": "macro",
    "threshold": 0.3,
    "allow_missing": True,
    "k": 5,
}


class Problem(NamedTuple):
    """A kind of error: its HTTP status, its stable code, its title and an example of its detail."""

    status: int
    code: str
    title: str
    detail: str


class Operation(NamedTuple):
    """A method of a route, with the scope that it needs and what the OpenAPI document says of it."""

    method: str
    path: str
    scope: str
    tag: str
    summary: str
    description: str
    parameters: list[str]


def problems() -> list[Problem]:
    """Return every kind of error, by status."""
    return [Problem(each.status_code, each.code, each.title, str(each.default_detail)) for each in error_classes()]


@cache
def operations() -> list[Operation]:
    """Return every operation of the OpenAPI document, in its order."""
    document = yaml.load((settings.BASE_DIR / "openapi.yaml").read_bytes(), Loader=yaml.CSafeLoader)
    scopes = _scopes()
    return [
        Operation(
            method=method.upper(),
            path=path.removeprefix("/api/v1"),
            scope=scopes[method, path],
            tag=operation["tags"][0],
            summary=operation["summary"],
            description=operation["description"],
            parameters=[item["name"] for item in parameters(document, operation) if item["in"] == "query"],
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def parameters(document: Any, operation: Any) -> list[dict[str, Any]]:
    """Return the parameters of an operation, shared ones included."""
    shared = document["components"]["parameters"]
    return [
        shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in operation.get("parameters", [])
    ]


def _scopes() -> dict[tuple[str, str], str]:
    """Return the scope that each method of each route needs; none for the token routes."""
    found = {}
    for path, view in _routes(get_resolver().url_patterns):
        by_action = getattr(getattr(view, "cls", None), "scopes", {})
        for method, action in (getattr(view, "actions", None) or {}).items():
            found[method, path] = str(by_action.get(action, Scope.MODEL_READ))
        if path.startswith("/api/v1/auth/token"):
            found["post", path] = ""
    return found


def _routes(patterns: Any, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, path)
        elif isinstance(pattern, URLPattern):
            yield re.sub(r"<\w+:(\w+)>", r"{\1}", path), pattern.callback


def routes_table() -> str:
    """Return a section for each tag, with a table of its operations."""
    found = operations()
    sections = []
    for tag in dict.fromkeys(operation.tag for operation in found):
        rows = [
            [f"`{item.method} {item.path}`", item.scope and f"`{item.scope}`", _about(item)]
            for item in found
            if item.tag == tag
        ]
        sections.append(f"### {tag.capitalize()}\n\n{_table(['route', 'scope', 'what it does'], rows)}")
    return "\n\n".join(sections)


def _about(item: Operation) -> str:
    parameters = ", ".join(f"`{name}`" for name in item.parameters)
    lines = [f"**{item.summary}.**", item.description, parameters and f"Parameters: {parameters}."]
    return "<br>".join(filter(None, lines))


def errors_table() -> str:
    """Return a table of every error."""
    rows = [[str(item.status), f"`{item.code}`", item.title, item.detail] for item in problems()]
    return _table(["status", "code", "title", "detail, for example"], rows)


def configuration_table() -> str:
    """Return a table of every environment variable."""
    rows = [[f"`{item.name}`", _code_unless_prose(item.default), _purpose(item)] for item in VARIABLES]
    return _table(["variable", "default", "what it does"], rows)


def _purpose(item: Variable) -> str:
    return f"{item.description} *Example:* {_code_unless_prose(item.example)}"


def commands_table() -> str:
    """Return a section for each command of ours, from its own help."""
    return "\n\n".join(map(_command, COMMANDS))


def _command(name: str) -> str:
    parser = load_command_class("performance", name).create_parser("manage.py", name)
    every_command_has = [item.option_strings for item in BaseCommand().create_parser("manage.py", name)._actions]
    rows = [
        [f"`{_invocation(item)}`", _help(item)]
        for item in parser._actions
        if not item.option_strings or item.option_strings not in every_command_has
    ]
    table = f"\n\n{_table(['argument', 'what it does'], rows)}" if rows else ""
    return f"## {name}\n\n{parser.description}{table}"


def _invocation(item: argparse.Action) -> str:
    name = item.option_strings[-1] if item.option_strings else ""
    value = "" if item.nargs == 0 else str(item.metavar or (item.choices is None and item.dest.upper()) or "")
    if not value and item.nargs != 0 and item.choices is not None:
        value = "{" + ",".join(map(str, item.choices)) + "}"
    return f"{name} {value}".strip() + (" …" if item.nargs == "+" else "")


def _help(item: argparse.Action) -> str:
    default = item.default if isinstance(item.default, str | int) and not isinstance(item.default, bool) else None
    shown = f"Default: `{default}`." if default is not None else ""
    return " ".join(filter(None, [item.help and f"{item.help[0].upper()}{item.help[1:]}.", shown]))


def columns_table() -> str:
    """Return a section for each task type that can be evaluated, with its columns and options."""
    return "\n\n".join(map(_columns_of, EVALUATORS))


def _columns_of(task_type: str) -> str:
    rows = [_column(item, task_type) for item in COLUMNS if task_type in item.task_types]
    options = [f"`{item.name}`" for item in fields(Options) if _takes(task_type, item.name)]
    table = _table(["column", "key in `columns`", "required", "what it holds"], rows)
    return f"### {task_types.get(task_type).label}\n\n{table}\n\nOptions: {', '.join(options)}."


def _column(item: ColumnDescription, task_type: str) -> list[str]:
    is_required = "yes" if task_type in item.required_by else ""
    return [item.column and f"`{item.column}`", f"`{item.key}`", is_required, item.description]


def _takes(task_type: str, option: str) -> bool:
    return not inapplicable_options(task_type, Options(**{option: EXAMPLES[option]}))


def events_table() -> str:
    """Return a table of every event."""
    rows = [[f"`{item.name}`", item.when, ", ".join(f"`{name}`" for name in item.data)] for item in EVENTS]
    return _table(["event", "when", "`data`"], rows)


def task_types_table() -> str:
    """Return a table of the task types with their summary metrics, in order."""
    rows = [
        [f"[`{item.name}`](#{_anchor(item.label)})", ", ".join(f"`{metric.name}`" for metric in item.metrics)]
        for item in task_types.all_task_types()
    ]
    return _table(["task type", "metrics of the summary"], rows)


def metrics_table() -> str:
    """Return a section for each task type, with every metric that it declares."""
    return "\n\n".join(map(_metrics_of, task_types.all_task_types()))


def _metrics_of(item: task_types.TaskType) -> str:
    parts = [f"## {item.label}", item.description]
    for title, metrics in (("In the summary", item.metrics), ("In the report", item.further)):
        if metrics:
            parts += [f"**{title}**", _table(["metric", "better", "bounds", "definition"], map(_metric, metrics))]
    return "\n\n".join([*parts, _sources(item.all_metrics), _worked_examples(item.all_metrics)])


def _metric(metric: Metric) -> list[str]:
    lower = "−∞" if metric.lower is None else f"{metric.lower:g}"
    upper = "∞" if metric.upper is None else f"{metric.upper:g}"
    return [f"`{metric.name}`", str(metric.direction), f"{lower} to {upper}", metric.definition]


def _sources(metrics: Iterable[Metric]) -> str:
    """Return a box that folds, with the source of each metric."""
    lines = [f"- `{metric.name}`: {_linked(metric.source)}" for metric in metrics]
    return '??? quote "Sources"\n\n' + indent("\n".join(lines), "    ")


def _linked(source: str) -> str:
    """Return a source with its addresses as links."""
    with_links = re.sub(r"https://\S*[^\s,.;]", r"<\g<0>>", source)
    return re.sub(r"doi:(\S*[^\s,.;])", lambda doi: f"[doi](https://doi.org/{quote(doi[1])})", with_links)


def _worked_examples(metrics: Iterable[Metric]) -> str:
    """Return a box that folds, with what each metric comes to by hand, by the inputs that they share."""
    values: dict[str, list[str]] = {}
    for metric in metrics:
        given = json.dumps(metric.example.given, ensure_ascii=False)
        values.setdefault(given, []).append(f"`{metric.name}` is {metric.example.value:.6g}")
    lines = [f"Given `{given}`:\n\n{', '.join(found)}." for given, found in values.items()]
    return '??? example "Worked examples"\n\n' + indent("\n\n".join(lines), "    ")


def _anchor(label: str) -> str:
    return label.lower().replace(" ", "-")


def _code_unless_prose(text: str) -> str:
    is_prose = " " in text or text == "none"
    return text if is_prose else f"`{text}`"


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def sample_sizes_table() -> str:
    """Return how many examples a threshold on a share needs, by the measured value and the margin."""
    head = ["measured", *(f"margin {margin:g}" for margin in MARGINS)]
    rows = [
        [f"{share:g}", *(f"{_examples_for_threshold(share, margin):,}" for margin in MARGINS)]
        for share in (0.8, 0.9, 0.95, 0.99)
    ]
    return _table(head, rows)


def paired_sample_sizes_table() -> str:
    """Return how many examples a limit on regression needs, by how often only one version is right."""
    head = ["only one is right", *(f"limit {margin:g}" for margin in MARGINS)]
    rows = [
        [f"{share:.0%}", *(f"{_examples_for_difference(share, limit):,}" for limit in MARGINS)]
        for share in (0.02, 0.05, 0.1, 0.18)
    ]
    return _table(head, rows)


def _examples_for_threshold(share: float, margin: float) -> int:
    """Return the smallest sample whose lower end of Wilson's interval is at most the margin below the share."""
    return bisect_left(range(MOST_EXAMPLES), True, lo=1, key=lambda size: _lower_end(share, size) >= share - margin)


def _lower_end(share: float, size: int) -> float:
    interval = wilson(share, size)
    return interval.lower if interval else -math.inf


def _examples_for_difference(share: float, limit: float) -> int:
    """Return the smallest paired sample for equal versions whose interval ends within the limit."""
    return math.ceil(size_for_limit(share / 2, share / 2, limit))


TABLES: dict[str, Callable[[], str]] = {
    "routes": routes_table,
    "errors": errors_table,
    "configuration": configuration_table,
    "commands": commands_table,
    "columns": columns_table,
    "events": events_table,
    "task-types": task_types_table,
    "metrics": metrics_table,
    "sample-sizes": sample_sizes_table,
    "paired-sample-sizes": paired_sample_sizes_table,
}
