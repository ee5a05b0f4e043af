"""`manage.py gate MODEL [VERSION]`: judge a version by its gate policy."""

import argparse
import io
import os
import sys
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from rest_framework.renderers import JSONRenderer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models_registry import task_types
from models_registry.api.errors import APIError
from models_registry.api.strict_json import parse_json
from models_registry.audit.context import escape_controls
from models_registry.registry.models import RegisteredModel, Version
from performance.comparisons.services import paired_intervals
from performance.formatting import format_consistently
from performance.gates.gate_input import RuleStatus
from performance.gates.policy import InvalidPolicyError, Policy, parse_policy
from performance.gates.policy_checks import validate_policy
from performance.gates.renderers import RENDERERS, measured_texts
from performance.gates.selectors import judge_version
from performance.gates.tables import verdict_table
from performance.gates.verdict import Verdict
from performance.management.lookup import find_model, find_version

NOT_JUDGED = 2  # the exit status
_STYLES = {RuleStatus.PASSED: "green", RuleStatus.FAILED: "red", RuleStatus.MISSING: "red"}


class Command(BaseCommand):
    """Judges a version. The exit status is the result."""

    requires_system_checks = ()  # they would import every view, which takes a third of the time
    help = (
        "Judge a version, by default the newest completed one, by the policy in force or by one in a file. Exit status "
        "0: the version passed, or there is no policy; 1: it failed; 2: it could not be judged, the settings are wrong "
        "or the verdict could not be written."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="such as mdl-7f3a19bc92")
        parser.add_argument("version", metavar="VERSION", nargs="?", help="such as ver-001a1")
        parser.add_argument("--policy", type=Path, metavar="FILE", help="judge by the policy in this JSON file")
        parser.add_argument("--format", choices=["table", "json", *RENDERERS], default="table")

    def handle(self, *, model: str, version: str | None, policy: Path | None, format: str, **options: object) -> None:
        """Judge the version and print the verdict."""
        if sys.stdout is None:
            raise CommandError("Standard output is closed.", returncode=NOT_JUDGED)
        try:
            found = _version(model, version)
            given = _policy(policy, found.model) if policy else None
            verdict = judge_version(found, policy=given, compare=paired_intervals)
        except APIError as error:
            raise CommandError(error.detail, returncode=NOT_JUDGED) from None
        except DatabaseError as error:
            raise CommandError(f"The database cannot be reached: {error}", returncode=NOT_JUDGED) from None
        self._write(_render(verdict, format).rstrip())
        if verdict.refuses:
            sys.exit(1)

    def _write(self, text: str) -> None:
        """Write and flush the text. Raises `CommandError`, or `SystemExit` if the reader has closed the pipe."""
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except UnicodeError as error:
            raise CommandError(f"The verdict cannot be written: {error}.", returncode=NOT_JUDGED) from None
        except OSError as error:
            # Python flushes the rest at exit. If that failed again, the exit status would be 120.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                sys.exit(NOT_JUDGED)
            raise CommandError(f"The verdict cannot be written: {error.strerror}.", returncode=NOT_JUDGED) from None


def _version(model_id: str, version_id: str | None) -> Version:
    """Return the version to judge. Raises `APIError` or `CommandError`."""
    model = find_model(model_id)
    if version_id is not None:
        version: Version | None = find_version(model, version_id)
    else:
        version = model.versions.select_related("model").completed().newest_first().first()
    if version is None:
        raise CommandError(f"{model.pk} has no completed version.", returncode=NOT_JUDGED)
    if version.state != Version.State.COMPLETED:
        raise CommandError(
            f"{version.version_id} is {version.state}; only a completed version can be judged.", returncode=NOT_JUDGED
        )
    return version


def _policy(file: Path, model: RegisteredModel) -> Policy:
    """Return the policy in a file. Raises `CommandError`."""
    try:
        policy = parse_policy(parse_json(file.read_bytes()))
        validate_policy(policy, [task_types.get(model.task_type)], model_id=model.pk)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", returncode=NOT_JUDGED) from None
    except InvalidPolicyError as error:
        raise CommandError(f"{file} is not a valid policy for this model. {error}", returncode=NOT_JUDGED) from None
    except ValueError as error:
        raise CommandError(f"{file} is not a JSON document: {error}.", returncode=NOT_JUDGED) from None
    return policy


def _render(verdict: Verdict, format: str) -> str:
    if format == "table":
        return _table(verdict)
    if format == "json":
        return bytes(JSONRenderer().render(verdict.as_document())).decode()
    return RENDERERS[format](verdict)


def _table(verdict: Verdict) -> str:
    title = f"{verdict.version_id} of {verdict.model_id}"
    output = io.StringIO()
    console = Console(file=output, width=120, force_terminal=sys.stdout.isatty())
    if verdict.rules:
        rules = verdict_table(verdict.as_document()["rules"])
        table = Table(title=title)
        for heading in rules.headers:
            table.add_column(heading.lower(), overflow="fold")
        for rule, cells in zip(verdict.rules, rules.rows, strict=True):
            table.add_row(*(escape(escape_controls(cell)) for cell in cells), style=_STYLES[rule.status])
        console.print(table)
    warnings = (f"Warning: {warning}" for warning in verdict.warnings)
    for text in (*measured_texts(verdict.as_document()), *warnings, *format_consistently([verdict.detail])):
        console.print(escape_controls(text), markup=False)
    return output.getvalue()
